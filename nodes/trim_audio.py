"""Trim Audio: the stretch of a sound that the clip is made from."""

from comfy_api.latest import io

from ..core.audio import Audio, audio_from
from ..core.audio.lazy import MOST_GAIN_DB
from ..core.audio.trim import trim
from ..core.audio.widget_sounds import offer
from ._errors import named_errors

# The widget finds the sound of these by their own input.
READ_FILES = ("SoundToVideo_LoadAudio", "SoundToVideo_RecordMic", "LoadAudio", "VHS_LoadAudioUpload")


class TrimAudio(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoundToVideo_TrimAudio",
            display_name="Trim Audio",
            category="sound to video",
            description="Keeps a part of a sound, to the sample. The clip lasts as long as what is kept.",
            search_aliases=["cut audio", "audio clip", "shorten audio", "crop audio", "fade", "waveform"],
            inputs=[
                io.Audio.Input("audio", tooltip="The sound to cut."),
                cls._seconds("start_seconds", "Where to begin. Negative counts from the end.", -1e6),
                cls._seconds("end_seconds", "Where to stop. 0 is the end of the sound, negative counts from it.", -1e6),
                cls._seconds("fade_in_seconds", "How long the sound swells up (raised cosine). 0 is off.", 0),
                cls._seconds("fade_out_seconds", "How long the sound dies away (raised cosine). 0 is off.", 0),
                io.Float.Input(
                    "gain_db",
                    default=0,
                    min=-MOST_GAIN_DB,
                    max=MOST_GAIN_DB,
                    step=0.1,
                    round=0.01,
                    optional=True,
                    tooltip="Decibels by which what is kept becomes louder, for the model and in the clip. 0 leaves it "
                    "as it is. What goes beyond full scale is cut off.",
                ),
            ],
            outputs=[io.Audio.Output()],
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
        )

    @staticmethod
    def _seconds(name: str, tooltip: str, least: float) -> io.Float.Input:
        return io.Float.Input(name, default=0.0, min=least, max=1e6, step=0.01, round=0.001, tooltip=tooltip)

    @classmethod
    @named_errors("Trim Audio")
    def execute(
        cls, audio, start_seconds, end_seconds, fade_in_seconds, fade_out_seconds, gain_db=0.0
    ) -> io.NodeOutput:
        whole = audio_from(audio)
        kept = trim(whole, start_seconds, end_seconds, fade_in_seconds, fade_out_seconds, gain_db)
        return io.NodeOutput(kept, ui=cls._sound_for_widget(whole, kept))

    @classmethod
    def _sound_for_widget(cls, whole: Audio, kept: Audio) -> dict | None:
        """Sound made in the graph, as a file that the widget can ask for, to draw and play it."""
        origin = ((cls.hidden.prompt or {}).get(cls.hidden.unique_id) or {}).get("inputs", {}).get("audio")
        if not origin or cls.hidden.prompt.get(origin[0], {}).get("class_type") in READ_FILES:
            return None
        return {"sound_to_video_source": [{"filename": offer(whole, kept), "subfolder": "", "type": "temp"}]}
