"""MiniMax H3."""
