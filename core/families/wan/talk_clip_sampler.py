"""A window of InfiniteTalk after another: what each is shown, holds and hears, and the host's MODEL that does so.

What differs from window to window is in the conditioning, so that the MODEL is one for the clip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import comfy.patcher_extension
import node_helpers
import torch
from comfy.ldm.wan.model_multitalk import (
    MultiTalkApplyModelWrapper,
    MultiTalkCrossAttnPatch,
    project_audio_features,
)

from ...frames.images import fitted_reference
from ...plan import Plan, Segment
from ...sampling.spool import LatentHistory
from ...scene.pictures import ShotPictures
from ...scene.prompts import prompt_at
from ..base import SamplerInputs
from ..extra_pass import predicted_again
from .common import LastFrames, WanClipSampler, empty_latents
from .speakers import MAPS, REGIONS, AttentionMaps, heard_by_all, token_regions
from .talk_features import InfiniteTalkLayout

if TYPE_CHECKING:
    from ...sampling.host_sampler import HostSampler

LAYOUT = InfiniteTalkLayout()
GREY = 0.5
NEIGHBOURS = 2  # frames that a frame hears on both sides (get_audio_embeds in the host's model_multitalk.py)

# Keys in the conditioning, and in the host's transformer_options.
HEARD, SILENCE, HELD, PATCH = (f"sound_to_video_infinitetalk_{name}" for name in ("heard", "silence", "held", "patch"))


@dataclass(frozen=True)
class ClipVision:
    """What Wan takes of the host's CLIP_VISION_OUTPUT, as a record, so that runs are told apart by it."""

    penultimate_hidden_states: torch.Tensor


class InfiniteTalkClipSampler(WanClipSampler):
    def __init__(self, inputs: SamplerInputs, plan: Plan, pictures: ShotPictures):
        super().__init__(inputs, plan, pictures)
        self.patch = inputs.option("model_patch")
        tracks = inputs.encoded_audio.tracks
        self.regions = (
            {number: regions_in(inputs, number) for number in pictures.shown(plan.segments)} if tracks else {}
        )
        guidance = inputs.option("audio_guidance")
        self.model = hearing(inputs.model, self.patch, inputs.audio_scale, guidance, max(1, len(tracks)))
        self.last_frames = LastFrames(inputs.vae, plan)
        sounds = [track.encoded for track in tracks] or [inputs.encoded_audio]
        self.features = [sound.features(LAYOUT) for sound in sounds]
        self._conditions: dict[tuple[int, int], torch.Tensor] = {}
        seen = inputs.option("clip_vision_output")
        self._seen = {} if seen is None else {"clip_vision_output": ClipVision(seen.penultimate_hidden_states)}

    def sample(self, segment: Segment, history: LatentHistory, sampler: HostSampler) -> torch.Tensor:
        number = self.pictures.number(segment)
        image = self._condition_image(number, segment.latent_count)
        held = self.last_frames.before(segment, history)
        shown = {**self._seen, **({REGIONS: self.regions[number]} if self.regions else {})}
        latent = empty_latents(self.inputs, segment.latent_count)
        result = self.sampled(segment, image, image[:, :, :1] if held is None else held, latent, sampler, shown)
        return result[:, :, segment.overlap :]

    def sampled(
        self,
        window: Segment,
        image: torch.Tensor,
        held: torch.Tensor,
        latent: torch.Tensor,
        sampler: HostSampler,
        shown: dict[str, Any],
        **how: Any,
    ) -> torch.Tensor:
        """One run of the sampler: all latents of a window, which begins at the time of its first latent's last frame.

        image: of ``condition_latents``.  held: the first latents, as they stay at every step.
        shown: what else is in the conditioning.  how: of ``HostSampler.sample``.
        """
        mask = torch.ones([1, 1, *image.shape[2:]], device=image.device, dtype=image.dtype)
        mask[:, :, :1] = 0.0
        start = self.plan.grid.stride * window.latent_start
        stop = start + self.plan.grid.frame_count(window.latent_count)
        span = start - NEIGHBOURS, stop + NEIGHBOURS
        sounds = [mirrored_between(features, *span).movedim(0, 1) for features in self.features]
        values = {
            "concat_latent_image": image,
            "concat_mask": mask,
            HEARD: self._embedded(sounds),
            SILENCE: self._embedded([torch.zeros_like(sounds[0])]),
            HELD: held,
            **shown,
        }
        time = window.prompt_seconds
        positive = node_helpers.conditioning_set_values(prompt_at(self.inputs.positive, time), values)
        negative = node_helpers.conditioning_set_values(prompt_at(self.inputs.negative, time), values)
        return sampler.sample(self.model, positive, negative, latent, window.seed, **how)

    def _condition_image(self, number: int, latent_count: int) -> torch.Tensor:
        """``condition_latents`` of a picture of the reference image; the last window's are kept."""
        key = number, latent_count
        if key not in self._conditions:
            inputs = self.inputs
            assert inputs.reference_image is not None
            picture = inputs.reference_image[number : number + 1]
            fitted = fitted_reference(picture, inputs.width, inputs.height, inputs.image_fit)
            self._conditions = {key: condition_latents(inputs.vae, fitted, self.plan.grid.frame_count(latent_count))}
        return self._conditions[key]

    def _embedded(self, sounds: list[torch.Tensor]) -> torch.Tensor:
        """What the window's latents hear, ``[1, latents, 32 * sounds, width]``, by the patch's own projection.

        sounds: ``[frames, 12, 768]`` each, the window's frames and their neighbours.
        """
        stop = len(sounds[0]) - NEIGHBOURS
        embedded = project_audio_features(self.patch.model.audio_proj, sounds, NEIGHBOURS, stop)
        return embedded.to(self.model.model_dtype())


def condition_latents(vae: Any, picture: torch.Tensor, frame_count: int) -> torch.Tensor:
    """The latents of a picture ``[1, height, width, 3]`` as the first frame of a window, with grey behind it."""
    frames = torch.full([frame_count, *picture.shape[1:]], GREY, device=picture.device)
    frames[:1] = picture
    return vae.encode(frames)


def mirrored_between(features: torch.Tensor, start: int, stop: int) -> torch.Tensor:
    """The frames ``start ... stop - 1`` of ``[bands, frames, width]``: the first again and again before the sound.

    After its end the sound is heard backwards, for as long as there is any.
    """
    count = features.shape[1]
    frames = torch.arange(start, stop)
    return features[:, torch.where(frames < count, frames, 2 * count - 1 - frames).clamp(min=0)]


def regions_in(inputs: SamplerInputs, number: int) -> torch.Tensor:
    """``token_regions`` of the speakers in one of the reference image's pictures."""
    assert inputs.reference_image is not None
    picture = inputs.reference_image[number : number + 1]
    regions = [track.region for track in inputs.encoded_audio.tracks]
    return token_regions(regions, picture, inputs.width, inputs.height, inputs.image_fit)


def hearing(model: Any, patch: Any, audio_scale: float, audio_guidance: float, speakers: int) -> Any:
    """A clone of the host's MODEL that carries the patch; what it hears and holds comes with the conditioning."""
    patched = model.clone()
    patched.set_additional_models(PATCH, [patch])
    patched.set_model_patch(AudioAttention(audio_scale, speakers), "attn2_patch")
    if speakers > 1:
        patched.set_model_patch(AttentionMaps(), "attn1_patch")
    wrappers = comfy.patcher_extension.WrappersMP
    patched.add_wrapper_with_key(wrappers.OUTER_SAMPLE, PATCH, FromConditioning())
    if audio_guidance != 1:
        patched.set_model_sampler_post_cfg_function(AudioGuidance(audio_guidance))
    return patched


@dataclass(frozen=True)
class AudioAttention:
    """The host's audio attention behind each block's text attention; a record, so that runs are told apart by it.

    The host's fails where both prompts go through the network in one batch: there is sound for one of them only.
    """

    scale: float
    speakers: int

    def __call__(self, args: dict[str, Any]) -> torch.Tensor:
        options, x = args["transformer_options"], args["x"]
        maps = options.pop(MAPS, None)  # of this block; none where nothing is heard
        if maps is None:
            return self._hosts(x, options, options["audio_embeds"].repeat(1, len(x), 1, 1))
        hears, heard = self._hosts if self.speakers == 2 else self._several, options["audio_embeds"]
        return torch.cat([hears(item, options, heard, own) for item, own in zip(x.split(1), maps, strict=True)])

    def _hosts(self, x: torch.Tensor, options: dict, heard: torch.Tensor, maps: torch.Tensor | None = None):
        options = {**options, "audio_embeds": heard, "x_ref_attn_map": maps}
        patch = MultiTalkCrossAttnPatch(options[PATCH], self.scale)
        return patch({"x": x, "transformer_options": options})

    def _several(self, x: torch.Tensor, options: dict, heard: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
        block = options[PATCH].model.blocks[options["block_index"]]
        grid = options["grid_sizes"]
        added = heard_by_all(block.audio_cross_attn, block.norm_x(x), heard.to(x), grid, maps, self.speakers)
        return x + added * self.scale


@dataclass(frozen=True)
class FromConditioning:
    """Around a run of the sampler: what the window hears and holds, from the conditioning to where the host looks."""

    def __call__(self, executor: Any, *args: Any, **kwargs: Any) -> Any:
        guider = executor.class_obj
        patcher = guider.model_patcher
        values = guider.conds["positive"][0]
        options = guider.model_options["transformer_options"]
        options["audio_embeds"], options[SILENCE] = values[HEARD], values[SILENCE]
        options[REGIONS] = values.get(REGIONS)
        (options[PATCH],) = patcher.get_additional_models_with_key(PATCH)
        held = MultiTalkApplyModelWrapper(patcher.model.process_latent_in(values[HELD]))
        around = options.setdefault("wrappers", {}).setdefault(comfy.patcher_extension.WrappersMP.APPLY_MODEL, {})
        around[PATCH] = [held]
        return executor(*args, **kwargs)


@dataclass(frozen=True)
class AudioGuidance:
    """The host's post-CFG function that moves the picture away from what it would be without the sound.

    Official (``generate_infinitetalk``): ``null + text (x - no text) + audio (no text - null)``, null being without
    both; with 1 for the text ``no audio + audio (x - no audio)``. The host's CFG is the first with 1 for the audio.
    """

    scale: float

    def __call__(self, args: dict[str, Any]) -> torch.Tensor:
        guides = args["uncond"] is not None
        condition, main = (args["uncond"], "uncond_denoised") if guides else (args["cond"], "cond_denoised")
        silence = args["model_options"]["transformer_options"][SILENCE]
        unheard = {"audio_embeds": silence, REGIONS: None}
        without = predicted_again(args, condition, "without the sound", **unheard)
        return args["denoised"] + (self.scale - 1) * (args[main] - without)
