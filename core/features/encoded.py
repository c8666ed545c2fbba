"""Encoded audio: what Audio Encode hands to the samplers, in the host's own AUDIO_ENCODER_OUTPUT.

The host's value is a dict; ours is a Mapping with the same keys, so that core nodes take it, and with attributes of
ours on top. This is the one place where both are written down:

    encoded_audio             [1, T, C] float32, the last layer, 50 a second            (host)
    encoded_audio_all_layers  tuple of [1, T, C], every layer                           (host)
    audio_samples             number of 16 kHz samples that went in                     (host)

    .kind         "wav2vec2-large", "wav2vec2-base", "whisper-large-v3", "ltx-audio-vae",
                  "minimax-h3-audio-vae"
    .duration     of the clip's sound, exact seconds
    .audio        the Audio that the clip carries: the one that was encoded, or what ``carrying`` put in its place;
                  None when a core node encoded it
    .tracks       EncodedTracks of several sounds that move parts of the picture; empty for one sound, and for a kind
                  of encoder whose families hear one sound only
    .features()   what a family hears of it, laid out as that family wants it
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import torch

from ..errors import SoundToVideoError
from ..tensors import no_tensor
from ..timeline import rounded, sample_time

if TYPE_CHECKING:
    from ..audio import Audio
    from .layout import FeatureLayout

HOST_KEYS = ("encoded_audio", "encoded_audio_all_layers", "audio_samples")
ENCODER_SAMPLE_RATE = 16000
LAYER_RATE = 50  # features a second that wav2vec2 and Whisper give
WHISPER = "whisper-large-v3"
KINDS = {(25, 1024): "wav2vec2-large", (13, 768): "wav2vec2-base", (33, 1280): WHISPER}
KIND_NAMES = {
    "wav2vec2-large": "wav2vec2 large (25 layers of 1024)",
    "wav2vec2-base": "wav2vec2 base (13 layers of 768)",
    WHISPER: "Whisper large v3 (33 layers of 1280)",
    "ltx-audio-vae": "an LTX audio VAE",
    "minimax-h3-audio-vae": "an audio VAE of MiniMax H3",
}


class EncodedAudio(Mapping):
    """Base of everything that travels as AUDIO_ENCODER_OUTPUT; see the module's docstring for keys and attributes."""

    kind: str
    duration: Fraction
    audio: Audio | None = None
    tracks: tuple[EncodedTrack, ...] = ()

    def __getitem__(self, key: str) -> Any:
        if key not in HOST_KEYS:
            raise KeyError(key)
        return self.host_value(key)

    def __iter__(self) -> Iterator[str]:
        return iter(HOST_KEYS)

    def __len__(self) -> int:
        return len(HOST_KEYS)

    def values(self):
        """Nothing: the host looks through the values of every output for models (PromptModelTracker in
        comfy/model_patcher.py), which would encode the whole audio anew. Index it, or use ``items()``."""
        return ()

    def carrying(self, audio: Audio) -> EncodedAudio:
        """What is heard stays as it is; the clip gets ``audio`` as its sound, and its length."""
        twin = copy(self)
        twin.audio, twin.duration = audio, audio.duration
        return twin

    def as_one_sound(self) -> EncodedAudio:
        """The same without tracks: of several sounds their mix is heard."""
        twin = copy(self)
        twin.tracks = ()
        return twin

    def host_value(self, key: str) -> Any:
        """The value under one of the host's keys; what an audio VAE encoded has none."""
        raise SoundToVideoError(
            "audio encoded by an audio VAE goes into S2V Sampler or A2V Sampler, not into a node for audio encoders."
        )

    def features(self, layout: FeatureLayout) -> torch.Tensor:
        """``[bands, frames, width]`` in a family's layout, in the encoder's dtype: the frames that the audio reaches.

        Computed once for each layout.
        """
        raise SoundToVideoError(f"audio encoded by {KIND_NAMES[self.kind]} has no features of an audio encoder.")


@dataclass(frozen=True)
class EncodedTrack:
    """One of several sounds in one.

    encoded: as long as all of it.  region: where in the picture it is heard, one of ``frames.regions``.
    """

    encoded: EncodedAudio
    region: Any


class HostEncodedAudio(EncodedAudio):
    """What core's Audio Encoder Encode returns: every layer at 50 features a second."""

    def __init__(self, encoded: Mapping[str, Any], audio: Audio | None = None):
        layers = encoded["encoded_audio_all_layers"]
        shape = (len(layers), layers[0].shape[-1])
        if shape not in KINDS:
            raise SoundToVideoError(f"audio features of {shape[0]} layers of {shape[1]} are of no encoder known here.")
        self.encoded = encoded
        self.kind = KINDS[shape]
        self.audio = audio
        self._features: dict[FeatureLayout, torch.Tensor] = {}
        self.duration = audio.duration if audio else sample_time(int(encoded["audio_samples"]), ENCODER_SAMPLE_RATE)

    def host_value(self, key: str) -> Any:
        return self.encoded[key]

    def features(self, layout: FeatureLayout) -> torch.Tensor:
        if layout not in self._features:
            samples = int(self.encoded["audio_samples"])
            layers = torch.cat(list(self.encoded["encoded_audio_all_layers"]))
            self._features[layout] = layout.features(of_the_sound(layers, samples, self.kind == WHISPER), samples)
        return self._features[layout]


def of_the_sound(layers: torch.Tensor, sample_count: int, is_whisper: bool) -> torch.Tensor:
    """``[layers, T, width]`` without what the host's Whisper hears behind the sound: it always listens for 30 s."""
    if not is_whisper:
        return layers
    return layers[:, : max(1, rounded(Fraction(sample_count * LAYER_RATE, ENCODER_SAMPLE_RATE)))]


def encoded_audio_from(encoded: Any) -> EncodedAudio:
    """Any AUDIO_ENCODER_OUTPUT, ours or core's, as ``EncodedAudio``; raises ``SoundToVideoError`` for anything else."""
    if isinstance(encoded, EncodedAudio):
        return encoded
    layers = encoded.get("encoded_audio_all_layers") if isinstance(encoded, Mapping) else None
    samples = encoded.get("audio_samples") if isinstance(encoded, Mapping) else None
    if not (
        isinstance(layers, list | tuple)
        and layers
        and all(no_tensor(layer) is None and layer.ndim == 3 and layer.shape[:2] != (1, 0) for layer in layers)
        and isinstance(samples, int)
        and samples > 0
    ):
        raise SoundToVideoError("encoded_audio is no encoded audio: connect Audio Encode.")
    return HostEncodedAudio(encoded)
