"""The host's sampler, and what is kept of its runs."""
