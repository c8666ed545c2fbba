"""Measure the checkpoint on footage that speaks already: ``python -m training.evaluate_lip_sync``.

Looks that were never drawn, speaking words of their own, are made to say other words, through the pack's own functions:
the footage is looked through, the mouth masked by a box, the crop sampled, the clip composed. The footage is a file, in
4:2:0 as a camera's is, and the clip is written into one. What is written beside them: a table, ``lip_sync.json``, and a
contact sheet of before and after.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from .host import CHECKPOINT, WORK

# isort: split
import folder_paths
import numpy as np
import torch
from comfy_api.latest import InputImpl
from PIL import Image
from sound_to_video.core.audio import audio_from
from sound_to_video.core.clip.composite import CompositeDecoder
from sound_to_video.core.clip.mux import write_clip
from sound_to_video.core.clip.video import SampledVideo
from sound_to_video.core.families import SamplerInputs, recognise
from sound_to_video.core.families.ltx.audio_latents import encode_with_vae
from sound_to_video.core.frames.source import source_of
from sound_to_video.core.lip_sync import KEPT_QUALITY, FootageInputs, footage_under, plan_lip_sync
from sound_to_video.core.render import sample_segments
from sound_to_video.core.sampling.host_sampler import HostSampler, SamplerSettings
from sound_to_video.core.sampling.spool import LatentSpool
from sound_to_video.core.scene.no_text import scene_conditioning
from sound_to_video.core.sync.measure import correlation, measure_sync

from .clips import curve_of, seeded
from .config import FRAME_RATE
from .drawing import LOOKS, SIZE
from .evaluate import Models, load_models, psnr
from .sounds import RATE, mastered, speech

REGION = (0.2, 0.5, 0.8, 0.95)
ENDS_SECONDS = 5
SERIES = 11  # of seeds that nothing else draws from
SETTINGS = SamplerSettings(seed=1, steps=8, cfg=1.0, sampler_name="euler", scheduler="simple")


def speaker(index: int, seconds: float) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """Footage ``[n, size, size, 3]`` in 0..1, what is said in it, and what it is to say."""
    random = seeded(SERIES, index)
    look = LOOKS["face"](random)
    old, new = (mastered(random, speech(random, seconds, held_out=True)) for _ in range(2))
    frames = look.frames(curve_of("face", old, round(seconds * FRAME_RATE)))
    return torch.from_numpy(frames).float() / 255, old, new


def sound(samples: np.ndarray) -> dict[str, Any]:
    return {"waveform": torch.from_numpy(samples)[None, None], "sample_rate": RATE}


def read(path: Path, count: int) -> torch.Tensor:
    """The first frames of a file, ``[count, height, width, 3]`` in 0..1."""
    return torch.stack(list(source_of(InputImpl.VideoFromFile(str(path))).frames(0, count)))


def synced(
    models: Models, footage: Path, samples: np.ndarray, segment_seconds: float = 5, **asked: Any
) -> SampledVideo:
    """The footage, saying the sound."""
    encoded = encode_with_vae(audio_from(sound(samples)), models.audio_vae)
    footage_inputs = FootageInputs(InputImpl.VideoFromFile(str(footage)), crop_size=SIZE, **asked)
    inputs = SamplerInputs(
        model=models.model,
        vae=models.vae,
        positive=scene_conditioning("face"),
        negative=scene_conditioning("any"),
        encoded_audio=encoded,
        width=SIZE,
        height=SIZE,
        frame_rate=Fraction(FRAME_RATE),
    )
    family = recognise({"model": inputs.model})
    family.check(inputs)
    shown = footage_under(footage_inputs, encoded, step_at=family.footage_step)
    inputs = replace(inputs, frame_rate=family.rate(shown.crops.footage.source.rate / shown.crops.step))
    plan, shown = plan_lip_sync(family, inputs, shown, SETTINGS.seed, segment_seconds)
    clip_sampler = family.prepare_lip_sync(inputs, plan, shown.crops, footage_inputs.strength)
    latents = LatentSpool(folder_paths.get_temp_directory())
    sample_segments(clip_sampler, HostSampler(SETTINGS), latents)
    decoder = CompositeDecoder(clip_sampler.decoder(), shown.crops, Fraction(FRAME_RATE), shown.frame_count)
    return SampledVideo(decoder, latents, encoded.audio, quality=KEPT_QUALITY)


def ends(clip: torch.Tensor, new: np.ndarray) -> dict[str, float]:
    """How the first and the last five seconds of a long clip follow the new sound."""
    count, found = ENDS_SECONDS * FRAME_RATE, {}
    for name, start in (("first", 0), ("last", len(clip) - count)):
        heard = new[round(start * RATE / FRAME_RATE) : round((start + count) * RATE / FRAME_RATE)]
        said = measure_sync([clip[start : start + count]], FRAME_RATE, sound(heard), region=REGION)
        found[f"{name} {ENDS_SECONDS} s"] = round(said.correlation, 3)
        found[f"{name} {ENDS_SECONDS} s, lag"] = round(said.lag_frames, 2)
    return found


def measured(
    frames: torch.Tensor,
    clip: torch.Tensor,
    written: torch.Tensor,
    old: np.ndarray,
    new: np.ndarray,
    kept: torch.Tensor,
) -> dict:
    """Correlation with the new sound and the old one, and what became of the pixels that are to stay."""
    said = measure_sync([clip], FRAME_RATE, sound(new), region=REGION)
    before = measure_sync([frames], FRAME_RATE, sound(old), region=REGION)
    return {
        "correlation": round(said.correlation, 3),
        "lag_frames": round(said.lag_frames, 2),
        "old sound": round(correlation(before.heard[: len(said.moved)], said.moved), 3),
        "footage with its own": round(before.correlation, 3),
        "kept, largest error": float((clip - frames[: len(clip)])[kept[: len(clip)]].abs().max()),
        "kept in the file, dB": round(psnr(written[kept[: len(clip)]], frames[: len(clip)][kept[: len(clip)]]), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=WORK / "lip_sync")
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=5)
    arguments = parser.parse_args()
    arguments.to.mkdir(parents=True, exist_ok=True)
    models, rows, sheet = load_models(CHECKPOINT), [], []
    for index in range(arguments.clips):
        drawn, old, new = speaker(index, arguments.seconds)
        footage, target = (arguments.to / f"{name}_{index}.mp4" for name in ("before", "after"))
        write_clip(footage, [drawn], Fraction(FRAME_RATE), quality="very high")
        frames = read(footage, len(drawn))
        with torch.inference_mode():
            video = synced(models, footage, new)
            clip = video.get_components().images
            video.save_to(str(target))
        path = video._decoder.crops.path
        kept = torch.stack([path.feathered(min(i, len(frames) - 1)) == 0 for i in range(len(frames))])
        rows.append(measured(frames, clip, read(target, len(clip)), old, new, kept))
        if arguments.seconds > 4 * ENDS_SECONDS:
            rows[-1] |= ends(clip, new)
        print(index, rows[-1], flush=True)
        picked = torch.linspace(3, len(clip) - 1, 10).long()
        sheet += [torch.cat(list(images[picked]), dim=1) for images in (frames, clip)]
    summary = {
        "median correlation": round(float(np.median([row["correlation"] for row in rows])), 3),
        "lowest correlation": min(row["correlation"] for row in rows),
        "median of the old sound": round(float(np.median([abs(row["old sound"]) for row in rows])), 3),
        "largest lag, frames": max(abs(row["lag_frames"]) for row in rows),
        "kept, largest error": max(row["kept, largest error"] for row in rows),
        "kept in the file, lowest dB": min(row["kept in the file, dB"] for row in rows),
    }
    print(summary)
    (arguments.to / "lip_sync.json").write_text(
        json.dumps({"summary": summary, "clips": rows}, indent=1) + "\n", "utf-8"
    )
    pixels = (torch.cat(sheet[:16]).clamp(0, 1) * 255).byte().numpy()
    Image.fromarray(pixels).save(arguments.to / "before_and_after.png")


if __name__ == "__main__":
    main()
