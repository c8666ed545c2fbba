"""What the Wan models share: the family, the latents of Wan2.1's VAE, and going on from the frames that came before."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import comfy.model_management
import torch

from ...decoding.stream import decode_stream
from ...frames.images import fitted_reference
from ...plan import Plan, Segment
from ...sampling.spool import LatentHistory
from ...scene.pictures import ShotPictures
from ...timeline import FrameGrid
from ..base import ClipSampler, Family, SamplerInputs
from ..memory import check_memory

LATENT_CHANNELS = 16
SPATIAL_RATIO = 8
POSITIONS = Fraction(1, SPATIAL_RATIO**2)
"""Of a latent, for each pixel of a frame."""


def empty_latents(inputs: SamplerInputs, latent_count: int) -> torch.Tensor:
    """``[1, 16, latent_count, height, width]`` of zeros, as core's nodes begin with."""
    shape = [1, LATENT_CHANNELS, latent_count, inputs.height // SPATIAL_RATIO, inputs.width // SPATIAL_RATIO]
    return torch.zeros(shape, device=comfy.model_management.intermediate_device())


def reference_latents(
    inputs: SamplerInputs, plan: Plan, pictures: ShotPictures, bars: float = 0.0
) -> dict[int, torch.Tensor]:
    """The latent ``[1, 16, 1, H, W]`` of each picture that is shown, by its number; of none without a reference image.

    bars: as in ``fitted_reference``.
    """
    if inputs.reference_image is None:
        return {}
    latents = {}
    for number in pictures.shown(plan.segments):
        image = inputs.reference_image[number : number + 1]
        fitted = fitted_reference(image, inputs.width, inputs.height, inputs.image_fit, bars=bars)
        latents[number] = inputs.vae.encode(fitted)
    return latents


class WanClipSampler(ClipSampler):
    def __init__(self, inputs: SamplerInputs, plan: Plan, pictures: ShotPictures):
        super().__init__(inputs, plan, pictures)
        check_memory(inputs.model, plan, inputs.width, inputs.height, POSITIONS)


class WanFamily(Family):
    """A model on Wan2.1's VAE that hears an audio encoder, is told a prompt, and sees an image in every segment."""

    audio_input = "audio_encoder"
    frame_rate_is_free = False
    grid = FrameGrid(stride=4)
    size_multiple = 16

    def check(self, inputs: SamplerInputs) -> None:
        self.check_size(inputs.width, inputs.height)
        self._check_prompts(inputs)
        self.check_encoder(inputs)
        self.check_vae(inputs, LATENT_CHANNELS, "load wan_2.1_vae.safetensors")
        self.check_reference(inputs)
        self.check_control_video(inputs)

    def _check_prompts(self, inputs: SamplerInputs) -> None:
        """Raise for prompts of another text encoder than the model's."""
        transformer = inputs.model.get_model_object("diffusion_model")
        self.check_text(inputs, getattr(transformer.text_embedding[0], "in_features", None))


class LastFrames:
    """The end of one segment as the beginning of the next: its last frames, decoded and encoded anew.

    A window of the model begins with a latent of one frame, and the clip goes on with latents of four: the frames are
    what both can be made of. Official long clips (generate_infinitetalk in wan/multitalk.py, MeiGen-AI/InfiniteTalk) go
    on from decoded frames too. Segments are asked for in order.
    """

    def __init__(self, vae: Any, plan: Plan):
        self._vae, self._plan = vae, plan
        self._known: torch.Tensor | None = None
        self._new_latents = 0

    def before(
        self,
        segment: Segment,
        history: LatentHistory,
        changed: Callable[[torch.Tensor], torch.Tensor] = lambda frames: frames,
    ) -> torch.Tensor | None:
        """The latents that a segment begins with, ``[1, 16, overlap, H, W]``; None where it starts afresh.

        history: as in ``ClipSampler.sample``.  changed: what the frames ``[n, height, width, 3]`` are encoded as.
        """
        known = self._encoded_anew(segment.overlap, history, changed) if segment.overlap else None
        self._known, self._new_latents = known, segment.new_latents
        return known

    def begin_with(self, latents: torch.Tensor) -> None:
        """A segment that starts afresh was sampled behind these, which the clip does not have."""
        self._known = latents

    def _encoded_anew(
        self, latent_count: int, history: LatentHistory, changed: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        window = history.last(self._new_latents)
        if self._known is not None:
            window = torch.cat([self._known.to(window), window], dim=2)
        frame_count = self._plan.grid.frame_count(latent_count)
        frames = torch.empty(0)
        for group in decode_stream(self._vae, [window], window.shape[2]):
            frames = torch.cat([frames, group])[-frame_count:] if len(frames) else group[-frame_count:]
        return self._vae.encode(changed(frames))
