"""Trim Audio: the stretch of a sound that the clip is made from."""

import logging
import os
import re
import struct
from pathlib import Path

import folder_paths
from comfy_api.latest import io

from ..core.audio import Audio, audio_from
from ..core.leftovers import drop_oldest
from ..core.trim import trim, write_wav
from ._errors import named_errors

# The widget finds the sound of these by their own input.
READ_FILES = ("SoundToVideo_LoadAudio", "SoundToVideo_RecordMic", "LoadAudio", "VHS_LoadAudioUpload")

WIDGET_SOUND = re.compile(r"sound_to_video_[0-9a-f]+\.wav")
MOST_WIDGET_BYTES = 2 << 30
"""Of what lies in the temp folder for widgets; a sound of an hour has 640 MB. The least recently made go first."""


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
            ],
            outputs=[io.Audio.Output()],
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
        )

    @staticmethod
    def _seconds(name: str, tooltip: str, least: float) -> io.Float.Input:
        return io.Float.Input(name, default=0.0, min=least, max=1e6, step=0.01, round=0.001, tooltip=tooltip)

    @classmethod
    @named_errors("Trim Audio")
    def execute(cls, audio, start_seconds, end_seconds, fade_in_seconds, fade_out_seconds) -> io.NodeOutput:
        whole = audio_from(audio)
        kept = trim(whole, start_seconds, end_seconds, fade_in_seconds, fade_out_seconds)
        return io.NodeOutput(kept, ui=cls._sound_for_widget(whole))

    @classmethod
    def _sound_for_widget(cls, whole: Audio) -> dict | None:
        """Sound made in the graph, as a file that the widget can draw and play."""
        origin = ((cls.hidden.prompt or {}).get(cls.hidden.unique_id) or {}).get("inputs", {}).get("audio")
        if not origin or cls.hidden.prompt.get(origin[0], {}).get("class_type") in READ_FILES:
            return None
        folder = Path(folder_paths.get_temp_directory())
        path = folder / f"sound_to_video_{whole.fingerprint}.wav"
        try:
            if path.exists():
                os.utime(path)
            else:
                folder.mkdir(parents=True, exist_ok=True)
                write_wav(whole, path)
                drop_oldest(folder, WIDGET_SOUND, MOST_WIDGET_BYTES, keep=path)
        except (OSError, struct.error) as error:  # a full disk, or more than a WAV can hold
            logging.warning("Sound to Video: no waveform for the widget: %s", error)
            return None
        return {"sound_to_video_source": [{"filename": path.name, "subfolder": "", "type": "temp"}]}
