"""Measure the checkpoint on looks, voices and tracks that it never met: ``python -m training.evaluate``.

Everything runs through the pack and the host as in a workflow: the host's loaders, Audio Encode, the samplers' loop,
the streamed decode. What is written: a table, ``figures.json``, contact sheets, plots of the curves.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from .host import CHECKPOINT, ROOT, WORK

# isort: split
import comfy.model_management
import comfy.sd
import comfy.utils
import folder_paths
import numpy as np
import torch
from PIL import Image
from sound_to_video.core.audio import audio_from
from sound_to_video.core.clip.video import SampledVideo
from sound_to_video.core.families import SamplerInputs, recognise
from sound_to_video.core.families.ltx.audio_latents import encode_with_vae
from sound_to_video.core.render import plan_of, sample_segments
from sound_to_video.core.sampling.host_sampler import HostSampler, SamplerSettings
from sound_to_video.core.sampling.spool import LatentSpool
from sound_to_video.core.scene.no_text import scene_conditioning
from sound_to_video.core.sync.measure import Sync, correlation, measure_sync
from sound_to_video.core.sync.plot import draw_sync

from .clips import curve_of, make_sound, seeded
from .config import FRAME_RATE
from .drawing import LOOKS, SIZE
from .sounds import RATE, read

comfy.model_management.in_training = False
comfy.utils.set_progress_bar_enabled(False)
HEARD = {"face": "loudness", "shapes": "onsets"}


@dataclass
class Models:
    model: Any
    vae: Any
    audio_vae: Any


@dataclass
class Pair:
    """A look that was never trained on, and a sound that was never heard."""

    name: str
    kind: str
    look: Any
    samples: np.ndarray

    @property
    def image(self) -> torch.Tensor:
        frame = self.look.frames(np.zeros(1))[0]
        return torch.from_numpy(frame)[None].float() / 255


def load_models(path: Path) -> Models:
    from comfy_extras.nodes_lt_audio import LTXVAudioVAELoader

    model, _, vae, _ = comfy.sd.load_checkpoint_guess_config(str(path), output_clip=False)
    folder_paths.add_model_folder_path("checkpoints", str(path.parent))
    return Models(model, vae, LTXVAudioVAELoader.execute(path.name)[0])


def held_out_pairs(count: int, seconds: float) -> list[Pair]:
    """Half faces, half shapes. The first two sounds are the voice and the music that come with the pack."""
    own = {
        "face": ROOT / "media" / "sound_to_video_voice.wav",
        "shapes": ROOT / "media" / "sound_to_video_music.flac",
    }
    pairs = []
    for index in range(count):
        kind = "face" if index % 2 == 0 else "shapes"
        random = seeded(9, 10**7 + index)
        look = LOOKS[kind](random)
        if index < 2:
            samples = read(str(own[kind]))
            samples = np.tile(samples, int(seconds * RATE / len(samples)) + 1)[: round(seconds * RATE)]
            name = own[kind].stem
        else:
            sound = make_sound(random, kind, seconds, held_out=True)
            while sound.name == "silence":
                sound = make_sound(random, kind, seconds, held_out=True)
            samples, name = sound.samples, f"{sound.name} {index}"
        pairs.append(Pair(name, kind, look, samples))
    return pairs


def make_clip(
    models: Models, pair: Pair, settings: SamplerSettings, segment_seconds: float = 0, with_image: bool = True
) -> torch.Tensor:
    """The clip's frames ``[n, height, width, 3]`` in 0..1."""
    audio = audio_from({"waveform": torch.from_numpy(pair.samples)[None, None], "sample_rate": RATE})
    inputs = SamplerInputs(
        model=models.model,
        vae=models.vae,
        positive=scene_conditioning(pair.kind),
        negative=scene_conditioning("any"),
        encoded_audio=encode_with_vae(audio, models.audio_vae),
        width=SIZE,
        height=SIZE,
        frame_rate=Fraction(FRAME_RATE),
        reference_image=pair.image if with_image else None,
        options={"image_strength": 1.0, "image_compression": 0, "anchor_first_frame": True},
    )
    family = recognise({"model": inputs.model})
    family.check(inputs)
    plan = plan_of(family, inputs, settings.seed, segment_seconds)
    clip_sampler = family.prepare(inputs, plan)
    latents = LatentSpool(folder_paths.get_temp_directory())
    with torch.inference_mode():
        sample_segments(clip_sampler, HostSampler(settings), latents)
        return torch.cat(list(SampledVideo(clip_sampler.decoder(), latents, audio).stream_frames()))


def psnr(made: torch.Tensor, wanted: torch.Tensor) -> float:
    return float(-10 * torch.log10((made - wanted).square().mean()))


def regions(pair: Pair) -> dict[str, torch.Tensor]:
    """Where a face's skin and the background are, ``[height, width]``: away from mouth and brows; else the borders."""
    size = SIZE
    border = torch.zeros(size, size, dtype=torch.bool)
    border[: size // 10, : size // 8] = border[: size // 10, -size // 8 :] = True
    if pair.kind == "shapes":
        return {"background": border}
    cx, cy, *_ = pair.look.mouth
    x, y = torch.tensor(pair.look.canvas.x), torch.tensor(pair.look.canvas.y)
    cheeks = (((x - cx).abs() - 0.22).abs() < 0.08) & ((y - cy + 0.22).abs() < 0.05)
    return {"background": border, "face": cheeks}


def identity_errors(frames: torch.Tensor, pair: Pair) -> tuple[float, float]:
    """How far the mean colour of a region strays from what it should be, as a share of full scale: (the clip, a frame).

    The mean over the clip, and the worst frame. What it should be: as in the reference image; behind shapes, where
    some looks flash at every onset, as drawn.
    """
    drawn = pair.image.expand(len(frames), -1, -1, -1)
    if pair.kind == "shapes":
        curve = curve_of(pair.kind, pair.samples, len(frames))
        drawn = torch.from_numpy(pair.look.frames(curve)).float() / 255
    off = [frames[:, mask].mean(dim=1) - drawn[:, mask].mean(dim=1) for mask in regions(pair).values()]
    return max(float(one.mean(dim=0).abs().max()) for one in off), max(float(one.abs().max()) for one in off)


def followed(frames: torch.Tensor, pair: Pair, samples: np.ndarray | None = None) -> Sync:
    sound = torch.from_numpy(pair.samples if samples is None else samples)
    audio = {"waveform": sound[None, None], "sample_rate": RATE}
    return measure_sync([frames], FRAME_RATE, audio, heard=HEARD[pair.kind])


def figures_of(
    models: Models, pair: Pair, other: Pair, settings: SamplerSettings, **how: Any
) -> tuple[dict, torch.Tensor]:
    frames = make_clip(models, pair, settings, **how)
    sync = followed(frames, pair)
    # what the swapped sound would move, against what moved: with the sign that the clip's own sound gives
    swapped = correlation(followed(frames, pair, other.samples).heard, sync.moved)
    figures = {
        "name": pair.name,
        "kind": pair.kind,
        "correlation": round(sync.correlation, 3),
        "lag_frames": round(sync.lag_frames, 2),
        "swapped": round(swapped, 3),
    }
    if how.get("with_image", True):
        figures["first_frame_psnr"] = round(psnr(frames[0], pair.image[0]), 2)
        over_clip, of_a_frame = identity_errors(frames, pair)
        figures |= {"identity_error": round(over_clip, 4), "identity_error_of_a_frame": round(of_a_frame, 4)}
    return figures, frames


def summary(rows: list[dict]) -> dict:
    """Medians, and the worst where the worst matters."""

    def median(name: str, among: list[dict]) -> float:
        return round(float(np.median([row[name] for row in among])), 3)

    result: dict[str, Any] = {"pairs": len(rows)}
    for kind in ("all", "face", "shapes"):
        among = [row for row in rows if kind in ("all", row["kind"])]
        if not among:
            continue
        result[kind] = {
            "median correlation": median("correlation", among),
            "lowest correlation": min(row["correlation"] for row in among),
            "largest lag, frames": max(abs(row["lag_frames"]) for row in among),
            "median of swapped sound": median("swapped", among),
        }
        if "first_frame_psnr" in among[0]:
            result[kind] |= {
                "median PSNR of the first frame, dB": median("first_frame_psnr", among),
                "lowest PSNR of the first frame, dB": min(row["first_frame_psnr"] for row in among),
                "median identity error over the clip": median("identity_error", among),
                "largest identity error over the clip": max(row["identity_error"] for row in among),
                "median identity error of the worst frame": median("identity_error_of_a_frame", among),
                "largest identity error of the worst frame": max(row["identity_error_of_a_frame"] for row in among),
            }
    return result


def strip(frames: torch.Tensor, count: int = 8) -> np.ndarray:
    """``count`` frames of a clip's first two seconds side by side."""
    picked = frames[torch.linspace(0, min(len(frames) - 1, 50), count).long()]
    return (torch.cat(list(picked), dim=1).clamp(0, 1) * 255).byte().numpy()


def animation(clips: list[torch.Tensor], path: Path, columns: int = 4, seconds: float = 3.0) -> None:
    """Write clips side by side as one moving picture."""
    count = min(round(seconds * FRAME_RATE), *map(len, clips))
    rows = [torch.cat([clip[:count] for clip in clips[i : i + columns]], dim=2) for i in range(0, len(clips), columns)]
    frames = (torch.cat(rows, dim=1).clamp(0, 1) * 255).byte().numpy()
    first, *rest = [Image.fromarray(frame) for frame in frames]
    first.save(path, save_all=True, append_images=rest, duration=1000 // FRAME_RATE, loop=0, quality=70, method=6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--long", type=int, default=4, help="clips of 60 s in segments of 5 s")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--to", type=Path, default=WORK / "evaluation")
    arguments = parser.parse_args()
    arguments.to.mkdir(parents=True, exist_ok=True)
    settings = SamplerSettings(1, arguments.steps, 1.0, "euler", "simple")
    models = load_models(arguments.checkpoint)
    report: dict[str, Any] = {}
    strips = []

    def measured(title: str, pairs: list[Pair], **how: Any) -> list[tuple[dict, torch.Tensor]]:
        made = []
        for index, pair in enumerate(pairs):
            same = [one for one in pairs if one.kind == pair.kind]
            other = same[(same.index(pair) + 1) % len(same)]
            made.append(figures_of(models, pair, other, settings, **how))
            print(f"{title} {index + 1}/{len(pairs)}: {made[-1][0]}", flush=True)
        report[title] = {"summary": summary([row for row, _ in made]), "clips": [row for row, _ in made]}
        return made

    pairs = held_out_pairs(arguments.pairs, arguments.seconds)
    shown = measured("with a reference image", pairs)
    animation([frames for _, frames in shown[:8]], arguments.to / "clips.webp")
    for index, (_, frames) in enumerate(shown):
        strips.append(strip(frames))
        plot = draw_sync(followed(frames, pairs[index]), HEARD[pairs[index].kind], "opening")
        Image.fromarray((plot[0].numpy() * 255).astype(np.uint8)).save(arguments.to / f"plot_{index:02}.png")
    Image.fromarray(np.concatenate(strips)).save(arguments.to / "with_image.png")
    alone = measured("from the sound alone", pairs[: max(2, arguments.pairs // 2)], with_image=False)
    Image.fromarray(np.concatenate([strip(frames) for _, frames in alone])).save(arguments.to / "sound_alone.png")
    if arguments.long:
        long_pairs = held_out_pairs(arguments.long, 60.0)
        made = measured("60 s in segments", long_pairs, segment_seconds=5)
        for pair, (row, frames) in zip(long_pairs, made, strict=True):
            sync = followed(frames, pair)
            for name, start in (("first 5 s", 0), ("last 5 s", 55)):
                part = sync.between(start, start + 5)
                row[name] = {"correlation": round(part.correlation, 3), "lag_frames": round(part.lag_frames, 2)}
            print(row, flush=True)
        for name in ("first 5 s", "last 5 s"):
            ends_of = [row[name] for row, _ in made]
            report["60 s in segments"]["summary"]["all"] |= {
                f"{name}: median correlation": round(float(np.median([one["correlation"] for one in ends_of])), 3),
                f"{name}: largest lag, frames": max(abs(one["lag_frames"]) for one in ends_of),
            }
        Image.fromarray(np.concatenate([ends(frames) for _, frames in made])).save(arguments.to / "long.png")
    (arguments.to / "figures.json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    text = "\n".join(card(report)) + "\n"
    (arguments.to / "card.md").write_text(text, "utf-8")
    print(text)


def card(report: dict[str, Any]) -> Iterator[str]:
    """The figures as the tables of the model's card."""
    for title, part in report.items():
        kinds = {name: row for name, row in part["summary"].items() if isinstance(row, dict)}
        yield f"**{title[0].upper()}{title[1:]}**, {part['summary']['pairs']} clips:"
        yield ""
        yield f"| | {' | '.join({'face': 'faces'}.get(name, name) for name in kinds)} |"
        yield f"|---|{'---|' * len(kinds)}"
        for row in kinds["all"]:
            yield f"| {row} | {' | '.join(str(figures.get(row, '')) for figures in kinds.values())} |"
        yield ""


def ends(frames: torch.Tensor, count: int = 8) -> np.ndarray:
    """Frames spread over a whole clip, side by side."""
    picked = frames[torch.linspace(0, len(frames) - 1, count).long()]
    return (torch.cat(list(picked), dim=1).clamp(0, 1) * 255).byte().numpy()


if __name__ == "__main__":
    main()
