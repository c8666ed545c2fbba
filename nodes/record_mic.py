"""Record Mic: a take recorded in the browser and kept in the input folder."""

from comfy_api.latest import io

from ..core.audio import open_audio
from ._errors import named_errors
from ._sounds import fingerprint, sound_path, valid


class RecordMic(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoundToVideo_RecordMic",
            display_name="Record Mic",
            category="sound to video",
            description=(
                "Records from a microphone in the browser. The take is kept as a WAV in the input folder and its name "
                "in the workflow, so that it is there after a reload."
            ),
            search_aliases=["microphone", "record audio", "voice input", "audio capture"],
            inputs=[
                io.String.Input(
                    "take",
                    default="",
                    tooltip="The recorded file, in the input folder. The recorder fills it in.",
                )
            ],
            outputs=[io.Audio.Output()],
        )

    @classmethod
    def validate_inputs(cls, take=None) -> bool | str:
        if take == "":
            return "There is no take yet: press record on the node."
        return valid(take)

    @classmethod
    def fingerprint_inputs(cls, take=None) -> str:
        return "" if take is None else fingerprint(take)

    @classmethod
    @named_errors("Record Mic")
    def execute(cls, take) -> io.NodeOutput:
        return io.NodeOutput(open_audio(sound_path(take)))
