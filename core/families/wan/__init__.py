"""The Wan models that take audio."""
