"""What the tests of all families over footage share: footage, and a clip made over it without the node."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any, NamedTuple

import folder_paths
import torch
from comfy_api.latest import InputImpl, Types
from sound_to_video.core.families import Family, SamplerInputs
from sound_to_video.core.lip_sync import FootageInputs, Shown, footage_under, plan_lip_sync
from sound_to_video.core.plan import Plan
from sound_to_video.core.render import sample_segments
from sound_to_video.core.sampling.host_sampler import HostSampler, SamplerSettings
from sound_to_video.core.sampling.spool import LatentSpool
from sound_to_video.core.sampling.store import SegmentStore


class Run(NamedTuple):
    """What went into a run of the sampler and came out; of a joint latent its parts. shown: in the conditioning."""

    shown: dict[str, Any]
    latent: Any
    mask: Any
    result: Any
    sigmas: torch.Tensor | None


class Watched(HostSampler):
    """The host's sampler, and its runs."""

    def __init__(self, settings: SamplerSettings, store: SegmentStore | None = None):
        super().__init__(settings, store)
        self.runs: list[Run] = []

    def sample(self, model, positive, negative, latent, seed, **how):
        result = super().sample(model, positive, negative, latent, seed, **how)
        whole = latent, how.get("noise_mask"), result
        parts = (part.unbind() if getattr(part, "is_nested", False) else part for part in whole)
        self.runs.append(Run(positive[0][1], *parts, how.get("sigmas")))
        return result


def footage(
    seconds: float, rate: Any, size: int, cut_at: float | None = None, own_sound: Any = None
) -> InputImpl.VideoFromComponents:
    """A still pattern that grows lighter, and from ``cut_at`` on much lighter."""
    count = round(seconds * rate)
    images = torch.rand([1, size, size, 3], generator=torch.Generator().manual_seed(4)).repeat(count, 1, 1, 1) * 0.4
    images += torch.linspace(0, 0.1, count)[:, None, None, None]
    if cut_at is not None:
        images[round(cut_at * rate) :] += 0.5
    components = Types.VideoComponents(images=images, audio=own_sound, frame_rate=Fraction(rate))
    return InputImpl.VideoFromComponents(components)


def sampled_over(
    family: Family,
    inputs: SamplerInputs,
    asked: FootageInputs,
    sampler: HostSampler,
    segment_seconds: float = 0,
    preview_seconds: float = 0,
) -> tuple[Plan, Shown, Any, LatentSpool]:
    """The plan, the footage, the ClipSampler, and the new latents of every segment."""
    family.check_lip_sync(inputs)
    shown = footage_under(asked, inputs.encoded_audio, step_at=family.footage_step)
    inputs = replace(inputs, frame_rate=family.rate(shown.crops.footage.source.rate / shown.crops.step))
    plan, shown = plan_lip_sync(family, inputs, shown, sampler.settings.seed, segment_seconds, preview_seconds)
    latents = LatentSpool(folder_paths.get_temp_directory())
    clip_sampler = family.prepare_lip_sync(inputs, plan, shown.crops, asked.strength)
    sample_segments(clip_sampler, sampler, latents)
    return plan, shown, clip_sampler, latents
