"""What a model family is: everything that differs between the models that take audio, and nothing else.

A family is one module with one subclass of ``Family``, listed in ``families/__init__.py``. Samplers, planner,
VIDEO and mux know no model's name: they ask the family.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from ..decoding.stream import Decoder
from ..errors import SoundToVideoError
from ..features.encoded import KIND_NAMES
from ..frames.footage_time import frame_step
from ..frames.images import check_images
from ..plan import Plan, Segment, SegmentLength, plan_clip
from ..sampling.spool import LatentHistory
from ..scene.key_frames import (
    KeyFrame,
    behind_pictures,
    check_times,
    checked_key_frames,
    shown_frames,
    with_room_before,
)
from ..scene.pictures import ShotPictures, shot_pictures
from ..scene.prompts import cut_times, prompt_times, unexpected_prompts
from ..timeline import Grid, Number, exact, frame_rate_in_words, rounded
from .option import KEY_FRAMES, Option
from .options import OPTIONS
from .settings import Variant

if TYPE_CHECKING:
    from ..audio import Audio
    from ..features.encoded import EncodedAudio
    from ..features.layout import FeatureLayout
    from ..frames.crops import Crops
    from ..frames.source import FrameSource
    from ..sampling.host_sampler import HostSampler


MAXIMUM_FRAME_RATE = 120


class NeededHost(NamedTuple):
    """A ComfyUI that a model takes.

    model: its name.  version: of the first ComfyUI that ``does`` with it what the family needs.
    """

    model: str
    version: str
    does: str = "knows"


@dataclass(frozen=True)
class SamplerInputs:
    """What the user wired into a sampler, as families take it.

    Images are ``[frames, height, width, 3]`` in 0..1, sizes in pixels.
    model, vae: the host's MODEL and VAE.  positive, negative: the host's CONDITIONING.
    reference_image: a picture for each shot; None for audio to video.
    frame_rate: frames per second, the family's own where 0 was asked.
    control_video: an IMAGE, or footage that is read a window at a time.
    options: what only some families know (``latent_upscale_model`` ...), by input name.
    files: names of the files that inputs were loaded from, by input name, as far as they are known.
    """

    model: Any
    vae: Any
    positive: list
    negative: list
    encoded_audio: EncodedAudio
    width: int
    height: int
    frame_rate: Fraction
    reference_image: torch.Tensor | None = None
    image_fit: str = "crop"
    audio_scale: float = 1.0
    control_video: torch.Tensor | FrameSource | None = None
    options: dict[str, Any] | None = None
    files: Mapping[str, str] = field(default_factory=dict)

    def option(self, name: str) -> Any:
        """What was given for one of the declared options; its default where nothing was."""
        value = (self.options or {}).get(name)
        return OPTIONS[name].default if value is None else value


class ClipSampler(ABC):
    """One clip in the making: its inputs and its plan, with all that is computed once for all segments.

    ``latents`` handed around are ``[1, channels, latents, height, width]`` float32 on the CPU.
    pictures: which picture of the reference image each segment is shown.
    model: the MODEL of the only pass, or of the first, as the segments are sampled with it.
    """

    model: Any

    def __init__(self, inputs: SamplerInputs, plan: Plan, pictures: ShotPictures):
        self.inputs = inputs
        self.plan = plan
        self.pictures = pictures

    def first_pictures(self) -> list[int]:
        """The pictures that a family needs which shows one where a shot begins, and none after it."""
        return self.pictures.shown(shot[0] for shot in self.plan.shots())

    def shown_key_frames(self) -> list[tuple[int, KeyFrame]]:
        """The key frames that segments of the plan show, each with its frame in the clip."""
        frames = key_frames_of_scene(self.inputs, self.pictures)
        return shown_frames(frames, self.inputs.encoded_audio.duration, self.plan)

    def begin(self, sampler: HostSampler) -> None:  # noqa: B027 (most families have nothing to do here)
        """A first pass over the whole clip, before any segment is sampled."""

    def steps_to_begin(self, sampler: HostSampler) -> int:
        """Sampler steps of ``begin``, for the progress bar."""
        return 0

    def steps(self, sampler: HostSampler) -> int:
        """Sampler steps of one segment over all its passes: what the progress bar counts."""
        return len(sampler.sigmas(self.model)) - 1

    @abstractmethod
    def sample(self, segment: Segment, history: LatentHistory, sampler: HostSampler) -> torch.Tensor:
        """Sample one segment: its new latents only, without the overlap.

        history: the new latents of the segments before, in order, since the last one that started afresh.
        """

    def decoder(self) -> Decoder:
        """What decodes the clip: all that its VIDEO keeps, so that MODEL, encoder and images are not held by it.

        After a cut the first latent, one frame in its segment, holds as many in the clip as any: it is decoded after
        itself.
        """
        return Decoder(self.inputs.vae, self.plan, self.inputs.width, self.inputs.height)


class Family(ABC):
    """A kind of model that takes audio.

    id, name: ``wan_s2v``, ``Wan2.2-S2V``.  versions: those that are known, in words.
    audio_input: the input of Audio Encode that this family needs, ``audio_encoder`` or ``audio_vae``.
    encoder_kind: the ``EncodedAudio.kind`` it takes.  encoder_advice: where to get such, for an error.
    feature_layout: what it hears of an audio encoder; None for a family that takes an audio VAE.
    model_class: the host's class of its model.
    clip_sampler: makes a clip of it.
    frame_rate: the rate it was trained at.  frame_rate_is_free: whether others may be asked.
    size_multiple: width and height must be multiples of it.
    schedules: fixed noise levels by the name that they have as a scheduler, those of each stage.
    options: the options that it knows, of those in ``families/options.py``.
    variants: its models as they are published, with what is officially set for each; the last fits any.
    lip_syncs: whether it can make a mouth in footage anew (``prepare_lip_sync``).
    hears_speakers: whether it tells the speakers of one sound apart (``EncodedAudio.tracks``).
    """

    id: str
    name: str
    versions: str
    model_class: type
    audio_input: str
    encoder_kind: str
    encoder_advice: str
    clip_sampler: type[ClipSampler]
    feature_layout: FeatureLayout | None = None
    frame_rate: Fraction
    frame_rate_is_free: bool
    grid: Grid
    segment_length: SegmentLength
    size_multiple: int
    schedules: Mapping[str, tuple[tuple[float, ...], ...]] = {}
    options: tuple[Option, ...] = ()
    variants: tuple[Variant, ...] = ()
    lip_syncs: bool = False
    hears_speakers: bool = False

    def recognises(self, wired: Mapping[str, Any]) -> bool:
        """Whether what is wired into a sampler, by input name, is of this family; ``model`` is a MODEL of the host."""
        return isinstance(wired["model"].model, self.model_class)

    def recognises_audio_vae(self, audio_vae: Any) -> bool:
        """Whether the host's VAE is the one that this family listens by."""
        return False

    def encode_with_vae(self, audio: Audio, audio_vae: Any) -> EncodedAudio:
        """What this family hears of the audio, by an audio VAE that it recognised."""
        raise NotImplementedError

    def needed_host(self, model: Any) -> NeededHost | None:
        """The ComfyUI that a MODEL of this family takes, where this one is too old for it; None where it is not."""
        return None

    @abstractmethod
    def check(self, inputs: SamplerInputs) -> None:
        """Raise ``SoundToVideoError`` for what this family cannot work with; before any work is done."""

    def check_lip_sync(self, inputs: SamplerInputs) -> None:
        """As ``check``, for footage in place of a reference image."""
        self.check(inputs)

    def prepare(self, inputs: SamplerInputs, plan: Plan) -> ClipSampler:
        """Do what all segments share: encode the reference image, lay out the audio, patch a clone of the MODEL."""
        return self.clip_sampler(inputs, plan, self.pictures(inputs))

    def prepare_lip_sync(self, inputs: SamplerInputs, plan: Plan, crops: Crops, strength: float) -> ClipSampler:
        """As ``prepare``, for footage: what is masked in its crops is made anew to the sound, the rest stays.

        strength: 1 forgets what the mouth did, less keeps some of it.
        """
        raise SoundToVideoError(f"{self.name} cannot make a mouth in footage anew: load a model that can.")

    def footage_step(self, rate: Fraction) -> Fraction:
        """How many frames of footage at ``rate`` there are for each that is sampled (``frames.footage_time``)."""
        return Fraction(frame_step(rate)) if self.frame_rate_is_free else rate / self.frame_rate

    def rate(self, asked: Number) -> Fraction:
        """The frame rate to use for what the user asked, 0 being the family's own."""
        rate = exact(asked, "frame_rate")
        if not rate:
            return self.frame_rate
        if not self.frame_rate_is_free and rate != self.frame_rate:
            raise SoundToVideoError(
                f"{self.name} makes {frame_rate_in_words(self.frame_rate)}, not {frame_rate_in_words(rate)}: "
                f"set frame_rate to 0."
            )
        if not 0 < rate <= MAXIMUM_FRAME_RATE:
            raise SoundToVideoError(
                f"frame_rate is {frame_rate_in_words(rate)}: set it to {MAXIMUM_FRAME_RATE} or less."
            )
        return rate

    def segment_length_for(self, frame_rate: Fraction, segment_seconds: Number) -> SegmentLength:
        """The length of segments with ``segment_seconds`` of new frames each, 0 being the family's own."""
        new_latents = rounded(exact(segment_seconds, "segment_seconds") * frame_rate / self.grid.stride)
        if not segment_seconds:
            return self.segment_length
        return replace(
            self.segment_length,
            latent_count=max(self.segment_length.minimum, new_latents, 1) + self.segment_length.overlap,
        )

    def plan(
        self,
        duration: Number,
        frame_rate: Fraction,
        segment_seconds: Number = 0,
        seed: int = 0,
        preview_seconds: Number = 0,
        conditionings: Sequence[list] = (),
        cuts: Sequence[Number] = (),
        key_times: Sequence[Number] = (),
    ) -> Plan:
        """The plan of a clip: the one that is sampled, and the one that is shown.

        duration: of the audio, in seconds.  segment_seconds, preview_seconds: as the samplers' inputs of these names.
        conditionings: the host's CONDITIONING of the samplers' inputs; prompts at times and cuts are borders.
        cuts: further times in seconds at which a segment starts afresh, such as those of footage.
        key_times: times of key frames, which a segment is to have room to get to.
        """
        segment_length = self.segment_length_for(frame_rate, segment_seconds)
        afresh = {*cut_times(*conditionings)}  # there a picture is at once
        prompts = behind_pictures(
            [time for time in prompt_times(*conditionings) if time not in afresh],
            key_times,
            frame_rate,
            self.grid,
            segment_length.overlap,
        )

        def with_borders(borders: Sequence[Number]) -> Plan:
            return plan_clip(
                duration,
                frame_rate,
                self.grid,
                segment_length,
                seed,
                (*afresh, *cuts),
                (*prompts, *borders),
            )

        plan = with_room_before(key_times, with_borders)
        plan = replace(plan, notes=tuple(unexpected_prompts(plan, segment_length, *conditionings)))
        plan = plan.opening(preview_seconds) if preview_seconds else plan
        return replace(plan, notes=(*plan.notes, *self.plan_notes(plan)))

    def plan_notes(self, plan: Plan) -> list[str]:
        """Sentences on what the user may not expect of a plan, whatever is wired: shown wherever the plan is."""
        return []

    @property
    def shows_key_frames(self) -> bool:
        return KEY_FRAMES in self.options

    def pictures(self, inputs: SamplerInputs) -> ShotPictures:
        """Which picture of the reference image each segment is shown: another one comes in with a cut.

        Without cuts it comes with the prompt: as a key frame, or in the segments of a family that shows none.
        """
        return shot_pictures(inputs.reference_image, inputs.positive, inputs.negative, self.shows_key_frames)

    def key_frames(self, inputs: SamplerInputs) -> tuple[KeyFrame, ...]:
        """The pictures at times that this family shows; raises for what is none."""
        return key_frames_of_scene(inputs, self.pictures(inputs)) if self.shows_key_frames else ()

    def check_key_frames(self, inputs: SamplerInputs) -> None:
        """Raise for a key frame that is no picture, and where the batch on reference_image has one for its time."""
        frames = self.key_frames(inputs)
        check_times(frames, "one from Key Frames, one of those on reference_image for its line. Take one of them out.")
        for key_frame in frames:
            name = f"picture for {key_frame.in_words}"
            check_images(key_frame.picture, name, inputs.width, inputs.height, inputs.image_fit)

    def check_reference(self, inputs: SamplerInputs) -> None:
        """Raise for a reference image of which a shot's picture is none."""
        if inputs.reference_image is not None:
            shots = max(1, len(self.pictures(inputs).times))
            check_images(
                inputs.reference_image, "reference image", inputs.width, inputs.height, inputs.image_fit, count=shots
            )

    def check_encoder(self, inputs: SamplerInputs) -> None:
        """Raise for sound of another encoder than the family's."""
        if inputs.encoded_audio.kind != self.encoder_kind:
            raise SoundToVideoError(
                f"the audio was encoded by {KIND_NAMES[inputs.encoded_audio.kind]}, but {self.name} listens to "
                f"{KIND_NAMES[self.encoder_kind]}: {self.encoder_advice}."
            )

    def check_vae(self, inputs: SamplerInputs, latent_channels: int, advice: str) -> None:
        """Raise for a VAE of other latents, or none of videos.  advice: where to get the right one."""
        if getattr(inputs.vae, "latent_channels", None) != latent_channels or inputs.vae.latent_dim != 3:
            raise SoundToVideoError(f"the connected VAE does not fit {self.name}: {advice}.")

    def check_control_video(self, inputs: SamplerInputs) -> None:
        """Raise for a control video that this family cannot follow; most take none."""
        if inputs.control_video is not None:
            raise SoundToVideoError(f"{self.name} takes no control_video: disconnect it.")

    def unused_options(self, inputs: SamplerInputs) -> list[str]:
        """A sentence for each option that was set and that this family does not know."""
        known = [option.name for option in self.options]
        return [
            f"{name} is not used: {self.name} does not know it."
            for name, value in (inputs.options or {}).items()
            if name not in known and (OPTIONS[name].default is None or value != OPTIONS[name].default)
        ]

    def unheard_speakers(self, inputs: SamplerInputs) -> list[str]:
        """A sentence where the sound is of several speakers that this family does not tell apart."""
        audio = inputs.encoded_audio.audio
        if self.hears_speakers or audio is None or not audio.tracks:
            return []
        return [f"{self.name} hears the {len(audio.tracks)} speakers as one sound: it does not know who is where."]

    def check_plan(self, inputs: SamplerInputs, plan: Plan) -> list[str]:
        """Raise for a plan that cannot be carried out with the inputs; before any work is done.

        Returns sentences on what the user may not expect of it.
        """
        return []

    def check_text(self, inputs: SamplerInputs, *widths: int | None) -> None:
        """Raise for a prompt from the text encoder of another model: one of none of these widths (None: not known)."""
        for name in ("positive", "negative"):
            for encoded, _ in getattr(inputs, name):
                if None not in widths and encoded.shape[-1] not in widths:
                    raise SoundToVideoError(
                        f"the {name} prompt was encoded by the text encoder of another model (its width is "
                        f"{encoded.shape[-1]}, {self.name} takes {widths[0]}): load the one that belongs to this model."
                    )

    def check_size(self, width: int, height: int, multiple: int | None = None) -> None:
        """Raise for a width or height that is no multiple of ``multiple``, None being the family's own."""
        for name, size in (("the width", width), ("the height", height)):
            self.check_on_grid(name, size, multiple)

    def check_on_grid(self, name: str, size: int, multiple: int | None = None) -> None:
        """As ``check_size``, for a size of this name."""
        multiple = multiple or self.size_multiple
        if size < multiple or size % multiple:
            lower = max(multiple, size // multiple * multiple)
            raise SoundToVideoError(
                f"{name} {size} is off the grid of {self.name}: it must be a multiple of {multiple}, "
                f"for instance {lower} or {lower + multiple}."
            )


def key_frames_of_scene(inputs: SamplerInputs, pictures: ShotPictures) -> tuple[KeyFrame, ...]:
    """Those of Key Frames, and without cuts those of the batch on reference_image at their lines; raises for none."""
    of_lines = pictures.key_frames(inputs.reference_image, inputs.encoded_audio.duration)
    return (*checked_key_frames(inputs.option("key_frames")), *of_lines)
