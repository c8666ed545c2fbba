"""Writing a clip: frames and sound in, one file out, each encoded once, in the memory of a group of frames."""

import errno
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, cast

import av
import numpy as np
import torch
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import (
    ColorPrimaries,
    ColorRange,
    Colorspace,
    ColorTrc,
    Interpolation,
    VideoReformatter,
)
from av.video.stream import VideoStream
from torch import Tensor

from ..audio import Audio
from ..errors import SoundToVideoError
from ..frames.images import no_numbers, pictures_of
from .formats import DEFAULT_QUALITY, FORMATS, QUALITIES, ClipFormat
from .names import partial_name
from .other_side import FromSource, from_source, told
from .sound_track import SoundTrack

os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder's only switch for its console output: errors

# A sample of colour is the mean of the pixels that it stands for: what core/frames/reading.py gave them comes back.
# The flag is libswscale's SWS_FULL_CHR_H_INP: the same result in less time.
COLOUR_OF_THE_MEAN = int(Interpolation.AREA) | 0x4000
FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_clip(
    path: str | Path | Iterator[Path],
    frames: Iterable[Tensor],
    frame_rate: Fraction,
    audio: Audio | None = None,
    format: str | ClipFormat = "mp4 (H.264)",
    quality: str = DEFAULT_QUALITY,
    metadata: dict[str, Any] | None = None,
    on_frames: Callable[[int], None] | None = None,
    crf: float | None = None,
    preset: str | None = None,
) -> Path:
    """Write ``path`` from groups of frames ``[n, H, W, 3]``, in 0..1 or uint8, frame i shown at i / frame_rate.

    ``path``: a file, replaced where it is there already; or names to choose from, of which the first free one is taken,
    also where others write at the same time. ``format``: a key of FORMATS, or one like them; ``quality``: one of
    QUALITIES, or ``crf`` for the encoder's own scale; ``preset``: x264's. ``metadata``: texts,
    or values kept as JSON (prompt, workflow). ``on_frames(n)`` is called after each group with the frames
    written so far; what it raises ends the writing.

    Sound sample j is heard at j / sample_rate: the priming of the encoder is marked in the container. Sound that goes
    on for more than half a frame after the last one is cut there.

    The file appears under its name when it is whole; on any error nothing is left. Raises SoundToVideoError: frames
    that no encoder takes (odd size, alpha, NaN, none at all), a full disk, a folder that cannot be written to.
    """
    names = iter([Path(path)]) if isinstance(path, (str, Path)) else path
    first = next(names)
    partial = first.with_name(partial_name(first, secrets.token_hex(4)))
    clip_format = FORMATS[format] if isinstance(format, str) else format
    options = _quality(clip_format, quality, crf, preset)
    try:
        with _disk_errors(first):
            _write(partial, frames, frame_rate, audio, clip_format, options, metadata, on_frames)
            if isinstance(path, (str, Path)):
                partial.replace(first)
                return first
            return _settled(partial, chain([first], names))
    except FromSource as stopped:
        raise stopped.error  # noqa: B904  what happened on the other side, as it was
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _settled(partial: Path, names: Iterable[Path]) -> Path:
    """Give the finished file the first name that is free; several workers may write into one folder."""
    for name in names:
        try:
            try:
                os.link(partial, name)  # fails where somebody was faster, unlike a rename
            except FileExistsError:
                raise
            except OSError:  # a file system without links
                os.close(os.open(name, os.O_CREAT | os.O_EXCL))
                os.replace(partial, name)
        except FileExistsError:
            continue
        return name
    raise AssertionError("unreachable: the names have no end")


def _quality(clip_format: ClipFormat, quality: str, crf: float | None, preset: str | None) -> dict[str, str]:
    chosen = {"preset": preset} if preset and clip_format.video_codec == "libx264" else {}
    if crf is not None and clip_format.quality_option == "crf":
        return {**chosen, "crf": str(crf)}
    return {**chosen, clip_format.quality_option: clip_format.quality_values[QUALITIES.index(quality)]}


def _write(
    path: Path,
    frames: Iterable[Tensor],
    frame_rate: Fraction,
    audio: Audio | None,
    clip_format: ClipFormat,
    quality: dict[str, str],
    metadata: dict[str, Any] | None,
    on_frames: Callable[[int], None] | None,
) -> None:
    groups = from_source(frames)
    first = next(groups, None)
    if first is None or len(first) == 0:
        raise SoundToVideoError("there are no frames to write.")
    with path.open("w+b") as file, _container(file, path, clip_format) as output:
        for key, value in (metadata or {}).items():
            output.metadata[key] = value if isinstance(value, str) else json.dumps(value)
        picture = _PictureTrack(output, clip_format, first, frame_rate, quality)
        sound = SoundTrack(output, audio, clip_format) if audio else None
        group: Tensor | None = first
        while group is not None:
            picture.write(group)
            if sound:
                sound.write_until(picture.seconds)
            if on_frames:
                told(on_frames, picture.count)
            group = next(groups, None)
        picture.finish()
        if sound:
            sound.finish(picture.seconds, Fraction(1, 2) / frame_rate)


def _container(file: BinaryIO, path: Path, clip_format: ClipFormat) -> OutputContainer:
    """The file is ours, so that it is closed whatever happens: libav keeps its own open when a disk is full at once."""

    def reopened(url: str, flags: int, options: dict) -> BinaryIO:
        return path.open("rb")  # for "faststart", which moves the index to the front

    return av.open(file, "w", format=clip_format.container, options=clip_format.container_options, io_open=reopened)


class _PictureTrack:
    """Frames to packets. Colours are BT.709, limited range, converted so and tagged so: untagged ones (core's) are
    converted by BT.601 and shown by most players, from 720 lines on, as BT.709."""

    def __init__(
        self,
        output: OutputContainer,
        clip_format: ClipFormat,
        first: Tensor,
        frame_rate: Fraction,
        quality: dict[str, str],
    ):
        self.count = 0
        self._output = output
        self._format = clip_format
        self._rate = frame_rate.limit_denominator(1 << 16)
        self._shape = tuple(first.shape[1:])
        height, width = self._check_shape()
        options = {**clip_format.video_options, **quality}
        self._stream = cast(VideoStream, output.add_stream(clip_format.video_codec, rate=self._rate, options=options))
        context = self._stream.codec_context
        context.width, context.height = width, height
        context.pix_fmt = clip_format.pixel_format
        context.time_base = 1 / self._rate
        context.thread_type = "AUTO"
        context.colorspace = Colorspace.ITU709
        context.color_range = ColorRange.MPEG
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        if clip_format.codec_tag:
            context.codec_tag = clip_format.codec_tag
        self._reformatter = VideoReformatter()
        self._top = 65535 if clip_format.is_10_bit else 255
        self._scaled = np.empty(self._shape, np.float32)
        self._levels = np.empty(self._shape, "<u2" if clip_format.is_10_bit else np.uint8)

    @property
    def seconds(self) -> Fraction:
        return self.count / self._rate

    def write(self, group: Tensor) -> None:
        """``group``: [n, H, W, 3]."""
        if tuple(group.shape[1:]) != self._shape:
            shapes = f"{list(group.shape[1:])}, not {list(self._shape)}"
            raise SoundToVideoError(f"frame {self.count} has another shape than the first: {shapes}.")
        for frame in group:
            self._output.mux(self._stream.encode(self._converted(frame)))
            self.count += 1

    def finish(self) -> None:
        self._output.mux(self._stream.encode(None))

    def _converted(self, frame: Tensor) -> VideoFrame:
        # In NumPy, on one core: the others encode.
        if frame.dtype == torch.uint8 and not self._format.is_10_bit:
            levels = frame.contiguous().numpy()
        else:
            levels = self._rounded(pictures_of(frame))
        picture = VideoFrame.from_ndarray(levels, format="rgb48le" if self._format.is_10_bit else "rgb24")
        picture = self._reformatter.reformat(
            picture,
            format=self._format.pixel_format,
            src_color_range=ColorRange.JPEG,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            dst_color_trc=ColorTrc.BT709,
            dst_color_primaries=ColorPrimaries.BT709,
            interpolation=COLOUR_OF_THE_MEAN,
        )
        picture.pts = self.count
        picture.time_base = 1 / self._rate
        picture.duration = 1
        return picture

    def _rounded(self, frame: Tensor) -> np.ndarray:
        np.multiply(frame.detach().float().cpu().numpy(), self._top, out=self._scaled)
        if np.isnan(self._scaled.sum()):
            raise no_numbers(self.count)
        np.clip(np.add(self._scaled, 0.5, out=self._scaled), 0, self._top, out=self._scaled)
        self._levels[...] = self._scaled
        return self._levels

    def _check_shape(self) -> tuple[int, int]:
        if len(self._shape) != 3 or self._shape[2] != 3:
            raise SoundToVideoError(
                f"frames must be RGB, [n, height, width, 3]; these are [n, {', '.join(map(str, self._shape))}]. "
                "Take an alpha channel off with Split Image with Alpha."
            )
        height, width, _ = self._shape
        if height % 2 or width % 2:
            raise SoundToVideoError(
                f"video needs an even width and height, the frames are {width} x {height}. "
                f"Resize or crop them to {width // 2 * 2} x {height // 2 * 2}."
            )
        return height, width


@contextmanager
def _disk_errors(path: Path):
    try:
        yield
    except (FFmpegError, OSError) as error:
        # Closing a file after an error may give another one: the first of them tells what happened.
        errors = list(_back_from(error))
        for earlier in errors:
            if isinstance(earlier, FromSource):
                raise earlier  # noqa: B904
        if any(getattr(earlier, "errno", None) in FULL_DISK for earlier in errors):
            raise SoundToVideoError(
                f"the disk is full: {path.name} could not be written. Make room and run again."
            ) from error
        raise SoundToVideoError(f"{path.name} was not written: {error.strerror or error}.") from error


def _back_from(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
