"""Small pictures of a file of moving pictures, for a person to look at before anything runs."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from comfy_api.latest import InputImpl
from PIL import Image
from torch import Tensor

from ..errors import SoundToVideoError
from ..timeline import Number, exact, frame_time, rounded
from .images import levels_of
from .picking import STEPS_BACK
from .reading import FileFrames


class Footage:
    """What a file of moving pictures is, and its pictures at times: those that ``picking.picture_at`` gives.

    Raises SoundToVideoError for a file that has none.
    """

    def __init__(self, path: Path):
        self._file = FileFrames(InputImpl.VideoFromFile(str(path)))
        self.frame_rate = self._file.rate
        self.width, self.height = self._file.width, self._file.height
        self.frame_count = self._file.frame_count()

    @property
    def duration(self) -> Fraction:
        """Seconds."""
        return frame_time(self.frame_count, self.frame_rate)

    def pictures(self, times: Sequence[Number], size: tuple[int, int], most_seconds: float) -> list[Image.Image]:
        """One picture a time, in their order; times past the end show the last one.

        size: width and height.  most_seconds: that this may take; from then on the last that was found is shown again.
        Raises SoundToVideoError where that is over before there is any.
        """
        deadline = time.monotonic() + most_seconds
        found: list[Image.Image] = []
        for seconds in times:
            number = min(rounded(exact(seconds) * self.frame_rate), self.frame_count - 1)
            frame = None if found and time.monotonic() > deadline else self._frame(number, deadline)
            if frame is not None:
                found.append(_image(frame, size))
            elif found:
                found.append(found[-1])
            else:
                raise SoundToVideoError("the picture takes long to be found: run the node to see it.")
        return found

    def _frame(self, number: int, deadline: float) -> Tensor | None:
        """A frame ``[height, width, 3]``, or the last before it; None where time is over."""
        for first in (*(max(0, number - rounded(seconds * self.frame_rate)) for seconds in STEPS_BACK), 0):
            last = deque(
                _until(deadline, zip(range(first, number + 1), self._file.frames(first), strict=False)), maxlen=1
            )
            if last:
                return last[0][1]
            if time.monotonic() > deadline:
                return None
        raise SoundToVideoError("the video holds no picture there.")


def _until(deadline: float, frames: Iterable[tuple[int, Tensor]]) -> Iterator[tuple[int, Tensor]]:
    for frame in frames:
        yield frame
        if time.monotonic() > deadline:
            return


def _image(frame: Tensor, size: tuple[int, int]) -> Image.Image:
    """``[height, width, 3]`` -> a picture of that size."""
    return Image.fromarray(levels_of(frame).contiguous().numpy()).resize(size, Image.Resampling.BILINEAR)
