"""Audio to features, by the host's wav2vec2 and Whisper encoders: what Audio Encode does for an AUDIO_ENCODER."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
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
from .encoded import ENCODER_SAMPLE_RATE, KINDS, LAYER_RATE, EncodedAudio, EncodedTrack, of_the_sound
from .layout import FeatureLayout

WHISPER_SECONDS = 30  # the host's Whisper pads or cuts to this
LAYER_KERNEL, LAYER_STEP = 400, 320  # 16 kHz samples that a feature of wav2vec2 is made of, and to the next one
WINDOW_SECONDS = 60  # of wav2vec2, where one pass does not fit
MARGIN_SECONDS = 5  # of context on both sides of what is kept from a window
SHORTEST_SECONDS = Fraction(1, 10)  # shorter audio is zero-padded: the encoders' convolutions need 25 ms
ONE_PASS_SHARE = 0.6  # of the device's memory
ONE_PASS_VALUES = 400  # held by one wav2vec2 pass for every 16 kHz sample: 512 channels at a fifth of the rate, 4 times


class EncoderFeatures(EncodedAudio):
    """Audio encoded by an AUDIO_ENCODER, kept as families hear it.

    kind: of the encoder (``encoder_kind``).  layouts: those that are wanted; all are made in one go.
    track_layouts: those that are wanted of each of the audio's tracks; for none of them it has none.
    Every layer at 50 a second would be 5 MB a second; core nodes that ask for it get it computed anew.
    """

    audio: Audio

    def __init__(
        self,
        audio: Audio,
        encoder: Any,
        kind: str,
        layouts: Sequence[FeatureLayout] = (),
        track_layouts: Sequence[FeatureLayout] = (),
    ):
        self.audio, self.kind, self.duration = audio, kind, audio.duration
        self._heard = audio
        self._encoder = encoder
        self._features = laid_out(audio, encoder, layouts)
        self.tracks = tuple(
            EncodedTrack(EncoderFeatures(track.audio, encoder, kind, track_layouts), track.region)
            for track in (audio.tracks if track_layouts else ())
        )

    def host_value(self, key: str) -> Any:
        if key == "audio_samples":
            return encoder_samples(self._heard)
        layers = all_layers(self._heard, self._encoder)
        return layers[-1] if key == "encoded_audio" else layers

    def features(self, layout: FeatureLayout) -> torch.Tensor:
        if layout not in self._features:
            self._features |= laid_out(self._heard, self._encoder, [layout])
        return self._features[layout]


def laid_out(audio: Audio, encoder: Any, layouts: Sequence[FeatureLayout]) -> dict[FeatureLayout, torch.Tensor]:
    """Audio of any length, rate and channel count, encoded once by the host's AUDIO_ENCODER for all of the layouts."""
    features: dict[FeatureLayout, torch.Tensor] = {}
    of_layers = []
    for layout in layouts:
        own = layout.from_encoder(audio, encoder)
        if own is None:
            of_layers.append(layout)
        else:
            features[layout] = own
    if of_layers and one_pass_fits(audio, encoder):
        try:
            samples = encoder_samples(audio)
            layers = of_the_sound(torch.cat(all_layers(audio, encoder)), samples, is_whisper(encoder))
            return features | {layout: layout.features(layers, samples).cpu() for layout in of_layers}
        except Exception as error:
            comfy.model_management.raise_non_oom(error)
            logging.warning("Sound to Video: not enough memory to encode the audio at once, doing so in windows.")
    return features | windowed_features(audio, encoder, of_layers)


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
    missing = rounded(SHORTEST_SECONDS * audio.sample_rate) - waveform.shape[-1]
    if missing > 0:
        waveform = torch.nn.functional.pad(waveform, (0, missing))
    return _layers(_at_encoder_rate(waveform, audio.sample_rate), encoder)


def _layers(waveform: torch.Tensor, encoder: Any) -> tuple[torch.Tensor, ...]:
    """The host's encoder on ``[1, channels, T]`` at its own rate, once the host has made room for what it computes."""
    make_room(encoder, waveform.shape[-1])
    return encoder.encode_audio(waveform, ENCODER_SAMPLE_RATE)["encoded_audio_all_layers"]


def make_room(encoder: Any, samples: int) -> None:
    """Load the encoder, with memory for one pass over so many 16 kHz samples."""
    comfy.model_management.load_models_gpu([encoder.patcher], memory_required=activation_bytes(samples, encoder))


def all_layers(audio: Audio, encoder: Any) -> tuple[torch.Tensor, ...]:
    """Every layer at 50 features a second, each ``[1, T, width]``: the host's values for audio of any length.

    The host's Whisper drops what comes after 30 s without a word.
    """
    if not is_whisper(encoder) or audio.duration <= WHISPER_SECONDS:
        return _one_pass(audio, encoder)
    layers = torch.cat([piece.cpu() for piece in _whisper_pieces(audio, encoder)], dim=1)
    return tuple(layers.split(1))


def is_whisper(encoder: Any) -> bool:
    return isinstance(encoder.model, WhisperLargeV3)


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
    """Whether the encoder can take the whole audio at once: Whisper has a limit, wav2vec2 the device's memory.

    By all of its memory, not by what is free now: the host makes room, and the same audio always goes the same way.
    """
    if is_whisper(encoder):
        return audio.duration <= WHISPER_SECONDS
    needed = activation_bytes(encoder_samples(audio), encoder)
    total: Any = comfy.model_management.get_total_memory(encoder.load_device)
    return needed < ONE_PASS_SHARE * total


def activation_bytes(samples: int, encoder: Any) -> int:
    """What one pass of the encoder over so many 16 kHz samples holds in memory beside its weights."""
    if not is_whisper(encoder):
        return samples * ONE_PASS_VALUES * torch.float32.itemsize  # what the host computes in
    # Whisper always sees 30 s: every layer is kept, and a layer on its way holds 16 times its width.
    transformer = encoder.model.encoder
    width = transformer.layer_norm.weight.shape[0]
    return WHISPER_SECONDS * LAYER_RATE * width * (len(transformer.layers) + 1 + 16) * torch.float32.itemsize


def windowed_features(
    audio: Audio, encoder: Any, layouts: Sequence[FeatureLayout]
) -> dict[FeatureLayout, torch.Tensor]:
    """The audio in overlapping windows, for all layouts: ``[bands, frames, width]`` of each, on disk."""
    features: dict[FeatureLayout, torch.Tensor] = {}
    if not layouts:
        return features
    count, samples = _layer_count(audio, encoder), encoder_samples(audio)
    under_way = {layout: layout.in_pieces(count, samples) for layout in layouts}
    pieces = _whisper_pieces(audio, encoder) if is_whisper(encoder) else _wav2vec2_pieces(audio, encoder)
    with closing(pieces):
        for layers in pieces:
            for layout, frames in under_way.items():
                place, values = frames.add(layers)
                if layout not in features:
                    shape = (values.shape[0], frames.frame_count, values.shape[2])
                    features[layout] = mapped_tensor(folder_paths.get_temp_directory(), shape, values.dtype)
                features[layout][:, place] = values.cpu()
    return features


def _layer_count(audio: Audio, encoder: Any) -> int:
    """Features of each layer, at 50 a second, for all of the audio."""
    if is_whisper(encoder):
        return max(1, rounded(audio.duration * LAYER_RATE))
    return (encoder_samples(audio) - LAYER_KERNEL) // LAYER_STEP + 1


def _whisper_pieces(audio: Audio, encoder: Any) -> Generator[torch.Tensor, None, None]:
    """``[layers, n, width]``, piece after piece."""
    for window, keep in windows(audio, WHISPER_SECONDS, _layer_count(audio, encoder)):
        yield torch.cat(_one_pass(window, encoder))[:, keep]


def _wav2vec2_pieces(audio: Audio, encoder: Any) -> Generator[torch.Tensor, None, None]:
    """``[layers, n, width]``, piece after piece.

    Loudness is normalised over the whole audio, as in one pass, not window by window.
    """
    mean, deviation = _loudness(audio)
    normalises, encoder.model.do_normalize = encoder.model.do_normalize, False
    try:
        for window, keep in windows(audio, WINDOW_SECONDS, _layer_count(audio, encoder)):
            waveform = mono_at_encoder_rate(window["waveform"], audio.sample_rate)
            if normalises:
                waveform = (waveform - mean) / deviation
            yield torch.cat(_layers(waveform, encoder))[:, keep]
    finally:
        encoder.model.do_normalize = normalises


def _at_encoder_rate(waveform: torch.Tensor, sample_rate: int) -> torch.Tensor:
    stop_if_interrupted = comfy.model_management.throw_exception_if_processing_interrupted
    return resampled(waveform, sample_rate, ENCODER_SAMPLE_RATE, stop_if_interrupted)


def mono_at_encoder_rate(waveform: torch.Tensor, sample_rate: int) -> torch.Tensor:
    """``[1, channels, T]`` -> ``[1, 1, T]``: the mean of all channels, as the host's encoders take it."""
    return _at_encoder_rate(waveform.mean(dim=1, keepdim=True), sample_rate)


def _loudness(audio: Audio) -> tuple[float, float]:
    """Mean and deviation of the audio at the encoder's rate, as wav2vec2 normalises by them; in constant memory."""
    count, total, squares = 0, 0.0, 0.0
    for block in audio.blocks(10 * audio.sample_rate):
        samples = mono_at_encoder_rate(block.unsqueeze(0), audio.sample_rate).double()
        count, total, squares = (
            count + samples.numel(),
            total + samples.sum().item(),
            squares + (samples**2).sum().item(),
        )
    mean = total / count
    return mean, ((squares - count * mean**2) / max(1, count - 1) + 1e-7) ** 0.5
