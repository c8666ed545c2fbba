"""The VIDEO of a sampler: latents that are decoded when somebody asks for frames, group by group."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from comfy_api.latest import Input, Types

from ..audio import Audio
from ..decoding.stream import Decoder, skip_frames
from ..errors import SoundToVideoError
from ..timeline import clip_frame_count, exact, rounded
from .composite import CompositeDecoder
from .formats import DEFAULT_QUALITY, asked_format
from .mux import write_clip


class SampledVideo(Input.Video):
    """A sampled clip and the sound it was made for. Of what made it, only what decoding needs is kept.

    latents: the new latents of every segment, in order.  audio: None for a clip without sound.
    first_frame, frame_count: the part of the take that this VIDEO shows.
    quality: one of QUALITIES, for who saves it and asks for none.
    """

    def __init__(
        self,
        decoder: Decoder | CompositeDecoder,
        latents: Sequence[torch.Tensor],
        audio: Audio | None,
        first_frame: int = 0,
        frame_count: int | None = None,
        quality: str = DEFAULT_QUALITY,
    ):
        self._quality = quality
        self._decoder, self._latents, self._audio = decoder, latents, audio
        self._first_frame = first_frame
        self._frame_count = decoder.frame_count if frame_count is None else frame_count

    def stream_frames(self) -> Iterator[torch.Tensor]:
        """The frames in order, ``[n, height, width, 3]`` float32 in 0..1, decoded with the memory of one group."""
        return _without_gradients(
            skip_frames(self._decoder.frames(self._latents), self._first_frame, self._frame_count)
        )

    def stream_levels(self) -> Iterator[torch.Tensor]:
        """As ``stream_frames``; what lies over footage of 8 bits comes in 8 bits, uint8, as a file gets it."""
        return _without_gradients(
            skip_frames(self._decoder.levels(self._latents), self._first_frame, self._frame_count)
        )

    @property
    def audio(self) -> Audio | None:
        """The clip's sound, lazy."""
        return self._audio

    def get_components(self) -> Types.VideoComponents:
        images = torch.cat(list(self.stream_frames()))
        audio: Any = self._audio  # a Mapping with the host's keys
        return Types.VideoComponents(images=images, audio=audio, frame_rate=self.get_frame_rate())

    def save_to(
        self,
        path: Any,
        format: Types.VideoContainer | str = "auto",
        codec: Types.VideoCodec | str = "auto",
        metadata: dict | None = None,
        bit_depth: int | None = None,
        crf: float | None = None,
        color_space: str | None = None,
        preset: str | None = None,
        **unknown: Any,
    ) -> None:
        """Write the clip as the host's own VIDEOs do, without ever holding all frames.

        path: a file, or a binary stream.  format, codec, bit_depth: see ``asked_format``.  color_space: sRGB is written
        (BT.709), others are refused.  unknown: what newer hosts may ask; said to be ignored.
        """
        if color_space not in (None, "auto", "sRGB"):
            raise SoundToVideoError(f"this VIDEO holds sRGB pictures, not {color_space}: set color_space to auto.")
        ignored = [name for name, value in unknown.items() if value is not None]
        if ignored:
            logging.warning("Sound to Video: this VIDEO is saved without regard to %s.", ", ".join(sorted(ignored)))
        is_file = isinstance(path, (str, os.PathLike))
        suffix = Path(path).suffix if is_file else ""
        clip_format = asked_format(_value(format), _value(codec), bit_depth, suffix)

        def write(target: Path) -> None:
            frames, rate = self.stream_levels(), self.get_frame_rate()
            write_clip(target, frames, rate, self._audio, clip_format, self._quality, metadata, crf=crf, preset=preset)

        if is_file:
            write(Path(path))
            return
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder, f"clip{clip_format.suffix}")
            write(target)
            with target.open("rb") as file:
                shutil.copyfileobj(file, path)

    def as_trimmed(
        self, start_time: float | None = None, duration: float | None = None, strict_duration: bool = False
    ) -> SampledVideo | None:
        rate = self.get_frame_rate()
        start = exact(start_time or 0)
        if start < 0:
            start = max(exact(0), exact(self.get_duration()) + start)
        skipped = rounded(start * rate)
        left = self._frame_count - skipped
        count = clip_frame_count(duration, rate) if duration else left
        if left < 1 or (strict_duration and count > left):
            return None
        count = min(count, left)
        audio = self._audio and self._audio.between(skipped / rate, (skipped + count) / rate)
        return SampledVideo(self._decoder, self._latents, audio, self._first_frame + skipped, count, self._quality)

    def get_dimensions(self) -> tuple[int, int]:
        return self._decoder.width, self._decoder.height

    def get_frame_count(self) -> int:
        return self._frame_count

    def get_frame_rate(self) -> Fraction:
        return self._decoder.frame_rate

    def get_duration(self) -> float:
        return float(self._frame_count / self.get_frame_rate())

    def get_color_space(self) -> str:
        return "sRGB"

    def get_container_format(self) -> str:
        return "mp4"


def _without_gradients(groups: Iterator[torch.Tensor]) -> Iterator[torch.Tensor]:
    """Each group is made in inference mode; whoever takes them is not left in it."""
    while True:
        with torch.inference_mode():
            group = next(groups, None)
        if group is None:
            return
        yield group


def _value(choice: Any) -> str:
    """The host's VideoContainer or VideoCodec, or its value."""
    return str(getattr(choice, "value", choice)).lower()
