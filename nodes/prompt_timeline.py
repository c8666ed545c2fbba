"""Prompt Timeline: prompts at times, so that the scene changes with the song."""

from comfy_api.latest import io

from ..core.audio import audio_from
from ..core.audio.beats import detect_beats
from ..core.scene.inputs import check_clip
from ..core.scene.prompts import in_words, parse_timeline, placed, snapped
from ._errors import named_errors
from ._text import text_on_node

CUTS = ("no cuts", "cut at every prompt")
EXAMPLE = "0:00 verse, a singer alone on a dim stage\n0:42 chorus, bright light, confetti"


class PromptTimeline(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoundToVideo_PromptTimeline",
            display_name="Prompt Timeline",
            category="sound to video",
            description=(
                "Prompts at times, one a line: the clip shows each from its time on. "
                "Goes into the positive input of S2V Sampler or A2V Sampler."
            ),
            search_aliases=["prompt schedule", "prompt travel", "scene change", "lyrics"],
            inputs=[
                io.Clip.Input("clip", tooltip="The text encoder of the model."),
                io.String.Input(
                    "timeline",
                    multiline=True,
                    default=EXAMPLE,
                    tooltip="A time, then the prompt from there on: 0:42 chorus. Times: 0:42, 1:02:03.5, 12 s, 12.5.",
                ),
                io.Combo.Input(
                    "cuts",
                    options=list(CUTS),
                    default=CUTS[0],
                    tooltip=(
                        "With a cut, the picture starts afresh from the reference image at each time; "
                        "without, it goes over to the next of several reference images."
                    ),
                ),
                io.Audio.Input(
                    "snap_to_beats_of",
                    optional=True,
                    tooltip="Moves each time to the nearest beat of this sound, the one that goes into Audio Encode.",
                ),
            ],
            outputs=[io.Conditioning.Output()],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    @named_errors("Prompt Timeline")
    def execute(cls, clip, timeline, cuts, snap_to_beats_of=None) -> io.NodeOutput:
        check_clip(clip)
        entries = parse_timeline(timeline)
        if snap_to_beats_of is not None:
            entries = snapped(entries, detect_beats(audio_from(snap_to_beats_of)))
        text_on_node(getattr(cls.hidden, "unique_id", None))(in_words(entries))
        conditioning = []
        for start_seconds, prompt in entries:
            encoded = clip.encode_from_tokens_scheduled(clip.tokenize(prompt))
            conditioning += placed(encoded, start_seconds, cut=cuts == CUTS[1])
        return io.NodeOutput(conditioning)
