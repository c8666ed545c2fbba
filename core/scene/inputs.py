"""What is wired into a node, checked before any work: the host checks what is typed, not what comes over a link."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf
from numbers import Integral, Real
from typing import Any

import torch

from ..errors import SoundToVideoError, article
from ..tensors import no_tensor
from .prompts import START_KEY

LONGEST_NUMBER = 40  # characters of a value that a message repeats


def check_numbers(declared: Iterable[Any], given: Mapping[str, Any]) -> None:
    """Raise for a number that is none, or out of the range of its input; NaN passes the host's own check.

    declared: the inputs of a node's schema (``comfy_api.latest.io``).  given: what the node was called with, by name.
    """
    for entry in declared:
        kind: str = entry.get_io_type()
        value: Any = given.get(entry.id)
        if kind not in ("INT", "FLOAT") or entry.id not in given or (value is None and entry.optional):
            continue
        lowest, highest = (-inf if entry.min is None else entry.min), (inf if entry.max is None else entry.max)
        if not _is_within(value, Integral if kind == "INT" else Real, lowest, highest):
            wanted = f"{'a whole number' if kind == 'INT' else 'a number'} from {lowest} to {highest}"
            raise SoundToVideoError(f"{entry.id} is {_in_words(value)}: it must be {wanted}.")


def _is_within(value: Any, kind: type, lowest: float, highest: float) -> bool:
    is_number = isinstance(value, kind) and not isinstance(value, bool)
    return is_number and lowest <= value <= highest and value not in (inf, -inf)


def checked_sigmas(sigmas: Any, name: str) -> torch.Tensor:
    """SIGMAS as ``[steps + 1]`` float32; raises for what no sampler could go down along."""
    what = no_tensor(sigmas)
    if what:
        raise SoundToVideoError(f"{name} is {what}, not SIGMAS: connect a scheduler, or nothing.")
    if sigmas.ndim != 1 or len(sigmas) < 2:
        count = f"{sigmas.numel()} of them" if sigmas.ndim == 1 else f"a shape of {tuple(sigmas.shape)}"
        raise SoundToVideoError(f"{name} must be two noise levels or more in a row, not {count}.")
    levels = sigmas.float()
    if not levels.isfinite().all() or levels.min() < 0:
        raise SoundToVideoError(f"{name} has noise levels that are negative or no numbers.")
    if (levels.diff() > 0).any() or levels[0] <= levels[-1]:
        raise SoundToVideoError(f"{name} must go down from the highest noise level to the lowest.")
    return levels


def check_conditioning(conditioning: Any, name: str) -> None:
    """Raise for what is no CONDITIONING of the host's: ``[[tensor, dict], ...]``."""
    entries = conditioning if isinstance(conditioning, list | tuple) else []
    for entry in entries:
        if not (
            isinstance(entry, list | tuple)
            and len(entry) >= 2
            and no_tensor(entry[0]) is None
            and isinstance(entry[1], dict)
            and isinstance(entry[1].get(START_KEY, 0), Real)
        ):
            entries = []
    if not entries:
        raise SoundToVideoError(f"{name} is no CONDITIONING, or an empty one: connect a prompt.")


def check_clip(clip: Any) -> None:
    """Raise for what is no CLIP of the host's; a loader that found no text encoder gives None."""
    if not hasattr(clip, "tokenize") or not hasattr(clip, "encode_from_tokens_scheduled"):
        raise SoundToVideoError(f"clip is {_in_words(clip)}, not a CLIP: connect the text encoder of the model.")


def check_vae(vae: Any) -> None:
    """Raise for what is no VAE of the host's, or one whose file did not load."""
    if not hasattr(vae, "first_stage_model") or not hasattr(vae, "decode"):
        raise SoundToVideoError(f"vae is {_in_words(vae)}, not a VAE: connect the VAE of the model.")
    if vae.first_stage_model is None:
        raise SoundToVideoError("the connected VAE is empty: its file is no VAE. Load another.")


def _in_words(value: Any) -> str:
    """A short value as it stands, of any other its type."""
    if isinstance(value, int) and abs(value) >= 10**LONGEST_NUMBER:
        return f"a number of over {LONGEST_NUMBER} digits"
    text = repr(value) if isinstance(value, Real | str) else ""
    return text if 0 < len(text) <= LONGEST_NUMBER else article(type(value).__name__)
