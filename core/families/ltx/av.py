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

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import comfy.ldm.lightricks.latent_upsampler
import comfy.model_base
import comfy.model_management
import comfy.nested_tensor
import node_helpers
import torch
from comfy_extras.nodes_lt import preprocess
from comfy_extras.nodes_lt_upsampler import LTXVLatentUpsampler

from ...decoding.stream import Decoder
from ...errors import SoundToVideoError, article
from ...features.encoded import KIND_NAMES
from ...frames.images import fitted_reference, longer_edge_resized, resized_cropped
from ...plan import Plan, Segment, Window
from ...sampling.spool import LatentHistory
from ...scene.pictures import ShotPictures
from ...scene.prompts import prompt_at
from ...timeline import FrameGrid, Number, clip_frame_count, exact, rounded
from ..base import ClipSampler, Family, Scene
from ..memory import check_memory
from ..option import AUDIO_GUIDANCE
from .audio_latents import LTX_AUDIO_VAE, AudioLatents
from .guidance import Guidance, check_guidance, guided, scaled_audio
from .options import OPTIONS, SCHEDULES
from .partial_noise import clean_by_token
from .versions import KNOWN_VERSIONS, host_knows, version_of

if TYPE_CHECKING:
    from ...sampling.host_sampler import HostSampler

LATENT_CHANNELS = 128
SPATIAL_RATIO = 32
UPSCALE = 2
WINDOW_SECONDS = 20
AUDIO_RATE = Fraction(25)  # audio latents a second
SHORTEST_STEP, LONGEST_ALIGNED_STEP = 3, 12  # new latents of a segment
OVERLAP_LATENTS = 4
DECODE_CONTEXT = 2  # latents decoded in front of an overlap that is encoded anew at half size
REFERENCE_EDGE = 1536  # pixels of the reference image's longer edge when it is compressed, as in the template

DEFAULT_REFINING = SCHEDULES["ltx-2.3 distilled"][1]


class LTXAVClipSampler(ClipSampler):
    def __init__(self, scene: Scene, plan: Plan, pictures: ShotPictures):
        super().__init__(scene, plan)
        self.pictures = pictures
        self.upscaler = scene.option("latent_upscale_model")
        unguided = scaled_audio(scene.model, scene.audio_scale)
        self.model = guided(unguided, guidance_of(scene))
        refining_model = scene.option("refining_model")
        self.refining_input = "model" if refining_model is None else "refining_model"
        self.refining_model = unguided if refining_model is None else scaled_audio(refining_model, scene.audio_scale)
        if self.upscaler is None:  # else the refining pass has the picture whole, whatever the first one leaves of it
            self.model = clean_by_token(self.model)
        rate = {"frame_rate": float(plan.frame_rate)}
        self.positive = node_helpers.conditioning_set_values(scene.positive, rate)
        self.negative = node_helpers.conditioning_set_values(scene.negative, rate)
        self.sizes = [(scene.width, scene.height)]
        if self.upscaler is not None:
            self.sizes.insert(0, (scene.width // UPSCALE, scene.height // UPSCALE))
        check_memory(scene.model, plan, scene.width, scene.height, Fraction(LATENT_CHANNELS, SPATIAL_RATIO**2))
        self.references = {number: self._references(number) for number in pictures.shown(plan)}

    def _references(self, number: int) -> list[torch.Tensor | None]:
        """A picture's latent ``[1, 128, 1, H, W]`` at the size of every pass."""
        scene = self.scene
        if scene.reference_image is None:
            return [None] * len(self.sizes)
        image = scene.reference_image[number : number + 1]
        image = fitted_reference(image, scene.width, scene.height, scene.image_fit, "lanczos")
        image = compressed(longer_edge_resized(image, REFERENCE_EDGE), scene.option("image_compression"))
        return [scene.vae.encode(resized_cropped(image, width, height)) for width, height in self.sizes]

    def steps(self, sampler: HostSampler) -> int:
        steps = len(sampler.sigmas(self.model)) - 1
        return steps if self.upscaler is None else steps + len(self._refining_sigmas(sampler)) - 1

    def _refining_sigmas(self, sampler: HostSampler) -> torch.Tensor:
        sigmas = self.scene.option("refining_sigmas")
        if sigmas is not None:
            return sigmas
        return torch.tensor(SCHEDULES.get(sampler.settings.scheduler, (None, DEFAULT_REFINING))[1])

    def sample(self, segment: Segment, history: LatentHistory, sampler: HostSampler) -> torch.Tensor:
        scene = self.scene
        time = segment.prompt_seconds
        positive, negative = prompt_at(self.positive, time), prompt_at(self.negative, time)
        sound = self.sound(segment)
        references = self.references[self.pictures.number(segment)]
        overlap = self._overlap(history, segment)
        width, height = self.sizes[0]
        shape = [1, LATENT_CHANNELS, segment.latent_count, height // SPATIAL_RATIO, width // SPATIAL_RATIO]
        empty = torch.zeros(shape, device=comfy.model_management.intermediate_device())
        first_overlap = overlap if self.upscaler is None or overlap is None else self._halved(history, segment)
        strength = scene.option("image_strength")
        latent, mask = self._joint(empty, sound, references[0], strength, segment, first_overlap)
        result = sampler.sample(self.model, positive, negative, latent, segment.seed, noise_mask=mask)
        if self.upscaler is not None:
            picture, sound = result.unbind()
            picture = LTXVLatentUpsampler.execute({"samples": picture}, self.upscaler, scene.vae)[0]["samples"]
            latent, mask = self._joint(picture, sound, references[1], 1.0, segment, overlap)
            result = sampler.sample(
                self.refining_model,
                positive,
                negative,
                latent,
                segment.seed,
                noise_mask=mask,
                sigmas=self._refining_sigmas(sampler),
                cfg=1.0,
                model_input=self.refining_input,
            )
        return result.unbind()[0][:, :, segment.overlap :]

    def sound(self, segment: Segment) -> torch.Tensor:
        """The audio latents under a segment, ``[1, 8, n, 16]``: silence where the grid goes beyond the audio.

        The last segment hears the audio to its end, also where that outlasts the last frame by a latent or two.
        """
        encoded = self.scene.encoded_audio
        assert isinstance(encoded, AudioLatents)
        plan, stride = self.plan, self.plan.grid.stride
        start = rounded(stride * segment.latent_start / plan.frame_rate * encoded.rate)
        end_frame = stride * (segment.latent_stop - 1) + 1
        stop = rounded(end_frame / plan.frame_rate * encoded.rate)
        if plan.grid.frame_count(segment.latent_stop) >= clip_frame_count(encoded.duration, plan.frame_rate):
            stop = max(stop, encoded.count)
        return encoded.span(start, stop).to(comfy.model_management.intermediate_device())

    def _joint(
        self,
        picture: torch.Tensor,
        sound: torch.Tensor,
        reference: torch.Tensor | None,
        strength: float,
        segment: Segment,
        overlap: torch.Tensor | None,
    ) -> tuple[Any, Any]:
        """The host's nested latents and noise masks of both, what is known set in: mask 0 is kept, 1 is sampled."""
        picture = picture.clone()
        mask = torch.ones([1, 1, picture.shape[2], 1, 1], device=picture.device)
        if overlap is not None:
            picture[:, :, : segment.overlap] = overlap.to(picture)
            mask[:, :, : segment.overlap] = 0.0
        elif reference is not None:
            picture[:, :, : reference.shape[2]] = reference.to(picture)
            mask[:, :, : reference.shape[2]] = 1.0 - strength
        latent = comfy.nested_tensor.NestedTensor((picture, sound))
        return latent, comfy.nested_tensor.NestedTensor((mask, torch.zeros_like(sound)))

    @property
    def anchored(self) -> bool:
        return self.scene.option("anchor_first_frame")

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
        vae, stride = self.scene.vae, self.plan.grid.stride

        def halved(latents: torch.Tensor, frame_count: int) -> torch.Tensor:
            frames = vae.decode(latents)
            frames = frames.reshape(-1, *frames.shape[-3:])[-frame_count:]
            return vae.encode(resized_cropped(frames, *self.sizes[0]))

        overlap = halved(history.last(segment.overlap + DECODE_CONTEXT), stride * (segment.overlap - 1) + 1)
        return torch.cat([halved(history.first(), 1), overlap[:, :, 1:]], dim=2) if self.anchored else overlap

    def decoder(self) -> Decoder:
        # After a cut the first latent, one frame in its segment, holds eight in the clip: decoded after itself it does.
        return Decoder(self.scene.vae, self.plan, self.scene.width, self.scene.height)


class LTXAV(Family):
    id = "ltx_av"
    model_class = comfy.model_base.LTXAV
    name = "LTX-2"
    versions = KNOWN_VERSIONS
    audio_input = "audio_vae"
    encoder_kind = LTX_AUDIO_VAE
    frame_rate = Fraction(24)
    frame_rate_is_free = True
    grid = FrameGrid(stride=8)
    window = Window(latent_count=61, overlap=OVERLAP_LATENTS, minimum=6, multiple=3)
    size_multiple = SPATIAL_RATIO
    schedules = SCHEDULES
    options = (AUDIO_GUIDANCE, *OPTIONS)

    def recognises(self, wired: Mapping[str, Any]) -> bool:
        return isinstance(wired["model"].model, self.model_class)

    def needed_host(self, model: Any) -> tuple[str, str] | None:
        version = version_of(model)
        return None if version.first_host is None or host_knows(version) else (version.name, version.first_host)

    def window_for(self, frame_rate: Fraction, segment_seconds: Number) -> Window:
        """Windows that start on a latent of picture and sound where the frame rate allows it (24, 25, 30 fps ...)."""
        seconds = exact(segment_seconds, "segment_seconds") or WINDOW_SECONDS
        step = max(SHORTEST_STEP, 1 + rounded(seconds * frame_rate / self.grid.stride) - OVERLAP_LATENTS)
        aligned = (self.grid.stride * AUDIO_RATE / frame_rate).denominator
        if aligned > LONGEST_ALIGNED_STEP:
            aligned = 1
        step = max(aligned, step - step % aligned)
        # The last segment adds as much as it repeats, unless segments are so short that two cannot share that.
        minimum = min(-(-OVERLAP_LATENTS // aligned), step // aligned // 2) * aligned
        return Window(step + OVERLAP_LATENTS, OVERLAP_LATENTS, max(1, minimum), aligned)

    def check(self, scene: Scene) -> None:
        upscaler = scene.option("latent_upscale_model")
        self.check_size(scene.width, scene.height, self.size_multiple * (1 if upscaler is None else UPSCALE))
        if not isinstance(scene.encoded_audio, AudioLatents):
            raise SoundToVideoError(
                f"the audio was encoded by {KIND_NAMES[scene.encoded_audio.kind]}, but {self.name} listens to "
                f"{KIND_NAMES[self.encoder_kind]}: connect core's Load LTXV Audio VAE to audio_vae of Audio Encode."
            )
        transformer = scene.model.get_model_object("diffusion_model")
        video, caption = transformer.cross_attention_dim, transformer.caption_channels
        # As LTXAVModel.preprocess_text_embeds takes them: ready for picture and sound, or as the encoder gives them.
        self.check_text(scene, 2 * caption, video + transformer.audio_cross_attention_dim, caption, video)
        wanted = (transformer.num_audio_channels, transformer.audio_frequency_bins)
        if (scene.encoded_audio.latents.shape[1], scene.encoded_audio.latents.shape[3]) != wanted:
            raise SoundToVideoError(f"the audio VAE does not fit this {self.name}: load it from the same checkpoint.")
        if getattr(scene.vae, "latent_channels", None) != LATENT_CHANNELS or scene.vae.latent_dim != 3:
            raise SoundToVideoError(f"the connected VAE does not fit {self.name}: take the VAE of its checkpoint.")
        self.check_reference(scene)
        self._check_decodable(scene)
        if scene.control_video is not None:
            raise SoundToVideoError(f"{self.name} takes no control_video: disconnect it.")
        check_guidance(scene.model, guidance_of(scene))
        self._check_refining_model(scene)
        if upscaler is not None:
            check_upscaler(upscaler)
            if not hasattr(scene.vae.first_stage_model, "per_channel_statistics"):
                raise SoundToVideoError(
                    "the latent upscale model needs the whole VAE of the checkpoint, not a tiny one."
                )

    def _check_refining_model(self, scene: Scene) -> None:
        """The second stage has to take the first one's latents, prompts and sound."""
        model = scene.option("refining_model")
        if model is None:
            return
        is_model = hasattr(model, "get_model_object") and hasattr(model, "model")
        if not is_model or not self.recognises({"model": model}):
            kind = type(model.model if is_model else model).__name__
            raise SoundToVideoError(f"refining_model is {article(kind)}, not {self.name}: connect what model has, too.")
        if what_it_takes(model) != what_it_takes(scene.model):
            raise SoundToVideoError(
                f"refining_model is another version of {self.name} than model: load the same for both, "
                f"and put the LoRA of the second stage on refining_model."
            )

    def check_plan(self, scene: Scene, plan: Plan) -> list[str]:
        if scene.option("refining_model") is None or scene.option("latent_upscale_model") is not None:
            return []
        return ["refining_model is not used: it is for the second stage, which latent_upscale_model switches on."]

    def _check_decodable(self, scene: Scene) -> None:
        """Convolutions of some decoders mirror a latent at the edge, so that there must be two."""
        mirrors = any(getattr(module, "padding_mode", "") == "reflect" for module in _decoder(scene.vae).modules())
        for name, size in (("width", scene.width), ("height", scene.height)):
            if mirrors and size < 2 * SPATIAL_RATIO:
                raise SoundToVideoError(
                    f"the {name} {size} is too small to be decoded: set {2 * SPATIAL_RATIO} or more."
                )

    def prepare(self, scene: Scene, plan: Plan) -> ClipSampler:
        return LTXAVClipSampler(scene, plan, self.pictures(scene))


def guidance_of(scene: Scene) -> Guidance:
    return Guidance(
        scene.option("audio_guidance"),
        scene.option("structure_guidance"),
        scene.option("guidance_rescale"),
    )


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


def compressed(image: torch.Tensor, crf: int) -> torch.Tensor:
    """The first picture ``[1, height, width, 3]`` after H.264 (crf 0 = untouched), as core's LTXV Preprocess has it."""
    return preprocess(image[0], crf).unsqueeze(0)
