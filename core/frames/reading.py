"""The frames of any VIDEO or IMAGE, a group at a time."""

import io
import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial
from itertools import islice
from typing import Any

import numpy as np
import torch
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream
from comfy_api.latest import Input, InputImpl
from torch import Tensor

from ..audio import Audio, audio_from, open_audio
from ..audio.media import check_picture, demuxed, name_of, open_media
from ..errors import SoundToVideoError
from ..timeline import Number, exact, rounded, sample_index
from . import host_edits
from .images import check_frames, pictures_of

GROUP_FRAMES = 8
NEARLY = Fraction(1, 20)
FASTEST_RATE = 120
# What libswscale calls the matrix of a frame that says which it has (AVColorSpace -> SWS_CS_*).
MATRICES = {
    1: Colorspace.ITU709,
    5: Colorspace.ITU601,
    6: Colorspace.SMPTE170M,
    7: Colorspace.SMPTE240M,
}
# libswscale's SWS_ACCURATE_RND and SWS_FULL_CHR_H_INT, for which PyAV 17 has no names: without them it takes a short
# cut that makes pictures up to two levels of 255 darker than they are.
EXACTLY = int(Interpolation.BILINEAR) | 0x40000 | 0x2000


@dataclass(frozen=True)
class FrameStream:
    """Frames to be had once, in order, with the memory of a group.

    own_sound: gives ``audio``; not asked unless somebody wants it.
    """

    groups: Iterator[Tensor]  # [n, height, width, C] floating point in 0..1; asked for levels, also uint8
    frame_rate: Fraction
    frame_count: int  # as the source has it; a file may turn out to hold some more or less
    width: int
    height: int
    own_sound: Callable[[], Audio | None]

    @property
    def audio(self) -> Audio | None:
        """The VIDEO's own sound; raises SoundToVideoError where there is one that cannot be had."""
        return self.own_sound()


def frames_of(video: Any, frame_rate: Number, as_levels: bool = False) -> FrameStream:
    """The frames of a VIDEO, or of an IMAGE shown at ``frame_rate`` (used for IMAGE only).

    as_levels: frames of 8 bits as they are (uint8), for who writes them into a file.

    A VIDEO with ``stream_frames()`` (ours) decodes as it goes, and so does one of a file, within its trim; of any other
    the components are taken, which are in memory then. Raises SoundToVideoError for anything else.
    """
    if isinstance(video, Tensor):
        return _of_images(video, exact(frame_rate), None)
    if not isinstance(video, Input.Video):
        raise SoundToVideoError(f"expected a VIDEO or an IMAGE, got {type(video).__name__}.")
    stream_frames = (as_levels and getattr(video, "stream_levels", None)) or getattr(video, "stream_frames", None)
    if stream_frames is not None:
        width, height = video.get_dimensions()
        sound = partial(getattr, video, "audio", None)
        return FrameStream(stream_frames(), video.get_frame_rate(), video.get_frame_count(), width, height, sound)
    if host_edits.is_known(video):
        return _of_file(FileFrames(video), as_levels)
    components = video.get_components()
    return _of_images(components.images, Fraction(components.frame_rate), components.audio)


class FileFrames:
    """The frames of a VIDEO of a file, from any one on: within its trim, turned as it says and cut, at a constant rate.

    source: the file's path, or itself where it is in memory.  seconds: how long it says it is, where it does.
    Raises SoundToVideoError: the file has no moving pictures.
    """

    def __init__(self, video: InputImpl.VideoFromFile):
        self._video, self.source = video, video.get_stream_source()
        with _sentences(self.source):
            start, duration = (exact(seconds) for seconds in video.get_active_trim_window())
            self._stop = start + duration if duration else None
            self._clock = _clock_of(self.source, start)
            self.rate, self.seconds = self._clock.rate, self._clock.whole
            self._grid, width, height = self._opening()
            self._rows, self._columns = host_edits.crop_of(video, width, height)
            self.width = self._columns.stop - self._columns.start
            self.height = self._rows.stop - self._rows.start

    @cached_property
    def audio(self) -> Audio | None:
        """What is heard with the frames; raises SoundToVideoError where there is a sound that cannot be had."""
        return _sound_of_file(self._video, self._clock, self._stop)

    def _opening(self) -> tuple[Fraction, int, int]:
        """The time of frame 0, and the size of all."""
        for frame, time, tick in _timed_frames(self.source, self._clock, self._clock.start):
            if int(time / tick) >= int(self._clock.start / tick):
                grid = self._clock.picture_start(time)
                if _is_over(grid, self._stop, tick):
                    break
                height, width = _to_rgb(frame, VideoReformatter()).shape[:2]
                return grid, width, height
        raise SoundToVideoError("the VIDEO holds no frames: choose another, or another stretch of it.")

    def frames(self, first: int) -> Iterator[Tensor]:
        """Frames ``[height, width, 3]`` from number ``first`` on: uint8, of deeper files float32 in 0..1."""
        whole = _file_frames(self.source, self._clock, self._stop, first, self._grid if first else None)
        return (frame[self._rows, self._columns] for frame in whole)

    def frame_count(self) -> int:
        """As many as the container says; the file may turn out to hold some more or less."""
        whole = self._clock.whole
        if whole is None:
            whole = exact(self._video.get_duration()) + self._clock.start
        return max(1, rounded((min(whole, self._stop or whole) - self._clock.start) * self.rate))


def _of_images(images: Tensor, frame_rate: Fraction, audio: Any) -> FrameStream:
    check_frames(images, "video")
    count, height, width, _ = images.shape
    groups = iter(images.split(GROUP_FRAMES))
    return FrameStream(groups, frame_rate, count, width, height, lambda: audio_from(audio) if audio else None)


def _of_file(file: FileFrames, as_levels: bool) -> FrameStream:
    groups = _grouped(file.frames(0))
    groups = groups if as_levels else map(pictures_of, groups)
    return FrameStream(groups, file.rate, file.frame_count(), file.width, file.height, lambda: file.audio)


@contextmanager
def _sentences(source: Any) -> Iterator[None]:
    """What PyAV and the host raise where a file is damaged, no longer there or no video, as a SoundToVideoError."""
    try:
        yield
    except SoundToVideoError:
        raise
    except (FFmpegError, OSError, ValueError) as error:
        what = getattr(error, "strerror", None) or error
        raise SoundToVideoError(
            f"{name_of(source)} cannot be read as a video ({what}). It may be damaged, or no longer there: choose "
            "another, or export it again."
        ) from error


@dataclass(frozen=True)
class _Clock:
    """The times of a file, in seconds.

    Frame ``i`` that is given out is what a player shows ``i / rate`` after ``picture_start``: of a file with a constant
    frame rate each frame once, of one that has none the last frame until then.
    """

    origin: Fraction  # of the container, where its earlier track begins; other times are counted from it
    start: Fraction  # of what is asked for
    first_frame: Fraction
    rate: Fraction
    whole: Fraction | None  # how long the container says it is

    @property
    def sound_start(self) -> Fraction:
        """What is heard with the first frame that is given out."""
        return self.start or self.picture_start(self.first_frame)

    def picture_start(self, frame_time: Fraction) -> Fraction:
        """The time of the first frame given out, a whole number of them before the first of the file that is."""
        if not self.start:
            return frame_time - rounded(frame_time * self.rate) / self.rate
        return frame_time - int((frame_time - self.start) * self.rate) / self.rate

    @property
    def tremble(self) -> Fraction:
        """By how much a time stamp may be late: some containers round them to 1 ms, and cameras are not exact."""
        return 1 / (8 * self.rate)


def _clock_of(source: Any, start: Fraction) -> _Clock:
    with _opened(source) as container:
        stream = _picture_of(container, source)
        origin = Fraction(container.start_time or 0, 1_000_000)
        first = origin
        if stream.start_time is not None and stream.time_base:
            first = stream.start_time * stream.time_base
            origin = first if abs(first - origin) < stream.time_base else origin
        rate = _constant_rate(stream)
        whole = None if container.duration is None else Fraction(container.duration, 1_000_000)
    return _Clock(origin, start, max(first - origin, Fraction(0)), rate, whole)


def _picture_of(container: InputContainer, source: Any) -> VideoStream:
    """The first stream of pictures that there is a decoder for."""
    for stream in container.streams.video:
        if stream.codec_context is not None:
            return stream
    raise SoundToVideoError(f"{name_of(source)} holds no moving picture that can be read. Choose another file.")


def _opened(source: Any) -> InputContainer:
    if isinstance(source, io.BytesIO):  # the same bytes, with a reading position of their own
        return open_media(io.BytesIO(source.getvalue()))
    return open_media(source)


def _constant_rate(stream: VideoStream) -> Fraction:
    """libav's ``r_frame_rate``, of which all times are multiples; the mean where that says something else.

    The mean of a constant rate is off where the last frame lasts longer; that of a varying one lies between its rates.
    """
    mean = Fraction(stream.average_rate or 1)
    base = Fraction(stream.base_rate or mean)
    fields = rounded(base / mean)  # interlaced pictures have twice the rate
    is_multiple = fields > 1 and abs(base / mean - fields) < NEARLY
    return base if mean * (1 - NEARLY) < base <= FASTEST_RATE and not is_multiple else mean


def _grouped(frames: Iterator[Tensor]) -> Iterator[Tensor]:
    while group := list(islice(frames, GROUP_FRAMES)):
        yield torch.stack(group)


def _file_frames(
    source: Any, clock: _Clock, stop: Fraction | None, first: int = 0, grid: Fraction | None = None
) -> Iterator[Tensor]:
    """Frames of a file from the clock's start to ``stop`` seconds, ``[H, W, 3]``, as ``_to_rgb`` gives them.

    Of a constant frame rate those of the times that the host's ``get_components`` gives.
    first: how many of them are left out; the file is opened near there where ``grid``, the time of frame 0, is given.
    """
    reformatter = VideoReformatter()
    shown: Tensor | None = None
    held: VideoFrame | None = None
    given, end, tick = first, Fraction(0), Fraction(1)
    for frame, time, tick in _timed_frames(source, clock, clock.start if grid is None else grid + first / clock.rate):
        if int(time / tick) < int(clock.start / tick):
            held = frame
            continue
        grid = clock.picture_start(time) if grid is None else grid
        while grid + given / clock.rate + clock.tremble < time:
            if _is_over(grid + given / clock.rate, stop, tick):
                return
            shown = _to_rgb(held or frame, reformatter) if shown is None else shown
            yield shown
            given += 1
        shown, held, end = None, frame, time + (frame.duration * tick if frame.duration else 1 / clock.rate)
    while grid is not None and grid + given / clock.rate + clock.tremble < end:
        if held is None or _is_over(grid + given / clock.rate, stop, tick):
            return
        shown = _to_rgb(held, reformatter) if shown is None else shown
        yield shown
        given += 1


def _is_over(time: Fraction, stop: Fraction | None, tick: Fraction) -> bool:
    return stop is not None and rounded(time / tick) >= int(stop / tick)


def _timed_frames(source: Any, clock: _Clock, start: Fraction) -> Iterator[tuple[VideoFrame, Fraction, Fraction]]:
    """Frames from before ``start`` on, their times, and the unit of these."""
    frames = _frames_near(source, clock, start)
    first = next(frames, None)
    if start > 0 and (first is None or first[1] > start + clock.tremble):  # the file's index leads too far
        frames.close()
        frames = _frames_near(source, clock, Fraction(0))
        first = next(frames, None)
    if first is not None:
        yield first
        yield from frames


def _frames_near(
    source: Any, clock: _Clock, start: Fraction
) -> Generator[tuple[VideoFrame, Fraction, Fraction], None, None]:
    with _sentences(source), _opened(source) as container:
        stream = _picture_of(container, source)
        check_picture(name_of(source), stream.width, stream.height)
        stream.thread_type = "AUTO"
        tick = stream.time_base or Fraction(1, 1000)
        if start > 0:
            container.seek(int((clock.origin + start) / tick), stream=stream)
        is_damaged = False
        for packet in demuxed(container, stream):
            try:
                frames = packet.decode()
            except FFmpegError:
                if not is_damaged:
                    logging.warning("%s is damaged: what cannot be decoded shows the frame before.", name_of(source))
                is_damaged = True
                continue
            for frame in frames:
                if frame.pts is not None:
                    yield frame, frame.pts * tick - clock.origin, tick


def _to_rgb(frame: VideoFrame, reformatter: VideoReformatter) -> Tensor:
    """[H, W, 3], by the matrix that the frame is tagged with: uint8, of deeper frames float32 in 0..1."""
    deep = _is_deep(frame)
    rgb = reformatter.reformat(
        _spread(frame),
        format="gbrp16le" if deep else "rgb24",  # PyAV 17 gets rgb48 wrong
        src_colorspace=MATRICES.get(int(frame.colorspace)),
        src_color_range=frame.color_range or None,
        dst_color_range=ColorRange.JPEG,
        interpolation=EXACTLY,
    ).to_ndarray()
    if frame.rotation:
        rgb = np.ascontiguousarray(np.rot90(rgb, k=round(frame.rotation / 90), axes=(0, 1)))
    return torch.from_numpy(rgb.astype(np.float32) / 65535 if deep else rgb)


def _spread(frame: VideoFrame) -> VideoFrame:
    """A frame in 4:2:0 or 4:2:2 in 4:4:4, each sample of colour in all the pixels that it stands for; others as is.

    Whoever writes the mean of these pixels, as core/clip/mux.py does, writes the very sample again.
    """
    name = frame.format.name.replace("420p", "444p").replace("422p", "444p")
    if name == frame.format.name:
        return frame
    spread = VideoFrame(frame.width, frame.height, name)
    for narrow, wide in zip(_samples(frame), _samples(spread), strict=True):
        down, across = (-(-there // here) for there, here in zip(wide.shape, narrow.shape, strict=True))
        for row in range(down):
            for column in range(across):
                part = wide[row::down, column::across]
                part[...] = narrow[: part.shape[0], : part.shape[1]]
    spread.colorspace, spread.color_range = frame.colorspace, frame.color_range
    return spread


def _samples(frame: VideoFrame) -> Iterator[np.ndarray]:
    """Each plane ``[height, width]``, to read and to write."""
    values = np.uint16 if _is_deep(frame) else np.uint8
    planes: Any = frame.planes  # buffers, which PyAV's stub does not say
    for plane in planes:
        yield np.frombuffer(plane, values).reshape(plane.height, -1)[:, : plane.width]


def _is_deep(frame: VideoFrame) -> bool:
    return max(component.bits for component in frame.format.components) > 8


def _sound_of_file(video: InputImpl.VideoFromFile, clock: _Clock, stop: Fraction | None) -> Audio | None:
    """The sound that is heard with the frames: what comes before them is left out, what is late stays late."""
    source = video.get_stream_source()
    with _sentences(source):
        if not isinstance(source, str):
            audio = video.get_components().audio
            return audio_from(audio) if audio else None
        with _opened(source) as container:
            if not container.streams.audio:
                return None
        whole = open_audio(source)  # on the clock of the container, too
    length = None if stop is None else stop - clock.start
    earlier = clock.sound_start
    if earlier < 0:
        return whole.delayed(sample_index(-earlier, whole.sample_rate)).between(0, length)
    return whole.between(earlier, None if length is None else earlier + length)
