"""LTX-2, LTX-2.3 and LTX-2.5: sound to video with the sound frozen in a joint latent of picture and sound.

How the model is driven is taken from the host's template for image and sound to video (video_ltx2_3_ia2v) and from the
official ``a2vid_two_stage.py`` (Lightricks/LTX-2):

- 8n+1 frames at any rate, 24 by default; the sound as 25 latents a second, never noised (noise mask 0);
- the reference image, slightly compressed as training videos were, is the first latent, partly noised at first;
- with a latent upscale model: half size first, the latents upscaled, then a short refining pass without guidance;
  officially the distilled LoRA is in that pass only: a ``refining_model``.

Beyond about 20 s, the length of the model's time axis, segments overlap as in Lightricks' own looping sampler
(Lightricks/ComfyUI-LTXVideo): the last 4 latents of a segment (25 frames) are the clean start of the next. Its first
latent, read as one frame, stands for the last of the eight frames that it holds: the segment's time 0 is that frame's.
With ``anchor_first_frame`` the clip's first latent, which is one frame by its nature, is in its place.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import comfy.ldm.lightricks.latent_upsampler
import comfy.model_base
import comfy.model_management
import comfy.nested_tensor
import torch
from comfy.ldm.lightricks.vae.audio_vae import AudioVAE

from ...errors import SoundToVideoError, article
from ...plan import Plan, SegmentLength
from ...timeline import FrameGrid, Number, exact, rounded
from ..base import ClipSampler, Family, NeededHost, SamplerInputs
from ..option import AUDIO_GUIDANCE
from .audio_latents import LTX_AUDIO_VAE, AudioLatents, encode_with_vae, heard_latents
from .clip_sampler import (
    DEFAULT_STAGES,
    LATENT_CHANNELS,
    SPATIAL_RATIO,
    UPSCALE,
    LTXAVClipSampler,
    guidance_of,
)
from .guidance import check_guidance
from .lip_sync import LTXLipSync
from .options import OPTIONS, SCHEDULES
from .settings import VARIANTS
from .versions import KNOWN_VERSIONS, host_knows, version_of

if TYPE_CHECKING:
    from ...audio import Audio
    from ...frames.crops import Crops

__all__ = ["DEFAULT_STAGES", "LTXAV", "OVERLAP_LATENTS", "SCHEDULES", "LTXAVClipSampler"]

SEGMENT_SECONDS = 20
AUDIO_RATE = Fraction(25)  # audio latents a second
SHORTEST_STEP, LONGEST_ALIGNED_STEP = 3, 12  # new latents of a segment
OVERLAP_LATENTS = 4


class LTXAV(Family):
    id = "ltx_av"
    model_class = comfy.model_base.LTXAV
    name = "LTX-2"
    versions = KNOWN_VERSIONS
    audio_input = "audio_vae"
    encoder_kind = LTX_AUDIO_VAE
    encoder_advice = "connect core's Load LTXV Audio VAE to audio_vae of Audio Encode"
    clip_sampler = LTXAVClipSampler
    frame_rate = Fraction(24)
    frame_rate_is_free = True
    grid = FrameGrid(stride=8)
    segment_length = SegmentLength(latent_count=61, overlap=OVERLAP_LATENTS, minimum=6, multiple=3)
    size_multiple = SPATIAL_RATIO
    variants = VARIANTS
    schedules = SCHEDULES
    options = (AUDIO_GUIDANCE, *OPTIONS)
    lip_syncs = True

    def recognises_audio_vae(self, audio_vae: Any) -> bool:
        return isinstance(getattr(audio_vae, "first_stage_model", None), AudioVAE)

    def encode_with_vae(self, audio: Audio, audio_vae: Any) -> AudioLatents:
        return encode_with_vae(audio, audio_vae)

    def needed_host(self, model: Any) -> NeededHost | None:
        version = version_of(model)
        known = version.first_host is None or host_knows(version)
        return None if known else NeededHost(version.name, str(version.first_host))

    def segment_length_for(self, frame_rate: Fraction, segment_seconds: Number) -> SegmentLength:
        """Segments that start on a latent of picture and sound where the frame rate allows it (24, 25, 30 fps ...)."""
        seconds = exact(segment_seconds, "segment_seconds") or SEGMENT_SECONDS
        step = max(SHORTEST_STEP, 1 + rounded(seconds * frame_rate / self.grid.stride) - OVERLAP_LATENTS)
        aligned = (self.grid.stride * AUDIO_RATE / frame_rate).denominator
        if aligned > LONGEST_ALIGNED_STEP:
            aligned = 1
        step = max(aligned, step - step % aligned)
        # The last segment adds as much as it repeats, unless segments are so short that two cannot share that.
        minimum = min(-(-OVERLAP_LATENTS // aligned), step // aligned // 2) * aligned
        return SegmentLength(step + OVERLAP_LATENTS, OVERLAP_LATENTS, max(1, minimum), aligned)

    def check(self, inputs: SamplerInputs) -> None:
        upscaler = inputs.option("latent_upscale_model")
        self.check_size(inputs.width, inputs.height, self.size_multiple * (1 if upscaler is None else UPSCALE))
        self.check_encoder(inputs)
        latents = heard_latents(inputs.encoded_audio).latents
        transformer = inputs.model.get_model_object("diffusion_model")
        video, caption = transformer.cross_attention_dim, transformer.caption_channels
        # As LTXAVModel.preprocess_text_embeds takes them: ready for picture and sound, or as the encoder gives them.
        self.check_text(inputs, 2 * caption, video + transformer.audio_cross_attention_dim, caption, video)
        wanted = (transformer.num_audio_channels, transformer.audio_frequency_bins)
        if (latents.shape[1], latents.shape[3]) != wanted:
            raise SoundToVideoError(f"the audio VAE does not fit this {self.name}: load it from the same checkpoint.")
        self.check_vae(inputs, LATENT_CHANNELS, "take the VAE of its checkpoint")
        self.check_reference(inputs)
        self.check_key_frames(inputs)
        self._check_decodable(inputs)
        self.check_control_video(inputs)
        check_guidance(inputs.model, guidance_of(inputs))
        self._check_refining_model(inputs)
        if upscaler is not None:
            check_upscaler(upscaler)
            if not hasattr(inputs.vae.first_stage_model, "per_channel_statistics"):
                raise SoundToVideoError(
                    "the latent upscale model needs the whole VAE of the checkpoint, not a tiny one."
                )

    def _check_refining_model(self, inputs: SamplerInputs) -> None:
        """The second stage has to take the first one's latents, prompts and sound."""
        model = inputs.option("refining_model")
        if model is None:
            return
        is_model = hasattr(model, "get_model_object") and hasattr(model, "model")
        if not is_model or not self.recognises({"model": model}):
            kind = type(model.model if is_model else model).__name__
            raise SoundToVideoError(f"refining_model is {article(kind)}, not {self.name}: connect what model has, too.")
        if what_it_takes(model) != what_it_takes(inputs.model):
            raise SoundToVideoError(
                f"refining_model is another version of {self.name} than model: load the same for both, "
                f"and put the LoRA of the second stage on refining_model."
            )

    def check_plan(self, inputs: SamplerInputs, plan: Plan) -> list[str]:
        if inputs.option("latent_upscale_model") is not None:
            return []
        return [
            f"{name} is not used: it is for the second stage, which latent_upscale_model switches on."
            for name in ("refining_model", "refining_sigmas")
            if inputs.option(name) is not None
        ]

    def _check_decodable(self, inputs: SamplerInputs) -> None:
        """Convolutions of some decoders mirror a latent at the edge, so that there must be two."""
        mirrors = any(getattr(module, "padding_mode", "") == "reflect" for module in _decoder(inputs.vae).modules())
        for name, size in (("width", inputs.width), ("height", inputs.height)):
            if mirrors and size < 2 * SPATIAL_RATIO:
                raise SoundToVideoError(
                    f"the {name} {size} is too small to be decoded: set {2 * SPATIAL_RATIO} or more."
                )

    def prepare_lip_sync(self, inputs: SamplerInputs, plan: Plan, crops: Crops, strength: float) -> ClipSampler:
        return LTXLipSync(inputs, plan, self.pictures(inputs), crops, strength)


def what_it_takes(model: Any) -> list[Any]:
    """Widths of the prompts and of the sound that an LTX-2 is made for."""
    network = model.get_model_object("diffusion_model")
    sound = (network.num_audio_channels, network.audio_frequency_bins)
    return [network.cross_attention_dim, network.audio_cross_attention_dim, network.caption_channels, *sound]


def _decoder(vae: Any) -> torch.nn.Module:
    return getattr(vae.first_stage_model, "decoder", torch.nn.Identity())


def check_upscaler(upscaler: Any) -> None:
    """Raise for a LATENT_UPSCALE_MODEL that does not double the size of LTX-2's latents."""
    network = getattr(upscaler, "model", None)
    fits = (
        isinstance(network, comfy.ldm.lightricks.latent_upsampler.LatentUpsampler)
        and network.in_channels == LATENT_CHANNELS
        and network.spatial_upsample
        and not network.temporal_upsample
        and network.spatial_scale == UPSCALE
    )
    if not fits:
        raise SoundToVideoError(
            "the connected latent upscale model is not the spatial x2 upscaler of LTX-2: "
            "load ltx-2.3-spatial-upscaler-x2-1.1.safetensors."
        )
