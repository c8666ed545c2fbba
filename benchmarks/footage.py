"""Lip-sync of 1080p footage with the network left out: memory against length, speed against the ffmpeg command line.

Everything around the network is ours as it is: the footage is looked through, its crops are read window after window,
what a stub makes of them is set into the footage, and the file is written. The stub stands for VAE and transformer: a
latent holds one of its pixels, and what is sampled is what went in.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from sound_to_video.benchmarks.clips import children_seconds
from sound_to_video.benchmarks.process import ROOT, Measured, import_all

WIDTH, HEIGHT, FRAME_RATE = 1920, 1080, 25
RATE = 16000
CROP_SIZE = 512
SEGMENT_SECONDS = 5  # a window is in memory as the VAE takes it, 3 MB a frame: no longer than the shortest clip
ROUND_SECONDS, ROUNDS = 20, 30  # the picture goes there and back in a round


def footage(folder: Path) -> Path:
    """10 minutes of 1080p H.264, drawn once and kept: the workflows' portrait, panned, with the grain of a film."""
    path = folder / f"footage_{WIDTH}x{HEIGHT}_{ROUND_SECONDS * ROUNDS}s.mp4"
    if not path.exists():
        partial = path.with_suffix(".partial.mp4")
        _write_footage(partial)
        partial.replace(path)
    return path


def _write_footage(path: Path) -> None:
    """One round is encoded; the others are its packets again."""
    import av
    import numpy as np
    from PIL import Image

    count = ROUND_SECONDS * FRAME_RATE
    picture = Image.open(ROOT / "media" / "sound_to_video_portrait.png").convert("RGB")
    pixels = np.asarray(picture.resize((WIDTH + count // 2, HEIGHT), Image.Resampling.LANCZOS), np.int16)
    random = np.random.default_rng(0)
    grain = [random.normal(0, 2.5, (HEIGHT, WIDTH, 3)).round().astype(np.int16) for _ in range(7)]
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=FRAME_RATE, options={"preset": "veryfast", "crf": "23", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        packets = []
        for number in range(count):
            left = min(number, count - 1 - number)
            shown = (pixels[:, left : left + WIDTH] + grain[number % len(grain)]).clip(0, 255).astype(np.uint8)
            packets += stream.encode(av.VideoFrame.from_ndarray(shown, format="rgb24"))
        packets += stream.encode(None)
        ticks = Fraction(1, FRAME_RATE) / packets[0].time_base
        for turn in range(ROUNDS):
            for number, packet in enumerate(packets):
                again = av.Packet(bytes(packet))
                again.stream, again.time_base, again.is_keyframe = stream, packet.time_base, packet.is_keyframe
                again.pts = again.dts = int((turn * count + number) * ticks)
                output.mux(again)


def sound(folder: Path, seconds: int) -> Path:
    import numpy as np

    path = folder / f"tone_{seconds}s.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        samples = (8000 * np.sin(np.arange(RATE) * 0.1)).astype("<i2").tobytes()
        for _ in range(seconds):
            file.writeframes(samples)
    return path


def rendered(folder: Path, seconds: int) -> Any:
    """The VIDEO of Lip Sync Sampler over the footage, its latents by the stub."""
    from comfy_api.latest import InputImpl
    from sound_to_video.core.audio import open_audio
    from sound_to_video.core.clip.composite import CompositeDecoder
    from sound_to_video.core.clip.video import SampledVideo
    from sound_to_video.core.families.ltx.av import LTXAV
    from sound_to_video.core.features.encoded import EncodedAudio
    from sound_to_video.core.lip_sync import FootageInputs, footage_under
    from sound_to_video.core.render import sample_segments
    from sound_to_video.core.sampling.host_sampler import HostSampler, SamplerSettings
    from sound_to_video.core.sampling.spool import LatentSpool

    class Heard(EncodedAudio):
        def __init__(self, audio: Any):
            self.audio, self.duration = audio, audio.duration

        def host_value(self, key: str) -> Any:
            raise KeyError(key)

        features: Any = host_value

    audio = open_audio(sound(folder, seconds)).secured(folder / "temp")
    inputs = FootageInputs(InputImpl.VideoFromFile(str(footage(folder))), crop_size=CROP_SIZE)
    shown = footage_under(inputs, Heard(audio))
    family = LTXAV()
    plan = family.plan(shown.duration, family.rate(FRAME_RATE), SEGMENT_SECONDS, cuts=shown.cuts)
    latents = LatentSpool(folder / "temp")
    sample_segments(
        _stub_sampler(plan, shown.crops), HostSampler(SamplerSettings(0, 1, 1.0, "euler", "simple")), latents
    )
    decoder: Any = CompositeDecoder(StubDecoder(plan), shown.crops, Fraction(FRAME_RATE), shown.frame_count)
    return SampledVideo(decoder, latents, audio)


def _stub_sampler(plan: Any, crops: Any) -> Any:
    import torch
    from sound_to_video.core.families.base import SamplerInputs
    from sound_to_video.core.families.ltx.lip_sync import LTXLipSync

    class StubVAE:
        """``[n, size, size, 3]`` to ``[1, 128, latents, size / 32, size / 32]``; the first latent is one frame."""

        def encode(self, images: Any) -> Any:
            seen = images[::8, 16::32, 16::32].movedim(-1, 0)
            latents = torch.zeros([1, 128, *seen.shape[1:]])
            latents[0, :3] = seen
            return latents

    class StubSampler(LTXLipSync):
        def __init__(self):
            self.inputs = SamplerInputs(None, StubVAE(), [], [], None, CROP_SIZE, CROP_SIZE, Fraction(FRAME_RATE))  # type: ignore
            self.plan, self.crops, self.strength = plan, crops, 1.0
            self.sizes, self.upscaler = [(CROP_SIZE, CROP_SIZE)], None

        def steps(self, sampler: Any) -> int:
            return 1

        def noise_levels(self, sampler: Any) -> Any:
            return torch.tensor([1.0, 0.0])

        def _sampled(self, segment: Any, footage: list, *others: Any) -> Any:
            return footage[-1]

    return StubSampler()


@dataclass(frozen=True)
class StubDecoder:
    plan: Any

    def frames(self, latents: Any) -> Iterator[Any]:
        import torch
        from sound_to_video.core.tensors import on_few_cores

        is_first = True
        for piece in latents:
            for latent in piece[0, :3].unbind(dim=1):
                with on_few_cores():
                    picture = torch.nn.functional.interpolate(latent[None], (CROP_SIZE, CROP_SIZE), mode="bilinear")
                yield picture.movedim(1, -1).expand(1 if is_first else 8, -1, -1, -1)
                is_first = False


def memory(seconds: int) -> dict[str, Any]:
    """Peak memory from the footage to the file. x264's fastest preset, as only time depends on it, not the growth."""
    folder = import_all()
    _warmed_up(folder)
    with tempfile.TemporaryDirectory(dir=folder) as temporary, Measured() as measured:
        video = rendered(folder, seconds)
        looked = measured.peak_so_far()
        video.save_to(str(Path(temporary) / "clip.mp4"), preset="ultrafast")
    return {"bytes": measured.peak_bytes, "until sampled": looked, "seconds": measured.seconds}


def speed(seconds: int, runs: int) -> dict[str, Any]:
    """Frames a second, turn by turn: ours, all of it and its writing alone, and ffmpeg, which decodes and encodes."""
    folder = import_all()
    _warmed_up(folder)
    source, count = footage(folder), seconds * FRAME_RATE
    rounds: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        target = Path(temporary) / "clip.mp4"
        for _ in range(runs):
            with Measured() as sampling:
                video = rendered(folder, seconds)
            with Measured() as writing:
                video.save_to(str(target))
            children = children_seconds()
            with Measured() as theirs:
                _ffmpeg(source, sound(folder, seconds), seconds, target)
            rounds.append(
                {
                    "ours": count / (sampling.seconds + writing.seconds),
                    "ours_cpu": count / (sampling.cpu_seconds + writing.cpu_seconds),
                    "writing": count / writing.seconds,
                    "ffmpeg": count / theirs.seconds,
                    "ffmpeg_cpu": count / (children_seconds() - children),
                }
            )
    return {"rounds": rounds}


def _warmed_up(folder: Path) -> None:
    """What is imported when it is first needed is imported, the footage drawn."""
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        rendered(folder, 1).save_to(str(Path(temporary) / "clip.mp4"))


def _ffmpeg(source: Path, sound: Path, seconds: int, target: Path) -> None:
    """The ffmpeg command line with the settings of our "mp4 (H.264)" at quality high, over the same stretch."""
    inputs = ("-t", str(seconds), "-i", os.fspath(source), "-i", os.fspath(sound), "-map", "0:v", "-map", "1:a")
    codec = ("-c:v", "libx264", "-crf", "18", "-c:a", "aac", "-movflags", "+faststart")
    subprocess.run(["ffmpeg", "-v", "error", "-y", *inputs, *codec, os.fspath(target)], check=True)
