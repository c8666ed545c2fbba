"""A name for any value, by what it is: the same for the same content in every process, another for any other."""

from __future__ import annotations

import dataclasses
import decimal
import enum
import fractions
import functools
import hashlib
import pathlib
import sys
import types
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

FORMAT = "2"  # goes into every key: count up when what is kept under one changes its meaning
_PLAIN = (
    *(str, bytes, int, float, complex, type(None), range, slice),
    *(fractions.Fraction, decimal.Decimal, pathlib.PurePath, torch.dtype),
)


class Unnameable(Exception):
    """A value holds something that cannot be told from others of its type: a closure, an object of another pack."""


@dataclasses.dataclass(frozen=True)
class ByGraph:
    """A value; where parts of it have no name, the graph of nodes that made it speaks for them.

    graph: called only then; None = there is no graph.
    """

    value: Any
    graph: Callable[[], Any]


def content_key(*values: Any) -> str:
    """A digest of nested dicts, sequences, sets, records, tensors, arrays, numbers, strings, and functions by name.

    SHA-256 is what processors have instructions for; a tensor that occurs twice, as in positive and negative
    conditioning, is read once.

    Raises Unnameable: There is something else among them, outside of a ``ByGraph`` with a graph.
    """
    content = _Content()
    content.feed((FORMAT, torch.__version__, values))
    if content.nameless:
        raise Unnameable(", ".join(sorted(set(content.nameless))))
    return content.digest.hexdigest()[:40]


class _Content:
    def __init__(self):
        self.digest = hashlib.sha256()
        self.nameless: list[str] = []
        self._tensors: dict[int, tuple[torch.Tensor, bytes]] = {}  # by id; held, so that no other takes the id

    def feed(self, value: Any) -> None:
        if isinstance(value, ByGraph):
            self._feed_by_graph(value)
        elif isinstance(value, torch.Tensor):
            self._feed_tensor(value)
        elif getattr(value, "is_nested", False):
            self.feed(["nested", *value.unbind()])
        elif isinstance(value, Mapping):
            self._say(f"mapping {len(value)}")
            for key in sorted(value, key=str):
                self.feed(key)
                self.feed(value[key])
        elif isinstance(value, list | tuple):
            self._say(f"sequence {len(value)}")
            for item in value:
                self.feed(item)
        elif isinstance(value, set | frozenset):
            self.feed(["set", *sorted(map(self._apart, value))])
        elif isinstance(value, enum.Enum):
            self._say(f"{_type_name(value)} {value.name}")
        elif isinstance(value, _PLAIN):
            self._say(f"{type(value).__name__} {value!r}")
        elif isinstance(value, np.ndarray | np.generic) and value.dtype != object:
            self._say(f"array {value.dtype} {value.shape}")
            self.digest.update(np.ascontiguousarray(value).tobytes())
        elif isinstance(value, torch.device | uuid.UUID):  # which of several alike, not what
            self._say(f"{type(value).__name__} {getattr(value, 'type', '')}")
        elif isinstance(value, functools.partial):
            self.feed(["partial", value.func, value.args, value.keywords])
        elif isinstance(value, types.MethodType):
            self.feed(["method", value.__func__, value.__self__])
        elif _is_found_by_name(value):
            self._say(f"name {_by_name(value)}")
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            self._say(_type_name(value))
            self.feed([getattr(value, field.name) for field in dataclasses.fields(value)])
        else:
            self._feed_nameless(value)

    def _say(self, text: str) -> None:
        self.digest.update(text.encode("utf-8", "surrogatepass"))

    def _apart(self, value: Any) -> bytes:
        content = _Content()
        content.feed(value)
        self.nameless += content.nameless
        return content.digest.digest()

    def _feed_by_graph(self, value: ByGraph) -> None:
        outside, self.nameless = self.nameless, []
        self.feed(value.value)
        if self.nameless:
            graph = value.graph()
            self.feed(graph)
            if graph is not None:
                self.nameless = []
        self.nameless = outside + self.nameless

    def _feed_tensor(self, value: torch.Tensor) -> None:
        if id(value) not in self._tensors:
            try:
                self._tensors[id(value)] = value, _tensor_digest(value)
            except (RuntimeError, TypeError):  # sparse, without data, or of a kind that cannot be read
                self._feed_nameless(value)
                return
        self.digest.update(self._tensors[id(value)][1])

    def _feed_nameless(self, value: Any) -> None:
        self.nameless.append(getattr(value, "__qualname__", None) or _type_name(value))
        self._say(_type_name(value))


def _type_name(value: Any) -> str:
    return _by_name(type(value))


def _by_name(value: Any) -> str:
    """Module and name of a function or class. The host names the modules of packs by their whole path: only its end."""
    module = str(value.__module__).replace("\\", "/").rpartition("/")[2]
    return f"{module}.{getattr(value, '__qualname__', '')}"


def _is_found_by_name(value: Any) -> bool:
    """Whether a function or class is the one that its module has under its name: no closure, no lambda."""
    if not isinstance(value, types.FunctionType | types.BuiltinFunctionType | type):
        return False
    found: Any = sys.modules.get(value.__module__)
    for name in value.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is value


def plain_parts(tensor: torch.Tensor) -> list[torch.Tensor]:
    """The tensor without its own class; for one that is made of others (the host's quantised weights), those."""
    tensor = tensor.detach()
    if is_traceable_wrapper_subclass(tensor):
        names, _ = tensor.__tensor_flatten__()
        return [part for name in names for part in plain_parts(getattr(tensor, name))]
    return [tensor.as_subclass(torch.Tensor)]


def _tensor_digest(tensor: torch.Tensor) -> bytes:
    parts = plain_parts(tensor)
    digest = hashlib.sha256()
    if len(parts) > 1:
        digest.update(f"{type(tensor).__name__} {len(parts)} {tensor.dtype} {tuple(tensor.shape)}".encode())
    for part in parts:
        data = part.cpu().contiguous()
        digest.update(f"tensor {data.dtype} {tuple(data.shape)}".encode())
        digest.update(data.reshape(-1).view(torch.uint8).numpy().data)
    return digest.digest()
