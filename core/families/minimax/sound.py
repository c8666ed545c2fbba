"""The sound as MiniMax H3 hears it: latents of its audio VAE, encoded a segment at a time.

The VAE's encoder attends to all that came before (host comfy/ldm/minimax/audio_vae.py CausalAttention), and the model
was trained on 15 s at most. So every segment's sound is encoded by itself, as its soundtrack was in training, and from
the very sample on at which the segment begins: segments are 17 frames apart, 28 1/3 latents, and one row of latents
for all of the sound would be up to 12 ms off.

The host's VAEEncodeAudio cuts the sound around its middle to whole latents, up to 25 ms of it; here silence fills up
the last one, as the official ``encode`` does (MiniMax-AI/MiniMax-H3, audio_vae/dac_audio_vae.py).
"""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import Any

import comfy.ldm.minimax.audio_vae
import comfy.model_management
import torch

from ...audio import Audio
from ...audio.resampling import resampled
from ...errors import SoundToVideoError
from ...features.encoded import EncodedAudio
from ...timeline import Number, exact, sample_index

H3_AUDIO_VAE = "minimax-h3-audio-vae"
SAMPLE_RATE = 32000
SAMPLES_OF_A_LATENT = 800
LATENT_RATE = Fraction(SAMPLE_RATE, SAMPLES_OF_A_LATENT)
CHANNELS = 2
MARGIN_SECONDS = 1  # of sound around a segment's, for the filter that resamples it


class H3Sound(EncodedAudio):
    """Audio that an H3 audio VAE encodes as segments ask for it.

    Mono goes to both channels, more than two are mixed down (``audio.channels``).
    """

    kind = H3_AUDIO_VAE

    def __init__(self, audio: Audio, audio_vae: Any):
        heard = audio if audio.channels <= CHANNELS else audio.mixed_to_stereo()
        if heard.channels > CHANNELS:
            raise SoundToVideoError(
                f"the audio has {audio.channels} channels, the audio VAE of MiniMax H3 takes mono or stereo: "
                "mix it down first."
            )
        self.audio, self.duration = audio, audio.duration
        self._heard, self._vae = heard, audio_vae

    def latents(self, start_seconds: Number, count: int) -> torch.Tensor:
        """``[1, 32, 2, count]`` float32: the sound from a time on, silence after its end."""
        waveform = self._waveform(exact(start_seconds), count * SAMPLES_OF_A_LATENT)
        return self._vae.encode(waveform.movedim(1, -1)).float()

    def _waveform(self, start: Fraction, sample_count: int) -> torch.Tensor:
        """``[1, 2, sample_count]`` at the VAE's rate."""
        rate = self._heard.sample_rate
        margin = min(MARGIN_SECONDS, floor(start))
        first = sample_index(start, rate) - margin * rate
        last = sample_index(start + Fraction(sample_count, SAMPLE_RATE) + MARGIN_SECONDS, rate)
        found = torch.zeros([1, CHANNELS, 0])
        if first < self._heard.sample_count:
            waveform = self._heard.trimmed(first, min(last, self._heard.sample_count))["waveform"]
            stop_if_interrupted = comfy.model_management.throw_exception_if_processing_interrupted
            found = resampled(waveform, rate, SAMPLE_RATE, stop_if_interrupted)[..., margin * SAMPLE_RATE :]
        found = found[..., :sample_count].expand(1, CHANNELS, -1)
        return torch.nn.functional.pad(found, (0, sample_count - found.shape[-1]))


def is_h3_audio_vae(vae: Any) -> bool:
    """Whether the host's VAE is the audio VAE of MiniMax H3."""
    network = getattr(vae, "first_stage_model", None)
    return isinstance(network, comfy.ldm.minimax.audio_vae.MiniMaxH3AudioVAE)
