"""One sound under another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from .lazy import Audio, Changed, digest
from .resampling import resampled


class Mixed(Changed):
    """An ``Audio`` with another under it, at its own length, rate and channels.

    gain: what the other is multiplied by; it begins with this one, and is silent once it is over.
    """

    def __init__(self, audio: Audio, under: Audio, gain: float):
        super().__init__(audio)
        self.under, self.gain = under.mixed_to_stereo(), gain

    @property
    def fingerprint(self) -> str:
        return digest("mixed", self.audio.fingerprint, self.under.fingerprint, self.gain)

    def secure(self, start: int, stop: int, folder: str | Path, on_piece: Callable[[], None]) -> object:
        rate = self.under.sample_rate
        first, last = start * rate // self.sample_rate, -(-stop * rate // self.sample_rate)
        last = min(self.under.sample_count, last + rate)
        first = max(0, first - rate)
        held = self.under._secure(first, last, folder, on_piece) if first < last else None
        return super().secure(start, stop, folder, on_piece), held

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        for piece in self.audio.trimmed(start, stop)._pieces():
            mixed = piece.copy()
            stop = start + piece.shape[1]
            for second in range(start // self.sample_rate, -(-stop // self.sample_rate)):
                first = max(start, second * self.sample_rate)
                last = min(stop, (second + 1) * self.sample_rate)
                under = self._second(second)[:, first - second * self.sample_rate : last - second * self.sample_rate]
                mixed[: len(under), first - start : first - start + under.shape[1]] += np.float32(self.gain) * under
            yield mixed
            start = stop

    def _second(self, second: int) -> np.ndarray:
        """The other's second number ``second`` at this one's rate; filters see one more on both sides."""
        rate = self.under.sample_rate
        first, last = max(0, second - 1), second + 2
        if not self.under.reaches(second * rate + 1):
            return np.zeros((1, 0), np.float32)
        samples = self.under.between(first, last)
        assert samples is not None
        heard = resampled(samples["waveform"][0], rate, self.sample_rate)
        heard = heard[:, (second - first) * self.sample_rate :][:, : self.sample_rate]
        if self.channels == 1:
            heard = heard.mean(dim=0, keepdim=True)
        elif len(heard) == 1:
            heard = heard.expand(2, -1)
        return torch.as_tensor(heard).numpy()
