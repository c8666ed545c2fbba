"""Audio Encode: audio to what a model listens to."""

from comfy_api.latest import io

from ..core.audio import audio_from
from ..core.families import listen
from ._errors import named_errors


class AudioEncode(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoundToVideo_AudioEncode",
            display_name="Audio Encode",
            category="sound to video",
            description=(
                "Encodes audio for a sampler: with an audio encoder (wav2vec2 for Wan2.2-S2V, Whisper for HuMo) "
                "or with an audio VAE (LTX-2). Any sample rate, any channels, any length."
            ),
            search_aliases=["audio encoder", "wav2vec2", "whisper", "audio embeds", "audio vae"],
            inputs=[
                io.Audio.Input("audio", tooltip="The sound that moves the picture, and that the clip carries."),
                io.AudioEncoder.Input("audio_encoder", optional=True, tooltip="For Wan2.2-S2V: wav2vec2 large."),
                io.Vae.Input("audio_vae", optional=True, tooltip="For LTX-2 and LTX-2.3: the LTX audio VAE."),
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
