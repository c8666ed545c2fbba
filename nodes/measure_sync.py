"""Measure Sync: how well the picture follows the sound, as numbers and as a plot."""

import comfy.model_management
from comfy_api.latest import io, ui

from ..core.audio import audio_from
from ..core.errors import SoundToVideoError
from ..core.frames.reading import frames_of
from ..core.sync.measure import HEARD, MOTIONS, measure_sync
from ..core.sync.plot import draw_sync
from ._errors import named_errors
from ._inputs import edges_of, frame_rate_of_images

WHOLE = {"left": 0.0, "top": 0.0, "right": 1.0, "bottom": 1.0}


class MeasureSync(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoundToVideo_MeasureSync",
            display_name="Measure Sync",
            category="sound to video",
            description=(
                "How well a clip follows its sound: correlation and lag between what is heard and what moves, drawn"
                " over each other. A positive lag is a picture that comes late."
            ),
            search_aliases=["lip sync", "av sync", "audio visualization", "correlation", "lag", "offset"],
            inputs=[
                io.MultiType.Input("video", types=[io.Video, io.Image], tooltip="A VIDEO, or the frames of one."),
                io.Audio.Input("audio", optional=True, tooltip="The sound. Left open, the VIDEO's own is taken."),
                io.Combo.Input(
                    "heard",
                    options=list(HEARD),
                    default="loudness",
                    tooltip="loudness: for voices and swelling sounds. onsets: for drums and struck notes.",
                ),
                io.Combo.Input(
                    "motion",
                    options=list(MOTIONS),
                    default="opening",
                    tooltip=(
                        "opening: how far the picture is from its still state, as a mouth opens or a shape swells. "
                        "change: how much it changes from frame to frame; with onsets."
                    ),
                ),
                frame_rate_of_images(),
                *edges_of("the part of the picture that is watched", WHOLE, advanced=True),
            ],
            outputs=[
                io.Float.Output(display_name="correlation"),
                io.Float.Output(display_name="lag_seconds"),
                io.Image.Output(display_name="plot"),
                io.String.Output(display_name="summary"),
            ],
            is_output_node=True,
        )

    @classmethod
    @named_errors("Measure Sync")
    def execute(cls, video, heard, motion, frame_rate, left, top, right, bottom, audio=None) -> io.NodeOutput:
        stream = frames_of(video, frame_rate)
        sound = stream.audio if audio is None else audio_from(audio)
        if sound is None:
            raise SoundToVideoError("there is no sound to compare with: connect one to audio.")

        def watched():
            for group in stream.groups:
                comfy.model_management.throw_exception_if_processing_interrupted()
                yield group

        region = None if (left, top, right, bottom) == tuple(WHOLE.values()) else (left, top, right, bottom)
        sync = measure_sync(watched(), float(stream.frame_rate), sound, heard, motion, region)
        plot = draw_sync(sync, heard, motion)
        return io.NodeOutput(
            sync.correlation, sync.lag_seconds, plot, sync.describe(), ui=ui.PreviewImage(plot, cls=cls)
        )
