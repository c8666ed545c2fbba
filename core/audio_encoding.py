"""Audio to features, by the host's wav2vec2 and Whisper encoders: what Audio Encode does for an AUDIO_ENCODER."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import comfy.model_management
import comfy.utils
import torch

from .audio import Audio
from .encoded_audio import (
    ENCODER_SAMPLE_RATE,
    KINDS,
    LAYER_RATE,
    EncodedAudio,
    HostEncodedAudio,
    features_at,
    fitted_length,
)
from .errors import SoundToVideoError
from .families import frame_rate_for_encoder
from .timeline import rounded

WHISPER_SECONDS = 30  # the host's Whisper pads or cuts to this
WHISPER_MARGIN = 5  # seconds of context on both sides of what is kept from a window
SHORTEST_SECONDS = Fraction(1, 10)  # shorter audio is zero-padded: the encoders' convolutions need 25 ms


class EncoderFeatures(EncodedAudio):
    """Audio encoded by an AUDIO_ENCODER, kept at the video's frame rate.

    Every layer at 50 a second would be 5 MB a second; core nodes that ask for it get it computed anew.
    """

    def __init__(self, audio: Audio, encoder: Any, kind: str, frame_rate: Fraction, features: torch.Tensor):
        self.audio, self.kind, self.duration = audio, kind, audio.duration
        self._encoder, self._frame_rate, self._features = encoder, frame_rate, features

    def host_value(self, key: str) -> Any:
        if key == "audio_samples":
            return encoder_samples(self.audio)
        layers = encoded_layers(self.audio, self._encoder, self.kind)
        return layers[-1] if key == "encoded_audio" else layers

    def frame_features(self, frame_rate: Fraction, frame_count: int) -> torch.Tensor:
        features = self._features
        if frame_rate != self._frame_rate:
            features = features_at(torch.cat(encoded_layers(self.audio, self._encoder, self.kind)), frame_rate).cpu()
        return fitted_length(features, frame_count)


def encode_with_encoder(audio: Audio, encoder: Any) -> EncodedAudio:
    """Encode audio of any length, rate and channel count with the host's AUDIO_ENCODER.

    Raises ``SoundToVideoError`` for an encoder that is not known.
    """
    kind = encoder_kind(encoder)
    layers = encoded_layers(audio, encoder, kind)
    frame_rate = frame_rate_for_encoder(kind)
    if frame_rate is None:
        host_value = {
            "encoded_audio": layers[-1],
            "encoded_audio_all_layers": layers,
            "audio_samples": encoder_samples(audio),
        }
        return HostEncodedAudio(host_value, audio)
    return EncoderFeatures(audio, encoder, kind, frame_rate, features_at(torch.cat(layers), frame_rate).cpu())


def encoder_samples(audio: Audio) -> int:
    """Samples of the audio at the encoder's rate, as the host's resampler counts them."""
    return -(-audio.sample_count * ENCODER_SAMPLE_RATE // audio.sample_rate)


def encoder_kind(encoder: Any) -> str:
    """``EncodedAudio.kind`` of the host's AUDIO_ENCODER, read from its transformer's depth and width."""
    transformer = encoder.model.encoder
    shape = (len(transformer.layers) + 1, transformer.layer_norm.weight.shape[0])
    if shape not in KINDS:
        raise SoundToVideoError(
            f"this audio encoder ({shape[0] - 1} layers of {shape[1]}) is not known: "
            f"load wav2vec2 large or base, or Whisper large v3."
        )
    return KINDS[shape]


def encoded_layers(audio: Audio, encoder: Any, kind: str) -> tuple[torch.Tensor, ...]:
    """Every layer of the encoder at 50 features a second, each ``[1, T, width]``.

    The host's Whisper encodes the first 30 s and drops the rest without a word; longer audio goes through it here in
    windows of 30 s, of which the middle 20 s are kept.
    """
    if kind != "whisper-large-v3" or audio.duration <= WHISPER_SECONDS:
        return _host_layers(audio, encoder)
    pieces = []
    for window, keep in whisper_windows(audio):
        comfy.model_management.throw_exception_if_processing_interrupted()
        pieces.append([layer[:, keep].cpu() for layer in _host_layers(window, encoder)])
    return tuple(torch.cat(layer, dim=1) for layer in zip(*pieces, strict=True))


def whisper_windows(audio: Audio) -> Iterator[tuple[Audio, slice]]:
    """Windows of up to 30 s that overlap, and which of their features to keep; starts are whole seconds."""
    total = rounded(audio.duration * LAYER_RATE)
    step = WHISPER_SECONDS - 2 * WHISPER_MARGIN
    kept, start = 0, 0
    progress = comfy.utils.ProgressBar(-(-total // (step * LAYER_RATE)))
    while kept < total:
        first_sample = start * audio.sample_rate
        last_sample = min(audio.sample_count, first_sample + WHISPER_SECONDS * audio.sample_rate)
        ends_here = last_sample == audio.sample_count
        stop = total if ends_here else (start + WHISPER_SECONDS - WHISPER_MARGIN) * LAYER_RATE
        yield audio.trimmed(first_sample, last_sample), slice(kept - start * LAYER_RATE, stop - start * LAYER_RATE)
        kept, start = stop, start + step
        progress.update(1)


def _host_layers(audio: Audio, encoder: Any) -> tuple[torch.Tensor, ...]:
    waveform = audio["waveform"]
    lack = rounded(SHORTEST_SECONDS * audio.sample_rate) - waveform.shape[-1]
    if lack > 0:
        waveform = torch.nn.functional.pad(waveform, (0, lack))
    return encoder.encode_audio(waveform, audio.sample_rate)["encoded_audio_all_layers"]
