"""A scene becomes a clip: the plan, and its segments by the host's sampler. No node is needed for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import comfy.model_management

from .families import ClipSampler, Family, Scene
from .families.memory import explained_out_of_memory
from .plan import Plan, Segment
from .sampling.drift import DriftCorrection
from .sampling.host_sampler import HostSampler
from .sampling.spool import LatentSpool
from .timeline import Number, seconds_in_words


def plan_scene(family: Family, scene: Scene, seed: int, segment_seconds: Number, preview_seconds: Number = 0) -> Plan:
    """The plan of a scene: as long as its audio, or its opening where ``preview_seconds`` are asked."""
    conditionings = (scene.positive, scene.negative)
    plan = family.plan(
        scene.encoded_audio.duration, scene.frame_rate, segment_seconds, seed, preview_seconds, conditionings
    )
    pictures = family.pictures(scene).notes(scene.encoded_audio.duration)
    return replace(plan, notes=(*plan.notes, *pictures, *family.check_plan(scene, plan)))


def segment_in_words(plan: Plan, segment: Segment) -> str:
    """``segment 2 of 3, from 5.00 s``"""
    start = seconds_in_words(plan.start_seconds(segment))
    return f"segment {segment.index + 1} of {len(plan.segments)}, from {start}"


def sample_segments(
    clip_sampler: ClipSampler,
    sampler: HostSampler,
    latents: LatentSpool,
    say: Callable[[str], None] = lambda text: None,
    drift: DriftCorrection | None = None,
) -> None:
    """Sample every segment of a clip, in order, into ``latents``.

    say: shown on the node: the plan, and the segment under way.
    drift: applied to each segment's new latents, anchored anew where a segment starts afresh; a change of prompt alone
    goes on with the picture, and with the anchor. The store keeps latents as they are sampled.
    """
    plan = clip_sampler.plan
    sampler.start(clip_sampler.steps(sampler) * len(plan.segments))
    history = latents.from_here()
    with explained_out_of_memory(plan):
        clip_sampler.begin(sampler)
    for segment in plan.segments:
        comfy.model_management.throw_exception_if_processing_interrupted()
        say(f"{plan.describe()} · {segment_in_words(plan, segment)}")
        if segment.starts_afresh:
            history = latents.from_here()
        with explained_out_of_memory(plan, segment):
            new_latents = clip_sampler.sample(segment, history, sampler)
        if drift is not None and segment.starts_afresh:
            drift.anchor(new_latents)
        elif drift is not None:
            new_latents = drift.apply(new_latents)
        latents.append(new_latents)
    say(" · ".join([plan.describe(), *([sampler.store.trouble] if sampler.store and sampler.store.trouble else [])]))
