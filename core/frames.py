"""The frames of any VIDEO or IMAGE, a group at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from av.error import InvalidDataError
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from comfy_api.latest import Input, InputImpl
from torch import Tensor

from .audio import Audio, audio_from, open_audio
from .errors import SoundToVideoError
from .media import check_picture, name_of, open_media
from .timeline import Number, exact, sample_index

GROUP_FRAMES = 8
# What libswscale calls the matrix of a frame that says which it has (AVColorSpace -> SWS_CS_*).
MATRICES = {
    1: Colorspace.ITU709,
    5: Colorspace.ITU601,
    6: Colorspace.SMPTE170M,
    7: Colorspace.SMPTE240M,
}


@dataclass(frozen=True)
class FrameStream:
    """Frames to be had once, in order, with the memory of a group."""

    groups: Iterator[Tensor]  # [n, height, width, C] floating point in 0..1
    frame_rate: Fraction
    frame_count: int  # as the source has it; a file may turn out to hold some more or less
    width: int
    height: int
    audio: Audio | None  # the VIDEO's own sound


def frames_of(video: Any, frame_rate: Number) -> FrameStream:
    """The frames of a VIDEO, or of an IMAGE shown at ``frame_rate`` (used for IMAGE only).

    A VIDEO with ``stream_frames()`` (ours) decodes as it goes, and so does one of a file, within its trim; of any other
    the components are taken, which are in memory then. Raises SoundToVideoError for anything else.
    """
    if isinstance(video, Tensor):
        if video.ndim != 4 or video.shape[0] == 0:
            raise SoundToVideoError(f"expected an IMAGE batch [frames, height, width, 3], got {list(video.shape)}.")
        return _of_images(video, exact(frame_rate), None)
    if not isinstance(video, Input.Video):
        raise SoundToVideoError(f"expected a VIDEO or an IMAGE, got {type(video).__name__}.")
    stream_frames = getattr(video, "stream_frames", None)
    if stream_frames is not None:
        width, height = video.get_dimensions()
        audio = getattr(video, "audio", None)
        return FrameStream(stream_frames(), video.get_frame_rate(), video.get_frame_count(), width, height, audio)
    if isinstance(video, InputImpl.VideoFromFile):
        return _of_file(video)
    components = video.get_components()
    return _of_images(components.images, Fraction(components.frame_rate), components.audio)


def _of_images(images: Tensor, frame_rate: Fraction, audio: Any) -> FrameStream:
    count, height, width, _ = images.shape
    groups = iter(images.split(GROUP_FRAMES))
    return FrameStream(groups, frame_rate, count, width, height, audio_from(audio) if audio else None)


def _of_file(video: InputImpl.VideoFromFile) -> FrameStream:
    start, duration = (exact(seconds) for seconds in video.get_active_trim_window())
    stop = start + duration if duration else None
    rate = video.get_frame_rate()
    count = max(1, round(exact(video.get_duration()) * rate))
    audio = _sound_of_file(video, start, stop)
    # Last, as a source in memory has one reading position.
    groups = _file_groups(video.get_stream_source(), start, stop)
    first = next(groups, None)
    if first is None:
        raise SoundToVideoError("the VIDEO holds no frames.")
    _, height, width, _ = first.shape
    return FrameStream(_with_first(first, groups), rate, count, width, height, audio)


def _with_first(first: Tensor, rest: Iterator[Tensor]) -> Iterator[Tensor]:
    yield first
    yield from rest


def _file_groups(source: Any, start: Fraction, stop: Fraction | None) -> Iterator[Tensor]:
    """Frames of a file from ``start`` to ``stop`` seconds, by the same rule as the host's ``get_components``."""
    reformatter = VideoReformatter()
    group: list[Tensor] = []
    with open_media(source) as container:
        stream = container.streams.video[0]
        check_picture(name_of(source), stream.width, stream.height)
        stream.thread_type = "AUTO"
        time_base = stream.time_base or Fraction(1, 1000)
        if start:
            container.seek(int(start / time_base), stream=stream)
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except InvalidDataError as error:
                raise SoundToVideoError("the VIDEO's file is damaged: a frame of it cannot be decoded.") from error
            for frame in frames:
                if frame.pts is None or frame.pts < int(start / time_base):
                    continue
                if stop is not None and frame.pts >= int(stop / time_base):
                    break
                group.append(_to_rgb(frame, reformatter))
                if len(group) == GROUP_FRAMES:
                    yield torch.stack(group)
                    group = []
            else:
                continue
            break
    if group:
        yield torch.stack(group)


def _to_rgb(frame: VideoFrame, reformatter: VideoReformatter) -> Tensor:
    """[H, W, 3] float32, by the matrix that the frame is tagged with."""
    deep = max(component.bits for component in frame.format.components) > 8
    rgb = reformatter.reformat(
        frame,
        format="gbrp16le" if deep else "rgb24",  # PyAV 17 gets rgb48 wrong
        src_colorspace=MATRICES.get(int(frame.colorspace)),
        src_color_range=frame.color_range or None,
        dst_color_range=ColorRange.JPEG,
    ).to_ndarray()
    if frame.rotation:
        rgb = np.rot90(rgb, k=round(frame.rotation / 90), axes=(0, 1))
    return torch.from_numpy(rgb.astype(np.float32) / (65535 if deep else 255))


def _sound_of_file(video: InputImpl.VideoFromFile, start: Fraction, stop: Fraction | None) -> Audio | None:
    source = video.get_stream_source()
    if not isinstance(source, str):
        audio = video.get_components().audio
        return audio_from(audio) if audio else None
    with open_media(source) as container:
        if not container.streams.audio:
            return None
    whole = open_audio(source)
    first = sample_index(start, whole.sample_rate)
    last = None if stop is None else min(sample_index(stop, whole.sample_rate), whole.sample_count)
    if not whole.reaches(first + 1):
        return None
    return whole.trimmed(first, last) if first or last is not None else whole
