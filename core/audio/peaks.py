"""What a waveform display needs of a sound: its peaks in time, and where it is silent.

Blocks of samples go in, small arrays come out, in memory that does not grow with the sound but for the result (2 bytes
a bin). Only ``sketch`` opens a file: it looks at places of it. Caches and the browser are the server's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import av.audio
import av.container
import numpy as np

from ..errors import SoundToVideoError
from .media import demuxed, open_media, streams_by_preference
from .probe import samples_of

FINEST_BINS_PER_SECOND = 1000
# 66 minutes at the finest resolution, 8 MB. A longer sound gets coarser bins, not more of them.
MOST_BINS = 4_000_000

LEVELS_PER_SECOND = 100
SILENCE_BELOW_LOUD_DB = 32.0
SILENCE_FLOOR_DB = -66.0
SHORTEST_SILENCE_SECONDS = 0.2


def bins_per_second_for(duration_seconds: float) -> int:
    """The resolution at which a sound of this length is kept: 1000 bins a second, halved until it fits."""
    bins_per_second = FINEST_BINS_PER_SECOND
    while duration_seconds * bins_per_second > MOST_BINS and bins_per_second > 1:
        bins_per_second //= 2
    return bins_per_second


class _Bins:
    """One value a bin of a stream of samples: bin ``i`` holds samples ``n`` with ``n * rate // sample_rate == i``."""

    def __init__(self, reduceat: Callable[..., np.ndarray], sample_rate: int, bins_per_second: int) -> None:
        self._reduceat = reduceat
        self._sample_rate = sample_rate
        self._rate = bins_per_second
        self._pending = np.zeros(0, np.float32)
        self._pending_from = 0  # sample at which _pending begins: always the first of a bin
        self.next_bin = 0

    def _first_sample(self, bins: np.ndarray | int) -> np.ndarray | int:
        return -((-bins * self._sample_rate) // self._rate)

    def feed(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Add samples [n]. Returns (values, samples per value) of the bins that became complete."""
        self._pending = np.concatenate([self._pending, samples]) if self._pending.size else samples
        complete = (self._pending_from + self._pending.size) * self._rate // self._sample_rate
        return self._take(complete, int(self._first_sample(complete)))

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """The last bin, which the end of the sound cut short (none where it ended on a border)."""
        last = self.next_bin + (1 if self._pending.size else 0)
        return self._take(last, self._pending_from + self._pending.size)

    def _take(self, until_bin: int, until_sample: int) -> tuple[np.ndarray, np.ndarray]:
        if until_bin <= self.next_bin:
            return np.zeros(0, np.float32), np.zeros(0, np.int64)
        starts = np.asarray(self._first_sample(np.arange(self.next_bin, until_bin))) - self._pending_from
        used = until_sample - self._pending_from
        values = self._reduceat(self._pending[:used], starts)
        counts = np.diff(np.append(starts, used))
        self._pending = self._pending[used:].copy()
        self._pending_from, self.next_bin = until_sample, until_bin
        return values, counts


class PeakMeter:
    """Peaks and loudness of a sound that comes in blocks.

    sample_rate: Hz.
    bins_per_second: of the peaks, see :func:`bins_per_second_for`.
    """

    def __init__(self, sample_rate: int, bins_per_second: int) -> None:
        self._lowest = _Bins(np.minimum.reduceat, sample_rate, bins_per_second)
        self._highest = _Bins(np.maximum.reduceat, sample_rate, bins_per_second)
        self._power = _Bins(np.add.reduceat, sample_rate, LEVELS_PER_SECOND)
        self._powers: list[np.ndarray] = []

    def feed(self, block: np.ndarray) -> np.ndarray:
        """Add a block [C, n] of samples in -1..1; returns the peaks [bins, 2] that it completed (:func:`quantised`)."""
        self._keep_power(self._power.feed(np.square(block, dtype=np.float32).mean(axis=0)))
        lowest, _ = self._lowest.feed(block.min(axis=0))
        highest, _ = self._highest.feed(block.max(axis=0))
        return quantised(lowest, highest)

    def finish(self) -> np.ndarray:
        """The peaks [0 or 1, 2] of the bin that the end of the sound cut short."""
        self._keep_power(self._power.finish())
        return quantised(self._lowest.finish()[0], self._highest.finish()[0])

    def levels(self) -> np.ndarray:
        """Loudness in dB below full scale, 100 values a second, of what was fed so far."""
        power = np.concatenate(self._powers) if self._powers else np.zeros(0, np.float32)
        return 10.0 * np.log10(np.maximum(power, 1e-12))

    def _keep_power(self, sums: tuple[np.ndarray, np.ndarray]) -> None:
        values, counts = sums
        if values.size:
            self._powers.append((values / counts).astype(np.float32))


def quantised(lowest: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """Peaks as int8 [bins, 2] of lowest, highest in 1/127; rounded outwards, so that no click disappears."""
    pairs = np.stack([np.floor(lowest * 127.0), np.ceil(highest * 127.0)], axis=1)
    return np.clip(pairs, -127, 127).astype(np.int8)


def reduced(peaks: np.ndarray, most_bins: int) -> np.ndarray:
    """At most ``most_bins`` peaks [n, 2] that cover the same sound as ``peaks`` [N, 2]."""
    if len(peaks) <= most_bins:
        return peaks
    starts = np.arange(most_bins) * len(peaks) // most_bins
    return np.stack([np.minimum.reduceat(peaks[:, 0], starts), np.maximum.reduceat(peaks[:, 1], starts)], axis=1)


def silences(levels_db: np.ndarray) -> list[tuple[float, float]]:
    """Stretches (start_seconds, end_seconds) of at least 0.2 s in which a sound rests.

    Silent is what lies 32 dB under the loud parts (the 95th percentile), or under -66 dB of full scale: speech pauses
    of a noisy recording count as well as digital silence.
    """
    if not levels_db.size:
        return []
    threshold = max(float(np.percentile(levels_db, 95)) - SILENCE_BELOW_LOUD_DB, SILENCE_FLOOR_DB)
    silent = np.concatenate([[False], levels_db < threshold, [False]])
    borders = np.flatnonzero(np.diff(silent.astype(np.int8))).reshape(-1, 2)
    long_enough = borders[:, 1] - borders[:, 0] >= SHORTEST_SILENCE_SECONDS * LEVELS_PER_SECOND
    return [(a / LEVELS_PER_SECOND, b / LEVELS_PER_SECOND) for a, b in borders[long_enough].tolist()]


@dataclass(frozen=True)
class Sketch:
    """A first, rough look at a file: ``peaks`` int8 [spots, 2], evenly spread over about ``duration_seconds``."""

    duration_seconds: float
    peaks: np.ndarray


def sketch(path: Path, spots: int, from_seconds: float = 0.0) -> Sketch | None:
    """Look at a long file at evenly spread places only, a few hundredths of a second at each.

    A one-hour MP3 takes seconds to decode but its picture can be guessed in tenths of one. Places are as near as the
    container's own index says, which is near enough for what is replaced by the true peaks a moment later.

    Returns None where the container does not tell its length, is shorter than ``from_seconds``, or cannot be sought in.
    """
    try:
        with open_media(path) as container:
            duration = (container.duration or 0) / av.time_base
            streams = streams_by_preference(container)
            if not streams or duration <= from_seconds:
                return None
            stream = streams[0]
            peaks = np.zeros((spots, 2), np.int8)
            for spot in range(spots):
                container.seek(int(duration * spot / spots * av.time_base))
                peaks[spot] = _peak_here(container, stream)
            return Sketch(duration, peaks)
    except (av.FFmpegError, OSError, SoundToVideoError):
        return None  # whoever opens it next says why


def _peak_here(container: av.container.InputContainer, stream: av.audio.AudioStream) -> np.ndarray:
    """The peak [2] of the few frames that come next; the first after a seek may be silent (bit reservoir)."""
    lowest = highest = 0.0
    decoded = 0
    for packet in demuxed(container, stream):
        try:
            frames = packet.decode()
        except av.FFmpegError:  # the middle of a frame, or the end of the file
            continue
        for frame in frames:
            samples = samples_of(frame)
            scale = 1.0 if samples.dtype.kind == "f" else float(np.iinfo(samples.dtype.name).max)
            offset = 128 if samples.dtype == np.uint8 else 0
            bottom, top = np.nan_to_num([float(samples.min()), float(samples.max())])
            lowest = min(lowest, (bottom - offset) / (127.0 if offset else scale))
            highest = max(highest, (top - offset) / (127.0 if offset else scale))
            decoded += 1
        if decoded >= 3:
            break
    return quantised(np.array([lowest]), np.array([highest]))[0]
