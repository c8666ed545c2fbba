"""Audio Encode: audio to what a model listens to."""

from comfy_api.latest import io

from ..core.audio import audio_from
from ..core.families import listen, listeners
from ._errors import named_errors


class AudioEncode(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoundToVideo_AudioEncode",
            display_name="Audio Encode",
            category="sound to video",
            description=(
                "Encodes audio for a sampler, with an audio encoder or an audio VAE: what the model listens to. "
                "Any sample rate, any channels, any length."
            ),
            search_aliases=["audio encoder", "wav2vec2", "whisper", "audio embeds", "audio vae"],
            inputs=[
                io.Audio.Input("audio", tooltip="The sound that moves the picture, and that the clip carries."),
                io.AudioEncoder.Input("audio_encoder", optional=True, tooltip=listeners("audio_encoder")),
                io.Vae.Input("audio_vae", optional=True, tooltip=listeners("audio_vae")),
                io.Audio.Input(
                    "driving_audio",
                    optional=True,
                    tooltip="Heard in place of audio, which the clip carries: the vocals of a song. As long as audio.",
                ),
            ],
            outputs=[io.AudioEncoderOutput.Output(display_name="encoded_audio")],
        )

    @classmethod
    @named_errors("Audio Encode")
    def execute(cls, audio, audio_encoder=None, audio_vae=None, driving_audio=None) -> io.NodeOutput:
        driving = None if driving_audio is None else audio_from(driving_audio)
        return io.NodeOutput(listen(audio_from(audio), audio_encoder, audio_vae, driving))
