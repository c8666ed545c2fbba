"""Lip Sync Sampler: a video of a speaker and a sound to the same video, saying the sound."""

from comfy_api.latest import io

from ..core.frames.footage_time import WHEN_LONGER
from ..core.frames.mouth import REGIONS, WHICH_FACE
from ..core.lip_sync import DROPPED_DB, HEAD_BOX, render_lip_sync
from ._errors import named_errors
from ._inputs import edges_of
from ._sampler import SAMPLER_HIDDEN, SAMPLER_OUTPUTS, run_sampler, sampler_inputs

BEFORE = ("model", "vae", "positive", "negative", "encoded_audio")
DEFAULTS = {"steps": 8, "cfg": 1.0, "sampler_name": "euler", "scheduler": "ltx-2.3 distilled"}
SAMPLING = ("seed", "steps", "cfg", "sampler_name", "scheduler")
AFTER = (
    *("audio_scale", "segment_seconds", "sigmas", "latent_upscale_model", "preview_seconds", "keep_segments"),
    *("refining_sigmas", "audio_guidance", "structure_guidance", "guidance_rescale", "refining_model"),
    *("model_patch", "clip_vision"),
)


class LipSyncSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        shared = {entry.id: entry for entry in sampler_inputs(of_picture=True, of_footage=True)}
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
                *edges_of("a box around the head, hair to chin", HEAD_BOX, round=0.001),
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
        return run_sampler(cls.hidden, inputs, render_lip_sync)
