"""What S2V Sampler and A2V Sampler share: the inputs, and the run."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.samplers
import folder_paths
import torch
from comfy_api.latest import io

from ..core.clip.video import SampledVideo
from ..core.errors import SoundToVideoError
from ..core.families import FAMILIES, Family, Scene, recognise
from ..core.families.memory import explained_out_of_memory
from ..core.features.encoded import encoded_audio_from
from ..core.frames.images import IMAGE_FITS
from ..core.render import plan_scene, sample_segments
from ..core.sampling.drift import DriftCorrection
from ..core.sampling.host_sampler import HostSampler, SamplerSettings
from ..core.sampling.model_key import upstream_graph
from ..core.sampling.spool import LatentSpool
from ..core.sampling.store import SegmentStore
from ..core.scene.inputs import check_conditioning, check_vae, checked_sigmas
from ..core.scene.no_text import check_scenes
from ._text import text_on_node

MAXIMUM_SIZE = 16384
IMAGE_FIT_TOOLTIP = "How the reference image fills width x height: cut to fill it, or whole with black bars."


def sampler_inputs(
    picture_inputs: list[io.Input], fit_inputs: list[io.Input], start_inputs: list[io.Input]
) -> list[io.Input]:
    """The inputs of a sampler. Their names and order are saved in workflows: append, never change.

    picture_inputs, fit_inputs, start_inputs: what only S2V Sampler has, in its three places.
    """
    schedules = [name for family in FAMILIES for name in family.schedules]
    return [
        io.Model.Input("model", tooltip="A model that takes audio. LoRA and patches stay in force."),
        io.Vae.Input("vae", tooltip="The video VAE of the model."),
        io.Conditioning.Input("positive", tooltip="The scene: who, where, light, camera. The audio gives the rhythm."),
        io.Conditioning.Input("negative", tooltip="What should not be seen."),
        io.AudioEncoderOutput.Input(
            "encoded_audio",
            tooltip="From Audio Encode or core's Audio Encoder Encode. Its length is the clip's length.",
        ),
        *picture_inputs,
        io.Int.Input("width", default=832, min=16, max=MAXIMUM_SIZE, step=16, tooltip="Pixels."),
        io.Int.Input("height", default=480, min=16, max=MAXIMUM_SIZE, step=16, tooltip="Pixels."),
        io.Int.Input(
            "seed",
            default=0,
            min=0,
            max=0xFFFFFFFFFFFFFFFF,
            control_after_generate=True,
            tooltip="Of the first segment; every further one takes the next number.",
        ),
        io.Int.Input("steps", default=20, min=1, max=10000, tooltip="Sampler steps of each segment."),
        io.Float.Input("cfg", default=6.0, min=0.0, max=100.0, step=0.1, round=0.01),
        io.Combo.Input("sampler_name", options=comfy.samplers.KSampler.SAMPLERS, default="uni_pc"),
        io.Combo.Input(
            "scheduler",
            options=[*comfy.samplers.KSampler.SCHEDULERS, *schedules],
            default="simple",
            tooltip="The ltx entries are the fixed noise levels of the distilled models: steps then does not count.",
        ),
        *fit_inputs,
        io.Float.Input(
            "audio_scale",
            default=1.0,
            min=0.0,
            max=10.0,
            step=0.05,
            tooltip="How strongly the audio moves the picture. 1 is what the model was trained with.",
        ),
        io.Float.Input(
            "frame_rate",
            default=0.0,
            min=0.0,
            max=120.0,
            step=0.01,
            advanced=True,
            tooltip="Frames per second. 0: the model's own (Wan2.2-S2V 16, LTX-2 24).",
        ),
        io.Float.Input(
            "segment_seconds",
            default=0.0,
            min=0.0,
            max=600.0,
            step=0.1,
            advanced=True,
            tooltip="Seconds sampled at a time; less needs less memory. 0: the model's own (Wan2.2-S2V 5, LTX-2 20).",
        ),
        io.Image.Input(
            "control_video",
            optional=True,
            tooltip="Poses or other control frames at the clip's frame rate, one for each of its frames.",
        ),
        io.Sigmas.Input("sigmas", optional=True, tooltip="Noise levels in place of steps and scheduler."),
        io.LatentUpscaleModel.Input(
            "latent_upscale_model",
            optional=True,
            tooltip="For models with a second stage (LTX): sample at half size, upscale, refine.",
        ),
        io.Float.Input(
            "preview_seconds",
            default=0.0,
            min=0.0,
            max=3600.0,
            step=0.1,
            optional=True,
            advanced=True,
            tooltip="Sample only the opening, for a first look; a full run then goes on from there. 0: everything.",
        ),
        io.Boolean.Input(
            "keep_segments",
            default=True,
            optional=True,
            advanced=True,
            tooltip="Keep finished segments on disk (at most 4 GB): a run that was stopped goes on where it was.",
        ),
        io.Float.Input(
            "drift_correction",
            default=0.0,
            min=0.0,
            max=1.0,
            step=0.05,
            optional=True,
            advanced=True,
            tooltip="Hold colour and contrast to the first segment's, after a cut to the cut's. 0: off, 1: fully.",
        ),
        io.Sigmas.Input(
            "refining_sigmas",
            optional=True,
            tooltip="Noise levels of the second stage, in place of those that belong to the scheduler.",
        ),
        io.Float.Input(
            "audio_guidance",
            default=1.0,
            min=0.0,
            max=20.0,
            step=0.1,
            round=0.01,
            optional=True,
            advanced=True,
            tooltip=(
                "LTX-2: how far to move away from what the model would show without hearing the sound. Raise it when "
                "lips do not move. 1 is off, as the distilled models are used; with the full model (cfg 3, 30 steps) "
                "the official value is 3. Takes one more pass of the model per step."
            ),
        ),
        io.Float.Input(
            "structure_guidance",
            default=0.0,
            min=0.0,
            max=20.0,
            step=0.1,
            round=0.01,
            optional=True,
            advanced=True,
            tooltip=(
                "LTX-2: spatio-temporal guidance (STG), for steadier shapes. 0 is off, as the distilled models are "
                "used; with the full model the official value is 1. Takes one more pass of the model per step."
            ),
        ),
        io.Float.Input(
            "guidance_rescale",
            default=0.7,
            min=0.0,
            max=1.0,
            step=0.05,
            round=0.01,
            optional=True,
            advanced=True,
            tooltip=(
                "LTX-2: with audio or structure guidance, how much of the contrast that they add is taken back. "
                "The official value is 0.7."
            ),
        ),
        *start_inputs,
        io.Boolean.Input(
            "anchor_first_frame",
            default=False,
            optional=True,
            advanced=True,
            tooltip=(
                "LTX-2: show the clip's first frame to every later segment again, so that the look does not drift away "
                "over many of them. Off: a segment knows the end of the one before it, and nothing else."
            ),
        ),
        io.Model.Input(
            "refining_model",
            optional=True,
            tooltip=(
                "LTX-2: the model of the second stage, say with the distilled LoRA that the first one goes without. "
                "Left open: model."
            ),
        ),
    ]


SAMPLER_OUTPUTS = [
    io.Video.Output(tooltip="The clip with its sound, decoded when a node asks for its frames."),
    io.Latent.Output(tooltip="The clip's video latents."),
]
SAMPLER_HIDDEN = [io.Hidden.unique_id, io.Hidden.dynprompt]
SAMPLER_OPTIONS = (
    "latent_upscale_model",
    "refining_sigmas",
    "audio_guidance",
    "structure_guidance",
    "guidance_rescale",
    "image_strength",
    "image_compression",
    "anchor_first_frame",
    "refining_model",
)


def run_sampler(hidden: Any, inputs: dict[str, Any]) -> io.NodeOutput:
    """Sample a clip from a sampler's inputs, by name; S2V Sampler adds ``reference_image`` and ``image_fit``."""
    family = recognise(inputs)
    check_wired(inputs)
    options = {name: inputs.get(name) for name in SAMPLER_OPTIONS}
    if options["refining_sigmas"] is not None:
        options["refining_sigmas"] = checked_sigmas(options["refining_sigmas"], "refining_sigmas")
    scene = Scene(
        model=inputs["model"],
        vae=inputs["vae"],
        positive=inputs["positive"],
        negative=inputs["negative"],
        encoded_audio=encoded_audio_from(inputs["encoded_audio"]),
        reference_image=inputs.get("reference_image"),
        image_fit=inputs.get("image_fit", "crop"),
        width=inputs["width"],
        height=inputs["height"],
        frame_rate=family.rate(inputs["frame_rate"]),
        audio_scale=inputs["audio_scale"],
        control_video=inputs.get("control_video"),
        options=options,
    )
    settings = SamplerSettings(
        seed=inputs["seed"],
        steps=inputs["steps"],
        cfg=inputs["cfg"],
        sampler_name=inputs["sampler_name"],
        scheduler=inputs["scheduler"],
        sigmas=sigmas_for(family, inputs["scheduler"], inputs.get("sigmas")),
    )
    check_scenes(scene.model, scene.positive, scene.negative)
    family.check(scene)
    preview_seconds = inputs.get("preview_seconds") or 0
    plan = plan_scene(family, scene, settings.seed, inputs["segment_seconds"], preview_seconds)
    audio = scene.encoded_audio.audio
    if audio and preview_seconds:
        audio = audio.between(0, plan.duration)
    say = text_on_node(hidden.unique_id)
    say(plan.describe())
    with explained_out_of_memory(plan):
        clip_sampler = family.prepare(scene, plan)
    store = SegmentStore(segments_folder()) if inputs.get("keep_segments", True) else None
    host = HostSampler(settings, store, partial(upstream_graph, hidden.dynprompt, hidden.unique_id))
    latents = LatentSpool(folder_paths.get_temp_directory())
    # Before hours of sampling: its file may be touched, replaced or deleted until the clip is written.
    stop_if_interrupted = comfy.model_management.throw_exception_if_processing_interrupted
    audio = audio and audio.secured(folder_paths.get_temp_directory(), stop_if_interrupted)
    sample_segments(clip_sampler, host, latents, say, DriftCorrection(inputs.get("drift_correction", 0.0)))
    video = SampledVideo(clip_sampler.decoder(), latents, audio)
    ui = {
        "sound_to_video_plan": [plan.describe()],
        "sound_to_video_resumed": [host.resumed_runs],
        "sound_to_video_family": [family.id],
    }
    return io.NodeOutput(video, {"samples": latents.tensor()}, ui=ui)


def check_wired(inputs: dict[str, Any]) -> None:
    """Raise for what came over a link and is not what the input is for; pictures are checked by the family."""
    check_vae(inputs["vae"])
    for name in ("positive", "negative"):
        check_conditioning(inputs[name], name)
    if inputs["sampler_name"] not in comfy.samplers.KSampler.SAMPLERS:
        raise SoundToVideoError(f"there is no sampler {inputs['sampler_name']!r}: choose another.")
    if inputs.get("image_fit", "crop") not in IMAGE_FITS:
        raise SoundToVideoError(f"there is no image_fit {inputs['image_fit']!r}: choose {' or '.join(IMAGE_FITS)}.")


def segments_folder() -> Path:
    """Where finished segments are kept: the user folder outlives a restart, the host's temp folder does not."""
    return Path(folder_paths.get_user_directory()) / "sound_to_video" / "segments"


def sigmas_for(family: Family, scheduler: str, sigmas: torch.Tensor | None) -> torch.Tensor | None:
    """The noise levels ``[steps + 1]`` that stand in for steps and scheduler; None where the host computes them."""
    if sigmas is not None:
        return checked_sigmas(sigmas, "sigmas")
    if scheduler in comfy.samplers.KSampler.SCHEDULERS:
        return None
    if not isinstance(scheduler, str) or scheduler not in family.schedules:
        raise SoundToVideoError(f"the scheduler {scheduler} is not one for {family.name}: choose another, say simple.")
    return torch.tensor(family.schedules[scheduler][0])
