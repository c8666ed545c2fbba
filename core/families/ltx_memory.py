"""Whether a segment of LTX-2 fits into memory, and what to lower when it does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import floor
from typing import Any

import comfy.model_management

from ..errors import SoundToVideoError
from ..plan import Plan, Segment
from ..timeline import frame_time, seconds_in_words

GIGABYTE = 1024**3
TOLERANCE = 2
SHORTEST_SECONDS = 2  # an overlap of 1 s and as much new
LATENT_VALUES = 128 / 32**2  # numbers of a latent for each pixel of a frame
BYTES_PER_FACTOR = 0.01 * 1024**2  # of comfy/model_base.py BaseModel.memory_required, with attention in one piece


def check_memory(model: Any, plan: Plan, width: int, height: int) -> None:
    """Raise when one step of the longest segment needs more than the whole device has, the weights not counted.

    The estimate is the host's own (``BaseModel.memory_required``) where attention does not hold its whole matrix. It is
    a generous one, so that only what is far beyond it is refused; what then does not fit is said when it happens.
    """
    device = model.load_device
    available: Any = comfy.model_management.get_total_memory(device)
    longest = max(plan.segments, key=lambda segment: segment.latent_count)
    value_size = comfy.model_management.dtype_size(model.model.get_dtype_inference())
    latent_bytes = width * height * LATENT_VALUES * value_size * BYTES_PER_FACTOR * model.model.memory_usage_factor
    needed = longest.latent_count * latent_bytes
    if needed > TOLERANCE * available:
        raise SoundToVideoError(
            f"{_segment(plan, longest)} at {width} x {height} needs about {needed / GIGABYTE:.1f} GB for the sampling "
            f"alone, {device} has {available / GIGABYTE:.1f} GB: "
            f"{_advice(plan, floor(available / latent_bytes))}"
        )


@contextmanager
def explained_out_of_memory(plan: Plan, segment: Segment) -> Iterator[None]:
    """Turns an out-of-memory error of the device into one that says what to lower."""
    try:
        yield
    except Exception as error:
        if not comfy.model_management.is_oom(error):
            raise
        advice = _advice(plan, segment.latent_count // 2)
        raise SoundToVideoError(f"out of memory in {_segment(plan, segment)}: {advice}") from error


def _segment(plan: Plan, segment: Segment) -> str:
    duration = frame_time(plan.grid.frame_count(segment.latent_count), plan.frame_rate)
    return f"a segment of {seconds_in_words(duration, 1)}"


def _advice(plan: Plan, latent_count: int) -> str:
    seconds = frame_time((latent_count - 1) * plan.grid.stride, plan.frame_rate)
    if seconds < SHORTEST_SECONDS:
        return "lower width and height."
    return f"set segment_seconds to {floor(seconds)} or less, or lower width and height."
