"""Encoded audio: what Audio Encode hands to the samplers, in the host's own AUDIO_ENCODER_OUTPUT.

The host's value is a dict; ours is a Mapping with the same keys, so that core nodes take it, and with attributes of
ours on top. This is the one place where both are written down:

    encoded_audio             [1, T, C] float32, the last layer, 50 a second            (host)
    encoded_audio_all_layers  tuple of [1, T, C], every layer                           (host)
    audio_samples             number of 16 kHz samples that went in                     (host)

    .kind         "wav2vec2-large", "wav2vec2-base", "whisper-large-v3", "ltx-audio-vae"
    .duration     of the clip's sound, exact seconds
    .audio        the Audio that the clip carries: the one that was encoded, or what ``carrying`` put in its place;
                  None when a core node encoded it
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from copy import copy
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import torch

from ..errors import SoundToVideoError
from ..timeline import exact, sample_time

if TYPE_CHECKING:
    from ..audio import Audio

HOST_KEYS = ("encoded_audio", "encoded_audio_all_layers", "audio_samples")
ENCODER_SAMPLE_RATE = 16000
LAYER_RATE = 50  # features a second that wav2vec2 and Whisper give
KINDS = {(25, 1024): "wav2vec2-large", (13, 768): "wav2vec2-base", (33, 1280): "whisper-large-v3"}
KIND_NAMES = {
    "wav2vec2-large": "wav2vec2 large (25 layers of 1024)",
    "wav2vec2-base": "wav2vec2 base (13 layers of 768)",
    "whisper-large-v3": "Whisper large v3 (33 layers of 1280)",
    "ltx-audio-vae": "an LTX audio VAE",
}


class EncodedAudio(Mapping):
    """Base of everything that travels as AUDIO_ENCODER_OUTPUT; see the module's docstring for keys and attributes."""

    kind: str
    duration: Fraction
    audio: Audio | None = None

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

    @abstractmethod
    def host_value(self, key: str) -> Any:
        """The value under one of the host's keys."""

    def frame_features(self, frame_rate: Fraction, stop: int, start: int = 0) -> torch.Tensor:
        """One feature vector per layer and video frame: ``[layers, stop - start, width]``, in the encoder's dtype.

        start, stop: the frames asked for.  Frames past the end of the audio are zero.
        """
        raise SoundToVideoError(f"audio encoded by {KIND_NAMES[self.kind]} has no features per frame.")


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
        self._features: dict[Fraction, torch.Tensor] = {}
        self.duration = audio.duration if audio else sample_time(int(encoded["audio_samples"]), ENCODER_SAMPLE_RATE)

    def host_value(self, key: str) -> Any:
        return self.encoded[key]

    def frame_features(self, frame_rate: Fraction, stop: int, start: int = 0) -> torch.Tensor:
        if frame_rate not in self._features:
            layers = torch.cat(list(self.encoded["encoded_audio_all_layers"]))
            self._features = {frame_rate: features_at(layers, frame_rate)}
        return frames_between(self._features[frame_rate], start, stop)


def encoded_audio_from(encoded: Any) -> EncodedAudio:
    """Any AUDIO_ENCODER_OUTPUT, ours or core's, as ``EncodedAudio``; raises ``SoundToVideoError`` for anything else."""
    if isinstance(encoded, EncodedAudio):
        return encoded
    layers = encoded.get("encoded_audio_all_layers") if isinstance(encoded, Mapping) else None
    samples = encoded.get("audio_samples") if isinstance(encoded, Mapping) else None
    if not (
        isinstance(layers, list | tuple)
        and layers
        and all(isinstance(layer, torch.Tensor) and layer.ndim == 3 and layer.shape[:2] != (1, 0) for layer in layers)
        and isinstance(samples, int)
        and samples > 0
    ):
        raise SoundToVideoError("encoded_audio is no encoded audio: connect Audio Encode.")
    return HostEncodedAudio(encoded)


INTERMEDIATE_RATE = 30  # frames a second between encoder and video, as in Wan's audio_encoder.py (video_rate)


def intermediate_count(layer_count: int) -> int:
    """Features at the intermediate rate for ``layer_count`` features at the encoder's, as the host truncates them."""
    return int(layer_count / float(LAYER_RATE) * INTERMEDIATE_RATE)


def intermediate_indices(count: int, frame_rate: Fraction) -> list[int]:
    """Of ``count`` features at the intermediate rate, the one for each video frame that they reach.

    Rounds halves to even, as numpy does in the host's ``get_sample_indices`` (comfy_extras/nodes_wan.py).
    """
    step = INTERMEDIATE_RATE / exact(frame_rate)
    indices = []
    while (index := round(len(indices) * step)) < count:
        indices.append(index)
    return indices


def features_at(layers: torch.Tensor, frame_rate: Fraction) -> torch.Tensor:
    """Features at the encoder's rate ``[layers, T, width]`` -> ``[layers, frames, width]`` at the video's.

    The host's ``linear_interpolation`` to the intermediate rate, then the nearest feature of each frame; once for the
    whole clip, where the host's ``wan_sound_to_video`` does it again for every segment.
    """
    from comfy_extras.nodes_wan import linear_interpolation

    count = intermediate_count(layers.shape[1])
    if count < 1:
        return layers[:, :1]
    intermediate = linear_interpolation(layers, input_fps=LAYER_RATE, output_fps=INTERMEDIATE_RATE)
    return intermediate[:, intermediate_indices(count, frame_rate)]


class FrameFeatures:
    """``features_at``, for features that come in pieces: the same interpolation, piece after piece.

    layer_count: features at the encoder's rate that will come in all.
    """

    def __init__(self, layer_count: int, frame_rate: Fraction):
        count = intermediate_count(layer_count)
        self._positions = torch.tensor(intermediate_indices(count, frame_rate), dtype=torch.float64)
        self._positions *= (layer_count - 1) / max(1, count - 1)  # ends on ends, as align_corners has it
        self.frame_count = len(self._positions)
        self._held: torch.Tensor | None = None  # the last feature of the piece before
        self._taken = 0
        self._done = 0

    def add(self, piece: torch.Tensor) -> tuple[slice, torch.Tensor]:
        """The next features ``[layers, n, width]`` -> the frames that they complete, and those frames' features."""
        first = self._taken - (0 if self._held is None else 1)
        piece = piece if self._held is None else torch.cat([self._held, piece], dim=1)
        stop = first + piece.shape[1]
        self._taken, self._held = stop, piece[:, -1:]
        reached = int((self._positions <= stop - 1).sum())
        positions = self._positions[self._done : reached].to(piece.device) - first
        below = positions.floor().long().clamp(max=piece.shape[1] - 1)
        above = (below + 1).clamp(max=piece.shape[1] - 1)
        weight = (positions - below).to(piece.dtype)[None, :, None]
        place, self._done = slice(self._done, reached), reached
        return place, piece[:, below] * (1 - weight) + piece[:, above] * weight


def frames_between(features: torch.Tensor, start: int, stop: int) -> torch.Tensor:
    """The frames ``start ... stop - 1`` of ``[layers, frames, width]``, zeros past the end."""
    features = features[:, start:stop]
    return torch.nn.functional.pad(features, (0, 0, 0, stop - start - features.shape[1]))
