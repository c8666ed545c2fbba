"""Load Audio: a sound of the input folder, decoded only where it is used."""

from comfy_api.latest import io

from ..core.audio import open_audio
from ._errors import named_errors
from ._sounds import fingerprint, input_sounds, sound_path, valid


class LoadAudio(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoundToVideo_LoadAudio",
            display_name="Load Audio (Sound to Video)",
            category="sound to video",
            description=(
                "Loads sound from an audio file, or the sound of a video. Hours cost nothing: only the seconds that "
                "later nodes use are decoded."
            ),
            search_aliases=["load audio", "import audio", "open audio", "audio file", "music", "voice", "load sound"],
            inputs=[
                io.Combo.Input(
                    "audio",
                    options=input_sounds(),
                    tooltip="wav mp3 m4a flac ogg opus aac aiff webm, or the sound of mp4 mov mkv webm.",
                )
            ],
            outputs=[io.Audio.Output()],
        )

    @classmethod
    def validate_inputs(cls, audio=None) -> bool | str:
        return valid(audio)

    @classmethod
    def fingerprint_inputs(cls, audio=None) -> str:
        return "" if audio is None else fingerprint(audio)

    @classmethod
    @named_errors("Load Audio")
    def execute(cls, audio) -> io.NodeOutput:
        return io.NodeOutput(open_audio(sound_path(audio)))
