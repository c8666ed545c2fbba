"""What families share that make a mouth in footage anew: windows, masks, and how much of it is forgotten."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch

from ..frames.crops import Crops
from ..plan import Plan, Segment
from ..scene.pictures import ShotPictures
from ..timeline import Grid
from .base import ClipSampler, SamplerInputs

if TYPE_CHECKING:
    from ..sampling.host_sampler import HostSampler


class Window(NamedTuple):
    """What is sampled at a time.

    segment: as it is sampled.  overlap: its first latents that are not added to the clip.
    start, stop: its frames, among those that are sampled; the first latent is one frame.
    after_cut: whether it begins a latent before the segment of the plan.
    """

    segment: Segment
    overlap: int
    start: int
    stop: int
    after_cut: bool


def window_of(segment: Segment, grid: Grid) -> Window:
    """The window of a segment of the plan.

    In a clip the first latent after a cut holds frames of its own: one in front of it takes the place of the single
    frame with which a window begins.
    """
    after_cut = segment.latent_start > 0 and not segment.overlap
    overlap = segment.overlap
    if after_cut:
        overlap = 1
        segment = replace(segment, latent_start=segment.latent_start - 1, latent_count=segment.latent_count + 1)
    start = segment.latent_start * grid.stride
    return Window(segment, overlap, start, start + grid.frame_count(segment.latent_count), after_cut)


def token_mask(masks: torch.Tensor, grid: Grid) -> torch.Tensor:
    """``[frames, H, W]`` of a segment's frames -> ``[1, 1, latents, H, W]``: of each token the maximum over its frames.

    The first latent is one frame, every further one ``grid.stride``.
    """
    later = masks[1:].unflatten(0, (-1, grid.stride)).amax(dim=1) if len(masks) > 1 else masks[1:]
    return torch.cat([masks[:1], later])[None, None]


class OverFootage(ClipSampler):
    """Stands in front of a family's own ClipSampler.

    crops: the footage at ``inputs.width`` x ``inputs.width``.  strength: 1 forgets the mouth that was there.
    """

    def __init__(self, inputs: SamplerInputs, plan: Plan, pictures: ShotPictures, crops: Crops, strength: float):
        super().__init__(inputs, plan, pictures)
        self.crops, self.strength = crops, strength

    def steps(self, sampler: HostSampler) -> int:
        return super().steps(sampler) - len(sampler.sigmas(self.model)) + len(self.noise_levels(sampler))

    def noise_levels(self, sampler: HostSampler) -> torch.Tensor:
        """The noise levels from the one on that is nearest to the strength; the last, 0, alone for none."""
        sigmas = sampler.sigmas(self.model)
        return sigmas[int((sigmas - self.strength * sigmas[0]).abs().argmin()) :]

    def mask(self, window: Window, size: int) -> torch.Tensor:
        """``[1, 1, latents, size, size]``: what of the window's latents is made anew, its first ones never."""
        mask = token_mask(self.crops.masks(window.start, window.stop, size), self.plan.grid)
        mask[:, :, : window.overlap or 1] = 0
        return mask

    def beginning(self, footage: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """What noise is added to: the footage's latents, without what is masked where all of it is forgotten."""
        return torch.where(mask > 0, 0.0, footage) if self.strength == 1 else footage
