"""The small model that comes with the pack, on the device: in time with its sound, true to its picture, repeatable."""

from __future__ import annotations

import contextlib
import math
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from sound_to_video.benchmarks.device.rows import Row, checked, figure
from sound_to_video.benchmarks.device.sampling import Ours, Stopped
from sound_to_video.benchmarks.device.start import start
from sound_to_video.benchmarks.process import ROOT

CHECKPOINT = ROOT / "models" / "sound_to_video_small.safetensors"
STEPS, FRAME_RATE = 8, Fraction(25)  # as in the quick-start workflow


def quick_start(tiny: bool) -> Iterator[Row]:
    """A drawn face speaks, as in the quick start: from loaded models to the file, and the figures of its card."""
    if not CHECKPOINT.exists():
        yield Row("the small model", "not among what travelled: not measured")
        return
    folder = start(tiny, keep_on_card=False)
    import comfy.sd
    import folder_paths
    import torch
    from comfy_extras.nodes_lt_audio import LTXVAudioVAELoader
    from sound_to_video.core.audio import open_audio
    from sound_to_video.core.clip.mux import write_clip
    from sound_to_video.core.families import SamplerInputs
    from sound_to_video.core.families.ltx.audio_latents import encode_with_vae
    from sound_to_video.core.sampling.store import SegmentStore
    from sound_to_video.core.scene.no_text import scene_conditioning
    from sound_to_video.core.sync.measure import measure_sync

    model, _, vae, _ = comfy.sd.load_checkpoint_guess_config(str(CHECKPOINT), output_clip=False)
    folder_paths.add_model_folder_path("checkpoints", str(CHECKPOINT.parent))
    audio_vae = LTXVAudioVAELoader.execute(CHECKPOINT.name)[0]
    audio = open_audio(ROOT / "media" / "sound_to_video_voice.wav")
    picture = _picture()

    def inputs() -> Any:
        return SamplerInputs(
            model=model,
            vae=vae,
            positive=scene_conditioning("face"),
            negative=scene_conditioning("any"),
            encoded_audio=encode_with_vae(audio, audio_vae),
            width=128,
            height=128,
            frame_rate=FRAME_RATE,
            reference_image=picture,
            options={"image_strength": 1.0, "image_compression": 0, "anchor_first_frame": True},
        )

    path = folder / "temp" / "small.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)

    def clip() -> tuple[Any, Any]:
        ours = Ours(inputs(), folder, 1.0, "euler", STEPS)
        latents = ours()
        video = ours.video(latents, audio)
        frames = torch.cat(list(video.stream_frames()))
        write_clip(path, frames.split(24), FRAME_RATE, audio)
        return latents.tensor(), frames

    with torch.inference_mode():
        clip()
        started = time.perf_counter()
        latents, frames = clip()
        yield figure("quick start's clip of 5.6 s, models loaded, to the file", time.perf_counter() - started, "s")
        error = float((frames[0] - picture[0]).square().mean())
        yield figure("the small model: first frame against the picture", -10 * math.log10(error), "dB PSNR", 1)
        sync = measure_sync([frames], float(FRAME_RATE), audio, heard="loudness")
        text = f"correlation {sync.correlation:.3f}, lag {sync.lag_frames:.2f} frames"
        yield checked("the small model: motion against sound", sync.correlation > 0.7, text)
        repeated, _ = clip()
        yield checked("the small model: the same run again", bool((repeated == latents).all()), "compared to the bit")
        short = Ours(inputs(), folder, 1.0, "euler", STEPS, segment_seconds=2)
        whole = short().tensor()

        def stop(text: str) -> None:
            if "segment 3" in text:
                raise Stopped

        with tempfile.TemporaryDirectory(dir=folder) as kept:
            with contextlib.suppress(Stopped):
                short(SegmentStore(kept), say=stop)
            resumed = short(SegmentStore(kept)).tensor()
            text = f"{short.sampler.resumed_runs} runs found again, off by {float((resumed - whole).abs().max()):.2e}"
            yield checked("the small model: stopped and resumed", bool((resumed == whole).all()), text)
    path.unlink(missing_ok=True)


def _picture() -> Any:
    """The quick start's picture, ``[1, 128, 128, 3]`` in 0..1."""
    import numpy as np
    import torch
    from PIL import Image

    with Image.open(ROOT / "media" / "sound_to_video_face.png") as image:
        return torch.from_numpy(np.array(image.convert("RGB").resize((128, 128)))).float()[None] / 255
