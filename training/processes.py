"""Who takes part in a training; touches neither the host nor torch."""

import os

PROCESS, PROCESSES = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
"""Which of how many that train together (``torchrun``) this process is."""
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
CORES = max(1, CORES // PROCESSES)
