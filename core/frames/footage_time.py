"""Which frame of the footage is shown at each frame of a clip over it, also where the sound is longer.

A *step* is how many frames of the clip there are for each frame that is sampled: 2 where every second is, 6/5 where a
model makes 25 a second and the footage has 30, less than 1 where it has fewer than the model makes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import ceil, floor

from ..timeline import Number, exact, frame_rate_in_words, rounded

WHEN_LONGER = ("hold", "forth and back", "loop", "stop")
FASTEST_SAMPLED = 32  # frames a second: beyond it every second (third ...) frame is sampled
BLENDED_STEP = 2  # from here on frames between sampled ones are blended; below the nearest one in time is shown


def footage_frame(index: int, count: int, when_longer: str) -> int:
    """The frame, of ``count``, that is shown at frame ``index`` of the clip.

    when_longer: one of WHEN_LONGER; ``stop`` ends the clip with the footage, until then all are the same.
    """
    if index < count or when_longer in ("hold", "stop"):
        return min(index, count - 1)
    if when_longer == "loop":
        return index % count
    period = max(1, 2 * (count - 1))
    index %= period
    return min(index, period - index)


def jumps(clip_frames: int, count: int, when_longer: str, cuts: Sequence[int]) -> list[int]:
    """The clip's frames at which another scene begins.

    cuts: frames of the footage with which one begins; gone through backwards it ends there. A loop begins anew.
    """
    at_cut, found, before = set(cuts), [], 0
    for index in range(1, clip_frames):
        shown = footage_frame(index, count, when_longer)
        if abs(shown - before) > 1 or (shown != before and max(shown, before) in at_cut):
            found.append(index)
        before = shown
    return found


def runs(indices: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Indices as stretches that are read in one go: ``(first, count, step)`` with a step of 1, 0 or -1."""
    start = 0
    while start < len(indices):
        stop = start + 1
        step = indices[stop] - indices[start] if stop < len(indices) else 1
        if step not in (1, 0, -1):
            step = 1
        while stop < len(indices) and indices[stop] - indices[stop - 1] == step:
            stop += 1
        yield indices[start], stop - start, step
        start = stop


def frame_step(frame_rate: Number) -> int:
    """Of how many frames one is sampled, so that no more than FASTEST_SAMPLED a second are."""
    return max(1, -(-exact(frame_rate) // FASTEST_SAMPLED))


def sampled_frame(number: int, step: Number) -> int:
    """The clip's frame that is nearest in time to sampled frame ``number``."""
    return rounded(number * exact(step))


def frames_of_sampled(number: int, step: Number) -> range:
    """The clip's frames from a sampled frame's time up to the next one's, both rounded outwards."""
    start = floor(number * exact(step))
    return range(start, max(start + 1, ceil((number + 1) * exact(step))))


def sampled_at(index: int, step: Number) -> tuple[int, Fraction]:
    """The sampled frame that is shown at the clip's frame ``index``, and how much of the next one is blended in."""
    place = Fraction(index) / exact(step)
    if step < BLENDED_STEP:
        return rounded(place), Fraction(0)
    return floor(place), place - floor(place)


def step_in_words(frame_rate: Fraction, step: Number | None = None) -> str | None:
    """What is done with footage of another rate than is sampled; None where nothing is.

    step: ``frame_step`` where none is given.
    """
    step = frame_step(frame_rate) if step is None else exact(step)
    if step == 1:
        return None
    if step != rounded(step):
        how = "blended in between" if step > BLENDED_STEP else "each frame shows the one nearest in time"
        return (
            f"{frame_rate_in_words(frame_rate)}: the mouth is sampled at {frame_rate_in_words(frame_rate / step)}, "
            f"{how}; the picture keeps all of its frames"
        )
    which = {2: "second", 3: "third"}.get(rounded(step), f"{step}th")
    return (
        f"{frame_rate_in_words(frame_rate)}: the mouth is sampled in every {which} frame and blended in between; "
        f"the picture keeps all of its frames"
    )
