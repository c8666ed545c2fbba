"""Long steps on the terminal: one line while a step runs, and a useful page when it fails (standard library only)."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path


class StepFailed(Exception):
    """A step did not work: ``step`` says which, ``why`` what happened, ``cure`` what the user can do."""

    def __init__(self, step: str, why: str, cure: str):
        super().__init__(f"{step}: {why}")
        self.step, self.why, self.cure = step, why, cure

    def page(self) -> str:
        return f"\nFailed while: {self.step}\nWhy:          {self.why}\nWhat to do:   {self.cure}"


def exit_code_of(command: Callable[[], int]) -> int:
    """Run ``command``; what stops it becomes a page for the user and an exit code."""
    try:
        return command()
    except StepFailed as failed:
        print(failed.page(), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


class Progress:
    """One line of a step: rewritten in place on a terminal, written again every 15 s into a log."""

    def __init__(self, text: str):
        self.text = text
        self.started = time.monotonic()
        self._last = 0.0
        self._live = sys.stdout.isatty()
        self._write(f"{text} …")

    def _write(self, line: str, end: bool = False) -> None:
        if self._live:
            print(f"\r\x1b[K{line}", end="\n" if end else "", flush=True)
        else:
            print(line, flush=True)
        self._last = time.monotonic()

    def tick(self, detail: str = "") -> None:
        """Say that the step still goes on, with ``detail``; cheap to call often."""
        now = time.monotonic()
        if now - self._last >= (0.25 if self._live else 15):
            self._write(f"{self.text} … {now - self.started:.0f} s{'  ' + detail if detail else ''}")

    def done(self, result: str = "done") -> None:
        self._write(f"{self.text}: {result} ({time.monotonic() - self.started:.1f} s)", end=True)


def run_logged(
    text: str, command: Sequence[str | Path], log: Path, cure: str, environment: dict[str, str] | None = None
) -> None:
    """Run ``command`` behind a progress line, its output in ``log``.

    Raises StepFailed: it could not be started, or ended with another code than 0; ``why`` holds the log's last lines.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    progress = Progress(text)
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
            )
        except OSError as error:
            raise StepFailed(text, f"could not start {command[0]}: {error}", cure) from error
        try:
            while process.poll() is None:
                progress.tick()
                time.sleep(0.1)
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        tail = "\n  ".join(log.read_text("utf-8", "replace").splitlines()[-15:])
        raise StepFailed(text, f"it ended with code {process.returncode}; the last lines of {log}:\n  {tail}", cure)
    progress.done()
