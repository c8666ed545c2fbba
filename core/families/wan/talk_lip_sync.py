"""A mouth in footage made anew by InfiniteTalk: the official video to video, held to the footage around the mouth.

Officially (``generate_infinitetalk`` in wan/multitalk.py, MeiGen-AI/InfiniteTalk) the image that a window is
conditioned on, and that CLIP sees, is the footage's frame at the window's start, its last one once the footage is over;
the last frames of the window before are held, and the rest of the picture is made freely: head and camera follow the
footage only roughly. Here the crop's own latents are held beside the mouth, by the host's noise mask (re-noised to
each step's level, comfy/samplers.py KSamplerX0Inpaint), so that the mouth fits the head that it is set into. What is
handed on has the footage's own pixels beside the mouth, too: they cannot drift.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from ...plan import Segment
from ...sampling.spool import LatentHistory
from ..over_footage import OverFootage, Window, window_of
from .common import SPATIAL_RATIO
from .talk_clip_sampler import ClipVision, InfiniteTalkClipSampler, condition_latents

if TYPE_CHECKING:
    from ...sampling.host_sampler import HostSampler


class InfiniteTalkLipSync(OverFootage, InfiniteTalkClipSampler):
    def sample(self, segment: Segment, history: LatentHistory, sampler: HostSampler) -> torch.Tensor:
        window = window_of(segment, self.plan.grid)
        crops = self.crops.frames(window.start, window.stop)
        if window.after_cut:
            # The frame in front is of the scene before; the last of the first latent's is not, wherever the cut was
            # moved to.
            crops[0] = crops[self.plan.grid.stride]
        held = self.last_frames.before(segment, history, partial(self._in_footage, window, crops))
        footage = self.inputs.vae.encode(crops)
        if held is None:
            held = footage[:, :, :1]
        footage[:, :, : held.shape[2]] = held.to(footage)
        if window.after_cut:
            self.last_frames.begin_with(held)
        mask, sigmas = self.mask(window, self.inputs.width // SPATIAL_RATIO).to(footage), self.noise_levels(sampler)
        if len(sigmas) > 1 and mask.any():
            image = condition_latents(self.inputs.vae, crops[:1], len(crops))
            beginning, how = self.beginning(footage, mask), {"noise_mask": mask, "sigmas": sigmas}
            footage = self.sampled(window.segment, image, held, beginning, sampler, self._shown(crops[:1]), **how)
        return footage[:, :, window.overlap :]

    def _in_footage(self, window: Window, crops: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
        """The first frames of a window as the clip shows them: what was made, ``[n, size, size, 3]``, in the mask."""
        masks = self.crops.masks(window.start, window.start + len(frames), self.crops.size)
        return torch.lerp(crops[: len(frames)], frames.to(crops), masks[..., None].to(crops))

    def _shown(self, picture: torch.Tensor) -> dict[str, Any]:
        clip_vision = self.inputs.option("clip_vision")
        if clip_vision is None:
            return {}
        seen = clip_vision.encode_image(picture)
        return {"clip_vision_output": ClipVision(seen.penultimate_hidden_states)}
