"""One measure in a process of its own: the pack and the host imported as the tests have them, time and peak memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULT = "RESULT "


def import_all(cuda: bool = False) -> Path:
    """Make the host importable, on the CPU or as it likes; return .dev/benchmarks, with its input, output and so on."""
    from sound_to_video.dev_support.host import DEV_DIRECTORY, import_host

    folder = DEV_DIRECTORY / "benchmarks"
    import_host(folder)
    if cuda:
        from comfy.cli_args import args

        args.cpu = False
    import torch

    torch.set_grad_enabled(False)  # as in the host's executor
    return folder


def in_a_fresh_process(measure: str, **options: Any) -> dict[str, Any]:
    """The result of ``measure`` (``module.function`` of this folder), called with ``options`` by a new Python.

    Raises:
        RuntimeError: it failed; the last lines of what it said.
    """
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), "--measure", measure, json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith(RESULT)]
    if done.returncode or not lines:
        raise RuntimeError(f"{measure}({options}) failed:\n" + "\n".join(done.stderr.splitlines()[-8:]))
    return json.loads(lines[-1].removeprefix(RESULT))


class Measured:
    """``with Measured() as measured``: then ``seconds``, ``cpu_seconds`` of all threads, and ``peak_bytes``.

    peak_bytes: by how much resident memory, at its highest, stood above where it began (Linux; None elsewhere).
    """

    seconds = cpu_seconds = 0.0
    peak_bytes: int | None = None

    def __enter__(self) -> Measured:
        self._resident = _reset_peak()
        self._cpu, self._clock = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        self.seconds = time.perf_counter() - self._clock
        self.cpu_seconds = time.process_time() - self._cpu
        self.peak_bytes = self.peak_so_far()

    def peak_so_far(self) -> int | None:
        return None if self._resident is None else max(0, _status("VmHWM") - self._resident)


def _reset_peak() -> int | None:
    """Resident bytes now, the kernel's high-water mark brought down to them; None where there is no /proc."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return _status("VmRSS")
    except OSError:
        return None


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def forget_file(path: Path) -> None:
    """Have the system drop a file from its cache, so that the next reading of it is a cold one."""
    if hasattr(os, "posix_fadvise"):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
