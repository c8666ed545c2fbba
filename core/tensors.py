"""Tensors: whether there are numbers in what comes over a link, and how many cores compute with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from .errors import article


def no_tensor(value: Any) -> str | None:
    """What ``value`` is, in words, where it is no tensor with numbers in rows and columns; None where it is one.

    Torch has tensors that look like others until they are computed with: without data (``meta``), nested, sparse,
    quantised, and of complex numbers.
    """
    if not isinstance(value, torch.Tensor):
        return article(type(value).__name__)
    for is_so, kind in (
        (value.is_meta, "a tensor without data (meta)"),
        (value.is_nested, "a nested tensor"),
        (value.layout != torch.strided, "a sparse tensor"),
        (value.is_quantized, "a quantised tensor"),
        (value.is_complex(), f"a tensor of {value.dtype}"),
    ):
        if is_so:
            return kind
    return None


@contextmanager
def on_few_cores() -> Iterator[None]:
    """Compute with a quarter of the threads: for what is done beside decoding and encoding, which have threads of their
    own. Torch's would spin between two operations and keep those from the cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // 4))
    try:
        yield
    finally:
        torch.set_num_threads(threads)
