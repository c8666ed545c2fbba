"""What decoding in groups takes, whatever the VAE: groups of a size, and the VAE on its device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import comfy.model_management
import torch


class Way(NamedTuple):
    """One of the ways to decode latents: how it is called in the log, and the function.

    decode: the host's VAE, pieces of latents ``[1, C, n, H, W]``, how many latents they are -> groups of frames
    ``[n, height, width, 3]`` float32 in 0..1 on the CPU.
    """

    words: str
    decode: Callable[[Any, Iterable[torch.Tensor], int], Iterator[torch.Tensor]]


def regrouped(latents: Iterable[torch.Tensor], first: int, following: int) -> Iterator[torch.Tensor]:
    """Pieces of any lengths -> pieces of ``first``, then ``following`` latents each; the last may be shorter."""
    size, held = first, None
    for piece in latents:
        held = piece if held is None else torch.cat([held, piece], dim=2)
        while held.shape[2] >= size:
            yield held[:, :, :size]
            held, size = held[:, :, size:], following
    if held is not None and held.shape[2]:
        yield held


class VaeOnDevice:
    """The host's VAE, loaded when the first group is decoded, and again only where it has been unloaded since.

    Each loading puts the small weights back and uploads them anew where the host loads weights as they are used.
    """

    def __init__(self, vae: Any):
        self._vae = vae
        self._was_loaded = False

    def load(self, memory: float) -> None:
        """memory: bytes that decoding a group takes beside the weights."""
        comfy.model_management.throw_exception_if_processing_interrupted()
        loaded = self._was_loaded and any(
            model is self._vae.patcher for model in comfy.model_management.loaded_models()
        )
        if not loaded:
            comfy.model_management.load_models_gpu([self._vae.patcher], memory_required=int(memory))
            self._was_loaded = True
