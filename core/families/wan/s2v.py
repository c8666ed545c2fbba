"""Wan2.2-S2V: speech or song to video, 16 frames a second, segments joined by motion latents.

How the model was trained to be driven is taken from the official ``wan/speech2video.py`` (Wan-Video/Wan2.2) and from
the host's ``wan_sound_to_video`` (comfy_extras/nodes_wan.py):

- a segment is 20 latents (80 frames); latent n of the clip shows the frames 4n-3 ... 4n and hears the audio up to 4n;
- every segment sees the reference image, and the 19 latents (73 frames) before it as motion latents;
- the first latent is decoded after the reference image's latent, and of its four frames only the last is kept: decoded
  on its own it would come out overbaked.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import comfy.latent_formats
import comfy.model_base
import node_helpers
import torch

from ...decoding.stream import Decoder
from ...errors import SoundToVideoError
from ...features.encoded import KIND_NAMES
from ...features.layout import frames_between
from ...frames.images import check_images, resized_cropped
from ...frames.source import FrameSource, images_between
from ...plan import Plan, Segment, SegmentLength
from ...sampling.spool import LatentHistory
from ...scene.pictures import ShotPictures
from ...scene.prompts import prompt_at
from ...timeline import frame_rate_in_words
from ..base import SamplerInputs
from ..network_patches import Forward, ScaledAudio
from .common import WanClipSampler, WanFamily, empty_latents, reference_latents
from .features import WanS2VLayout
from .settings import S2V

if TYPE_CHECKING:
    from ...sampling.host_sampler import HostSampler

MOTION_LATENTS = 19  # 73 frames
MOTION_BLOCK = 64  # pixels
LAYOUT = WanS2VLayout()


class WanS2VClipSampler(WanClipSampler):
    def __init__(self, inputs: SamplerInputs, plan: Plan, pictures: ShotPictures):
        super().__init__(inputs, plan, pictures)
        self.model = InjectedAudio(inputs.audio_scale).on(inputs.model)
        self.positive, self.negative = inputs.positive, inputs.negative
        self.reference_latents = reference_latents(inputs, plan, pictures)

    def sample(self, segment: Segment, history: LatentHistory, sampler: HostSampler) -> torch.Tensor:
        inputs = self.inputs
        audio = self._audio_embedding(segment)
        values: dict[str, Any] = {"control_video": self._control_latents(segment)}
        if not segment.starts_afresh:
            values["reference_motion"] = history.last(MOTION_LATENTS)
        time = segment.prompt_seconds
        positive, negative = prompt_at(self.positive, time), prompt_at(self.negative, time)
        if self.reference_latents:
            reference = {"reference_latents": [self.reference_latents[self.pictures.number(segment)]]}
            positive = node_helpers.conditioning_set_values(positive, reference, append=True)
            negative = node_helpers.conditioning_set_values(negative, reference, append=True)
        positive = node_helpers.conditioning_set_values(positive, {**values, "audio_embed": audio})
        negative = node_helpers.conditioning_set_values(negative, {**values, "audio_embed": audio * 0.0})
        latent = empty_latents(inputs, segment.latent_count)
        return sampler.sample(self.model, positive, negative, latent, segment.seed)

    def _audio_embedding(self, segment: Segment) -> torch.Tensor:
        """What the segment hears: ``[1, layers, width, frames]``."""
        stride = self.plan.grid.stride
        features = self.inputs.encoded_audio.features(LAYOUT)
        features = frames_between(features, stride * segment.latent_start, stride * segment.latent_stop)
        return features.permute(0, 2, 1).unsqueeze(0)

    def _control_latents(self, segment: Segment) -> torch.Tensor:
        """The segment's own stretch of the control video (the host repeats its first stretch: ComfyUI #9911)."""
        inputs, grid = self.inputs, self.plan.grid
        control = comfy.latent_formats.Wan21().process_out(empty_latents(inputs, segment.latent_count))
        first_frame = grid.first_frame(segment.latent_start)
        if inputs.control_video is None:
            return control
        # One frame before the stretch makes its first latent a whole group; that frame's own latent is left out.
        lead = 1 if segment.latent_start else 0
        stop_frame = grid.first_frame(segment.latent_stop)
        frames = images_between(inputs.control_video, first_frame - lead, stop_frame)
        if frames.shape[0] <= lead:
            return control
        missing = -(frames.shape[0] - 1) % grid.stride
        frames = torch.cat([frames, frames[-1:].repeat(missing, 1, 1, 1)])
        encoded = inputs.vae.encode(resized_cropped(frames, inputs.width, inputs.height))[:, :, lead:]
        control[:, :, : encoded.shape[2]] = encoded
        return control

    def _leads(self) -> list[torch.Tensor]:
        """The latent of its picture for each shot."""
        firsts = [shot[0] for shot in self.plan.shots()] if self.reference_latents else []
        return [self.reference_latents[self.pictures.number(segment)] for segment in firsts]

    def decoder(self) -> Decoder:
        # One frame of the lead, and three of the first latent's four (module's docstring).
        return Decoder(
            self.inputs.vae,
            self.plan,
            self.inputs.width,
            self.inputs.height,
            leads=self._leads(),
            skipped_frames=self.plan.grid.stride,
        )


class WanS2V(WanFamily):
    id = "wan_s2v"
    model_class = comfy.model_base.WAN22_S2V
    name = "Wan2.2-S2V"
    versions = "Wan2.2-S2V-14B"
    encoder_kind = "wav2vec2-large"
    encoder_advice = "load wav2vec2_large_english_fp16.safetensors into Audio Encode"
    clip_sampler = WanS2VClipSampler
    feature_layout = LAYOUT
    frame_rate = LAYOUT.rate
    segment_length = SegmentLength(latent_count=20, overlap=0, minimum=5)
    variants = (S2V,)

    def check_control_video(self, inputs: SamplerInputs) -> None:
        control = inputs.control_video
        if isinstance(control, FrameSource):
            if control.rate != inputs.frame_rate:
                raise SoundToVideoError(
                    f"the control video has {frame_rate_in_words(control.rate)}, the clip "
                    f"{frame_rate_in_words(inputs.frame_rate)}: give it the clip's rate."
                )
        elif control is not None:
            check_images(control, "control video", inputs.width, inputs.height)

    def check_encoder(self, inputs: SamplerInputs) -> None:
        super().check_encoder(inputs)
        encoder = inputs.model.model.diffusion_model.casual_audio_encoder
        layers, width = encoder.weights.shape[1], encoder.encoder.conv1_local.conv.weight.shape[1]
        if (layers, width) != (25, 1024):
            raise SoundToVideoError(
                f"this {self.name} checkpoint expects {layers} audio layers of {width}; "
                f"the audio was encoded by {KIND_NAMES[self.encoder_kind]}."
            )

    def check_plan(self, inputs: SamplerInputs, plan: Plan) -> list[str]:
        """Segments go on from far motion that is packed into blocks of 64 pixels (the host's FramePackMotioner)."""
        if all(segment.starts_afresh for segment in plan.segments):
            return []
        notes = []
        for name, size, left_out in (("width", inputs.width, "columns"), ("height", inputs.height, "rows")):
            lower = size // MOTION_BLOCK * MOTION_BLOCK
            if not lower:
                raise SoundToVideoError(
                    f"the {name} {size} is too small for {self.name} to go on from segment to segment: "
                    f"it must be {MOTION_BLOCK} or more."
                )
            if size > lower:
                side = "right" if name == "width" else "lower"
                notes.append(
                    f"{name} {size} is no multiple of {MOTION_BLOCK}: of motion further back, the {size - lower} "
                    f"{left_out} at the {side} edge are not seen. {lower} or {lower + MOTION_BLOCK} is better."
                )
        return notes


class InjectedAudio(ScaledAudio):
    """The host's injector takes the scale itself."""

    def listeners(self, network: Any) -> Iterable[torch.nn.Module]:
        return [network.audio_injector]

    def scaled(self, forward: Forward) -> Forward:
        return partial(forward, scale=self.scale)
