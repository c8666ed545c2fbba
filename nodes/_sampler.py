"""What S2V Sampler and A2V Sampler share: the inputs, and the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import comfy.samplers
import folder_paths
from comfy_api.latest import io

from server import PromptServer

from ..core.drift import DriftCorrection
from ..core.encoded_audio import encoded_audio_from
from ..core.families import Scene, recognise
from ..core.latent_spool import LatentSpool
from ..core.model_key import upstream_graph
from ..core.sampling import HostSampler, SamplerSettings, plan_scene, sample_segments
from ..core.segment_store import SegmentStore
from ..core.video import SampledVideo, sound_between

MAXIMUM_SIZE = 16384
IMAGE_FIT_TOOLTIP = "How the reference image fills width x height: cut to fill it, or whole with black bars."


def sampler_inputs(picture_inputs: list[io.Input], fit_inputs: list[io.Input]) -> list[io.Input]:
    """The inputs of a sampler. Their names and order are saved in workflows: append, never change."""
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
        io.Combo.Input("scheduler", options=comfy.samplers.KSampler.SCHEDULERS, default="simple"),
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
            tooltip="Frames per second. 0: the model's own (Wan2.2-S2V 16).",
        ),
        io.Float.Input(
            "segment_seconds",
            default=0.0,
            min=0.0,
            max=600.0,
            step=0.1,
            advanced=True,
            tooltip="Seconds sampled at a time; shorter needs less memory. 0: the model's own (Wan2.2-S2V 5 s).",
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
            tooltip="Hold colour and contrast of later segments to the first one's. 0: as sampled, 1: fully.",
        ),
    ]


SAMPLER_OUTPUTS = [
    io.Video.Output(tooltip="The clip with its sound, decoded when a node asks for its frames."),
    io.Latent.Output(tooltip="The clip's video latents."),
]
SAMPLER_HIDDEN = [io.Hidden.unique_id, io.Hidden.dynprompt]
SAMPLER_OPTIONS = ("latent_upscale_model",)
MODEL_INPUTS = ("model", "positive", "negative")


def run_sampler(hidden: Any, inputs: dict[str, Any]) -> io.NodeOutput:
    """Sample a clip from a sampler's inputs, by name; S2V Sampler adds ``reference_image`` and ``image_fit``."""
    family = recognise(inputs["model"])
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
        options={name: inputs.get(name) for name in SAMPLER_OPTIONS},
    )
    settings = SamplerSettings(
        seed=inputs["seed"],
        steps=inputs["steps"],
        cfg=inputs["cfg"],
        sampler_name=inputs["sampler_name"],
        scheduler=inputs["scheduler"],
        sigmas=inputs.get("sigmas"),
    )
    family.check(scene)
    plan = plan_scene(family, scene, settings.seed, inputs["segment_seconds"])
    audio = scene.encoded_audio.audio
    if inputs["preview_seconds"]:
        plan = plan.opening(inputs["preview_seconds"])
        audio = audio and sound_between(audio, 0, plan.duration)
    say = text_on_node(hidden.unique_id)
    say(plan.describe())
    take = family.take(scene, plan)
    store = SegmentStore(segments_folder()) if inputs["keep_segments"] else None
    host = HostSampler(settings, store, upstream_graph(hidden.dynprompt, hidden.unique_id, MODEL_INPUTS))
    latents = LatentSpool(folder_paths.get_temp_directory())
    sample_segments(take, host, latents, say, DriftCorrection(inputs["drift_correction"]))
    video = SampledVideo(family, take, latents, audio)
    ui = {"sound_to_video_plan": [plan.describe()], "sound_to_video_resumed": [host.resumed_runs]}
    return io.NodeOutput(video, {"samples": latents.tensor()}, ui=ui)


def segments_folder() -> Path:
    """Where finished segments are kept: the user folder outlives a restart, the host's temp folder does not."""
    return Path(folder_paths.get_user_directory()) / "sound_to_video" / "segments"


def text_on_node(unique_id: str | None) -> Callable[[str], None]:
    """Shows text on the running node in every open browser; nowhere when there is no server."""

    def say(text: str) -> None:
        server = getattr(PromptServer, "instance", None)
        if server is not None and unique_id is not None:
            server.send_progress_text(text, unique_id)

    return say
