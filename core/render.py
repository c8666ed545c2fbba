"""What is wired becomes a clip: it is recognised, checked, planned and sampled. No node is needed for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.samplers
import torch

from .audio import Audio
from .clip.video import SampledVideo
from .errors import SoundToVideoError
from .families import ClipSampler, Family, SamplerInputs, recognise
from .families.memory import explained_out_of_memory
from .families.options import given_options
from .features.encoded import encoded_audio_from
from .frames.images import IMAGE_FITS
from .frames.source import image_or_source
from .plan import Plan, Segment
from .sampling.drift import DriftCorrection
from .sampling.host_sampler import HostSampler, SamplerSettings
from .sampling.spool import LatentSpool
from .sampling.store import SegmentStore
from .scene.inputs import check_conditioning, check_vae, checked_sigmas
from .scene.key_frames import key_times, notes_on
from .scene.no_text import check_scenes
from .timeline import Number, seconds_in_words


@dataclass(frozen=True)
class Rendered:
    """A clip that was sampled.

    video: decodes when somebody asks for frames; None where only a part was sampled.
    latents: the new latents of every segment, in order.
    resumed_runs: runs of the sampler that the store had from before.
    """

    family: Family
    plan: Plan
    video: SampledVideo | None
    latents: LatentSpool
    resumed_runs: int


def render(
    wired: Mapping[str, Any],
    folder: str | Path,
    store: SegmentStore | None = None,
    graph: Callable[[str], Any] = lambda input_name: None,
    report: Callable[[str], None] = lambda text: None,
    part: tuple[int, int] | None = None,
) -> Rendered:
    """Sample a clip of what is wired into a sampler; raises SoundToVideoError before any work for what cannot be.

    wired: values by the names of S2V Sampler's inputs; those that are optional or have a neutral default may be left
    out. Without ``reference_image`` it is A2V Sampler's clip. ``files``: as ``SamplerInputs``.
    folder: where latents, and sounds that may change under way, wait.  store: where finished runs are kept and found.
    graph: of an input's name, the nodes it comes from (``model_key.upstream_graph``); None = there is no graph.
    report: gets sentences on the plan and on the segment under way.
    part: (2, 5) samples the second of five parts (`Plan.part`), for the store alone; None: everything.
    """
    family = recognise(wired)
    check_wired(wired)
    inputs = inputs_from(family, wired)
    settings = settings_from(family, wired)
    check_scenes(inputs.model, inputs.positive, inputs.negative)
    family.check(inputs)
    preview_seconds = wired.get("preview_seconds") or 0
    plan = plan_of(family, inputs, settings.seed, wired.get("segment_seconds") or 0, preview_seconds)
    audio = inputs.encoded_audio.audio
    if audio and preview_seconds:
        audio = audio.between(0, plan.duration)
    report(plan.describe())
    with explained_out_of_memory(plan):
        clip_sampler = family.prepare(inputs, plan)
    sampler = HostSampler(settings, store, graph)
    latents = LatentSpool(folder)
    audio = audio and secured(audio, folder)
    drift = DriftCorrection(wired.get("drift_correction") or 0.0)
    sample_segments(clip_sampler, sampler, latents, report, drift, plan.part(*part) if part else None)
    video = None if part else SampledVideo(clip_sampler.decoder(), latents, audio)
    return Rendered(family, plan, video, latents, sampler.resumed_runs)


def secured(audio: Audio, folder: str | Path) -> Audio:
    """The sound before hours of sampling: its file may be touched, replaced or deleted until the clip is written."""
    return audio.secured(folder, comfy.model_management.throw_exception_if_processing_interrupted)


def check_wired(wired: Mapping[str, Any]) -> None:
    """Raise for what came over a link and is not what the input is for; pictures are checked by the family."""
    check_vae(wired["vae"])
    for name in ("positive", "negative"):
        check_conditioning(wired[name], name)
    if wired["sampler_name"] not in comfy.samplers.KSampler.SAMPLERS:
        raise SoundToVideoError(f"there is no sampler {wired['sampler_name']!r}: choose another.")
    if wired.get("image_fit", "crop") not in IMAGE_FITS:
        raise SoundToVideoError(f"there is no image_fit {wired['image_fit']!r}: choose {' or '.join(IMAGE_FITS)}.")


def inputs_from(family: Family, wired: Mapping[str, Any]) -> SamplerInputs:
    return SamplerInputs(
        model=wired["model"],
        vae=wired["vae"],
        positive=wired["positive"],
        negative=wired["negative"],
        encoded_audio=encoded_audio_from(wired["encoded_audio"]),
        reference_image=wired.get("reference_image"),
        image_fit=wired.get("image_fit", "crop"),
        width=wired["width"],
        height=wired["height"],
        frame_rate=family.rate(wired.get("frame_rate") or 0),
        audio_scale=wired.get("audio_scale", 1.0),
        control_video=image_or_source(wired.get("control_video")),
        options=given_options(wired),
        files=wired.get("files") or {},
    )


def settings_from(family: Family, wired: Mapping[str, Any]) -> SamplerSettings:
    return SamplerSettings(
        seed=wired["seed"],
        steps=wired["steps"],
        cfg=wired["cfg"],
        sampler_name=wired["sampler_name"],
        scheduler=wired["scheduler"],
        sigmas=sigmas_for(family, wired["scheduler"], wired.get("sigmas")),
    )


def sigmas_for(family: Family, scheduler: str, sigmas: torch.Tensor | None) -> torch.Tensor | None:
    """The noise levels ``[steps + 1]`` that stand in for steps and scheduler; None where the host computes them."""
    if sigmas is not None:
        return checked_sigmas(sigmas, "sigmas")
    if scheduler in comfy.samplers.KSampler.SCHEDULERS:
        return None
    if not isinstance(scheduler, str) or scheduler not in family.schedules:
        raise SoundToVideoError(f"the scheduler {scheduler} is not one for {family.name}: choose another, say simple.")
    return torch.tensor(family.schedules[scheduler][0])


def plan_of(
    family: Family, inputs: SamplerInputs, seed: int, segment_seconds: Number, preview_seconds: Number = 0
) -> Plan:
    """The plan of a clip: as long as its audio, or its opening where ``preview_seconds`` are asked."""
    conditionings = (inputs.positive, inputs.negative)
    key_frames, duration = family.key_frames(inputs), inputs.encoded_audio.duration
    times = key_times(key_frames, duration, inputs.frame_rate)
    plan = family.plan(
        duration, inputs.frame_rate, segment_seconds, seed, preview_seconds, conditionings, key_times=times
    )
    pictures = [*family.pictures(inputs).notes(duration), *notes_on(key_frames, duration, inputs.frame_rate)]
    notes = (*plan.notes, *pictures, *family.check_plan(inputs, plan), *family.unused_options(inputs))
    notes += tuple(family.unheard_speakers(inputs))
    return replace(plan, notes=notes)


def segment_in_words(plan: Plan, segment: Segment) -> str:
    """``segment 2 of 3, from 5.00 s``"""
    start = seconds_in_words(plan.start_seconds(segment))
    return f"segment {segment.index + 1} of {len(plan.segments)}, from {start}"


def sample_segments(
    clip_sampler: ClipSampler,
    sampler: HostSampler,
    latents: LatentSpool,
    report: Callable[[str], None] = lambda text: None,
    drift: DriftCorrection | None = None,
    segments: Sequence[Segment] | None = None,
) -> None:
    """Sample every segment of a clip, in order, into ``latents``.

    segments: only these, in order: whole shots.
    report: gets sentences on the plan and on the segment under way.
    drift: applied to each segment's new latents, anchored anew where a segment starts afresh; a change of prompt alone
    goes on with the picture, and with the anchor. The store keeps latents as they are sampled.
    """
    plan = clip_sampler.plan
    segments = plan.segments if segments is None else segments
    sampler.start(clip_sampler.steps_to_begin(sampler) + clip_sampler.steps(sampler) * len(segments))
    history = latents.from_here()
    with explained_out_of_memory(plan):
        clip_sampler.begin(sampler)
    for segment in segments:
        comfy.model_management.throw_exception_if_processing_interrupted()
        report(f"{plan.describe()} · {segment_in_words(plan, segment)}")
        if segment.starts_afresh:
            history = latents.from_here()
        with explained_out_of_memory(plan, segment):
            new_latents = clip_sampler.sample(segment, history, sampler)
        if drift is not None and segment.starts_afresh:
            drift.anchor(new_latents)
        elif drift is not None:
            new_latents = drift.apply(new_latents)
        latents.append(new_latents)
    report(" · ".join([plan.describe(), *([sampler.store.trouble] if sampler.store and sampler.store.trouble else [])]))
