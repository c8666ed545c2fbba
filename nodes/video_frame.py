"""Video Frame: one picture out of a video."""

from comfy_api.latest import io, ui

from ..core.frames.picking import WHICH, picked
from ._errors import named_errors


class VideoFrame(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoundToVideo_VideoFrame",
            display_name="Video Frame",
            category="sound to video",
            description=(
                "One picture of a video: as the reference image of a clip, or to go on from where another clip ended. "
                "Of a file only the part around the picture is read."
            ),
            search_aliases=[
                "get frame",
                "extract frame",
                "first frame",
                "last frame",
                "still",
                "thumbnail",
                "sharpest",
            ],
            inputs=[
                io.Video.Input("video", tooltip="A file, or the clip of a sampler."),
                io.Combo.Input("which", options=list(WHICH), default="last"),
                io.Float.Input(
                    "seconds",
                    default=0.0,
                    min=0.0,
                    max=86400.0,
                    step=0.01,
                    round=0.001,
                    tooltip=(
                        "For the last two: the time in the video. The frame nearest to it is taken, "
                        "or the sharpest of those within half a second."
                    ),
                ),
            ],
            outputs=[io.Image.Output()],
        )

    @classmethod
    @named_errors("Video Frame")
    def execute(cls, video, which, seconds) -> io.NodeOutput:
        picture = picked(video, which, seconds)
        return io.NodeOutput(picture, ui=ui.PreviewImage(picture, cls=cls))
