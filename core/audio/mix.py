"""One sound under another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path

import numpy as np
import torch

from .channels import MOST_CHANNELS
from .lazy import Audio, Changed, digest
from .resampling import resampled

CHUNK_SECONDS = 10  # that are resampled at a time; filters see one more on both sides


class AtRate(Changed):
    """An ``Audio`` at another sample rate, with one channel or two."""

    def __init__(self, audio: Audio, sample_rate: int, channels: int):
        super().__init__(audio.mixed_to_stereo())
        self.sample_rate, self.channels = sample_rate, channels
        self.sample_count = -(-audio.sample_count * sample_rate // audio.sample_rate)

    @property
    def fingerprint(self) -> str:
        return digest("at rate", self.audio.fingerprint, self.sample_rate, self.channels)

    def secure(self, start: int, stop: int, folder: str | Path, on_piece: Callable[[], None]) -> object:
        rate, length = self.audio.sample_rate, CHUNK_SECONDS * self.sample_rate
        first, _ = _heard_for(start // length)
        _, last = _heard_for(-(-stop // length) - 1)
        return super().secure(first * rate, min(self.audio.sample_count, last * rate), folder, on_piece)

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        if self.audio.sample_rate == self.sample_rate:
            yield from map(self._with_channels, self.audio.trimmed(start, stop)._pieces())
            return
        length = CHUNK_SECONDS * self.sample_rate
        for chunk in range(start // length, -(-stop // length)):
            samples = self._chunk(chunk)
            yield samples[:, max(0, start - chunk * length) : min(length, stop - chunk * length)]

    def _chunk(self, number: int) -> np.ndarray:
        first, last = _heard_for(number)
        samples = self.audio.between(first, last)
        assert samples is not None
        heard = resampled(samples["waveform"][0], samples.sample_rate, self.sample_rate)
        skipped = (number * CHUNK_SECONDS - first) * self.sample_rate
        heard = heard[:, skipped : skipped + CHUNK_SECONDS * self.sample_rate]
        return self._with_channels(torch.as_tensor(heard).numpy())

    def _with_channels(self, samples: np.ndarray) -> np.ndarray:
        if self.channels == 1:
            return samples.mean(axis=0, keepdims=True)
        return np.broadcast_to(samples, (self.channels, samples.shape[1]))


def _heard_for(chunk: int) -> tuple[int, int]:
    """The seconds that a chunk is made of, those of the filter's sides included."""
    return max(0, chunk * CHUNK_SECONDS - 1), (chunk + 1) * CHUNK_SECONDS + 1


class Mixed(Changed):
    """An ``Audio`` with another under it, at its own length, rate and channels.

    gain: what the other is multiplied by; it begins with this one, and is silent once it is over.
    """

    def __init__(self, audio: Audio, under: Audio, gain: float):
        super().__init__(audio)
        self.under = Audio(AtRate(under, audio.sample_rate, min(audio.channels, MOST_CHANNELS)))
        self.gain = gain

    @property
    def fingerprint(self) -> str:
        return digest("mixed", self.audio.fingerprint, self.under.fingerprint, self.gain)

    def secure(self, start: int, stop: int, folder: str | Path, on_piece: Callable[[], None]) -> object:
        last = min(stop, self.under.sample_count)
        held = self.under._secure(start, last, folder, on_piece) if start < last else None
        return super().secure(start, stop, folder, on_piece), held

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        last = min(stop, self.under.sample_count)
        under = self.under.trimmed(start, last).blocks(self.sample_rate) if start < last else ()
        for above, below in zip_longest(self.audio.trimmed(start, stop).blocks(self.sample_rate), under):
            mixed = above.numpy()
            if below is not None:
                mixed[: len(below), : below.shape[1]] += np.float32(self.gain) * below.numpy()
            yield mixed
