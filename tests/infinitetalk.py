"""What the tests of InfiniteTalk share: what its encoder gives for a sound, inputs of it, and the host's own graph."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import folder_paths
import torch
from sound_to_video.core.families import SamplerInputs, recognise
from sound_to_video.core.features.encoded import encoded_audio_from
from sound_to_video.core.render import plan_of, sample_segments
from sound_to_video.core.sampling.host_sampler import HostSampler, SamplerSettings
from sound_to_video.core.sampling.spool import LatentSpool
from sound_to_video.tests.humo import SIZE, picture, text

SETTINGS = SamplerSettings(seed=5, steps=2, cfg=1.0, sampler_name="euler", scheduler="simple")
ONE_STEP = SamplerSettings(seed=5, steps=1, cfg=1.0, sampler_name="euler", scheduler="simple")


def load_patch(path: Path) -> Any:
    """A MODEL_PATCH, as core's Load Model Patch loads it."""
    from comfy_extras.nodes_model_patch import ModelPatchLoader

    folder_paths.add_model_folder_path("model_patches", str(path.parent))
    return ModelPatchLoader().load_model_patch(path.name)[0]


def host_encoding(seconds: float, seed: int = 2) -> dict:
    """What core's Audio Encoder Encode gives for ``seconds`` of sound."""
    generator = torch.Generator().manual_seed(seed)
    samples = round(seconds * 16000)
    layers = tuple(torch.randn([1, (samples - 400) // 320 + 1, 768], generator=generator) for _ in range(13))
    return {"encoded_audio": layers[-1], "encoded_audio_all_layers": layers, "audio_samples": samples}


def inputs_of(model, vae, patch, seconds: float = 1.0, options=None, **changes) -> SamplerInputs:
    values = {
        "model": model,
        "vae": vae,
        "positive": text(1),
        "negative": text(2),
        "encoded_audio": encoded_audio_from(host_encoding(seconds)),
        "width": SIZE,
        "height": SIZE,
        "frame_rate": Fraction(25),
        "reference_image": picture(),
        "options": {"model_patch": patch, **(options or {})},
        **changes,
    }
    return SamplerInputs(**values)


def sampled(inputs: SamplerInputs, settings: SamplerSettings = SETTINGS, segment_seconds: float = 0, store=None):
    """The new latents of every segment, the plan, and what each run of the sampler was given."""

    class Watched(HostSampler):
        def sample(self, model, positive, negative, latent, seed, **how):
            runs.append(positive[0][1])
            return super().sample(model, positive, negative, latent, seed, **how)

    runs: list[dict] = []
    family = recognise({"model": inputs.model, **inputs.options})
    family.check(inputs)
    plan = plan_of(family, inputs, settings.seed, segment_seconds)
    sampler, latents = Watched(settings, store), LatentSpool(folder_paths.get_temp_directory())
    sample_segments(family.prepare(inputs, plan), sampler, latents)
    return list(latents), plan, runs, sampler.resumed_runs


def host_latents(
    inputs: SamplerInputs, length: int, encoding: dict, settings=SETTINGS, scale=1.0, speakers=None, **more
) -> torch.Tensor:
    """The template's wiring: WanInfiniteTalkToVideo and KSampler."""
    import nodes
    from comfy_extras.nodes_wan import WanInfiniteTalkToVideo

    model, positive, negative, latent, _ = WanInfiniteTalkToVideo.execute(
        speakers or {"mode": "single_speaker"},
        inputs.model,
        inputs.options["model_patch"],
        inputs.positive,
        inputs.negative,
        inputs.vae,
        SIZE,
        SIZE,
        length,
        encoding,
        9,
        start_image=inputs.reference_image,
        audio_scale=scale,
        **more,
    ).args
    how = (settings.seed, settings.steps, settings.cfg, settings.sampler_name, settings.scheduler)
    return nodes.KSampler().sample(model, *how, positive, negative, latent)[0]["samples"]
