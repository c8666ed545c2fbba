"""Parts of a picture: who of several speakers is where in the reference image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from ..errors import SoundToVideoError
from ..tensors import no_tensor
from ..timeline import rounded
from .images import fitted_reference

INSIDE = 0.5  # of a mask
MARGIN = 0.05  # of a column and of the height, beside a speaker: face_scale of the official wan/multitalk.py


class Region(Protocol):
    """A part of a picture, whatever its size."""

    def drawn(self, height: int, width: int) -> torch.Tensor:
        """``[height, width]`` bool."""
        ...


@dataclass(frozen=True)
class Box:
    """Its edges, in 0..1 of the picture."""

    left: float
    top: float
    right: float
    bottom: float

    def drawn(self, height: int, width: int) -> torch.Tensor:
        inside = torch.zeros([height, width], dtype=torch.bool)
        rows, columns = (
            slice(*(rounded(edge * size) for edge in edges))
            for edges, size in (((self.top, self.bottom), height), ((self.left, self.right), width))
        )
        inside[rows, columns] = True
        return inside


@dataclass(frozen=True, eq=False)
class Painted:
    """What a mask ``[height, width]`` holds."""

    mask: torch.Tensor

    def drawn(self, height: int, width: int) -> torch.Tensor:
        size = {"size": (height, width), "mode": "nearest-exact"}
        return torch.nn.functional.interpolate(self.mask[None, None], **size)[0, 0] > INSIDE


def box(edges: Sequence[float], name: str) -> Box:
    """A box; raises where there is nothing in it.  edges: in the order of ``Box``.  name: whose it is, in words."""
    left, top, right, bottom = edges
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise SoundToVideoError(
            f"the box of {name} is empty: from {left:g} to {right:g} across, from {top:g} to {bottom:g} down. "
            "Left must be smaller than right, and top than bottom."
        )
    return Box(left, top, right, bottom)


def painted(mask: Any, name: str) -> Painted:
    """The first mask of a MASK; raises for what is none, and where it holds nothing.  name: of the input."""
    what = no_tensor(mask)
    if what is None and (mask.ndim not in (2, 3) or 0 in mask.shape):
        what = f"a tensor of the shape {tuple(mask.shape)}"
    if what is None and not (mask.is_floating_point() and mask.isfinite().all()):
        what = "a tensor with values that are no numbers"
    if what:
        raise SoundToVideoError(f"{name} is {what}, not a MASK: connect a mask of the speaker, or nothing.")
    mask = mask.detach().float().cpu()
    mask = mask if mask.ndim == 2 else mask[0]
    if not (mask > INSIDE).any():
        raise SoundToVideoError(f"{name} holds nothing: paint the speaker in the reference image.")
    return Painted(mask)


def columns(count: int) -> list[Box]:
    """The picture in equal columns from left to right, with the margins that the official code leaves between them."""
    return [
        Box((number + MARGIN) / count, MARGIN, (number + 1 - MARGIN) / count, 1 - MARGIN) for number in range(count)
    ]


def fitted(region: Region, picture: torch.Tensor, width: int, height: int, fit: str) -> torch.Tensor:
    """``[height, width]`` bool: the region once its picture ``[1, H, W, 3]`` is brought to width x height."""
    mask = region.drawn(*picture.shape[1:3])[None, :, :, None].float()
    return fitted_reference(mask, width, height, fit, "nearest-exact")[0, :, :, 0] > INSIDE
