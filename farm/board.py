"""What a person sees of a run: a line for each job that ended, what is under way, the time left, a table."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from .jobs import Job

LIVE_SECONDS = 0.25
WAITS = "waits"
STATES = ("done", "resumed", "there already", "failed", "not done")


@dataclass(frozen=True)
class _Ended:
    line: int
    name: str
    state: str
    seconds: float = 0.0
    why: str = ""


class Board:
    """Lines on ``stream``; every method may be called from any thread.

    state "resumed": done, with segments that an earlier run had finished.
    """

    def __init__(self, jobs: Sequence[Job], stream: TextIO | None = None):
        self.stream = stream or sys.stdout
        self.total = len(jobs)
        self.ended: dict[str, _Ended] = {}
        self.began = time.monotonic()
        self._names = {job.name: job.line for job in jobs}
        self._width = len(str(self.total))
        self._now: dict[str, tuple[float, str]] = {}
        self._live = self.stream.isatty()
        self._shown = 0.0
        self._lock = threading.RLock()

    def say(self, text: str) -> None:
        with self._lock:
            print(("\r\x1b[K" if self._live else "") + text, file=self.stream, flush=True)

    def there_already(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self.ended[job.name] = _Ended(job.line, job.name, "there already")
        if jobs:
            self.say(f"{len(jobs)} of {self.total} are there already.")
        self.began = time.monotonic()

    def under_way(self, job: Job, text: str) -> None:
        with self._lock:
            since, before = self._now.get(job.name, (time.monotonic(), WAITS))
            if before == WAITS:
                since = time.monotonic()
            self._now[job.name] = since, text
            if self._live and time.monotonic() - self._shown > LIVE_SECONDS:
                self._shown = time.monotonic()
                running = " · ".join(f"{name}: {text}" for name, (_, text) in list(self._now.items())[:3])
                self.stream.write(f"\r\x1b[K{self.progress()} · {running}"[:200])
                self.stream.flush()

    def done(self, job: Job, where: str, resumed: int = 0) -> None:
        state = "resumed" if resumed else "done"
        self._end(job, state, f"on {where}" + (f", {resumed} finished segments found" if resumed else ""))

    def failed(self, job: Job, why: str) -> None:
        self._end(job, "failed", why)

    def again(self, job: Job, why: str) -> None:
        with self._lock:
            self._now.pop(job.name, None)
            self.say(f"again   {job.name}: {why.splitlines()[0]}")

    def _end(self, job: Job, state: str, why: str) -> None:
        with self._lock:
            since, _ = self._now.pop(job.name, (time.monotonic(), ""))
            seconds = time.monotonic() - since
            self.ended[job.name] = _Ended(job.line, job.name, state, seconds, why)
            number = f"[{len(self.ended):{self._width}}/{self.total}]"
            self.say(f"{number} {state:7} {job.name}  {seconds:.1f} s  {why}{self._left()}")

    def _here(self) -> int:
        return sum(ended.state != "there already" for ended in self.ended.values())

    def _left(self) -> str:
        left, here = self.total - len(self.ended), self._here()
        if not left or not here:
            return ""
        return f"  · about {in_words(left * (time.monotonic() - self.began) / here)} left"

    def progress(self) -> str:
        return f"{len(self.ended)} of {self.total}{self._left()}"

    def table(self) -> str:
        """How many came to what end, and each that failed, with its line in the job file."""
        everything = [self.ended.get(name, _Ended(line, name, "not done")) for name, line in self._names.items()]
        states = [ended.state for ended in everything]
        counts = {state: states.count(state) for state in STATES}
        took = in_words(time.monotonic() - self.began)
        lines = [
            "",
            f"{self.total} clips in {took}",
            *(f"{count:8} {state}" for state, count in counts.items() if count),
        ]
        bad = [ended for ended in everything if ended.state == "failed"]
        lines += [f"  line {ended.line}, {ended.name}: {ended.why}" for ended in bad]
        return "\n".join(lines)

    @property
    def all_well(self) -> bool:
        good = ("done", "resumed", "there already")
        return len(self.ended) == self.total and all(ended.state in good for ended in self.ended.values())


def in_words(seconds: float) -> str:
    """``4 s``, ``3 min 20 s``, ``2 h 05 min``"""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
