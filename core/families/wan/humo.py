"""HuMo: text, picture and sound to video, 25 frames a second, 97 frames at a time.

How the model was trained to be driven is taken from the official ``humo/generate.py`` and
``humo/utils/audio_processor_whisper.py`` (Phantom-video/HuMo) and from the host's ``WanHuMoImageToVideo``
(comfy_extras/nodes_wan.py):

- it hears Whisper's layers in five bands, 25 times a second; a latent hears its four frames and two on both sides;
- the reference image stands behind the video in time. The host appends it in the network and cuts it off there: no
  latent of it comes out, and none is decoded;
- without a picture or a sound, zeros stand for it.

The official code samples one window, and its README says that more than 97 frames "may degrade the performance"; the
model for longer clips that it announces never came. Here later segments hold the last 13 frames of the one before, by
the host's noise mask. That is not what the model was trained for, and the plan says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import comfy.conds
import comfy.model_base
import node_helpers
import torch
from comfy_extras.nodes_wan import linear_interpolation

from ...errors import SoundToVideoError
from ...features.encoded import LAYER_RATE
from ...features.layout import FeatureLayout, Interpolation, frames_between
from ...plan import Plan, Segment, SegmentLength
from ...sampling.spool import LatentHistory
from ...scene.pictures import ShotPictures
from ...scene.prompts import prompt_at
from ...timeline import seconds_in_words
from ..base import SamplerInputs
from ..extra_pass import predicted_again
from ..network_patches import ScaledAudio
from ..option import AUDIO_GUIDANCE
from .common import LastFrames, WanClipSampler, WanFamily, empty_latents, reference_latents
from .settings import HUMO

if TYPE_CHECKING:
    from ...features.encoded import EncodedAudio
    from ...sampling.host_sampler import HostSampler

TRAINED_FRAMES = 97
OVERLAP_LATENTS = 4  # 13 frames
SAMPLES_OF_A_FRAME = 640  # 16 kHz samples
BANDS = ((0, 8), (8, 16), (16, 24), (24, 32), (32, 33))  # Whisper's layers
NEIGHBOURS = 2  # frames that a latent hears before its own four, and after them
ALIKE = Fraction(1, 5)  # seconds that may be missing at the end: of a frame, and of a driving sound
WHITE = 1.0


@dataclass(frozen=True)
class HuMoLayout(FeatureLayout):
    """``[5, frames, width]``: the means of the lower layers in four bands, and the last layer."""

    rate: Fraction = Fraction(25)

    def features(self, layers: torch.Tensor, sample_count: int) -> torch.Tensor:
        heard = layers[:, : 2 * _frame_count(sample_count)]
        if heard.shape[1] < 2:
            return _bands(heard)
        return linear_interpolation(_bands(heard), input_fps=LAYER_RATE, output_fps=int(self.rate))

    def in_pieces(self, layer_count: int, sample_count: int) -> BandPieces:
        count = _frame_count(sample_count)
        step = (2 * count - 1) / max(1, count - 1)  # ends on ends, as align_corners of the interpolation above
        return BandPieces(torch.arange(count, dtype=torch.float64) * step)


LAYOUT = HuMoLayout()


class BandPieces(Interpolation):
    """``HuMoLayout``, for layers that come in pieces."""

    def add(self, layers: torch.Tensor) -> tuple[slice, torch.Tensor]:
        return super().add(_bands(layers))


def _frame_count(sample_count: int) -> int:
    return max(1, sample_count // SAMPLES_OF_A_FRAME)


def _bands(layers: torch.Tensor) -> torch.Tensor:
    """``[33, T, width]`` -> ``[5, T, width]``."""
    return torch.stack([layers[start:stop].mean(dim=0) for start, stop in BANDS])


def audio_windows(features: torch.Tensor, latent_start: int, latent_count: int, stride: int) -> torch.Tensor:
    """What the latents of a segment hear, ``[latents, 8, bands, width]``, of ``[bands, frames, width]``.

    The segment's first latent is one frame to the model: it hears that frame, ``stride * latent_start``, two on both
    sides, and three zeros before them. The official ``get_audio_emb_window``, ``frame0_idx`` being that frame.
    """
    first = stride * latent_start
    span = frames_between(features, first - NEIGHBOURS, first + stride * (latent_count - 1) + NEIGHBOURS + 1)
    span = torch.nn.functional.pad(span, (0, 0, stride - 1, 0))
    return span.unfold(1, stride + 2 * NEIGHBOURS, stride).permute(1, 3, 0, 2)


class HuMoClipSampler(WanClipSampler):
    def __init__(self, inputs: SamplerInputs, plan: Plan, pictures: ShotPictures):
        super().__init__(inputs, plan, pictures)
        self.model = guided(HeardAudio(inputs.audio_scale).on(inputs.model), inputs.option("audio_guidance"))
        self.references = reference_latents(inputs, plan, pictures, bars=WHITE)
        self.features = inputs.encoded_audio.features(LAYOUT)
        self.last_frames = LastFrames(inputs.vae, plan)

    def sample(self, segment: Segment, history: LatentHistory, sampler: HostSampler) -> torch.Tensor:
        reference = self.references.get(self.pictures.number(segment), empty_latents(self.inputs, 1))
        heard = audio_windows(self.features, segment.latent_start, segment.latent_count, self.plan.grid.stride)[None]
        positive = _conditioned(self.inputs.positive, segment, reference, heard)
        nothing = torch.zeros_like(reference), torch.zeros_like(heard)
        negative = _conditioned(self.inputs.negative, segment, *nothing)
        latent, mask = empty_latents(self.inputs, segment.latent_count), None
        known = self.last_frames.before(segment, history)
        if known is not None:
            latent[:, :, : segment.overlap] = known.to(latent)
            mask = torch.ones([1, 1, segment.latent_count, 1, 1], device=latent.device)
            mask[:, :, : segment.overlap] = 0.0
        result = sampler.sample(self.model, positive, negative, latent, segment.seed, noise_mask=mask)
        return result[:, :, segment.overlap :]


def _conditioned(prompts: list, segment: Segment, reference: torch.Tensor, heard: torch.Tensor) -> list:
    prompt = prompt_at(prompts, segment.prompt_seconds)
    prompt = node_helpers.conditioning_set_values(prompt, {"reference_latents": [reference]}, append=True)
    return node_helpers.conditioning_set_values(prompt, {"audio_embed": heard})


class HuMo(WanFamily):
    id = "humo"
    model_class = comfy.model_base.WAN21_HuMo
    name = "HuMo"
    versions = "HuMo-17B, HuMo-1.7B"
    encoder_kind = "whisper-large-v3"
    encoder_advice = "load whisper_large_v3_fp16.safetensors into Audio Encode"
    clip_sampler = HuMoClipSampler
    feature_layout = LAYOUT
    frame_rate = LAYOUT.rate
    segment_length = SegmentLength(latent_count=25, overlap=OVERLAP_LATENTS, minimum=OVERLAP_LATENTS)
    variants = (HUMO,)
    options = (AUDIO_GUIDANCE,)

    def check(self, inputs: SamplerInputs) -> None:
        super().check(inputs)
        self._check_heard(inputs.encoded_audio)

    def _check_heard(self, encoded: EncodedAudio) -> None:
        """Raise where the end of the sound is missing: core's encoder drops what comes after half a minute."""
        heard = encoded.features(LAYOUT).shape[1] / self.frame_rate
        if heard + ALIKE < encoded.duration:
            raise SoundToVideoError(
                f"core's Audio Encoder Encode hears the first {seconds_in_words(heard)} of "
                f"{seconds_in_words(encoded.duration)} with Whisper: use Audio Encode, which hears all of it."
            )

    def plan_notes(self, plan: Plan) -> list[str]:
        longest = max(plan.grid.frame_count(segment.latent_count) for segment in plan.segments)
        trained = f"{TRAINED_FRAMES} frames ({seconds_in_words(TRAINED_FRAMES / plan.frame_rate)})"
        notes = []
        if longest > TRAINED_FRAMES:
            notes.append(f"{self.name} was trained on {trained} at a time: longer segments may look worse.")
        if not all(segment.starts_afresh for segment in plan.segments):
            notes.append(
                f"{self.name} was trained on {trained} and not on going on: later segments hold the last "
                f"{plan.grid.frame_count(OVERLAP_LATENTS)} frames of the one before, and may join less well."
            )
        return notes


class HeardAudio(ScaledAudio):
    def listeners(self, network: Any) -> Iterable[torch.nn.Module]:
        return [block.audio_cross_attn_wrapper.audio_cross_attn for block in network.blocks]


def guided(model: Any, audio_guidance: float) -> Any:
    """A clone of the MODEL with guidance by the sound in force; the MODEL itself for 1."""
    if audio_guidance == 1:
        return model
    patched = model.clone()
    patched.set_model_sampler_post_cfg_function(AudioGuidance(audio_guidance))
    return patched


@dataclass(frozen=True)
class AudioGuidance:
    """The host's post-CFG function that moves the picture away from what it would be without the sound.

    Official (``forward_tia``): ``null + scale_t (text - null) + scale_a (sound and text - text)``. The host's CFG alone
    has cfg for both scales; here ``scale_a = cfg + audio_guidance - 1``.
    """

    scale: float

    def __call__(self, args: dict[str, Any]) -> torch.Tensor:
        without = predicted_again(args, [_deaf(entry) for entry in args["cond"]], "without the sound")
        return args["denoised"] + (self.scale - 1) * (args["cond_denoised"] - without)


def _deaf(entry: dict[str, Any]) -> dict[str, Any]:
    heard = entry["model_conds"]["audio_embed"].cond
    silence = comfy.conds.CONDRegular(torch.zeros_like(heard))
    return {**entry, "model_conds": {**entry["model_conds"], "audio_embed": silence}}
