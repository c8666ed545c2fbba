"""A clip's latents on disk, segment after segment, so that memory does not grow with the clip's length."""

from __future__ import annotations

import logging
import math
import mmap
import tempfile
import threading
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import torch

from ..disk import read_whole, remove_when_possible, write_whole


@dataclass(frozen=True)
class _Piece:
    """A segment's latents: where they lie in the file, or themselves where the disk would not take them."""

    offset: int
    shape: tuple[int, ...]  # [n, channels, height, width]
    held: torch.Tensor | None = None


class LatentSpool(Sequence[torch.Tensor]):
    """The new latents of every segment so far: a sequence of ``[1, channels, n, height, width]`` float32 on the CPU.

    folder: where the file lies while this object lives. It is held open, and has no name where the system allows that:
    whoever empties the folder takes nothing away. A disk that is full is not an error: what it does not take stays in
    memory.
    """

    def __init__(self, folder: str | Path):
        self._pieces: list[_Piece] = []
        self._file: BinaryIO | None = None
        self._lock = threading.Lock()  # the file has one position
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                dir=folder, prefix="sound_to_video_", suffix=".latents", delete=False
            ) as file:
                path = Path(file.name)
            self._file = path.open("r+b", buffering=0)
        except OSError as error:
            logging.warning("Sound to Video: latents stay in memory, %s cannot be written: %s", folder, error)
        else:
            remove_when_possible(path)
            weakref.finalize(self, _closed_and_removed, self._file, path)

    def append(self, latents: torch.Tensor) -> None:
        """Add a segment's new latents, ``[1, channels, n, height, width]``."""
        frames_first = latents[0].transpose(0, 1).float().cpu().contiguous()
        offset = sum(math.prod(piece.shape) * 4 for piece in self._pieces)
        held = None
        try:
            if self._file is None or any(piece.held is not None for piece in self._pieces):
                held = frames_first
            else:
                with self._lock:
                    self._file.seek(offset)
                    write_whole(self._file, frames_first.numpy().data.cast("B"))
        except OSError as error:
            logging.warning("Sound to Video: latents stay in memory, the disk does not take them: %s", error)
            held = frames_first
        self._pieces.append(_Piece(offset, tuple(frames_first.shape), held))

    def __len__(self) -> int:
        return len(self._pieces)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self._read(piece) for piece in self._pieces[index]]
        return self._read(self._pieces[index])

    def __iter__(self) -> Iterator[torch.Tensor]:
        return map(self._read, self._pieces)

    def from_here(self) -> LatentHistory:
        """What is appended from now on, as it grows."""
        return LatentHistory(self, len(self))

    def _read(self, piece: _Piece) -> torch.Tensor:
        frames_first = piece.held
        if frames_first is None:
            assert self._file is not None
            frames_first = torch.empty(piece.shape)
            with self._lock:
                self._file.seek(piece.offset)
                read_whole(self._file, frames_first.numpy().data.cast("B"), "the clip's latents")
        return frames_first.transpose(0, 1).unsqueeze(0)

    def tensor(self) -> torch.Tensor:
        """All latents, ``[1, channels, latents, height, width]``; mapped from the file, read only when used."""
        if any(piece.held is not None for piece in self._pieces):
            return torch.cat(list(self), dim=2)
        shape = (sum(piece.shape[0] for piece in self._pieces), *self._pieces[0].shape[1:])
        try:
            if self._file is None:
                raise OSError("there is no file")
            size = math.prod(shape) * 4
            private = mmap.mmap(self._file.fileno(), size, access=mmap.ACCESS_COPY)
        except (OSError, ValueError) as error:  # ValueError: the file is shorter, or empty
            logging.warning("Sound to Video: latents on disk cannot be mapped, using memory instead: %s", error)
            return torch.cat(list(self), dim=2)
        mapped = torch.frombuffer(private, dtype=torch.float32)
        return mapped.view(shape).transpose(0, 1).unsqueeze(0)


def _closed_and_removed(file: BinaryIO, path: Path) -> None:
    file.close()
    remove_when_possible(path)


class LatentHistory(Sequence[torch.Tensor]):
    """The end of a spool, from one segment on; pieces are read from disk when indexed."""

    def __init__(self, spool: LatentSpool, start: int):
        self._spool, self._start = spool, start

    def __len__(self) -> int:
        return len(self._spool) - self._start

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self._spool[self._start + index % len(self)]

    def first(self) -> torch.Tensor:
        """The first latent, ``[1, channels, 1, height, width]``."""
        return next(iter(self))[:, :, :1]

    def last(self, latent_count: int) -> torch.Tensor:
        """The last latents, as many as there are up to ``latent_count``: ``[1, channels, n, height, width]``."""
        pieces: list[torch.Tensor] = []
        for piece in reversed(self):
            pieces.insert(0, piece)
            if sum(piece.shape[2] for piece in pieces) >= latent_count:
                break
        return torch.cat(pieces, dim=2)[:, :, -latent_count:]
