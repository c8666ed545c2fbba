"""Key frames: pictures at times, which the clip is to show when they come and go over to until then."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count, pairwise
from typing import Any

import torch

from ..errors import SoundToVideoError, article
from ..plan import Plan
from ..timeline import Grid, Number, clip_frame_count, exact, frame_time, rounded, seconds_in_words
from .prompts import MOST_NOTES, MOST_TIMES, parse_time

FIRST, LAST = "first", "last"
ROOM_SECONDS = 3  # a segment should have as much before a key frame to get there


@dataclass(frozen=True)
class KeyFrame:
    """picture: ``[1, height, width, channels]``.  seconds: when; None: at the clip's last frame.  strength: 0 ... 1"""

    picture: torch.Tensor
    seconds: Fraction | None
    strength: float = 1.0

    def frame(self, duration: Number, frame_rate: Fraction) -> int | None:
        """The nearest frame of a clip as long as its sound of ``duration`` seconds; None where it is over by then."""
        count = clip_frame_count(duration, frame_rate)
        if self.seconds is None:
            return count - 1
        return min(count - 1, rounded(self.seconds * frame_rate)) if self.seconds <= exact(duration) else None

    @property
    def in_words(self) -> str:
        return "the end" if self.seconds is None else seconds_in_words(self.seconds)


def parse_times(text: str) -> list[Fraction | None]:
    """``first, 0:42, last``, apart by commas or lines, in seconds; None for the clip's last frame."""
    words = [word.strip() for word in re.split(r"[,;\n]", text) if word.strip()]
    return [_time(word) for word in words]


def _time(word: str) -> Fraction | None:
    if word.lower() == LAST:
        return None
    seconds = Fraction(0) if word.lower() == FIRST else parse_time(word)
    if seconds is None:
        raise SoundToVideoError(f"{word[:40]!a} is no time: write {FIRST}, {LAST}, or a time such as 0:42 or 12.5.")
    return seconds


def key_frames_of(pictures: torch.Tensor, text: str, strength: float, others: Any = None) -> tuple[KeyFrame, ...]:
    """The key frames of pictures ``[n, height, width, 3]`` at the times of a text, behind others.

    Raises where there are not as many times as pictures, and where two have the same.
    """
    times = parse_times(text)
    if len(times) != len(pictures):
        count = {1: "1 picture"}.get(len(pictures), f"{len(pictures)} pictures")
        raise SoundToVideoError(
            f"{count} and {'1 time' if len(times) == 1 else f'{len(times)} times'}: write a time for each picture, "
            f"in their order, such as {FIRST}, 0:42, {LAST}."
        )
    own = [KeyFrame(pictures[index : index + 1], time, strength) for index, time in enumerate(times)]
    together = (*checked_key_frames(others), *own)
    check_times(together, "give each its own time.")
    return together


def check_times(frames: Sequence[KeyFrame], advice: str) -> None:
    """Raise where two key frames have the same time."""
    times: set[Fraction | None] = set()
    for frame in frames:
        if frame.seconds in times:
            raise SoundToVideoError(f"two pictures are for {frame.in_words}: {advice}")
        times.add(frame.seconds)


def checked_key_frames(given: Any) -> tuple[KeyFrame, ...]:
    """What came over a link, none for None; raises for what Key Frames has not made."""
    if given is None:
        return ()
    if not isinstance(given, tuple) or not all(isinstance(entry, KeyFrame) for entry in given):
        raise SoundToVideoError(f"key_frames is {article(type(given).__name__)}: connect the node Key Frames.")
    return given


def in_words(frames: Sequence[KeyFrame]) -> str:
    """``3 pictures, at 0.00 s, 42.00 s, the end``: how the times were read."""
    times = [frame.in_words for frame in frames[:MOST_TIMES]]
    more = ["…"] if len(frames) > MOST_TIMES else []
    return f"{'1 picture' if len(frames) == 1 else f'{len(frames)} pictures'}, at {', '.join([*times, *more])}"


def shown_frames(frames: Sequence[KeyFrame], duration: Number, plan: Plan) -> list[tuple[int, KeyFrame]]:
    """The key frames that a plan shows, each with its frame; of an opening only those that come in it.

    duration: of the sound, in seconds.
    """
    found = [(frame.frame(duration, plan.frame_rate), frame) for frame in frames]
    return [(index, frame) for index, frame in found if index is not None and index < plan.frame_count]


def key_times(frames: Sequence[KeyFrame], duration: Number, frame_rate: Fraction) -> list[Fraction]:
    """The times of the frames that key frames are shown at, in seconds, those that the clip shows."""
    indices = (frame.frame(duration, frame_rate) for frame in frames)
    return [frame_time(index, frame_rate) for index in indices if index is not None]


def notes_on(frames: Sequence[KeyFrame], duration: Number, frame_rate: Fraction) -> list[str]:
    """A sentence for each key frame that a clip as long as its sound of ``duration`` seconds does not show."""
    late = [frame for frame in frames if frame.frame(duration, frame_rate) is None]
    notes = [
        f"The picture for {frame.in_words} is not shown: the clip ends at {seconds_in_words(duration)}."
        for frame in late[:MOST_NOTES]
    ]
    if len(late) > MOST_NOTES:
        notes[-1] = f"{len(late) - MOST_NOTES + 1} more pictures are not shown: the clip is over by then."
    return notes


def behind_pictures(
    prompts: Sequence[Number], times: Sequence[Number], frame_rate: Fraction, grid: Grid, overlap: int
) -> list[Number]:
    """The times of prompts, those with which a segment would begin right at a picture moved behind it.

    So the segment before comes to the picture, and the prompt's own goes on from it; the other way round the picture
    would be there at once, as after a cut.
    prompts, times (of key frames): in seconds.  overlap: latents that a segment knows at its start.
    """

    def start_at(frame: Number) -> int:
        return grid.first_frame(grid.nearest_start(frame, overlap))

    def next_start(frame: int) -> int:
        return next(start for later in count(frame + 1) if (start := start_at(later)) > frame)

    pictures = sorted(rounded(time * frame_rate) for time in times)

    def moved(prompt: Number) -> Number:
        start = first = start_at(prompt * frame_rate)
        for picture in pictures[bisect_left(pictures, start) :]:
            if picture >= next_start(start):
                break
            start = next_start(picture)
        return prompt if start == first else frame_time(start, frame_rate)

    return [moved(prompt) for prompt in prompts]


def with_room_before(times: Sequence[Number], plan_with: Callable[[Sequence[Fraction]], Plan]) -> Plan:
    """The plan in which a segment has ``ROOM_SECONDS`` or more to get to the picture at each time.

    times: seconds.  plan_with: the plan with further times at which a segment begins and goes on from the one before.
    A segment that would begin too shortly before a picture begins earlier. Where the one before it leaves no room for
    that, nothing is done.
    """
    wanted = sorted(exact(time) for time in times)
    borders: list[Fraction] = []
    plan = plan_with(borders)
    for _ in wanted:
        border = _border_before(plan, wanted, borders)
        if border is None:
            break
        borders.append(border)
        plan = plan_with(borders)
    return plan


def _border_before(plan: Plan, times: list[Fraction], borders: Sequence[Fraction]) -> Fraction | None:
    """Where the first segment that begins too shortly before a picture should begin; None where all have room.

    One that begins with its prompt, and not with one of ``borders``, begins there.
    """
    for before, segment in pairwise(plan.segments):
        start = plan.start_seconds(segment)
        index = bisect_left(times, start)
        has_room = index == len(times) or times[index] - start >= ROOM_SECONDS
        if has_room or segment.starts_afresh or segment.prompt_seconds not in (before.prompt_seconds, *borders):
            continue
        border = times[index] - ROOM_SECONDS
        for time in reversed(times[:index]):  # which then would come too shortly after the border
            border = min(border, time - ROOM_SECONDS) if time > border else border
        if border not in borders and border > plan.start_seconds(before) + ROOM_SECONDS / Fraction(2):
            return border
    return None
