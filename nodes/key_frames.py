"""Key Frames: pictures at times, which a clip comes to and goes on from."""

from comfy_api.latest import io

from ..core.families.option import KEY_FRAMES
from ..core.frames.images import check_frames
from ..core.scene.key_frames import in_words, key_frames_of
from ._errors import named_errors
from ._text import text_on_node

KeyFramesType = io.Custom(KEY_FRAMES.kind)


class KeyFrames(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoundToVideo_KeyFrames",
            display_name="Key Frames",
            category="sound to video",
            description=(
                "Pictures at times: the clip comes to each, shows it, and goes on from it without a cut. "
                "Goes into key_frames of S2V Sampler or A2V Sampler. For LTX-2 and MiniMax H3."
            ),
            search_aliases=["keyframes", "last frame", "first last frame", "flf2v", "end image", "guide", "in between"],
            inputs=[
                io.Image.Input("images", tooltip="One picture or several, in the order of the times."),
                io.String.Input(
                    "times",
                    multiline=True,
                    default="last",
                    tooltip=(
                        "When each picture is shown, apart by commas or lines: first, 0:42, last. "
                        "Times: 0:42, 1:02:03.5, 12 s, 12.5."
                    ),
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    round=0.01,
                    tooltip="How firmly the clip shows the pictures. 1: as they are; less leaves the model freer.",
                ),
                KeyFramesType.Input(
                    "key_frames",
                    optional=True,
                    tooltip="Those of another Key Frames, for pictures of other sizes or with another strength.",
                ),
            ],
            outputs=[KeyFramesType.Output(display_name="key_frames")],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    @named_errors("Key Frames")
    def execute(cls, images, times, strength, key_frames=None) -> io.NodeOutput:
        check_frames(images, "picture")
        together = key_frames_of(images, times, strength, key_frames)
        text_on_node(getattr(cls.hidden, "unique_id", None))(in_words(together))
        return io.NodeOutput(together)
