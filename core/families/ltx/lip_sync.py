"""A mouth in footage made anew by LTX-2: the sound frozen as ever, the picture under a noise mask in space and time.

The crop's own latents are the start; the host's noise mask is 0 where the footage stays. Such tokens are clean, at time
0 (comfy/model_base.py LTXAV.process_timestep), and what comes out of them is what went in. So head, light and skin come
from the neighbours in space and time. A segment's first latent, one frame, is the footage's as it is: what the face
looks like, mouth included; no reference image is needed. In the clip that is its first frame alone: later segments
repeat what the one before made, and after a cut a latent in front is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ...frames.crops import scaled
from ...plan import Segment
from ...sampling.spool import LatentHistory
from ...scene.prompts import prompt_at
from ..over_footage import OverFootage, window_of
from .clip_sampler import SPATIAL_RATIO, LTXAVClipSampler, sampled
from .key_frames import PassInputs

if TYPE_CHECKING:
    from ...sampling.host_sampler import HostSampler


class LTXLipSync(OverFootage, LTXAVClipSampler):
    def sample(self, segment: Segment, history: LatentHistory, sampler: HostSampler) -> torch.Tensor:
        window = window_of(segment, self.plan.grid)
        crops = self.crops.frames(window.start, window.stop)
        sizes = [width for width, _ in self.sizes]
        footage = [self.inputs.vae.encode(scaled(crops, size)) for size in sizes]
        masks = [self.mask(window, size // SPATIAL_RATIO) for size in sizes]
        known = history.last(segment.overlap) if segment.overlap else None
        if known is not None:
            _go_on_from(known, footage[-1])
        sigmas = self.noise_levels(sampler)
        if len(sigmas) > 1 and any(bool(mask[:, :, window.overlap :].any()) for mask in masks):
            if known is not None and len(sizes) > 1:
                _go_on_from(self._halved(history, segment), footage[0])
            return self._sampled(window.segment, footage, masks, sigmas, sampler)[:, :, window.overlap :]
        return footage[-1][:, :, window.overlap :]

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
        first = PassInputs(*prompts, self.beginning(footage[0], masks[0]), masks[0])
        picture, sound = sampled(sampler, self.model, first, sound, segment.seed, sigmas=sigmas)
        if self.upscaler is not None:
            picture = torch.where(masks[1] > 0, self.upscaled(picture).to(footage[1]), footage[1])
            picture = self.refined(sampler, PassInputs(*prompts, picture, masks[1]), sound, segment.seed)
        return picture


def _go_on_from(known: torch.Tensor, footage: torch.Tensor) -> None:
    """Set in what the segment before has made; the first latent stays one frame of the footage, which cannot drift."""
    footage[:, :, 1 : known.shape[2]] = known[:, :, 1:].to(footage)
