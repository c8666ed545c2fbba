"""Footage and a sound become the same footage, saying the sound: what is shown, where the mouth is, the plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import comfy.model_management

from .audio import Audio
from .audio.mix import Mixed
from .clip.composite import CompositeDecoder
from .clip.video import SampledVideo
from .errors import SoundToVideoError
from .families import FAMILIES, Family, SamplerInputs, recognise
from .families.memory import explained_out_of_memory
from .features.encoded import EncodedAudio
from .frames.crops import Crops
from .frames.footage import Footage
from .frames.footage_time import WHEN_LONGER, frame_step, jumps, step_in_words
from .frames.mouth import (
    CROP_OF_FACE,
    CROP_OF_HEAD,
    REGIONS,
    WHICH_FACE,
    Examined,
    MouthPath,
    examine,
    faces_by,
    head_face,
    path_of_faces,
    path_of_masks,
)
from .frames.source import FrameSource, source_of
from .plan import Plan
from .render import Rendered, check_wired, inputs_from, sample_segments, secured, settings_from
from .sampling.host_sampler import HostSampler
from .sampling.spool import LatentSpool
from .sampling.store import SegmentStore
from .scene.no_text import check_scenes
from .timeline import Number, clip_frame_count, exact, frame_time, rounded, seconds_in_words

DROPPED_DB = -60.0
KEPT_QUALITY = "very high"  # footage is encoded a second time: 45 dB and more of what is kept, also with fine detail
HEAD_BOX = {"head_left": 0.2, "head_top": 0.1, "head_right": 0.8, "head_bottom": 0.9}


@dataclass(frozen=True)
class FootageInputs:
    """What Lip Sync Sampler asks beyond what samplers ask, by the names of its inputs.

    head_box: left, top, right, bottom in 0..1.  footage_sound_db: DROPPED_DB leaves the footage's own sound out.
    """

    source_video: Any
    mask: Any = None
    face_detection_model: Any = None
    crop_size: int = 512
    strength: float = 1.0
    region: str = REGIONS[0]
    when_sound_is_longer: str = WHEN_LONGER[0]
    start_seconds: Number = 0
    head_box: Sequence[float] = tuple(HEAD_BOX.values())
    which_face: str = WHICH_FACE[0]
    footage_sound_db: float = DROPPED_DB

    @classmethod
    def of(cls, wired: Mapping[str, Any]) -> FootageInputs:
        """From all that is wired into the node, by name; raises without footage, which a link may bring none of."""
        if wired.get("source_video") is None:
            raise SoundToVideoError("there is no footage: connect a video of a speaker to source_video.")
        names = {field.name for field in fields(cls)}
        given = {name: value for name, value in wired.items() if name in names and value is not None}
        return cls(**given, head_box=[wired.get(name, default) for name, default in HEAD_BOX.items()])

    def check(self) -> None:
        """Raise for a choice that there is none of: a link may bring any."""
        for name, choices in (
            ("region", REGIONS),
            ("when_sound_is_longer", WHEN_LONGER),
            ("which_face", WHICH_FACE),
        ):
            if getattr(self, name) not in choices:
                raise SoundToVideoError(f"there is no {name} {getattr(self, name)!r}: choose {' or '.join(choices)}.")
        if self.mask is not None and self.face_detection_model is not None:
            raise SoundToVideoError("connect a mask or a face model, one of them: both say where the mouth is.")


def render_lip_sync(
    wired: Mapping[str, Any],
    folder: str | Path,
    store: SegmentStore | None = None,
    graph: Callable[[str], Any] = lambda input_name: None,
    report: Callable[[str], None] = lambda text: None,
    part: tuple[int, int] | None = None,
) -> Rendered:
    """As ``render.render``, for what is wired into Lip Sync Sampler: the footage, its mouth made anew to the sound."""
    family = recognise(wired)
    check_family(family)
    check_wired(wired)
    footage_inputs = FootageInputs.of(wired)
    family.check_on_grid("crop_size", footage_inputs.crop_size)
    inputs = inputs_from(family, {**wired, "width": footage_inputs.crop_size, "height": footage_inputs.crop_size})
    settings = settings_from(family, wired)
    check_scenes(inputs.model, inputs.positive, inputs.negative)
    family.check_lip_sync(inputs)
    report("looking through the footage")
    shown = footage_under(
        footage_inputs,
        inputs.encoded_audio,
        comfy.model_management.throw_exception_if_processing_interrupted,
        family.footage_step,
    )
    rate = shown.crops.footage.source.rate
    inputs = replace(inputs, frame_rate=family.rate(rate / shown.crops.step))
    preview_seconds = wired.get("preview_seconds") or 0
    plan, shown = plan_lip_sync(
        family, inputs, shown, settings.seed, wired.get("segment_seconds") or 0, preview_seconds
    )
    report(plan.describe())
    with explained_out_of_memory(plan):
        clip_sampler = family.prepare_lip_sync(inputs, plan, shown.crops, footage_inputs.strength)
    sampler, latents = HostSampler(settings, store, graph), LatentSpool(folder)
    audio = sound_of(footage_inputs, shown, inputs.encoded_audio.audio, plan.duration)
    audio = audio and secured(audio, folder)
    sample_segments(clip_sampler, sampler, latents, report, segments=plan.part(*part) if part else None)
    decoder = CompositeDecoder(clip_sampler.decoder(), shown.crops, rate, shown.frame_count)
    video = None if part else SampledVideo(decoder, latents, audio, quality=KEPT_QUALITY)
    return Rendered(family, plan, video, latents, sampler.resumed_runs)


@dataclass(frozen=True)
class Shown:
    """The footage under a sound.

    frame_count: of the clip, at the footage's rate.  duration: of the clip, in seconds.
    cuts: times in seconds at which another scene begins.  notes: sentences on what is done with it.
    """

    crops: Crops
    frame_count: int
    duration: Number
    cuts: Sequence[Number]
    notes: Sequence[str]


def check_family(family: Family) -> None:
    """Raise for a family that cannot make a mouth in footage anew, naming those that can."""
    if not family.lip_syncs:
        able = ", ".join(other.name for other in FAMILIES if other.lip_syncs) or "none that this ComfyUI can load"
        raise SoundToVideoError(f"{family.name} cannot make a mouth in footage anew. Load a model that can: {able}.")


def footage_under(
    footage_inputs: FootageInputs,
    encoded_audio: EncodedAudio,
    on_frame: Callable[[], None] = lambda: None,
    step_at: Callable[[Fraction], Number] = frame_step,
) -> Shown:
    """Look through the footage, as far as the sound lasts; only numbers are kept of it.

    on_frame: called for each frame; what it raises ends it.  step_at: the step at a rate, ``Family.footage_step``.
    """
    footage_inputs.check()
    source = source_of(footage_inputs.source_video)
    first = rounded(exact(footage_inputs.start_seconds, "start_seconds") * source.rate)
    wanted = clip_frame_count(encoded_audio.duration, source.rate)
    detect = None if footage_inputs.face_detection_model is None else faces_by(footage_inputs.face_detection_model)
    inside = footage_inputs.head_box if footage_inputs.which_face == "in the box" else None
    examined = examine(source, first, wanted, detect, inside, on_frame)
    path = path_of(footage_inputs, examined, source, first)
    when_longer = footage_inputs.when_sound_is_longer
    footage = Footage(source, first, examined.count, when_longer)
    stops = when_longer == "stop" and examined.count < wanted
    frame_count = examined.count if stops else wanted
    duration = frame_time(frame_count, source.rate) if stops else encoded_audio.duration
    crops = Crops(footage, path, footage_inputs.crop_size, step_at(source.rate), frame_count)
    cuts = [frame_time(index, source.rate) for index in jumps(frame_count, footage.count, when_longer, path.starts)]
    return Shown(crops, frame_count, duration, cuts, _notes(crops, wanted))


def path_of(footage_inputs: FootageInputs, examined: Examined, source: FrameSource, first: int) -> MouthPath:
    """Where the mouth is, by the mask, the faces that were found, or the box."""
    if footage_inputs.mask is not None:
        return path_of_masks(examined, footage_inputs.mask, first, source)
    if examined.faces is not None:
        return path_of_faces(examined, examined.faces, footage_inputs.region, source, CROP_OF_FACE)
    face = head_face(footage_inputs.head_box, source.width, source.height)
    return path_of_faces(
        examined, face[None].repeat(examined.count, axis=0), footage_inputs.region, source, CROP_OF_HEAD
    )


def _notes(crops: Crops, wanted: int) -> list[str]:
    """wanted: frames that the sound lasts."""
    footage, path = crops.footage, crops.path
    source = footage.source
    notes = [step_in_words(source.rate, crops.step)]
    for start, stop in path.lost():
        times = [seconds_in_words((footage.first + index) / source.rate) for index in (start, stop)]
        what = "no mouth is masked" if path.masks is not None else "no face was found"
        notes.append(f"footage from {times[0]} to {times[1]}: {what}, it stays as it is")
    if footage.count < wanted:
        lasts = seconds_in_words(footage.count / source.rate)
        done = {"hold": "its last frame is held", "stop": "the clip stops with it"}
        notes.append(
            f"the footage lasts {lasts}, the sound is longer: "
            f"{done.get(footage.when_longer, f'it goes on {footage.when_longer}')}"
        )
    return [note for note in notes if note]


def plan_lip_sync(
    family: Family, inputs: SamplerInputs, shown: Shown, seed: int, segment_seconds: Number, preview_seconds: Number = 0
) -> tuple[Plan, Shown]:
    """The plan at the rate that is sampled, and what is shown of it."""
    conditionings = (inputs.positive, inputs.negative)
    plan = family.plan(
        shown.duration, inputs.frame_rate, segment_seconds, seed, preview_seconds, conditionings, shown.cuts
    )
    notes = [*shown.notes, *family.check_plan(inputs, plan), *family.unused_options(inputs)]
    tracks = () if inputs.encoded_audio.audio is None else inputs.encoded_audio.audio.tracks
    if tracks:
        notes.append(f"one mouth is made anew: it says what all of the {len(tracks)} speakers say.")
    plan = replace(plan, notes=(*plan.notes, *notes))
    if preview_seconds:
        rate = shown.crops.footage.source.rate
        count = min(shown.frame_count, clip_frame_count(plan.duration, rate))
        shown = replace(shown, frame_count=count, crops=replace(shown.crops, frame_count=count))
    return plan, shown


def sound_of(footage_inputs: FootageInputs, shown: Shown, audio: Audio | None, duration: Number) -> Audio | None:
    """What is heard with the clip: the sound as it is, with the footage's own under it where that was asked for."""
    audio = audio and audio.between(0, duration)
    footage = shown.crops.footage
    own = None if audio is None or footage_inputs.footage_sound_db <= DROPPED_DB else footage.source.audio
    if audio is None or own is None:
        return audio
    own = own.between(footage.first / footage.source.rate, (footage.first + footage.count) / footage.source.rate)
    return audio if own is None else Audio(Mixed(audio, own, 10 ** (footage_inputs.footage_sound_db / 20)))
