"""Decoded sound on disk: what a clip will need, kept before hours are spent on its pictures."""

import logging
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ..disk import read_whole, write_whole

FULL_SCALE = 32768


class Spool:
    """Samples ``start`` to ``stop`` of a source, exact, in a temporary file that nobody else can take away.

    pieces: consecutive ``[C, n]`` float32. A piece whose samples are all 16-bit values takes half the room. What the
    disk does not take stays in memory. on_piece is called after each one; what it raises ends the writing.
    """

    def __init__(
        self, folder: str | Path, start: int, pieces: Iterator[np.ndarray], on_piece: Callable[[], None] = lambda: None
    ):
        self.start = self.stop = start
        self._blocks: list[tuple[int, np.ndarray | np.dtype, int, int]] = []  # first sample, samples or type, n, byte
        self._lock = threading.Lock()
        self._file = None
        self._is_full = False
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            # Without a name, or on Windows deleted when it is closed: at the latest when the process ends.
            self._file = tempfile.TemporaryFile(  # noqa: SIM115
                dir=folder, prefix="sound_to_video_", suffix=".sound", buffering=0
            )
        except OSError as error:
            self._stays_in_memory(error)
        for piece in pieces:
            self._append(piece)
            on_piece()

    def holds(self, sample: int) -> bool:
        return self.start <= sample < self.stop

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        """Pieces ``[C, n]`` float32 of ``start`` to ``stop``, which it holds."""
        for first, stored, length, offset in self._blocks:
            if first < stop and first + length > start:
                samples = stored if isinstance(stored, np.ndarray) else self._from_disk(stored, length, offset)
                yield samples[:, max(0, start - first) : stop - first]

    def _append(self, piece: np.ndarray) -> None:
        self._channels, length = piece.shape
        stored = np.ascontiguousarray(_as_16_bit(piece))
        block = (self.stop, piece, length, 0)
        if self._file is not None and not self._is_full:
            try:
                offset = self._file.seek(0, 2)
                write_whole(self._file, stored.data.cast("B"))
                block = (self.stop, stored.dtype, length, offset)
            except OSError as error:
                self._stays_in_memory(error)
        self._blocks.append(block)
        self.stop += length

    def _from_disk(self, dtype: np.dtype, length: int, offset: int) -> np.ndarray:
        assert self._file is not None
        samples = np.empty((self._channels, length), dtype)
        with self._lock:
            self._file.seek(offset)
            read_whole(self._file, samples.data.cast("B"), "samples of the clip's sound")
        return samples.astype(np.float32) / np.float32(FULL_SCALE) if dtype == np.int16 else samples

    def _stays_in_memory(self, error: OSError) -> None:
        self._is_full = True
        logging.warning("Sound to Video: the clip's sound stays in memory, the disk does not take it: %s", error)


def _as_16_bit(piece: np.ndarray) -> np.ndarray:
    """int16 where that loses nothing, else as it is."""
    scaled = piece * np.float32(FULL_SCALE)
    whole = scaled.clip(-FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    return whole if np.array_equal(whole, scaled) else piece
