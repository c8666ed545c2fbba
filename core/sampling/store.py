"""Finished sampler runs on disk: after an interrupt, a crash or ``kill -9`` a clip goes on at its next segment.

A run is kept under a key made of everything that determines its result (``content.content_key``), so that a stale one
is never used: change anything and the key is another. The store is bounded in size; the runs not used for longest go
first.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from ..errors import SoundToVideoError, encodable
from ..leftovers import Kind, drop_oldest, sweep
from ..plain_files import read_plain

LIMIT_BYTES = 4 << 30
_DIGEST_BYTES = 32
_HEADER_BYTES = 1 << 16  # more than a file's checksum and the names and shapes of its tensors take
_KEPT = re.compile(r".+\.segment")
_PARTIAL = re.compile(r".+\.segment\..+\.partial")


class SegmentStore:
    """A folder of finished runs. Nothing it does can fail a run: what cannot be kept or read is said and sampled.

    Several processes may share the folder, also those of several machines. What this object has kept or found stays:
    where it alone fills the limit, the first segments of a clip are kept, those that the next run asks for first.
    """

    def __init__(self, folder: str | Path, limit_bytes: int = LIMIT_BYTES):
        self.folder = Path(folder)
        self.limit_bytes = limit_bytes
        self.trouble: str | None = None  # why something could not be kept, in words
        self._used: set[Path] = set()

    def load(self, key: str, like: Sequence[torch.Tensor] | None = None) -> list[torch.Tensor] | None:
        """The tensors kept under ``key``; None when there are none, or when the file is damaged (it is removed).

        like: what they have to agree with in number, shape and type; anybody may have put a file there.
        """
        path = self._path(key)
        most_bytes = self.limit_bytes if like is None else _HEADER_BYTES + sum(tensor.nbytes for tensor in like)
        try:
            data = read_plain(path, most_bytes)
            tensors = _checked(data, like)
        except FileNotFoundError:
            return None
        except OSError as error:
            logging.warning("Sound to Video: the finished segment %s cannot be read: %s", path, error)
            if not path.is_file():
                self._discard(path)
            return None
        except (SoundToVideoError, SafetensorError, ValueError) as error:
            logging.warning("Sound to Video: the finished segment %s is damaged and is sampled anew: %s", path, error)
            self._discard(path)
            return None
        with contextlib.suppress(OSError):  # another's file may be read, but not be touched
            os.utime(path)
        self._used.add(path)
        return tensors

    def save(self, key: str, tensors: list[torch.Tensor]) -> None:
        """Keep tensors under ``key``: whole or not at all."""
        content = save({str(index): tensor.detach().cpu().contiguous() for index, tensor in enumerate(tensors)})
        path = self._path(key)
        partial = path.with_name(f"{path.name}.{secrets.token_hex(8)}.partial")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not self._make_room(len(content) + _DIGEST_BYTES):
                self.cannot_keep(f"this clip alone fills the {self.limit_bytes / (1 << 30):.3g} GB there are for them")
                return
            partial.write_bytes(hashlib.sha256(content).digest() + content)
            partial.replace(path)
            self._used.add(path)
        except OSError as error:
            self._discard(partial)
            if not path.is_file():  # another process has kept the same run meanwhile, and Windows lets only one write
                self.cannot_keep(f"{error.strerror or error} ({self.folder})")

    def used(self) -> list[str]:
        """The names of the files that this object has kept or found."""
        return sorted(path.name for path in self._used)

    def cannot_keep(self, reason: str) -> None:
        """Say why something is not kept: once, in the log and in ``trouble``."""
        if self.trouble is None:
            self.trouble = encodable(f"finished segments are not kept: {reason}")
            logging.warning("Sound to Video: %s", self.trouble)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.segment"

    def _make_room(self, size: int) -> bool:
        """Whether ``size`` more bytes fit, once the runs of others that were not used for longest are removed.

        What a crash left half-written goes too, when nobody has written to it for an hour.
        """
        sweep([Kind(self.folder, _PARTIAL, deep=False)])
        drop_oldest(self.folder, _KEPT, max(0, self.limit_bytes - size), keep=self._used)
        return size + sum(_size(path) for path in self.folder.glob("*.segment")) <= self.limit_bytes

    @staticmethod
    def _discard(path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            logging.debug("Sound to Video: %s cannot be removed: %s", path, error)


def _checked(data: bytes, like: Sequence[torch.Tensor] | None) -> list[torch.Tensor]:
    """The tensors of a file's content. Raises ValueError or SafetensorError where they are not what was kept."""
    digest, content = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        raise ValueError("its checksum does not fit")
    named = load(content)
    if set(named) != {str(index) for index in range(len(named))}:
        raise ValueError("it holds something else")
    tensors = [named[str(index)] for index in range(len(named))]
    if like is not None and list(map(_form, tensors)) != list(map(_form, like)):
        raise ValueError("its latents have another size")
    if not all(bool(tensor.isfinite().all()) for tensor in tensors):
        raise ValueError("its latents are not numbers")
    return tensors


def _form(tensor: torch.Tensor) -> tuple[torch.Size, torch.dtype]:
    return tensor.shape, tensor.dtype


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # another process removed it meanwhile
        return 0
