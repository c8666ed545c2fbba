"""Footage under a sound: the frames that are shown at each frame of the clip, read as they are needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .footage_time import footage_frame, runs
from .images import levels_of, pictures_of
from .source import FrameSource

BACKWARD_BYTES = 192 << 20  # of frames held while footage is read backwards


@dataclass(frozen=True)
class Footage:
    """``count`` frames of a source from number ``first`` on, and what is shown once they are over."""

    source: FrameSource
    first: int
    count: int
    when_longer: str

    def frame_at(self, index: int) -> int:
        """The footage's frame, from 0, at frame ``index`` of the clip."""
        return footage_frame(index, self.count, self.when_longer)

    def frames(self, start: int, stop: int) -> Iterator[Tensor]:
        """What is shown at the clip's frames ``start ... stop - 1``, ``[height, width, 3]`` in 0..1."""
        return map(pictures_of, self.levels(start, stop))

    def levels(self, start: int, stop: int) -> Iterator[Tensor]:
        """As ``frames``, those of 8 bits as they are: uint8. Nobody may write into them."""
        for first, count, step in runs([self.frame_at(index) for index in range(start, stop)]):
            if step == 1:
                yield from self._read(first, first + count)
            elif step == 0:
                (frame,) = self._read(first, first + 1)
                yield from (frame for _ in range(count))
            else:
                yield from self._backwards(first, first - count)

    def _read(self, start: int, stop: int) -> Iterator[Tensor]:
        return self.source.levels(self.first + start, self.first + stop)

    def _backwards(self, start: int, stop: int) -> Iterator[Tensor]:
        """Frames ``start``, ``start - 1`` ... ``stop + 1``: read forwards, a stretch at a time."""
        at_once = max(1, BACKWARD_BYTES // (self.source.width * self.source.height * 3))
        while start > stop:
            low = max(stop + 1, start - at_once + 1)
            held = [(frame.dtype, _packed(frame)) for frame in self._read(low, start + 1)]
            yield from (frame if frame.dtype == dtype else pictures_of(frame) for dtype, frame in reversed(held))
            start = low - 1


def _packed(frame: Tensor) -> Tensor:
    """The frame in a byte a value, where nothing is lost by it."""
    levels = levels_of(frame)
    return levels if levels is frame or torch.equal(pictures_of(levels), frame) else frame
