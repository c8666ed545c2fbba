"""What InfiniteTalk hears: the twelve layers of wav2vec2 base, 25 times a second, at the loudness of speech.

The official ``generate_infinitetalk.py`` and ``src/audio_analysis/wav2vec2.py`` (MeiGen-AI/InfiniteTalk) bring the
convolutions' features to the video's rate, and let the transformer listen to those: it was trained so. The host's node
lets it listen at 50 a second and brings what comes out to 25.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from math import inf
from typing import Any

import comfy.model_management
import comfy.utils
import folder_paths
import torch
from comfy_extras.nodes_wan import linear_interpolation

from ...audio import Audio
from ...audio.loudness import integrated_loudness
from ...disk import mapped_tensor
from ...features.encoded import ENCODER_SAMPLE_RATE, LAYER_RATE
from ...features.encoders import (
    LAYER_KERNEL,
    LAYER_STEP,
    MARGIN_SECONDS,
    encoder_samples,
    make_room,
    mono_at_encoder_rate,
)
from ...features.layout import FeatureLayout, Interpolation

LOUDNESS = -23.0  # LUFS, as the official loudness_norm
ONE_PASS_SECONDS = 30  # that the encoder hears at once, in all but half a GB
KEPT_SECONDS = 30  # of what the transformer hears at a time of a longer sound
FIRST_KERNEL, FIRST_STEP = 10, 5  # of the first of the convolutions
PIECE = 500  # features that the convolutions make at a time


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
        if audio.duration > ONE_PASS_SECONDS:
            return self._in_windows(LongConvolution(audio, encoder, gain), frame_count, encoder.model)
        waveform = mono_at_encoder_rate(audio["waveform"], audio.sample_rate)[0] * gain
        lack = 2 * LAYER_STEP - waveform.shape[-1]
        waveform = torch.nn.functional.pad(waveform, (0, max(0, lack)))
        make_room(encoder, waveform.shape[-1])
        convolved = encoder.model.feature_extractor(waveform.to(encoder.load_device))
        at_rate = linear_interpolation(convolved, LAYER_RATE, int(self.rate), output_len=frame_count)
        return _layers(encoder.model, at_rate)

    def _in_windows(self, convolution: LongConvolution, frame_count: int, network: Any) -> torch.Tensor:
        """What the convolutions give, at the video's rate, and then the transformer window by window; on disk."""
        step = (convolution.count - 1) / (frame_count - 1)  # ends on ends, as align_corners of linear_interpolation
        frames = Interpolation(torch.arange(frame_count, dtype=torch.float64) * step)
        convolved = features = torch.empty(0)
        for piece in convolution.pieces():
            place, values = frames.add(piece)
            if not len(convolved):
                convolved = _on_disk((1, frame_count, values.shape[2]), values.dtype)
            convolved[:, place] = values.cpu()
        margin, kept = (int(seconds * self.rate) for seconds in (MARGIN_SECONDS, KEPT_SECONDS))
        for start in range(0, frame_count, kept):
            comfy.model_management.throw_exception_if_processing_interrupted()
            first, stop = max(0, start - margin), min(frame_count, start + kept)
            heard = _layers(network, convolved[:, first : stop + margin].to(convolution.device))
            if not len(features):
                features = _on_disk((heard.shape[0], frame_count, heard.shape[2]), heard.dtype)
            features[:, start:stop] = heard[:, start - first : stop - first]
        return features


def _layers(network: Any, at_rate: torch.Tensor) -> torch.Tensor:
    """``[1, frames, 512]`` of the convolutions -> ``[12, frames, 768]`` of the transformer."""
    _, layers = network.encoder(network.feature_projection(at_rate))
    return torch.cat(layers[1:]).cpu()


def _on_disk(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    return mapped_tensor(folder_paths.get_temp_directory(), shape, dtype)


class LongConvolution:
    """wav2vec2 base's convolutions over sound of any length, piece by piece: what they give for all of it at once.

    They look no further than their kernels do, but for the first layer's norm, whose mean and deviation are those of
    the whole sound: they are found first. gain: what the sound is multiplied by.
    """

    def __init__(self, audio: Audio, encoder: Any, gain: float):
        self._audio, self._gain, self.device = audio, gain, encoder.load_device
        self._first, *self._others = encoder.model.feature_extractor.conv_layers
        samples = encoder_samples(audio)
        self.count = (samples - LAYER_KERNEL) // LAYER_STEP + 1
        make_room(encoder, PIECE * LAYER_STEP)
        progress = comfy.utils.ProgressBar(2 * -(-self.count // PIECE))
        self._step = partial(progress.update, 1)
        self._mean, self._deviation = self._statistics((samples - FIRST_KERNEL) // FIRST_STEP + 1)

    def pieces(self) -> Iterator[torch.Tensor]:
        """``[1, n, 512]``, 50 a second, ``count`` in all."""
        norm = self._first.layer_norm
        for start in range(0, self.count, PIECE):
            stop = min(self.count, start + PIECE)
            values = self._first.conv(self._samples(start * LAYER_STEP, (stop - 1) * LAYER_STEP + LAYER_KERNEL))
            values = (values - self._mean.to(values)) / self._deviation.to(values)
            weight, bias = (each.to(values)[:, None] for each in (norm.weight, norm.bias))
            values = torch.nn.functional.gelu(values * weight + bias)
            for layer in self._others:
                values = layer(values)
            self._step()
            yield values.transpose(1, 2)

    def _statistics(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and deviation ``[channels, 1]`` of what the first kernels give, over all ``count`` of their places."""
        total = squares = torch.zeros([])
        places = PIECE * LAYER_STEP // FIRST_STEP
        for start in range(0, count, places):
            stop = min(count, start + places)
            values = self._first.conv(self._samples(start * FIRST_STEP, (stop - 1) * FIRST_STEP + FIRST_KERNEL))[0]
            total = total + values.sum(dim=1, keepdim=True, dtype=torch.float64).cpu()
            squares = squares + values.square().sum(dim=1, keepdim=True, dtype=torch.float64).cpu()
            self._step()
        mean = total / count
        return mean, (squares / count - mean**2 + self._first.layer_norm.eps).sqrt()

    def _samples(self, start: int, stop: int) -> torch.Tensor:
        """``[1, 1, stop - start]`` at the encoder's rate; filters see a second more on both sides."""
        comfy.model_management.throw_exception_if_processing_interrupted()
        first = max(0, start // ENCODER_SAMPLE_RATE - 1)
        around = self._audio.between(first, stop // ENCODER_SAMPLE_RATE + 2)
        assert around is not None
        waveform = mono_at_encoder_rate(around["waveform"], around.sample_rate)
        first *= ENCODER_SAMPLE_RATE
        return (waveform[:, :, start - first : stop - first] * self._gain).to(self.device)


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
