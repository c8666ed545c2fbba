"""What `dev.py`, the tests and the benchmarks share; no part of the pack that users run."""
