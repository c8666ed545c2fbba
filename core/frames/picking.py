"""One picture out of a VIDEO, reading no more of a file than the stretch around it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, islice

import comfy.model_management
import torch
from comfy_api.latest import Input, InputImpl
from torch import Tensor

from ..errors import SoundToVideoError, article
from ..timeline import Number, exact, rounded, seconds_in_words
from .reading import FrameStream, frames_of

WHICH = ("first", "last", "at seconds", "sharpest near seconds")
STEPS_BACK = (1, 10)  # seconds that are read in front of a picture, and where there is nothing, all
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
    seconds = exact(seconds, "seconds")
    if not 0 <= seconds <= length:
        raise SoundToVideoError(
            f"there is no frame at {seconds_in_words(seconds)}: the video lasts {seconds_in_words(length)}. "
            f"Choose {'first, or a time from 0 on' if seconds < 0 else 'last, or a time before that'}."
        )
    stream = frames_of(video, 1)
    number = rounded(seconds * stream.frame_rate)
    if isinstance(video, InputImpl.VideoFromFile):  # up to the next frame: some files' clocks tick with the frames
        return _last_before(video, min(length, (number + 1) / stream.frame_rate))
    return next(_from(stream, min(stream.frame_count - 1, number)))[None]


def sharpest_picture_near(video: Input.Video, seconds: Number) -> Tensor:
    """The sharpest frame within ``NEAR_SECONDS`` of a time, ``[1, height, width, 3]``; errors as ``picture_at``."""
    best = picture_at(video, seconds)
    highest = sharpness(best[0])
    for frame in _near(video, exact(seconds)):
        found = sharpness(frame)
        if found > highest:
            highest, best = found, frame[None]
    return best


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


def _last_before(video: InputImpl.VideoFromFile, end: Fraction) -> Tensor:
    """The last frame that is seen before a time."""
    for seconds in STEPS_BACK:
        if seconds < end:
            try:
                return _last_of(_stretch(video, end - seconds, end))
            except SoundToVideoError:  # the picture ends earlier than the sound: further back
                continue
    return _last_of(_stretch(video, Fraction(0), end))


def _last_of(video: Input.Video) -> Tensor:
    (frame,) = deque(_frames(frames_of(video, 1)), maxlen=1)
    return frame[None]


def _near(video: Input.Video, seconds: Fraction) -> Iterator[Tensor]:
    start, stop = max(Fraction(0), seconds - NEAR_SECONDS), min(_length(video), seconds + NEAR_SECONDS)
    if isinstance(video, InputImpl.VideoFromFile):
        try:
            return _frames(frames_of(_stretch(video, start, stop), 1))
        except SoundToVideoError:  # the picture ends earlier than the sound
            return iter(())
    stream = frames_of(video, 1)
    first = rounded(start * stream.frame_rate)
    return islice(_from(stream, first), rounded(stop * stream.frame_rate) - first + 1)


def _stretch(video: InputImpl.VideoFromFile, start: Fraction, stop: Fraction) -> InputImpl.VideoFromFile:
    """From one time of the VIDEO to another, in its own trim."""
    begin, _ = video.get_active_trim_window()
    return InputImpl.VideoFromFile(
        video.get_stream_source(), start_time=float(exact(begin) + start), duration=float(stop - start)
    )


def _frames(stream: FrameStream) -> Iterator[Tensor]:
    for frame in chain.from_iterable(stream.groups):
        comfy.model_management.throw_exception_if_processing_interrupted()
        yield frame[..., :3]


def _from(stream: FrameStream, number: int) -> Iterator[Tensor]:
    return islice(_frames(stream), number, None)
