"""A clip in the making by LTX-2: each segment's picture and sound in one latent, through one stage or two."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import comfy.model_management
import comfy.nested_tensor
import node_helpers
import torch
from comfy_extras.nodes_lt import preprocess
from comfy_extras.nodes_lt_upsampler import LTXVLatentUpsampler

from ...frames.images import fitted_reference, longer_edge_resized, resized_cropped
from ...plan import Plan, Segment
from ...sampling.spool import LatentHistory
from ...scene.pictures import ShotPictures
from ...scene.prompts import prompt_at
from ...timeline import clip_frame_count, rounded
from ..base import ClipSampler, SamplerInputs
from ..memory import check_memory
from .audio_latents import heard_latents
from .guidance import Guidance, HeardAudio, guided
from .key_frames import Guide, PassInputs, with_guides
from .negative import with_sound_of_positive
from .options import SCHEDULES
from .partial_noise import clean_by_token

if TYPE_CHECKING:
    from ...sampling.host_sampler import HostSampler

LATENT_CHANNELS = 128
SPATIAL_RATIO = 32
UPSCALE = 2
DECODE_CONTEXT = 2  # latents decoded in front of an overlap that is encoded anew at half size
REFERENCE_EDGE = 1536  # pixels of the reference image's longer edge when it is compressed, as in the template

DEFAULT_STAGES = SCHEDULES["ltx-2.3 distilled"]


class LTXAVClipSampler(ClipSampler):
    def __init__(self, inputs: SamplerInputs, plan: Plan, pictures: ShotPictures):
        super().__init__(inputs, plan, pictures)
        self.upscaler = inputs.option("latent_upscale_model")
        heard = HeardAudio(inputs.audio_scale)
        unguided = heard.on(inputs.model)
        self.model = with_sound_of_positive(guided(unguided, guidance_of(inputs)))
        refining_model = inputs.option("refining_model")
        self.refining_input = "model" if refining_model is None else "refining_model"
        self.refining_model = unguided if refining_model is None else heard.on(refining_model)
        if self.upscaler is None:  # else the refining pass has the picture whole, whatever the first one leaves of it
            self.model = clean_by_token(self.model)
        rate = {"frame_rate": float(plan.frame_rate)}
        self.positive = node_helpers.conditioning_set_values(inputs.positive, rate)
        self.negative = node_helpers.conditioning_set_values(inputs.negative, rate)
        self.sizes = [(inputs.width, inputs.height)]
        if self.upscaler is not None:
            self.sizes.insert(0, (inputs.width // UPSCALE, inputs.height // UPSCALE))
        check_memory(inputs.model, plan, inputs.width, inputs.height, Fraction(LATENT_CHANNELS, SPATIAL_RATIO**2))
        self.references = {number: self._references(number) for number in self.first_pictures()}
        self.guides = self._guides()

    def _references(self, number: int) -> Sequence[torch.Tensor | None]:
        """A picture's latent at the size of every pass."""
        image = self.inputs.reference_image
        return [None] * len(self.sizes) if image is None else self._encoded(image[number : number + 1])

    def _guides(self) -> list[Guide]:
        """The key frames that segments of the plan show."""
        return [Guide(index, self._encoded(frame.picture), frame.strength) for index, frame in self.shown_key_frames()]

    def _encoded(self, image: torch.Tensor) -> list[torch.Tensor]:
        """The latent of a picture ``[1, 128, 1, H, W]`` at the size of every pass."""
        inputs = self.inputs
        image = fitted_reference(image, inputs.width, inputs.height, inputs.image_fit, "lanczos")
        image = compressed(longer_edge_resized(image, REFERENCE_EDGE), inputs.option("image_compression"))
        return [inputs.vae.encode(resized_cropped(image, width, height)) for width, height in self.sizes]

    def steps(self, sampler: HostSampler) -> int:
        steps = super().steps(sampler)
        return steps if self.upscaler is None else steps + len(self._refining_sigmas(sampler)) - 1

    def _refining_sigmas(self, sampler: HostSampler) -> torch.Tensor:
        sigmas = self.inputs.option("refining_sigmas")
        if sigmas is not None:
            return sigmas
        return torch.tensor(SCHEDULES.get(sampler.settings.scheduler, DEFAULT_STAGES).refining)

    def sample(self, segment: Segment, history: LatentHistory, sampler: HostSampler) -> torch.Tensor:
        inputs = self.inputs
        time = segment.prompt_seconds
        prompts = prompt_at(self.positive, time), prompt_at(self.negative, time)
        sound = self.sound(segment)
        none = [None] * len(self.sizes)
        references = none if segment.overlap else self.references[self.pictures.number(segment)]
        overlap = self._overlap(history, segment)
        width, height = self.sizes[0]
        shape = [1, LATENT_CHANNELS, segment.latent_count, height // SPATIAL_RATIO, width // SPATIAL_RATIO]
        empty = torch.zeros(shape, device=comfy.model_management.intermediate_device())
        first_overlap = overlap if self.upscaler is None or overlap is None else self._halved(history, segment)
        strength = inputs.option("image_strength")
        known = self._known(empty, references[0], strength, segment, first_overlap)
        first = with_guides(PassInputs(*prompts, *known), self.guides, 0, segment, self.plan)
        picture, sound = sampled(sampler, self.model, first, sound, segment.seed)
        if self.upscaler is not None:
            picture = self.upscaled(picture[:, :, : segment.latent_count])
            known = self._known(picture, references[1], 1.0, segment, overlap)
            second = with_guides(PassInputs(*prompts, *known), self.guides, 1, segment, self.plan)
            picture = self.refined(sampler, second, sound, segment.seed)
        return picture[:, :, segment.overlap : segment.latent_count]

    def upscaled(self, picture: torch.Tensor) -> torch.Tensor:
        """The first pass's picture ``[1, 128, n, H, W]`` at the size of the second."""
        return LTXVLatentUpsampler.execute({"samples": picture}, self.upscaler, self.inputs.vae)[0]["samples"]

    def refined(self, sampler: HostSampler, inputs: PassInputs, sound: torch.Tensor, seed: int) -> torch.Tensor:
        """The picture of the second pass."""
        settings = {"sigmas": self._refining_sigmas(sampler), "cfg": 1.0, "model_input": self.refining_input}
        return sampled(sampler, self.refining_model, inputs, sound, seed, **settings)[0]

    def sound(self, segment: Segment) -> torch.Tensor:
        """The audio latents under a segment, ``[1, 8, n, 16]``: silence where the grid goes beyond the audio.

        The last segment hears the audio to its end, also where that outlasts the last frame by a latent or two.
        """
        encoded = heard_latents(self.inputs.encoded_audio)
        plan, stride = self.plan, self.plan.grid.stride
        start = rounded(stride * segment.latent_start / plan.frame_rate * encoded.rate)
        end_frame = stride * (segment.latent_stop - 1) + 1
        stop = rounded(end_frame / plan.frame_rate * encoded.rate)
        if plan.grid.frame_count(segment.latent_stop) >= clip_frame_count(encoded.duration, plan.frame_rate):
            stop = max(stop, encoded.count)
        return encoded.span(start, stop).to(comfy.model_management.intermediate_device())

    def _known(
        self,
        picture: torch.Tensor,
        reference: torch.Tensor | None,
        strength: float,
        segment: Segment,
        overlap: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The latents with what is known set in, and their noise mask: 0 is kept, 1 is sampled."""
        picture = picture.clone()
        mask = torch.ones([1, 1, picture.shape[2], 1, 1], device=picture.device)
        if overlap is not None:
            picture[:, :, : segment.overlap] = overlap.to(picture)
            mask[:, :, : segment.overlap] = 0.0
        elif reference is not None:
            picture[:, :, : reference.shape[2]] = reference.to(picture)
            mask[:, :, : reference.shape[2]] = 1.0 - strength
        return picture, mask

    @property
    def anchored(self) -> bool:
        return self.inputs.option("anchor_first_frame")

    def _overlap(self, history: LatentHistory, segment: Segment) -> torch.Tensor | None:
        """What a segment goes on from, ``[1, 128, overlap, H, W]``; None where it starts afresh."""
        if not segment.overlap:
            return None
        overlap = history.last(segment.overlap)
        return torch.cat([history.first(), overlap[:, :, 1:]], dim=2) if self.anchored else overlap

    def _halved(self, history: LatentHistory, segment: Segment) -> torch.Tensor:
        """``_overlap`` at half size: decoded, scaled and encoded anew.

        The first pass of a segment goes on from what the refining pass of the one before really shows; and nothing but
        the clip itself is needed to go on.
        """
        vae, stride = self.inputs.vae, self.plan.grid.stride

        def halved(latents: torch.Tensor, frame_count: int) -> torch.Tensor:
            frames = vae.decode(latents)
            frames = frames.reshape(-1, *frames.shape[-3:])[-frame_count:]
            return vae.encode(resized_cropped(frames, *self.sizes[0]))

        overlap = halved(history.last(segment.overlap + DECODE_CONTEXT), stride * (segment.overlap - 1) + 1)
        return torch.cat([halved(history.first(), 1), overlap[:, :, 1:]], dim=2) if self.anchored else overlap


def sampled(
    sampler: HostSampler, model: Any, inputs: PassInputs, sound: torch.Tensor, seed: int, **settings: Any
) -> list[torch.Tensor]:
    """One pass over picture and sound, the host's nested latent; the sound is given, and never noised."""
    device = comfy.model_management.intermediate_device()
    picture, mask, sound = inputs.picture.to(device), inputs.mask.to(device), sound.to(device)
    latent = comfy.nested_tensor.NestedTensor((picture, sound))
    masks = comfy.nested_tensor.NestedTensor((mask, torch.zeros_like(sound)))
    result = sampler.sample(model, inputs.positive, inputs.negative, latent, seed, noise_mask=masks, **settings)
    return list(result.unbind())


def guidance_of(inputs: SamplerInputs) -> Guidance:
    return Guidance(
        inputs.option("audio_guidance"),
        inputs.option("structure_guidance"),
        inputs.option("guidance_rescale"),
    )


def compressed(image: torch.Tensor, crf: int) -> torch.Tensor:
    """The first picture ``[1, height, width, 3]`` after H.264 (crf 0 = untouched), as core's LTXV Preprocess has it."""
    return preprocess(image[0], crf).unsqueeze(0)
