"""How long a fuzzer goes on: a fixed small round in every run of the tests, or minutes of it on other seeds."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from random import Random
from typing import TypeVar

Case = TypeVar("Case")


class Round:
    """``cases`` of a fuzzer, in an order drawn from the seed.

    seed: of everything random.  minutes: for how long; 0 = ``most`` cases of each fuzzer.
    """

    def __init__(self, seed: int, minutes: float):
        self.seed, self.minutes = seed, minutes
        self.random = Random(seed)
        self._wrong: list[str] = []

    def some(self, cases: Iterable[Case], most: int) -> Iterator[Case]:
        drawn = list(cases)
        self.random.shuffle(drawn)
        end = time.monotonic() + 60 * self.minutes
        for count, case in enumerate(drawn):
            if (count >= most) if not self.minutes else (time.monotonic() > end):
                return
            yield case

    def repeated(self, most: int) -> Iterator[int]:
        """Numbers from 0 on: ``most`` of them, or as many as the minutes hold."""
        end = time.monotonic() + 60 * self.minutes
        count = 0
        while (count < most) if not self.minutes else (time.monotonic() < end):
            yield count
            count += 1

    def is_wrong(self, what: str) -> None:
        """A finding: told at once, as the round may go on for an hour."""
        self._wrong.append(what)
        self.tell(what)

    def assert_nothing_is_wrong(self, ran: int) -> None:
        assert not self._wrong, f"{len(self._wrong)} of {ran} (seed {self.seed}):\n" + "\n".join(self._wrong)

    def tell(self, text: str) -> None:
        """A line for the person who waits for a long round (pytest shows it with ``-s``, and beside a failure)."""
        sys.stdout.write(f"{text}, seed {self.seed}\n")
        sys.stdout.flush()
