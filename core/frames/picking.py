"""One picture out of a VIDEO, reading no more of a file than the stretch around it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction

import comfy.model_management
import torch
from comfy_api.latest import Input
from torch import Tensor

from ..errors import SoundToVideoError, article
from ..timeline import Number, exact, rounded, seconds_in_words
from .source import FrameSource, source_of

WHICH = ("first", "last", "at seconds", "sharpest near seconds")
STEPS_BACK = (0, 1, 10)  # seconds in front of a picture that are read for it; where there is nothing, all
NEAR_SECONDS = Fraction(1, 2)  # to either side, where the sharpest is looked for


def picked(video: Input.Video, which: str, seconds: Number) -> Tensor:
    """The frame that one of ``WHICH`` means, ``[1, height, width, 3]``. seconds: for the last two.

    Raises SoundToVideoError for a time past the end, for what is no VIDEO with pictures, and for another ``which``.
    """
    if which == "first":
        return picture_at(video, 0)
    if which == "last":
        return picture_at(video, _length(video))
    if which == "at seconds":
        return picture_at(video, seconds)
    if which == "sharpest near seconds":
        return sharpest_picture_near(video, seconds)
    raise SoundToVideoError(f"there is no picture {which!r}: choose {', '.join(WHICH[:-1])} or {WHICH[-1]}.")


def picture_at(video: Input.Video, seconds: Number) -> Tensor:
    """The frame nearest to a time, ``[1, height, width, 3]``; at the end the last one.

    Raises SoundToVideoError for a time past the end, or what is no VIDEO with pictures.
    """
    length = _length(video)
    seconds = _checked(seconds, length)
    source = source_of(video)
    return _at_or_before(source, _number_at(source, seconds, length))


def sharpest_picture_near(video: Input.Video, seconds: Number) -> Tensor:
    """The sharpest frame within ``NEAR_SECONDS`` of a time, ``[1, height, width, 3]``; errors as ``picture_at``."""
    length = _length(video)
    seconds = _checked(seconds, length)
    source = source_of(video)
    centre = _number_at(source, seconds, length)
    first = _number_at(source, max(Fraction(0), seconds - NEAR_SECONDS), length)
    last = _number_at(source, min(length, seconds + NEAR_SECONDS), length)
    best, highest = None, (-1.0, False)
    for number, frame in enumerate(_watched(source.frames(first, last + 1)), first):
        found = sharpness(frame), number == centre  # of those that are as sharp the one that was asked for
        if found > highest:
            best, highest = frame[None], found
    return _at_or_before(source, centre) if best is None else best


def sharpness(frame: Tensor) -> float:
    """The variance of the Laplacian of a frame's luma ``[height, width, 3]``: high where edges are steep.

    Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy, ICPR 2000.
    """
    luma = frame.float() @ torch.tensor([0.299, 0.587, 0.114])
    edges = luma[1:-1, 1:-1] * 4 - luma[:-2, 1:-1] - luma[2:, 1:-1] - luma[1:-1, :-2] - luma[1:-1, 2:]
    return float(edges.var(correction=0)) if edges.numel() else 0.0


def _length(video: Input.Video) -> Fraction:
    if not isinstance(video, Input.Video):
        raise SoundToVideoError(f"video is {article(type(video).__name__)}, not a VIDEO: connect Load Video.")
    try:
        video.get_dimensions()
    except ValueError as error:
        raise SoundToVideoError("the video has no pictures: choose one that has.") from error
    length = exact(video.get_duration())
    if length <= 0:
        raise SoundToVideoError("the video is cut to nothing: its part begins after its end.")
    return length


def _checked(seconds: Number, length: Fraction) -> Fraction:
    seconds = exact(seconds, "seconds")
    if not 0 <= seconds <= length:
        raise SoundToVideoError(
            f"there is no frame at {seconds_in_words(seconds)}: the video lasts {seconds_in_words(length)}. "
            f"Choose {'first, or a time from 0 on' if seconds < 0 else 'last, or a time before that'}."
        )
    return seconds


def _number_at(source: FrameSource, seconds: Fraction, length: Fraction) -> int:
    """The number of the frame nearest to a time of a VIDEO of this length."""
    last = max(0, rounded(length * source.rate) - 1)
    return min(last, rounded(seconds * source.rate))


def _at_or_before(source: FrameSource, number: int) -> Tensor:
    """A frame, ``[1, height, width, 3]``; where the picture ends before it, as it may before its sound, the last."""
    for first in (*(max(0, number - rounded(seconds * source.rate)) for seconds in STEPS_BACK), 0):
        found = deque(_watched(source.frames(first, number + 1)), maxlen=1)
        if found:
            return found[0][None]
    raise SoundToVideoError("the VIDEO holds no frames.")


def _watched(frames: Iterator[Tensor]) -> Iterator[Tensor]:
    for frame in frames:
        comfy.model_management.throw_exception_if_processing_interrupted()
        yield frame
