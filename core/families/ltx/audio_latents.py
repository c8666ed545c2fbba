"""Audio to latents, by the host's LTX audio VAE: what Audio Encode does for an audio VAE.

The host's LTXVAudioVAEEncode takes the audio to 44.1 kHz first and then cuts it, around its middle, to a multiple of
4096 samples (``comfy/sd.py`` vae_encode_crop_pixels): up to 93 ms of sound are lost, and what is left starts up to
46 ms early. Here the VAE gets the audio as it is and resamples once, as the official ``encode_audio`` does
(Lightricks/LTX-2, ltx_core/model/audio_vae/audio_vae.py).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import comfy.ldm.lightricks.vae.audio_vae
import comfy.ldm.lightricks.vae.causal_audio_autoencoder
import comfy.model_management
import comfy.utils
import folder_paths
import torch

from ...audio import Audio
from ...audio.resampling import is_usual, resampled
from ...disk import mapped_tensor
from ...errors import SoundToVideoError
from ...features.encoded import EncodedAudio

LTX_AUDIO_VAE = "ltx-audio-vae"
WINDOW_SECONDS = 60  # longer audio is encoded in windows of this; about 20 MB of activations a second
CONTEXT_SECONDS = 4  # in front of a window; the causal encoder looks back about 1 s
MARGIN_SECONDS = 1  # behind a window: the spectrogram mirrors its last 32 ms
SILENCE_SECONDS = 4  # after it the encoder gives the same latent for silence again and again
MIRRORED_LATENTS = 4  # latents at the end that a mirrored spectrogram reaches


class AudioLatents(EncodedAudio):
    """Audio encoded by an LTX audio VAE.

    latents: ``[1, channels, T, bins]`` float32 on the CPU, ``rate`` of them a second, for all of the audio; of a long
    one on disk.
    after: the latents from number ``T - MIRRORED_LATENTS`` on when silence follows the audio.
    """

    kind = LTX_AUDIO_VAE

    def __init__(self, audio: Audio, latents: torch.Tensor, after: torch.Tensor, rate: Fraction):
        self.audio, self.duration = audio, audio.duration
        self.latents, self.rate, self._after = latents, rate, after

    @property
    def count(self) -> int:
        """Latents of the audio itself."""
        return self.latents.shape[2]

    def span(self, start: int, stop: int) -> torch.Tensor:
        """Latents ``start ... stop - 1``, silence after the end of the audio: ``[1, channels, stop - start, bins]``."""
        if stop <= self.count:
            return self.latents[:, :, start:stop]
        known = max(0, self.count - MIRRORED_LATENTS)
        pieces = [self.latents[:, :, start:known], self._after[:, :, max(0, start - known) : stop - known]]
        missing = stop - start - sum(piece.shape[2] for piece in pieces)
        return torch.cat([*pieces, self._after[:, :, -1:].expand(-1, -1, missing, -1)], dim=2)


def heard_latents(encoded: EncodedAudio) -> AudioLatents:
    """``encoded`` itself, which ``Family.check_encoder`` let through."""
    assert isinstance(encoded, AudioLatents)
    return encoded


def encode_with_vae(audio: Audio, audio_vae: Any) -> AudioLatents:
    """Encode audio of any length, rate and channel count with the host's LTX audio VAE, in constant memory.

    Up to 60 s in one pass, beyond in windows with the context that the encoder reaches back. Mono is given to both
    channels, as the official code and the host have it; more than two channels are mixed down (``audio.channels``).
    Raises ``SoundToVideoError`` for a VAE of another kind.
    """
    network = ltx_audio_vae(audio_vae)
    channels = network.autoencoder.encoder.in_channels
    heard = audio if audio.channels in (1, channels) else audio.mixed_to_stereo()
    if heard.channels not in (1, channels):
        raise SoundToVideoError(
            f"the audio has {audio.channels} channels, the audio VAE of LTX takes mono or {_channels(channels)}: "
            f"mix it down first."
        )
    rate = Fraction(network.preprocessor.target_sample_rate, network.preprocessor.mel_hop_length * 4)
    encode = _Encoder(heard, audio_vae, network, channels)
    total_seconds = -(-audio.sample_count // audio.sample_rate)
    if audio.duration <= WINDOW_SECONDS or rate.denominator != 1 or _has_attention(network):
        latents = encode(0, None)
    else:
        latents = _in_windows(encode, audio, int(rate))
    start = max(0, total_seconds - CONTEXT_SECONDS - 2)
    after = encode(start, None, silence=SILENCE_SECONDS + MARGIN_SECONDS)
    first = latents.shape[2] - MIRRORED_LATENTS - int(start * rate)
    return AudioLatents(audio, latents, after[:, :, max(0, first) : -int(MARGIN_SECONDS * rate)], rate)


def ltx_audio_vae(vae: Any) -> comfy.ldm.lightricks.vae.audio_vae.AudioVAE:
    """The network of the host's VAE, if it is an LTX audio VAE."""
    network = getattr(vae, "first_stage_model", None)
    if not isinstance(network, comfy.ldm.lightricks.vae.audio_vae.AudioVAE):
        raise SoundToVideoError(
            f"the VAE connected to audio_vae ({type(network).__name__}) is not an LTX audio VAE: "
            f"load the LTX-2 checkpoint with core's Load LTXV Audio VAE."
        )
    return network


def _channels(count: int) -> str:
    return "stereo" if count == 2 else f"{count} channels"


def _has_attention(network: Any) -> bool:
    """Whether the encoder has attention, whose every output depends on all of the audio (LTX-2 has none)."""
    attention = comfy.ldm.lightricks.vae.causal_audio_autoencoder.AttnBlock
    return any(isinstance(module, attention) for module in network.autoencoder.encoder.modules())


def _in_windows(encode: _Encoder, audio: Audio, rate: int) -> torch.Tensor:
    """Encode window by window. Windows start at whole seconds: a whole number of samples, mel frames and latents."""
    latents, count, start = torch.empty(0), 0, 0
    total_seconds = -(-audio.sample_count // audio.sample_rate)
    progress = comfy.utils.ProgressBar(-(-total_seconds // WINDOW_SECONDS))
    while start < total_seconds:
        comfy.model_management.throw_exception_if_processing_interrupted()
        stop = start + WINDOW_SECONDS
        if total_seconds - stop < CONTEXT_SECONDS:
            stop = total_seconds
        first = max(0, start - CONTEXT_SECONDS)
        ends_here = stop >= total_seconds
        window = encode(first, None if ends_here else stop + MARGIN_SECONDS)
        window = window[:, :, (start - first) * rate : None if ends_here else (stop - first) * rate]
        if start == 0:
            shape = (*window.shape[:2], (total_seconds + 1) * rate, window.shape[3])
            latents = mapped_tensor(folder_paths.get_temp_directory(), shape, window.dtype)
        latents[:, :, count : count + window.shape[2]] = window
        count, start = count + window.shape[2], stop
        progress.update(1)
    return latents[:, :, :count]


class _Encoder:
    """Encodes seconds ``start ... stop`` of an audio with the host's audio VAE, on its device."""

    def __init__(self, audio: Audio, vae: Any, network: Any, channels: int):
        self.audio, self.vae, self.network, self.channels = audio, vae, network, channels

    def __call__(self, start: int, stop: int | None, silence: int = 0) -> torch.Tensor:
        rate = self.audio.sample_rate
        last = self.audio.sample_count if stop is None else min(self.audio.sample_count, stop * rate)
        waveform = self.audio.trimmed(start * rate, last)["waveform"]
        own_rate = self.network.preprocessor.target_sample_rate
        if not is_usual(rate, own_rate):  # else the host does it, by the same filter
            stop_if_interrupted = comfy.model_management.throw_exception_if_processing_interrupted
            waveform, rate = resampled(waveform, rate, own_rate, stop_if_interrupted), own_rate
        shortest = -(-2 * self.network.autoencoder.n_fft * rate // own_rate)
        missing = max(silence * rate, shortest - waveform.shape[-1])
        waveform = torch.nn.functional.pad(waveform, (0, missing))
        seconds = waveform.shape[-1] // rate + 1
        shape = (1, self.channels, seconds * self.vae.audio_sample_rate)
        memory = self.vae.memory_used_encode(shape, self.vae.vae_dtype)
        comfy.model_management.load_models_gpu([self.vae.patcher], memory_required=memory, force_full_load=True)
        with comfy.model_management.cuda_device_context(self.vae.device):
            waveform = waveform.to(device=self.vae.device, dtype=self.vae.vae_dtype)
            return self.network.encode(waveform, sample_rate=rate).float().cpu()
