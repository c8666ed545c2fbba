"""Audio to features, by the host's wav2vec2 and Whisper encoders: what Audio Encode does for an AUDIO_ENCODER."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import comfy.model_management
import comfy.utils
import folder_paths
import torch
from comfy.audio_encoders.whisper import WhisperLargeV3

from ..audio import Audio
from ..audio.resampling import resampled
from ..disk import mapped_tensor
from ..errors import SoundToVideoError
from ..timeline import rounded
from .encoded import (
    ENCODER_SAMPLE_RATE,
    KINDS,
    LAYER_RATE,
    EncodedAudio,
    FrameFeatures,
    HostEncodedAudio,
    features_at,
    frames_between,
)

WHISPER = "whisper-large-v3"
WHISPER_SECONDS = 30  # the host's Whisper pads or cuts to this
WINDOW_SECONDS = 60  # of wav2vec2, where one pass does not fit
MARGIN_SECONDS = 5  # of context on both sides of what is kept from a window
SHORTEST_SECONDS = Fraction(1, 10)  # shorter audio is zero-padded: the encoders' convolutions need 25 ms
ONE_PASS_SHARE = 0.6  # of the device's memory
ONE_PASS_VALUES = 400  # held by one wav2vec2 pass for every 16 kHz sample: 512 channels at a fifth of the rate, 4 times


class EncoderFeatures(EncodedAudio):
    """Audio encoded by an AUDIO_ENCODER, kept at the video's frame rate.

    Every layer at 50 a second would be 5 MB a second; core nodes that ask for it get it computed anew.
    """

    audio: Audio

    def __init__(self, audio: Audio, encoder: Any, kind: str, frame_rate: Fraction):
        self.audio, self.kind, self.duration = audio, kind, audio.duration
        self._heard = audio
        self._encoder, self._frame_rate = encoder, frame_rate
        self._features = self._encoded(frame_rate)

    def host_value(self, key: str) -> Any:
        if key == "audio_samples":
            return encoder_samples(self._heard)
        layers = _one_pass(self._heard, self._encoder)
        return layers[-1] if key == "encoded_audio" else layers

    def frame_features(self, frame_rate: Fraction, stop: int, start: int = 0) -> torch.Tensor:
        features = self._features if frame_rate == self._frame_rate else self._encoded(frame_rate)
        return frames_between(features, start, stop)

    def _encoded(self, frame_rate: Fraction) -> torch.Tensor:
        """``[layers, frames, width]`` at ``frame_rate``."""
        if one_pass_fits(self._heard, self._encoder):
            try:
                return features_at(torch.cat(_one_pass(self._heard, self._encoder)), frame_rate).cpu()
            except Exception as error:
                comfy.model_management.raise_non_oom(error)
                logging.warning("Sound to Video: not enough memory to encode the audio at once, doing so in windows.")
        return windowed_features(self._heard, self._encoder, frame_rate)


def encode_with_encoder(audio: Audio, encoder: Any, frame_rate: Fraction | None) -> EncodedAudio:
    """Encode audio of any length, rate and channel count with the host's AUDIO_ENCODER.

    frame_rate: of the video that the features are kept for; None where no family here listens to this encoder.
    Raises ``SoundToVideoError`` for an encoder that is not known.
    """
    kind = encoder_kind(encoder)
    if frame_rate is not None:
        return EncoderFeatures(audio, encoder, kind, frame_rate)
    layers = whisper_layers(audio, encoder) if kind == WHISPER else _one_pass(audio, encoder)
    host_value = {
        "encoded_audio": layers[-1],
        "encoded_audio_all_layers": layers,
        "audio_samples": encoder_samples(audio),
    }
    return HostEncodedAudio(host_value, audio)


def encoder_kind(encoder: Any) -> str:
    """``EncodedAudio.kind`` of the host's AUDIO_ENCODER, read from its transformer's depth and width."""
    transformer: Any = getattr(getattr(encoder, "model", None), "encoder", None)
    if not hasattr(transformer, "layers") or not hasattr(transformer, "layer_norm"):
        raise SoundToVideoError(
            f"what is connected to audio_encoder ({type(encoder).__name__}) is no audio encoder: load wav2vec2 or "
            "Whisper with core's Load Audio Encoder."
        )
    shape = (len(transformer.layers) + 1, transformer.layer_norm.weight.shape[0])
    if shape not in KINDS:
        raise SoundToVideoError(
            f"this audio encoder ({shape[0] - 1} layers of {shape[1]}) is not known: "
            f"load wav2vec2 large or base, or Whisper large v3."
        )
    return KINDS[shape]


def encoder_samples(audio: Audio) -> int:
    """Samples of the audio at the encoder's rate, as the host's resampler counts them."""
    return -(-audio.sample_count * ENCODER_SAMPLE_RATE // audio.sample_rate)


def _one_pass(audio: Audio, encoder: Any) -> tuple[torch.Tensor, ...]:
    """Every layer at 50 features a second, each ``[1, T, width]``, by one call of the host's encoder."""
    waveform = audio["waveform"]
    lack = rounded(SHORTEST_SECONDS * audio.sample_rate) - waveform.shape[-1]
    if lack > 0:
        waveform = torch.nn.functional.pad(waveform, (0, lack))
    return _layers(_at_encoder_rate(waveform, audio.sample_rate), encoder)


def _layers(waveform: torch.Tensor, encoder: Any) -> tuple[torch.Tensor, ...]:
    """The host's encoder on ``[1, channels, T]`` at its own rate, once the host has made room for what it computes."""
    memory = activation_bytes(waveform.shape[-1], encoder)
    comfy.model_management.load_models_gpu([encoder.patcher], memory_required=memory)
    return encoder.encode_audio(waveform, ENCODER_SAMPLE_RATE)["encoded_audio_all_layers"]


def whisper_layers(audio: Audio, encoder: Any) -> tuple[torch.Tensor, ...]:
    """As ``_one_pass``, for any length: the host's Whisper drops what comes after 30 s without a word."""
    if audio.duration <= WHISPER_SECONDS:
        return _one_pass(audio, encoder)
    pieces = []
    for window, keep in windows(audio, WHISPER_SECONDS, rounded(audio.duration * LAYER_RATE)):
        pieces.append([layer[:, keep].cpu() for layer in _one_pass(window, encoder)])
    return tuple(torch.cat(layer, dim=1) for layer in zip(*pieces, strict=True))


def windows(audio: Audio, seconds: int, feature_count: int) -> Iterator[tuple[Audio, slice]]:
    """Overlapping windows that start at whole seconds, each with the slice of its features to keep."""
    step = seconds - 2 * MARGIN_SECONDS
    kept, start = 0, 0
    progress = comfy.utils.ProgressBar(-(-feature_count // (step * LAYER_RATE)))
    while kept < feature_count:
        comfy.model_management.throw_exception_if_processing_interrupted()
        first_sample = start * audio.sample_rate
        last_sample = min(audio.sample_count, first_sample + seconds * audio.sample_rate)
        is_last = last_sample == audio.sample_count
        stop = feature_count if is_last else (start + seconds - MARGIN_SECONDS) * LAYER_RATE
        yield audio.trimmed(first_sample, last_sample), slice(kept - start * LAYER_RATE, stop - start * LAYER_RATE)
        kept, start = stop, start + step
        progress.update(1)


def one_pass_fits(audio: Audio, encoder: Any) -> bool:
    """Whether the device has the memory for wav2vec2 over the whole audio at once.

    By all of its memory, not by what is free now: the host makes room, and the same audio always goes the same way.
    """
    needed = activation_bytes(encoder_samples(audio), encoder)
    total: Any = comfy.model_management.get_total_memory(encoder.load_device)
    return needed < ONE_PASS_SHARE * total


def activation_bytes(samples: int, encoder: Any) -> int:
    """What one pass of the encoder over so many 16 kHz samples holds in memory beside its weights."""
    if not isinstance(encoder.model, WhisperLargeV3):
        return samples * ONE_PASS_VALUES * torch.float32.itemsize  # what the host computes in
    # Whisper always sees 30 s: every layer is kept, and a layer on its way holds 16 times its width.
    transformer = encoder.model.encoder
    width = transformer.layer_norm.weight.shape[0]
    return WHISPER_SECONDS * LAYER_RATE * width * (len(transformer.layers) + 1 + 16) * torch.float32.itemsize


def windowed_features(audio: Audio, encoder: Any, frame_rate: Fraction) -> torch.Tensor:
    """wav2vec2 in overlapping windows: ``[layers, frames, width]`` at ``frame_rate``, on disk.

    Loudness is normalised over the whole audio, as in one pass, not window by window.
    """
    feature_count = (encoder_samples(audio) - 400) // 320 + 1  # kernel and stride of the encoder's convolutions
    mean, deviation = _loudness(audio)
    normalises, encoder.model.do_normalize = encoder.model.do_normalize, False
    try:
        frames, features = FrameFeatures(feature_count, frame_rate), None
        for window, keep in windows(audio, WINDOW_SECONDS, feature_count):
            waveform = _mono_at_encoder_rate(window["waveform"], audio.sample_rate)
            if normalises:
                waveform = (waveform - mean) / deviation
            layers = torch.cat(_layers(waveform, encoder))
            if features is None:
                shape = (layers.shape[0], frames.frame_count, layers.shape[2])
                features = mapped_tensor(folder_paths.get_temp_directory(), shape, layers.dtype)
            place, values = frames.add(layers[:, keep])
            features[:, place] = values.cpu()
    finally:
        encoder.model.do_normalize = normalises
    assert features is not None
    return features


def _at_encoder_rate(waveform: torch.Tensor, sample_rate: int) -> torch.Tensor:
    stop_if_interrupted = comfy.model_management.throw_exception_if_processing_interrupted
    return resampled(waveform, sample_rate, ENCODER_SAMPLE_RATE, stop_if_interrupted)


def _mono_at_encoder_rate(waveform: torch.Tensor, sample_rate: int) -> torch.Tensor:
    """``[1, channels, T]`` -> ``[1, 1, T]``: the mean of all channels, as the host's encoders take it."""
    return _at_encoder_rate(waveform.mean(dim=1, keepdim=True), sample_rate)


def _loudness(audio: Audio) -> tuple[float, float]:
    """Mean and deviation of the audio at the encoder's rate, as wav2vec2 normalises by them; in constant memory."""
    count, total, squares = 0, 0.0, 0.0
    for block in audio.blocks(10 * audio.sample_rate):
        samples = _mono_at_encoder_rate(block.unsqueeze(0), audio.sample_rate).double()
        count, total, squares = (
            count + samples.numel(),
            total + samples.sum().item(),
            squares + (samples**2).sum().item(),
        )
    mean = total / count
    return mean, ((squares - count * mean**2) / max(1, count - 1) + 1e-7) ** 0.5
