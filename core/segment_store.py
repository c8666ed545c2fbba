"""Finished sampler runs on disk: after an interrupt, a crash or ``kill -9`` a clip goes on at its next segment.

A run is kept under a key made of everything that determines its result (``content_key``), so that a stale one is never
used: change anything and the key is another. The store is bounded in size; the runs not used for longest go first.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

LIMIT_BYTES = 4 << 30
FORMAT = "1"  # goes into every key: count up when what is kept changes its meaning


def content_key(*values: Any) -> str:
    """A digest of nested dicts, sequences, records, partial functions, tensors, numbers and strings.

    Of other objects, their type's name. SHA-256 is what processors have instructions for; a tensor that occurs twice,
    as in positive and negative conditioning, is read once.
    """
    digest = hashlib.sha256()
    _feed(digest, (FORMAT, torch.__version__, values), {})
    return digest.hexdigest()[:40]


def _feed(digest: Any, value: Any, tensors: dict[int, tuple[torch.Tensor, bytes]]) -> None:
    """tensors: by id, those met so far (held, so that no other takes the id) and their digests."""
    if isinstance(value, torch.Tensor):
        if id(value) not in tensors:
            tensors[id(value)] = value, _tensor_digest(value)
        digest.update(tensors[id(value)][1])
    elif getattr(value, "is_nested", False):
        _feed(digest, ["nested", *value.unbind()], tensors)
    elif isinstance(value, Mapping):
        digest.update(f"mapping {len(value)}".encode())
        for key in sorted(value, key=str):
            _feed(digest, str(key), tensors)
            _feed(digest, value[key], tensors)
    elif isinstance(value, list | tuple):
        digest.update(f"sequence {len(value)}".encode())
        for item in value:
            _feed(digest, item, tensors)
    elif isinstance(value, str | bytes | int | float | bool) or value is None:
        digest.update(f"{type(value).__name__} {value!r}".encode())
    elif isinstance(value, functools.partial):
        _feed(digest, [value.func, value.args, value.keywords], tensors)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        digest.update(f"{type(value).__module__}.{type(value).__qualname__}".encode())
        _feed(digest, [getattr(value, field.name) for field in dataclasses.fields(value)], tensors)
    else:
        digest.update(f"{type(value).__module__}.{type(value).__qualname__}".encode())


def _tensor_digest(tensor: torch.Tensor) -> bytes:
    data = tensor.detach().cpu().contiguous()
    digest = hashlib.sha256(f"tensor {data.dtype} {tuple(data.shape)}".encode())
    digest.update(data.reshape(-1).view(torch.uint8).numpy().data)
    return digest.digest()


class SegmentStore:
    """A folder of finished runs. Nothing it does can fail a run: what cannot be kept or read is said and sampled."""

    def __init__(self, folder: str | Path, limit_bytes: int = LIMIT_BYTES):
        self.folder = Path(folder)
        self.limit_bytes = limit_bytes
        self.trouble: str | None = None  # why something could not be kept, in words

    def load(self, key: str) -> list[torch.Tensor] | None:
        """The tensors kept under ``key``; None when there are none, or when the file is damaged (it is removed)."""
        path = self._path(key)
        try:
            data = path.read_bytes()
            os.utime(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            logging.warning("Sound to Video: the finished segment %s cannot be read: %s", path, error)
            return None
        digest, content = data[:32], data[32:]
        try:
            if hashlib.sha256(content).digest() != digest:
                raise SafetensorError("its checksum does not fit")
            tensors = load(content)
        except SafetensorError as error:
            logging.warning("Sound to Video: the finished segment %s is damaged and is sampled anew: %s", path, error)
            self._discard(path)
            return None
        return [tensors[str(index)] for index in range(len(tensors))]

    def save(self, key: str, tensors: list[torch.Tensor]) -> None:
        """Keep tensors under ``key``: whole or not at all."""
        content = save({str(index): tensor.detach().cpu().contiguous() for index, tensor in enumerate(tensors)})
        path = self._path(key)
        partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._make_room(len(content))
            partial.write_bytes(hashlib.sha256(content).digest() + content)
            partial.replace(path)
        except OSError as error:
            self._discard(partial)
            self.cannot_keep(f"{error.strerror or error} ({self.folder})")

    def cannot_keep(self, reason: str) -> None:
        """Say why something is not kept: once, in the log and in ``trouble``."""
        if self.trouble is None:
            self.trouble = f"finished segments are not kept: {reason}"
            logging.warning("Sound to Video: %s", self.trouble)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.segment"

    def _make_room(self, size: int) -> None:
        """Remove the runs not used for longest until ``size`` more bytes fit, and what a crash left half-written."""
        for partial in self.folder.glob("*.partial"):
            if not partial.name.endswith(f".{os.getpid()}.partial"):
                self._discard(partial)
        kept = [(path.stat().st_mtime, path.stat().st_size, path) for path in self.folder.glob("*.segment")]
        excess = sum(entry[1] for entry in kept) + size - self.limit_bytes
        for _, length, path in sorted(kept):
            if excess <= 0:
                return
            self._discard(path)
            excess -= length

    @staticmethod
    def _discard(path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            logging.debug("Sound to Video: %s cannot be removed: %s", path, error)
