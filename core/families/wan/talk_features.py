"""What InfiniteTalk hears: the twelve layers of wav2vec2 base, 25 times a second, at the loudness of speech.

The official ``generate_infinitetalk.py`` and ``src/audio_analysis/wav2vec2.py`` (MeiGen-AI/InfiniteTalk) bring the
convolutions' features to the video's rate, and let the transformer listen to those: it was trained so. The host's node
lets it listen at 50 a second and brings what comes out to 25.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import inf
from typing import Any

import comfy.model_management
import folder_paths
import torch
from comfy_extras.nodes_wan import linear_interpolation

from ...audio import Audio
from ...audio.loudness import integrated_loudness
from ...disk import mapped_tensor
from ...features.encoded import ENCODER_SAMPLE_RATE, LAYER_RATE
from ...features.encoders import (
    WINDOW_SECONDS,
    activation_bytes,
    mono_at_encoder_rate,
    one_pass_fits,
    windows,
)
from ...features.layout import FeatureLayout, Interpolation

LOUDNESS = -23.0  # LUFS, as the official loudness_norm


@dataclass(frozen=True)
class InfiniteTalkLayout(FeatureLayout):
    """``[12, frames, 768]``: every layer behind the first, which is what goes into the transformer."""

    rate: Fraction = Fraction(25)

    def features(self, layers: torch.Tensor, sample_count: int) -> torch.Tensor:
        """Of what core's Audio Encoder Encode gives, as core's WanInfiniteTalkToVideo has it."""
        if layers.shape[1] < 2:
            return layers[1:]
        return linear_interpolation(layers[1:], input_fps=LAYER_RATE, output_fps=int(self.rate))

    def in_pieces(self, layer_count: int, sample_count: int) -> Interpolation:
        raise NotImplementedError("from_encoder makes them")

    def from_encoder(self, audio: Audio, encoder: Any) -> torch.Tensor:
        frame_count = max(1, int(audio.duration * self.rate))
        gain = gain_to_speech(audio)
        features = torch.empty(0)
        done = 0
        for window, frames in _windows(audio, encoder, frame_count):
            heard = self._heard(window, encoder, gain)[:, frames]
            if not done:
                if heard.shape[1] == frame_count:
                    return heard.cpu()
                shape = (heard.shape[0], frame_count, heard.shape[2])
                features = mapped_tensor(folder_paths.get_temp_directory(), shape, heard.dtype)
            features[:, done : done + heard.shape[1]] = heard.cpu()
            done += heard.shape[1]
        return features

    def _heard(self, audio: Audio, encoder: Any, gain: float) -> torch.Tensor:
        """``[12, frames, 768]`` of all of the audio at once."""
        waveform = mono_at_encoder_rate(audio["waveform"], audio.sample_rate)[0] * gain
        frame_count = max(1, int(audio.duration * self.rate))
        lack = ENCODER_SAMPLE_RATE // LAYER_RATE * 2 - waveform.shape[-1]
        waveform = torch.nn.functional.pad(waveform, (0, max(0, lack)))
        memory = activation_bytes(waveform.shape[-1], encoder)
        comfy.model_management.load_models_gpu([encoder.patcher], memory_required=memory)
        network = encoder.model
        convolved = network.feature_extractor(waveform.to(encoder.load_device))
        at_rate = linear_interpolation(convolved, LAYER_RATE, int(self.rate), output_len=frame_count)
        _, layers = network.encoder(network.feature_projection(at_rate))
        return torch.cat(layers[1:])


def _windows(audio: Audio, encoder: Any, frame_count: int) -> Iterator[tuple[Audio, slice]]:
    """The audio whole, or in overlapping windows; each with the frames of it to keep."""
    if one_pass_fits(audio, encoder):
        yield audio, slice(0, frame_count)
        return
    for window, keep in windows(audio, WINDOW_SECONDS, 2 * frame_count):  # which counts 50 a second
        yield window, slice(keep.start // 2, keep.stop // 2)


def gain_to_speech(audio: Audio) -> float:
    """What the mean of all channels is multiplied by to be as loud as ``LOUDNESS``; 1 for silence and for a click.

    Measured at the encoder's rate (ITU-R BS.1770, gated), as the official ``loudness_norm`` does with pyloudnorm.
    """
    blocks = (
        mono_at_encoder_rate(block.unsqueeze(0), audio.sample_rate)[0] for block in audio.blocks(10 * audio.sample_rate)
    )
    loudness = integrated_loudness(blocks, ENCODER_SAMPLE_RATE)
    if loudness == -inf:
        return 1.0
    return 10 ** ((LOUDNESS - loudness) / 20)
