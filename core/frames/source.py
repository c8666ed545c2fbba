"""Frames a to b of any VIDEO, read when they are asked for: what a clip over footage reads again and again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any

import torch
from comfy_api.latest import Input, InputImpl
from torch import Tensor

from ..audio import Audio, audio_from, file_stamp
from ..errors import SoundToVideoError, article
from . import host_edits
from .images import check_frames, pictures_of
from .reading import FileFrames


class FrameSource(ABC):
    """Frames ``[height, width, 3]`` float32 in 0..1, ``rate`` of them a second, from any one on."""

    rate: Fraction
    width: int
    height: int

    @property
    def audio(self) -> Audio | None:
        """The VIDEO's own sound, from its first frame on; raises SoundToVideoError where there is one that cannot be
        had. Looked at only when it is asked for."""
        return None

    def frames(self, start: int, stop: int) -> Iterator[Tensor]:
        """Frames ``start ... stop - 1`` in order, fewer where there are no more; in the memory of a few.

        Raises SoundToVideoError: a file was changed since the source was made.
        """
        return map(pictures_of, self.levels(start, stop))

    @abstractmethod
    def levels(self, start: int, stop: int) -> Iterator[Tensor]:
        """As ``frames``, those of 8 bits as they are: uint8. Nobody may write into them."""


def source_of(video: Any) -> FrameSource:
    """The frames of a VIDEO; raises SoundToVideoError for what is none, or has no pictures."""
    if not isinstance(video, Input.Video):
        raise SoundToVideoError(f"expected a VIDEO, got {article(type(video).__name__)}: connect Load Video.")
    if hasattr(video, "stream_frames"):
        return _Streamed(video)
    if host_edits.is_known(video):
        return _File(video)
    components = video.get_components()
    return TensorFrames(components.images, Fraction(components.frame_rate), components.audio)


def image_or_source(given: Any) -> Any:
    """A VIDEO as footage that is read when asked, anything else, such as an IMAGE, as it is."""
    return source_of(given) if isinstance(given, Input.Video) else given


def images_between(frames: Tensor | FrameSource, start: int, stop: int) -> Tensor:
    """Frames ``start ... stop - 1``, ``[n, height, width, 3]``, of an IMAGE or of footage that is read as asked."""
    if isinstance(frames, Tensor):
        return frames[start:stop]
    found = list(frames.frames(start, stop))
    return torch.stack(found) if found else torch.zeros([0, frames.height, frames.width, 3])


class TensorFrames(FrameSource):
    """Frames that are in memory: an IMAGE ``[n, height, width, 3]``; further channels are left out."""

    def __init__(self, images: Tensor, rate: Fraction, audio: Any = None):
        check_frames(images, "footage")
        self._images, self.rate = images, rate
        self.height, self.width = images.shape[1:3]
        self._audio = audio

    @property
    def audio(self) -> Audio | None:
        return audio_from(self._audio) if self._audio else None

    def levels(self, start: int, stop: int) -> Iterator[Tensor]:
        for image in self._images[max(0, start) : stop]:
            yield image[..., :3].float().cpu()


class _File(FrameSource):
    """A file on disk or in memory: opened anew, near the first frame asked for, each time."""

    def __init__(self, video: InputImpl.VideoFromFile):
        self._file = FileFrames(video)
        self.rate, self.width, self.height = self._file.rate, self._file.width, self._file.height
        self._path = Path(self._file.source) if isinstance(self._file.source, str) else None
        self._stamp = file_stamp(self._path) if self._path else None

    @property
    def audio(self) -> Audio | None:
        return self._file.audio

    def levels(self, start: int, stop: int) -> Iterator[Tensor]:
        if self._path and file_stamp(self._path) != self._stamp:
            raise SoundToVideoError(f"the footage {self._path.name} was changed or moved: run the sampler again.")
        return islice(self._file.frames(start), max(0, stop - start))


class _Streamed(FrameSource):
    """A VIDEO that decodes as it goes, from its beginning: reading on is cheap, going back by two or more begins again.

    The last frame is kept: who reads window after window often needs the one in front of a window, too.
    """

    def __init__(self, video: Any):
        self._video = video
        self.width, self.height = video.get_dimensions()
        self.rate = video.get_frame_rate()
        # How many frames were read, the last of them, and the rest.
        self._left: tuple[int, Tensor | None, Iterator[Any] | None] = (0, None, None)

    @property
    def audio(self) -> Audio | None:
        return getattr(self._video, "audio", None)

    def levels(self, start: int, stop: int) -> Iterator[Tensor]:
        if start >= stop:
            return
        position, last, stream = self._left
        if stream is None or start < position - 1:
            position, last, stream = 0, None, chain.from_iterable(self._video.stream_frames())
        self._left = 0, None, None  # who reads beside this one begins anew
        if last is not None and start == position - 1:
            if position == stop:
                self._left = position, last, stream
            yield last
            if position == stop:
                return
        for frame in stream:
            position += 1
            last = torch.as_tensor(frame)[..., :3]
            if position == stop:
                self._left = position, last, stream
            if position > start:
                yield last
            if position >= stop:
                return
