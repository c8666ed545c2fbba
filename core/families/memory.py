"""Whether a segment fits into memory, and what to lower when it does not: for all families."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from math import floor
from typing import Any

import comfy.model_management

from ..errors import SoundToVideoError
from ..plan import Plan, Segment
from ..timeline import frame_time, seconds_in_words

GIGABYTE = 1024**3
TOLERANCE = 2
SHORTEST_SECONDS = 2  # an overlap of 1 s and as much new
BYTES_PER_FACTOR = 0.01 * 1024**2  # of comfy/model_base.py BaseModel.memory_required, with attention in one piece


class OutOfMemory(SoundToVideoError, comfy.model_management.OOM_EXCEPTION):
    """Out of memory, in our words; the host still sees it for what it is, and unloads its models (execution.py)."""


def check_memory(model: Any, plan: Plan, width: int, height: int, positions: Fraction) -> None:
    """Raise when one step of the longest segment needs more than the whole device has, the weights not counted.

    The estimate is the host's own (``BaseModel.memory_required``) where attention does not hold its whole matrix. It is
    a generous one, so that only what is far beyond it is refused; what then does not fit is said when it happens.

    positions: those of a latent that the estimate counts, for each pixel of a frame.
    """
    device = model.load_device
    available: Any = comfy.model_management.get_total_memory(device)
    longest = max(plan.segments, key=lambda segment: segment.latent_count)
    value_size = comfy.model_management.dtype_size(model.model.get_dtype_inference())
    latent_bytes = float(width * height * positions) * value_size * BYTES_PER_FACTOR * model.model.memory_usage_factor
    needed = longest.latent_count * latent_bytes
    if needed > TOLERANCE * available:
        raise SoundToVideoError(
            f"{_segment(plan, longest)} at {width} x {height} needs about {needed / GIGABYTE:.1f} GB for the sampling "
            f"alone, {device} has {available / GIGABYTE:.1f} GB: "
            f"{_advice(plan, floor(available / latent_bytes))}"
        )


@contextmanager
def explained_out_of_memory(plan: Plan, segment: Segment | None = None) -> Iterator[None]:
    """Turns an out-of-memory error into ``OutOfMemory``, which says what to lower.

    segment: the one that is sampled; None for what comes before, where pictures are encoded.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, OutOfMemory) or not _is_out_of_memory(error):
            raise
        if segment is None:
            raise OutOfMemory("out of memory before the first segment: lower width and height.") from error
        advice = _advice(plan, segment.latent_count // 2)
        raise OutOfMemory(f"out of memory in {_segment(plan, segment)}: {advice}") from error


def _is_out_of_memory(error: Exception) -> bool:
    """The device's memory, as the host tells it, or the machine's: torch has no class of its own for that."""
    return (
        comfy.model_management.is_oom(error)
        or isinstance(error, MemoryError)
        or (isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error))
    )


def _segment(plan: Plan, segment: Segment) -> str:
    duration = frame_time(plan.grid.frame_count(segment.latent_count), plan.frame_rate)
    return f"a segment of {seconds_in_words(duration, 1)}"


def _advice(plan: Plan, latent_count: int) -> str:
    seconds = frame_time((latent_count - 1) * plan.grid.stride, plan.frame_rate)
    if seconds < SHORTEST_SECONDS:
        return "lower width and height."
    return f"set segment_seconds to {floor(seconds)} or less, or lower width and height."
