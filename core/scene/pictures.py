"""Which picture of a reference image belongs to which segment: one picture a shot.

Shots begin with cuts; without cuts, with the lines of a Prompt Timeline.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..plan import Segment
from ..tensors import no_tensor
from ..timeline import Number, seconds_in_words
from .key_frames import KeyFrame
from .prompts import MOST_TIMES, cut_times, first_time, start_times


@dataclass(frozen=True)
class ShotPictures:
    """``count`` pictures for the shots that begin at ``times`` (seconds, in order).

    The first shot has the first picture from the clip's start on, whatever its time; the last picture is also that of
    all shots beyond.
    as_key_frames: without cuts, the clip comes to every further picture at the time of its shot, and goes on from it.
    """

    count: int
    times: tuple[Fraction, ...]
    as_key_frames: bool = False

    def number(self, segment: Segment) -> int:
        """Which picture is the segment's, from 0."""
        shot = max(0, bisect_right(self.times, segment.prompt_seconds) - 1)
        return max(0, min(self.count - 1, shot))

    def shown(self, segments: Iterable[Segment]) -> list[int]:
        """The pictures that segments need."""
        return sorted({self.number(segment) for segment in segments})

    def shots(self, duration: Number) -> int:
        """How many shots a clip of ``duration`` seconds has."""
        return max(1, bisect_left(self.times, duration))

    def key_frames(self, images: Any, duration: Number) -> tuple[KeyFrame, ...]:
        """The pictures of ``images`` that a clip of ``duration`` seconds comes to at the times of their shots."""
        stop = min(self.count, self.shots(duration)) if self.as_key_frames else 0
        return tuple(KeyFrame(images[number : number + 1], self.times[number]) for number in range(1, stop))

    def notes(self, duration: Number) -> list[str]:
        """What is done with several pictures where it is not one a shot from its cut on, for ``duration`` seconds."""
        shots = self.shots(duration)
        if self.count <= 1:
            return []
        notes = [self._comings(min(self.count, shots))] if self.as_key_frames and shots > 1 else []
        if self.count < shots and self.as_key_frames:
            notes.append(f"{self.count} pictures, {shots} lines: from line {self.count} on the clip goes on by itself.")
        elif self.count < shots:
            notes.append(f"{self.count} pictures, {shots} shots: the last picture is shown from shot {self.count} on.")
        elif self.count > shots:
            notes.append(
                f"{self.count} pictures, {'1 shot' if shots == 1 else f'{shots} shots'}: picture {shots + 1} and later "
                f"are not shown. Prompt Timeline makes a shot of every line."
            )
        return notes

    def _comings(self, stop: int) -> str:
        said = range(1, min(stop, 1 + MOST_TIMES))
        comings = [f"picture {number + 1} at {seconds_in_words(self.times[number])}" for number in said]
        more = ["…"] if stop > 1 + MOST_TIMES else []
        return f"Without cuts the clip comes to {', '.join([*comings, *more])}: key frames at the times of their lines."


def shot_pictures(images: Any, positive: list, negative: list, as_key_frames: bool = False) -> ShotPictures:
    """The pictures ``[n, height, width, 3]`` of a scene for its shots.

    positive, negative: the host's CONDITIONING.
    as_key_frames: whether, without cuts, the clip is to come to pictures by key frames.
    """
    count = len(images) if no_tensor(images) is None and images.ndim else 0
    cuts = cut_times(positive, negative)
    if cuts:
        return ShotPictures(count, tuple(sorted({first_time(positive, negative), *cuts})))
    return ShotPictures(count, tuple(start_times(positive)), as_key_frames)
