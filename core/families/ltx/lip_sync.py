"""A mouth in footage made anew by LTX-2: the sound frozen as ever, the picture under a noise mask in space and time.

The crop's own latents are the start; the host's noise mask is 0 where the footage stays. Such tokens are clean, at time
0 (comfy/model_base.py LTXAV.process_timestep), and what comes out of them is what went in. So head, light and skin come
from the neighbours in space and time. A segment's first latent, one frame, is the footage's as it is: what the face
looks like, mouth included; no reference image is needed. In the clip that is its first frame alone: later segments
repeat what the one before made, and after a cut a latent in front is left out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from ...frames.crops import Crops, scaled
from ...plan import Plan, Segment
from ...sampling.spool import LatentHistory
from ...scene.pictures import ShotPictures
from ...scene.prompts import prompt_at
from ...timeline import Grid
from ..base import SamplerInputs
from .clip_sampler import SPATIAL_RATIO, LTXAVClipSampler, sampled
from .key_frames import PassInputs

if TYPE_CHECKING:
    from ...sampling.host_sampler import HostSampler


class LTXLipSync(LTXAVClipSampler):
    """crops: the footage at ``inputs.width`` x ``inputs.width``.  strength: 1 forgets the mouth that was there."""

    def __init__(self, inputs: SamplerInputs, plan: Plan, pictures: ShotPictures, crops: Crops, strength: float):
        super().__init__(inputs, plan, pictures)
        self.crops, self.strength = crops, strength

    def steps(self, sampler: HostSampler) -> int:
        return super().steps(sampler) - len(sampler.sigmas(self.model)) + len(self._sigmas(sampler))

    def _sigmas(self, sampler: HostSampler) -> torch.Tensor:
        """The noise levels from the one on that is nearest to the strength; the last, 0, alone for none."""
        sigmas = sampler.sigmas(self.model)
        return sigmas[int((sigmas - self.strength * sigmas[0]).abs().argmin()) :]

    def sample(self, segment: Segment, history: LatentHistory, sampler: HostSampler) -> torch.Tensor:
        overlap, seen = segment.overlap, segment
        if segment.latent_start and not overlap:
            # In a clip the first latent after a cut holds frames of its own: one in front of it takes the place of the
            # single frame with which a segment begins.
            seen, overlap = _one_earlier(segment), 1
        start, count = seen.latent_start * self.plan.grid.stride, self.plan.grid.frame_count(seen.latent_count)
        crops = self.crops.frames(start, start + count)
        sizes = [width for width, _ in self.sizes]
        footage = [self.inputs.vae.encode(scaled(crops, size)) for size in sizes]
        masks = [
            token_mask(self.crops.masks(start, start + count, size // SPATIAL_RATIO), self.plan.grid) for size in sizes
        ]
        known = history.last(segment.overlap) if segment.overlap else None
        for mask in masks:
            mask[:, :, : overlap or 1] = 0
        if known is not None:
            _go_on_from(known, footage[-1])
        sigmas = self._sigmas(sampler)
        if len(sigmas) > 1 and any(bool(mask[:, :, overlap:].any()) for mask in masks):
            if known is not None and len(sizes) > 1:
                _go_on_from(self._halved(history, segment), footage[0])
            return self._sampled(seen, footage, masks, sigmas, sampler)[:, :, overlap:]
        return footage[-1][:, :, overlap:]

    def _sampled(
        self,
        segment: Segment,
        footage: list[torch.Tensor],
        masks: list[torch.Tensor],
        sigmas: torch.Tensor,
        sampler: HostSampler,
    ) -> torch.Tensor:
        """footage, masks: latents ``[1, 128, n, H, W]`` and ``[1, 1, n, H, W]`` at the size of every pass."""
        time = segment.prompt_seconds
        prompts = prompt_at(self.positive, time), prompt_at(self.negative, time)
        sound = self.sound(segment)
        start = torch.where(masks[0] > 0, 0.0, footage[0]) if self.strength == 1 else footage[0]
        first = PassInputs(*prompts, start, masks[0])
        picture, sound = sampled(sampler, self.model, first, sound, segment.seed, sigmas=sigmas)
        if self.upscaler is not None:
            picture = torch.where(masks[1] > 0, self.upscaled(picture).to(footage[1]), footage[1])
            picture = self.refined(sampler, PassInputs(*prompts, picture, masks[1]), sound, segment.seed)
        return picture


def token_mask(masks: torch.Tensor, grid: Grid) -> torch.Tensor:
    """``[frames, H, W]`` of a segment's frames -> ``[1, 1, latents, H, W]``: of each token the maximum over its frames.

    The first latent is one frame, every further one ``grid.stride``.
    """
    later = masks[1:].unflatten(0, (-1, grid.stride)).amax(dim=1) if len(masks) > 1 else masks[1:]
    return torch.cat([masks[:1], later])[None, None]


def _go_on_from(known: torch.Tensor, footage: torch.Tensor) -> None:
    """Set in what the segment before has made; the first latent stays one frame of the footage, which cannot drift."""
    footage[:, :, 1 : known.shape[2]] = known[:, :, 1:].to(footage)


def _one_earlier(segment: Segment) -> Segment:
    return replace(segment, latent_start=segment.latent_start - 1, latent_count=segment.latent_count + 1)
