"""The VIDEO of a sampler: latents that are decoded when somebody asks for frames, group by group."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from comfy_api.latest import Input, Types

from .audio import Audio
from .decoding import Decoder, skip_frames
from .errors import SoundToVideoError
from .mux import write_clip
from .timeline import Number, clip_frame_count, exact, rounded, sample_index


class SampledVideo(Input.Video):
    """A sampled clip and the sound it was made for. Of what made it, only what decoding needs is kept.

    latents: the new latents of every segment, in order.  audio: None for a clip without sound.
    first_frame, frame_count: the part of the take that this VIDEO shows.
    """

    def __init__(
        self,
        decoder: Decoder,
        latents: Sequence[torch.Tensor],
        audio: Audio | None,
        first_frame: int = 0,
        frame_count: int | None = None,
    ):
        self._decoder, self._latents, self._audio = decoder, latents, audio
        self._first_frame = first_frame
        self._frame_count = decoder.plan.frame_count if frame_count is None else frame_count

    def stream_frames(self) -> Iterator[torch.Tensor]:
        """The frames in order, ``[n, height, width, 3]`` float32 in 0..1, decoded with the memory of one group."""
        with torch.inference_mode():
            groups = self._decoder.frames(self._latents)
            yield from skip_frames(groups, self._first_frame, self._frame_count)

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
        path: str | io.BytesIO,
        format: Types.VideoContainer = Types.VideoContainer.AUTO,
        codec: Types.VideoCodec = Types.VideoCodec.AUTO,
        metadata: dict | None = None,
        bit_depth: int | None = None,
        crf: float | None = None,
    ) -> None:
        """Write an mp4 (H.264), as the host's own VIDEOs do, without ever holding all frames."""
        if format not in (Types.VideoContainer.AUTO, Types.VideoContainer.MP4):
            raise SoundToVideoError(f"a VIDEO saves as mp4, not as {format}; use Mux Audio Video for other formats.")
        if isinstance(path, io.BytesIO):
            with tempfile.TemporaryDirectory() as folder:
                target = Path(folder) / "clip.mp4"
                self._write(str(target), metadata, crf)
                path.write(target.read_bytes())
        else:
            self._write(os.fspath(path), metadata, crf)

    def _write(self, path: str, metadata: dict | None, crf: float | None) -> None:
        options: dict[str, Any] = {} if crf is None else {"crf": crf}
        write_clip(
            path,
            self.stream_frames(),
            self.get_frame_rate(),
            self._audio,
            format="mp4 (H.264)",
            metadata=metadata,
            **options,
        )

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
        audio = self._audio and sound_between(self._audio, skipped / rate, (skipped + count) / rate)
        return SampledVideo(self._decoder, self._latents, audio, self._first_frame + skipped, count)

    def get_dimensions(self) -> tuple[int, int]:
        return self._decoder.width, self._decoder.height

    def get_frame_count(self) -> int:
        return self._frame_count

    def get_frame_rate(self) -> Fraction:
        return self._decoder.plan.frame_rate

    def get_duration(self) -> float:
        return float(self._frame_count / self.get_frame_rate())

    def get_container_format(self) -> str:
        return "mp4"


def sound_between(audio: Audio, start: Number, stop: Number) -> Audio | None:
    """The part of the sound between two times in seconds; None where there is none."""
    first = sample_index(start, audio.sample_rate)
    last = min(audio.sample_count, sample_index(stop, audio.sample_rate))
    return audio.trimmed(first, last) if first < last else None
