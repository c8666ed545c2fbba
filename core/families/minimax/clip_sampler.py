"""A clip in the making by MiniMax H3: each segment's picture and sound in one latent, what is known of it kept."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import comfy.model_management
import comfy.nested_tensor
import node_helpers
import torch

from ...decoding.stream import Decoder
from ...frames.images import fitted_reference
from ...plan import Plan, Segment
from ...sampling.spool import LatentHistory
from ...scene.pictures import ShotPictures
from ...scene.prompts import prompt_at
from ...timeline import CycleGrid, frame_time, rounded
from ..base import ClipSampler, SamplerInputs
from ..memory import check_memory
from .sound import LATENT_RATE, H3Sound

if TYPE_CHECKING:
    from ...sampling.host_sampler import HostSampler

GRID = CycleGrid((1, 4, 4, 4, 4), ending=2)
LATENT_CHANNELS = 24
SPATIAL_RATIO = 16
KEY_FRAMES = "minimax_keyframes"  # in the host's CONDITIONING


class MiniMaxH3ClipSampler(ClipSampler):
    def __init__(self, inputs: SamplerInputs, plan: Plan, pictures: ShotPictures):
        super().__init__(inputs, plan, pictures)
        check_memory(inputs.model, plan, inputs.width, inputs.height, Fraction(LATENT_CHANNELS, SPATIAL_RATIO**2))
        self.model = inputs.model
        self.references = {number: self._reference(number) for number in self.first_pictures()}
        self.key_frames = self._key_frames()
        self.sounds = [self._sound(segment) for segment in plan.segments]

    def _reference(self, number: int) -> torch.Tensor | None:
        """A picture's latent ``[1, 24, 1, H, W]``."""
        image = self.inputs.reference_image
        return None if image is None else self._encoded(image[number : number + 1])

    def _encoded(self, image: torch.Tensor) -> torch.Tensor:
        inputs = self.inputs
        return inputs.vae.encode(fitted_reference(image, inputs.width, inputs.height, inputs.image_fit, "lanczos"))

    def _key_frames(self) -> list[dict[str, Any]]:
        """The key frames of the clip as the host's MiniMaxH3AddGuide puts them into a conditioning."""
        return [
            {"resolved_frame_index": index, "latent": self._encoded(frame.picture)}
            for index, frame in self.shown_key_frames()
        ]

    def _sound(self, segment: Segment) -> torch.Tensor:
        """The sound under all frames that are sampled, ``[1, 32, 2, n]``: silence where they go beyond it."""
        encoded = self.inputs.encoded_audio
        assert isinstance(encoded, H3Sound)
        duration = frame_time(GRID.frame_count(sampled_latents(segment)), self.plan.frame_rate)
        start = frame_time(GRID.first_frame(segment.latent_start), self.plan.frame_rate)
        return encoded.latents(start, rounded(duration * LATENT_RATE))

    def sample(self, segment: Segment, history: LatentHistory, sampler: HostSampler) -> torch.Tensor:
        inputs = self.inputs
        positive, negative = (self._prompt(prompts, segment) for prompts in (inputs.positive, inputs.negative))
        device = comfy.model_management.intermediate_device()
        size = [inputs.height // SPATIAL_RATIO, inputs.width // SPATIAL_RATIO]
        picture = torch.zeros([1, LATENT_CHANNELS, sampled_latents(segment), *size], device=device)
        mask = torch.ones([1, 1, picture.shape[2], 1, 1], device=device)
        if segment.overlap:
            picture[:, :, : segment.overlap] = history.last(segment.overlap).to(picture)
            mask[:, :, : segment.overlap] = 0.0
        sound = self.sounds[segment.index].to(device)
        latent = comfy.nested_tensor.NestedTensor((picture, sound))
        masks = comfy.nested_tensor.NestedTensor((mask, torch.zeros_like(sound)))
        result = sampler.sample(self.model, positive, negative, latent, segment.seed, noise_mask=masks)
        return result.unbind()[0][:, :, segment.overlap : segment.latent_count]

    def _prompt(self, prompts: list, segment: Segment) -> list:
        """What holds for a segment, its key frames in place of the clip's."""
        prompts = prompt_at(prompts, segment.prompt_seconds)
        reference = None if segment.overlap else self.references[self.pictures.number(segment)]
        return [self._with_key_frames(entry, segment, reference) for entry in prompts]

    def _with_key_frames(self, entry: list, segment: Segment, reference: torch.Tensor | None) -> list:
        """An entry of the host's CONDITIONING with the key frames that the segment makes."""
        frames = key_frames([*(entry[1].get(KEY_FRAMES) or []), *self.key_frames], segment, reference)
        if not frames and KEY_FRAMES not in entry[1]:
            return entry
        return node_helpers.conditioning_set_values([entry], {KEY_FRAMES: frames})[0]

    def decoder(self) -> Decoder:
        return Decoder(self.inputs.vae, self.plan, self.inputs.width, self.inputs.height, led_after_cuts=False)


def sampled_latents(segment: Segment) -> int:
    """Latents of a segment as the model takes them, 5k + 2: those beyond the segment's own are the next one's."""
    return GRID.latent_count(GRID.frame_count(segment.latent_count))


def key_frames(of_clip: list[dict[str, Any]], segment: Segment, reference: torch.Tensor | None) -> list[dict[str, Any]]:
    """The key frames of the host's conditioning that a segment makes, counted from its own first frame.

    of_clip: counted from the clip's.  reference: the latent that is the segment's first frame, if one is.
    """
    first, count = GRID.first_frame(segment.latent_start), GRID.frame_count(sampled_latents(segment))
    found = [] if reference is None else [{"resolved_frame_index": 0, "latent": reference}]
    known = GRID.frame_count(segment.overlap) + len(found)
    for frame in of_clip:
        index, latent = frame["resolved_frame_index"] - first, frame.get("latent")
        length = 1 if latent is None else GRID.frame_count(latent.shape[2])
        if known <= index <= count - length:
            found.append({**frame, "resolved_frame_index": index})
    return found
