"""Which picture of a reference image belongs to which segment: one picture a shot."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..plan import Plan, Segment
from ..tensors import no_tensor
from ..timeline import Number
from .prompts import cut_times, first_time


@dataclass(frozen=True)
class ShotPictures:
    """``count`` pictures for the shots that begin at ``times`` (seconds, in order).

    The first shot has the first picture from the clip's start on, whatever its time; the last picture is also that of
    all shots beyond.
    """

    count: int
    times: tuple[Fraction, ...]

    def number(self, segment: Segment) -> int:
        """Which picture is the segment's, from 0."""
        shot = max(0, bisect_right(self.times, segment.prompt_seconds) - 1)
        return max(0, min(self.count - 1, shot))

    def shown(self, plan: Plan) -> list[int]:
        """The pictures that the segments of a plan need."""
        return sorted({self.number(segment) for segment in plan.segments})

    def notes(self, duration: Number) -> list[str]:
        """What is said of several pictures that are not as many as a clip of ``duration`` seconds has shots."""
        shots = max(1, bisect_left(self.times, duration))
        if self.count > 1 and self.count < shots:
            return [f"{self.count} pictures, {shots} shots: the last picture is shown from shot {self.count} on."]
        if self.count > shots and self.count > 1:
            return [
                f"{self.count} pictures, {'1 shot' if shots == 1 else f'{shots} shots'}: picture {shots + 1} and later "
                f"are not shown. Prompt Timeline makes a shot of every line, with cuts at every prompt."
            ]
        return []


def shot_pictures(images: Any, positive: list, negative: list, times: list[Fraction] | None = None) -> ShotPictures:
    """The pictures ``[n, height, width, 3]`` of a scene for its shots.

    positive, negative: the host's CONDITIONING.  times: at which shots begin; None: at the start, and with each cut.
    """
    if times is None:
        times = sorted({first_time(positive, negative), *cut_times(positive, negative)})
    count = len(images) if no_tensor(images) is None and images.ndim else 0
    return ShotPictures(count, tuple(times))
