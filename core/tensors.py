"""What comes over a link as a tensor: whether there are numbers in it that can be read."""

from __future__ import annotations

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
