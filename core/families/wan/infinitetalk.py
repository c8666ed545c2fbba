"""InfiniteTalk: a long talking clip from one image, 25 frames a second, windows of 81 frames, 9 of them handed on.

A patch on Wan 2.1 I2V 14B, from core's Load Model Patch. How it was trained to be driven is taken from the official
``wan/multitalk.py`` (MeiGen-AI/InfiniteTalk) and from the host's ``WanInfiniteTalkToVideo``
(comfy_extras/nodes_wan.py), whose attention, audio projection and wrapper are called here:

- every window is conditioned on the reference image itself, as official; never on a frame that was made from it;
- its first latents are the end of the window before, decoded and encoded anew, and written over at every step;
- text and sound guide apart (official 5 and 4; with a speed LoRA 1 and 2);
- of several speakers each has a sound and a region of the image (``speakers.py``);
- over footage every window is conditioned on the footage's frame that it begins with (``talk_lip_sync.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import comfy.model_base

from ...errors import SoundToVideoError
from ...plan import Plan, SegmentLength
from ...tensors import no_tensor
from ..base import ClipSampler, SamplerInputs
from ..option import AUDIO_GUIDANCE
from .common import WanFamily
from .options import OPTIONS
from .settings import INFINITETALK
from .speakers import MOST_SPEAKERS
from .talk_clip_sampler import LAYOUT, InfiniteTalkClipSampler, regions_in
from .talk_lip_sync import InfiniteTalkLipSync

if TYPE_CHECKING:
    from ...frames.crops import Crops

OVERLAP_LATENTS = 3  # 9 frames
PATCH_FILE = "wan2.1_infiniteTalk_single_fp16.safetensors"
SEVERAL_SPEAKERS_FILE = "wan2.1_infiniteTalk_multi_fp16.safetensors"

# Classes of comfy_extras, by name: the host's nodes are loaded as modules beside those that an import gives.
HOSTS_WRAPPER = "InfiniteTalkOuterSampleWrapper"
HOSTS_PATCH = "MultiTalkModelPatch"


class InfiniteTalk(WanFamily):
    id = "infinitetalk"
    model_class = comfy.model_base.WAN21
    name = "InfiniteTalk"
    versions = "Wan 2.1 I2V 14B with the patch for one speaker or for several"
    encoder_kind = "wav2vec2-base"
    encoder_advice = "load wav2vec2-chinese-base_fp16.safetensors into Audio Encode"
    clip_sampler = InfiniteTalkClipSampler
    feature_layout = LAYOUT
    frame_rate = LAYOUT.rate
    segment_length = SegmentLength(latent_count=21, overlap=OVERLAP_LATENTS, minimum=OVERLAP_LATENTS)
    variants = (INFINITETALK,)
    options = (AUDIO_GUIDANCE, *OPTIONS)
    hears_speakers = True
    lip_syncs = True

    def recognises(self, wired: Mapping[str, Any]) -> bool:
        """A plain Wan 2.1 I2V, or any Wan 2.1 beside a patch: which one is missing or wrong is said by ``check``."""
        model = wired["model"].model
        makes_videos_of_images = getattr(model, "image_to_video", False) or wired.get("model_patch") is not None
        return type(model) is self.model_class and makes_videos_of_images

    def check(self, inputs: SamplerInputs) -> None:
        if inputs.reference_image is None:
            raise SoundToVideoError(f"{self.name} makes an image speak: use the S2V Sampler, with a reference image.")
        self._check_wired(inputs)
        self._check_speakers(inputs)

    def check_lip_sync(self, inputs: SamplerInputs) -> None:
        self._check_wired(inputs)
        self._check_clip_vision(inputs)

    def prepare_lip_sync(self, inputs: SamplerInputs, plan: Plan, crops: Crops, strength: float) -> ClipSampler:
        one_sound = replace(inputs, encoded_audio=inputs.encoded_audio.as_one_sound())
        return InfiniteTalkLipSync(one_sound, plan, self.pictures(inputs), crops, strength)

    def _check_wired(self, inputs: SamplerInputs) -> None:
        self._check_patch(inputs)
        self._check_seen(inputs)
        super().check(inputs)

    def _check_speakers(self, inputs: SamplerInputs) -> None:
        count = len(inputs.encoded_audio.tracks)
        if not count:
            return
        if count > MOST_SPEAKERS:
            raise SoundToVideoError(f"{self.name} tells {MOST_SPEAKERS} speakers apart at most, not {count}.")
        file = inputs.files.get("model_patch", "")
        if "single" in file.lower():
            raise SoundToVideoError(
                f"the connected model_patch, {file}, is for one speaker, and {count} speak: load "
                f"{SEVERAL_SPEAKERS_FILE} with core's Load Model Patch."
            )
        pictures = self.pictures(inputs)
        for number in range(min(pictures.count, max(1, len(pictures.times)))):
            regions_in(inputs, number)

    def _check_patch(self, inputs: SamplerInputs) -> None:
        by_key = getattr(inputs.model, "wrappers", {}).values()
        if any(type(wrapper).__name__ == HOSTS_WRAPPER for of in by_key for some in of.values() for wrapper in some):
            raise SoundToVideoError(
                "the connected model went through core's WanInfiniteTalkToVideo: connect the one in front of that "
                "node, and the patch to model_patch."
            )
        patch = inputs.option("model_patch")
        if patch is None:
            raise SoundToVideoError(
                f"the connected model is Wan 2.1 I2V, which takes audio with {self.name}'s patch only: load "
                f"{PATCH_FILE} with core's Load Model Patch and connect it to model_patch."
            )
        if type(getattr(patch, "model", None)).__name__ != HOSTS_PATCH:
            raise SoundToVideoError(f"the connected model_patch is not {self.name}'s: load {PATCH_FILE}.")
        if not inputs.model.model.image_to_video:
            raise SoundToVideoError(f"{self.name} needs Wan 2.1 I2V 14B; the connected model takes no image.")
        width = patch.model.blocks[0].norm_x.weight.shape[0]
        if width != inputs.model.get_model_object("diffusion_model").dim:
            raise SoundToVideoError(
                f"the patch is for a model {width} wide, the connected one is "
                f"{inputs.model.get_model_object('diffusion_model').dim}: load Wan 2.1 I2V 14B."
            )

    def _check_seen(self, inputs: SamplerInputs) -> None:
        given = inputs.option("clip_vision_output")
        if given is None:
            return
        seen: Any = getattr(given, "penultimate_hidden_states", None)
        width = _seen_width(inputs)
        if no_tensor(seen) or seen.ndim != 3 or seen.shape[-1] != width or not seen.isfinite().all():
            raise SoundToVideoError(
                "clip_vision_output is not what CLIP-ViT-H sees of a picture: connect core's CLIP Vision Encode with "
                "clip_vision_h.safetensors, or nothing."
            )

    def _check_clip_vision(self, inputs: SamplerInputs) -> None:
        given = inputs.option("clip_vision")
        if given is None:
            return
        config = getattr(given, "config", None)
        width = config.get("hidden_size") if isinstance(config, Mapping) else None
        if not hasattr(given, "encode_image") or width != _seen_width(inputs):
            raise SoundToVideoError(
                "clip_vision is not CLIP-ViT-H: load clip_vision_h.safetensors with core's Load CLIP Vision, or "
                "disconnect it."
            )


def _seen_width(inputs: SamplerInputs) -> int:
    """How wide what CLIP sees is, as the model takes it."""
    return inputs.model.get_model_object("diffusion_model").img_emb.proj[0].normalized_shape[0]
