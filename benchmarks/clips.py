"""Latents to a file: frames a second, and memory against the clip's length."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

from sound_to_video.benchmarks.process import ROOT, Measured, import_all

WIDTH, HEIGHT, FRAME_RATE = 832, 480, 16
RATE = 16000
GROUP_FRAMES = 24  # that the decoder gives at a time
# The LTX video VAE as the host has it, at its smallest, and with patches of 8 pixels: 832x480 in bearable time.
SMALL_VAE = {
    "patch_size": 8,
    "encoder_blocks": [["res_x", {"num_layers": 1}], *[["compress_all_res", {"multiplier": 2}]] * 2],
    "decoder_blocks": [
        *[["compress_all", {"residual": True, "multiplier": 2}]] * 2,
        ["compress_time", {}],
        ["res_x", {"num_layers": 1, "inject_noise": False}],
    ],
}


def small_vae() -> Any:
    """The host's VAE around a small random LTX video VAE: 128 channels, 8 x 32 x 32."""
    import comfy.sd
    from comfy.ldm.lightricks.vae.causal_video_autoencoder import VideoVAE
    from sound_to_video.tests import checkpoints

    config = {**checkpoints.LTX_VIDEO_VAE, **SMALL_VAE}
    weights = checkpoints.fill(VideoVAE(config=config).state_dict())
    return comfy.sd.VAE(sd=weights, metadata={"config": json.dumps({"vae": config})})


def sampled_video(folder: Path, seconds: int, width: int = WIDTH, height: int = HEIGHT) -> Any:
    """The VIDEO of a sampler, ``seconds`` at 16 fps, its latents in a LatentSpool: drawn instead of sampled."""
    import torch
    from sound_to_video.core.audio import audio_from
    from sound_to_video.core.clip.video import SampledVideo
    from sound_to_video.core.decoding.stream import Decoder
    from sound_to_video.core.families.ltx.av import LTXAV
    from sound_to_video.core.plan import plan_clip
    from sound_to_video.core.sampling.spool import LatentSpool

    family = LTXAV()
    plan = plan_clip(seconds, FRAME_RATE, family.grid, family.segment_length_for(Fraction(FRAME_RATE), 0))
    decoder = Decoder(small_vae(), plan, width, height)
    generator = torch.Generator().manual_seed(0)
    latents = LatentSpool(folder / "temp")
    for segment in plan.segments:
        shape = [1, 128, segment.new_latents, height // 32, width // 32]
        steady = 0.3 * torch.randn([*shape[:2], 1, *shape[3:]], generator=generator)  # noise would keep x264 busy
        latents.append(steady + 0.01 * torch.randn(shape, generator=generator))
    tone = torch.sin(torch.arange(RATE) * 0.1).repeat(seconds)[None, None] * 0.5
    audio = audio_from({"waveform": tone, "sample_rate": RATE})
    return SampledVideo(decoder, latents, audio)


def memory(seconds: int, width: int = WIDTH, height: int = HEIGHT) -> dict[str, Any]:
    """Peak memory of VIDEO -> Mux's frames_of -> write_clip, for a clip of ``seconds``."""
    folder = import_all()
    from sound_to_video.core.clip.mux import write_clip
    from sound_to_video.core.frames.reading import frames_of

    video = sampled_video(folder, seconds, width, height)
    path = folder / "temp" / f"memory_{seconds}.mp4"

    def say_each_minute(count: int) -> None:
        if count % (60 * FRAME_RATE) < GROUP_FRAMES:
            print(f"{count / FRAME_RATE:.0f} s written, peak {measured.peak_so_far()}", file=sys.stderr, flush=True)

    with Measured() as measured:
        stream = frames_of(video, FRAME_RATE)
        write_clip(path, stream.groups, stream.frame_rate, stream.audio, on_frames=say_each_minute)
    path.unlink()
    frames = video.get_frame_count()
    return {"bytes": measured.peak_bytes, "frames": frames, "raw_bytes": frames * width * height * 12}


def speed(frame_count: int, runs: int) -> dict[str, Any]:
    """Frames a second of H.264 at quality high: ours, core's Save Video and the ffmpeg command line, turn by turn.

    ``mux``: frames that lie ready. ``decode``: the same VIDEO decoded on the way; ffmpeg gets its frames piped in.
    """
    folder = import_all()
    import torch
    from comfy_api.latest import InputImpl, Types
    from sound_to_video.core.clip.mux import write_clip
    from sound_to_video.core.frames.reading import frames_of

    frames = moving_pictures(frame_count)
    raw = [_raw(frame) for frame in frames.split(8)]
    video = sampled_video(folder, -(-frame_count // FRAME_RATE))
    decoded = video.get_frame_count()
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        target = Path(temporary) / "clip.mp4"
        components = Types.VideoComponents(images=frames, audio=None, frame_rate=Fraction(FRAME_RATE))
        ways = {
            "mux ours": (frame_count, lambda: write_clip(target, frames.split(8), Fraction(FRAME_RATE))),
            "mux ffmpeg": (frame_count, lambda: _ffmpeg(raw, target)),
            "mux core": (frame_count, lambda: InputImpl.VideoFromComponents(components).save_to(str(target))),
            "decode ours": (decoded, lambda: write_clip(target, frames_of(video, 0).groups, Fraction(FRAME_RATE))),
            "decode ffmpeg": (decoded, lambda: _ffmpeg(map(_raw, video.stream_frames()), target)),
        }
        if shutil.which("ffmpeg") is None:
            ways = {name: way for name, way in ways.items() if "ffmpeg" not in name}
        rounds: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
        with torch.inference_mode():
            for _ in range(runs):
                for name, (count, write) in ways.items():
                    children = children_seconds()
                    with Measured() as measured:
                        write()
                    cpu = measured.cpu_seconds + children_seconds() - children
                    rounds[name].append({"fps": count / measured.seconds, "cpu_fps": count / cpu})
    return rounds


def moving_pictures(frame_count: int) -> Any:
    """``[n, 480, 832, 3]``: the portrait of the workflows, panned and with the grain of a film."""
    import numpy as np
    import torch
    from PIL import Image

    picture = Image.open(ROOT / "media" / "sound_to_video_portrait.png").convert("RGB")
    picture = picture.resize((WIDTH + 2 * frame_count, HEIGHT), Image.Resampling.LANCZOS)
    pixels = torch.from_numpy(np.asarray(picture, np.float32) / 255)
    generator = torch.Generator().manual_seed(0)
    views = [pixels[:, 2 * n : 2 * n + WIDTH] for n in range(frame_count)]
    return torch.stack([(view + 0.01 * torch.randn(view.shape, generator=generator)).clamp(0, 1) for view in views])


def _raw(frames: Any) -> bytes:
    return (frames * 255 + 0.5).byte().numpy().tobytes()


def _ffmpeg(groups: Any, target: Path) -> None:
    """The ffmpeg command line with the settings of our "mp4 (H.264)" at quality high, frames through its input."""
    size = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(FRAME_RATE), "-i", "-")
    colours = ("-vf", "scale=out_color_matrix=bt709:out_range=tv", "-colorspace", "bt709", "-pix_fmt", "yuv420p")
    codec = ("-c:v", "libx264", "-crf", "18", "-movflags", "+faststart")
    command = ["ffmpeg", "-v", "error", "-y", *size, *colours, *codec, os.fspath(target)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin
        for group in groups:
            process.stdin.write(group)
        process.stdin.close()
    if process.returncode:
        raise RuntimeError(f"ffmpeg ended with code {process.returncode}")


def children_seconds() -> float:
    times = os.times()
    return times.children_user + times.children_system
