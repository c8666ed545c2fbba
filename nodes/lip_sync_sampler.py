"""Lip Sync Sampler: a video of a speaker and a sound to the same video, saying the sound."""

from dataclasses import replace
from fractions import Fraction
from functools import partial

import comfy.model_management
import comfy.utils
import folder_paths
from comfy_api.latest import io

from ..core.clip.composite import CompositeDecoder
from ..core.clip.video import SampledVideo
from ..core.families import Scene, recognise
from ..core.families.memory import explained_out_of_memory
from ..core.features.encoded import encoded_audio_from
from ..core.frames.footage_time import WHEN_LONGER
from ..core.frames.mouth import REGIONS, WHICH_FACE
from ..core.lip_sync import (
    DROPPED_DB,
    FootageInputs,
    check_crop_size,
    check_family,
    footage_under,
    plan_lip_sync,
    sound_of,
)
from ..core.render import sample_segments
from ..core.sampling.host_sampler import HostSampler, SamplerSettings
from ..core.sampling.model_key import upstream_graph
from ..core.sampling.spool import LatentSpool
from ..core.sampling.store import SegmentStore
from ..core.scene.inputs import checked_sigmas
from ..core.scene.no_text import check_scenes
from ._errors import named_errors
from ._sampler import (
    SAMPLER_HIDDEN,
    SAMPLER_OPTIONS,
    SAMPLER_OUTPUTS,
    check_wired,
    sampler_inputs,
    segments_folder,
    sigmas_for,
)
from ._text import text_on_node

HEAD_BOX = {"head_left": 0.2, "head_top": 0.1, "head_right": 0.8, "head_bottom": 0.9}
BEFORE = ("model", "vae", "positive", "negative", "encoded_audio")
DEFAULTS = {"steps": 8, "cfg": 1.0, "sampler_name": "euler", "scheduler": "ltx-2.3 distilled"}
SAMPLING = ("seed", "steps", "cfg", "sampler_name", "scheduler")
AFTER = (
    *("audio_scale", "segment_seconds", "sigmas", "latent_upscale_model", "preview_seconds", "keep_segments"),
    *("refining_sigmas", "audio_guidance", "structure_guidance", "guidance_rescale"),
)


class LipSyncSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        shared = {entry.id: entry for entry in sampler_inputs([], [], [])}
        for name, value in DEFAULTS.items():
            vars(shared[name])["default"] = value
        return io.Schema(
            node_id="SoundToVideo_LipSyncSampler",
            display_name="Lip Sync Sampler",
            category="sound to video",
            description=(
                "A video of a speaker and a sound become the same video, saying the sound. Only the mouth is made "
                "anew; size, frame rate and every other pixel stay the footage's own."
            ),
            search_aliases=["lip sync", "lipsync", "dub", "dubbing", "video to video", "talking head", "v2v"],
            inputs=[
                *[shared[name] for name in BEFORE],
                io.Video.Input("source_video", tooltip="The footage. It is read as it is needed, a window at a time."),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="What is made anew: one mask of the footage's size, or one for each of its frames.",
                ),
                io.Custom("FACE_DETECTION_MODEL").Input(
                    "face_detection_model",
                    optional=True,
                    tooltip=(
                        "From core's Load Face Detection Model (MediaPipe): finds the face in every frame. Without it "
                        "and without a mask, the head's box below counts."
                    ),
                ),
                io.Int.Input(
                    "crop_size",
                    default=512,
                    min=32,
                    max=4096,
                    step=32,
                    tooltip=(
                        "Pixels of the square around the face that the model works on; it is scaled there and back. "
                        "A multiple of 32, with a latent upscale model of 64."
                    ),
                ),
                *[shared[name] for name in SAMPLING],
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    round=0.01,
                    tooltip="1 forgets how the mouth moved in the footage; less keeps some of it. 0 changes nothing.",
                ),
                io.Combo.Input(
                    "region",
                    options=list(REGIONS),
                    default=REGIONS[0],
                    tooltip="What is made anew. A mask says it itself.",
                ),
                io.Combo.Input(
                    "when_sound_is_longer",
                    options=list(WHEN_LONGER),
                    default=WHEN_LONGER[0],
                    tooltip=(
                        "Once the footage is over: hold its last frame, go forth and back, loop, or stop the clip. "
                        "A shorter sound ends the clip."
                    ),
                ),
                io.Float.Input(
                    "start_seconds",
                    default=0.0,
                    min=0.0,
                    max=86400.0,
                    step=0.1,
                    round=0.001,
                    tooltip="Where in the footage the clip begins.",
                ),
                *[
                    io.Float.Input(
                        name,
                        default=default,
                        min=0.0,
                        max=1.0,
                        step=0.01,
                        round=0.001,
                        tooltip="Edge of a box around the head, hair to chin: 0 is left or top, 1 right or bottom.",
                    )
                    for name, default in HEAD_BOX.items()
                ],
                io.Combo.Input(
                    "which_face",
                    options=list(WHICH_FACE),
                    default=WHICH_FACE[0],
                    tooltip="Of several faces that the face model finds: the largest, or the largest within the box.",
                ),
                io.Float.Input(
                    "footage_sound_db",
                    default=DROPPED_DB,
                    min=DROPPED_DB,
                    max=12.0,
                    step=1.0,
                    round=0.1,
                    tooltip="The footage's own sound, mixed under the new one at this gain. -60: dropped.",
                ),
                *[shared[name] for name in AFTER],
            ],
            outputs=SAMPLER_OUTPUTS,
            hidden=SAMPLER_HIDDEN,
        )

    @classmethod
    @named_errors("Lip Sync Sampler")
    def execute(cls, **inputs) -> io.NodeOutput:
        family = recognise(inputs)
        check_family(family)
        check_wired(inputs)
        stop_if_interrupted = comfy.model_management.throw_exception_if_processing_interrupted
        asked = FootageInputs(
            **{name: inputs[name] for name in FootageInputs.__dataclass_fields__ if inputs.get(name) is not None},
            head_box=[inputs[name] for name in HEAD_BOX],
        )
        check_crop_size(family, asked.crop_size)
        options = {name: inputs.get(name) for name in SAMPLER_OPTIONS}
        if options["refining_sigmas"] is not None:
            options["refining_sigmas"] = checked_sigmas(options["refining_sigmas"], "refining_sigmas")
        encoded_audio = encoded_audio_from(inputs["encoded_audio"])
        scene = Scene(
            model=inputs["model"],
            vae=inputs["vae"],
            positive=inputs["positive"],
            negative=inputs["negative"],
            encoded_audio=encoded_audio,
            width=asked.crop_size,
            height=asked.crop_size,
            frame_rate=Fraction(0),
            audio_scale=inputs["audio_scale"],
            options=options,
        )
        check_scenes(scene.model, scene.positive, scene.negative)
        family.check(scene)
        settings = SamplerSettings(
            **{name: inputs[name] for name in SAMPLING},
            sigmas=sigmas_for(family, inputs["scheduler"], inputs.get("sigmas")),
        )
        say = text_on_node(cls.hidden.unique_id)
        say("looking through the footage")
        shown = footage_under(asked, encoded_audio, stop_if_interrupted)
        source = shown.crops.footage.source
        scene = replace(scene, frame_rate=family.rate(source.rate / shown.crops.step))
        plan, shown = plan_lip_sync(
            family, scene, shown, settings.seed, inputs["segment_seconds"], inputs.get("preview_seconds") or 0
        )
        say(plan.describe())
        with explained_out_of_memory(plan):
            clip_sampler = family.prepare_lip_sync(scene, plan, shown.crops, asked.strength)
        store = SegmentStore(segments_folder()) if inputs.get("keep_segments", True) else None
        sampler = HostSampler(settings, store, partial(upstream_graph, cls.hidden.dynprompt, cls.hidden.unique_id))
        latents = LatentSpool(folder_paths.get_temp_directory())
        audio = sound_of(asked, shown, encoded_audio.audio, plan.duration)
        audio = audio and audio.secured(folder_paths.get_temp_directory(), stop_if_interrupted)
        sample_segments(clip_sampler, sampler, latents, say)
        decoder = CompositeDecoder(clip_sampler.decoder(), shown.crops, source.rate, shown.frame_count)
        ui = {
            "sound_to_video_plan": [plan.describe()],
            "sound_to_video_resumed": [sampler.resumed_runs],
            "sound_to_video_family": [family.id],
        }
        return io.NodeOutput(SampledVideo(decoder, latents, audio), {"samples": latents.tensor()}, ui=ui)
