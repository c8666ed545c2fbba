"""What a family hears of an audio encoder: which of its features, at which rate, laid out how.

An encoder gives the output of every layer 50 times a second. A family wants some of it for each of its frames; how it
gets that, ``[bands, frames, width]``, is its ``FeatureLayout``. What a band is (a layer, the mean of several) and what
a frame hears of its neighbours is the family's own affair.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol

import torch

if TYPE_CHECKING:
    from ..audio import Audio


class FeaturePieces(Protocol):
    """The features of layers that come in pieces.  frame_count: the frames that all of them make."""

    frame_count: int

    def add(self, layers: torch.Tensor) -> tuple[slice, torch.Tensor]:
        """The next layers ``[layers, n, width]`` -> the frames that they complete, and those frames' features."""
        ...


class FeatureLayout(ABC):
    """A family's layout of features: a frozen dataclass, because features are kept under the layout that made them.

    rate: frames a second.
    In what follows ``layers`` is ``[layers, T, width]`` at the encoder's 50 a second, and ``sample_count`` counts the
    16 kHz samples that they were made of (the host's ``audio_samples``). At least one feature is of the sound.
    """

    rate: Fraction

    @abstractmethod
    def features(self, layers: torch.Tensor, sample_count: int) -> torch.Tensor:
        """Every layer at once -> ``[bands, frames, width]``: the frames that the sound reaches."""

    @abstractmethod
    def in_pieces(self, layer_count: int, sample_count: int) -> FeaturePieces:
        """The same for layers that come in pieces, ``layer_count`` features of each in all."""

    def from_encoder(self, audio: Audio, encoder: Any) -> torch.Tensor | None:
        """``[bands, frames, width]`` by the host's AUDIO_ENCODER itself; None where the layers are all that is needed.

        For families that change what happens between the encoder's layers.
        """
        return None


class Interpolation:
    """Features between features, linearly, for layers that come in pieces.

    positions: of every frame among the encoder's features, in ascending order; they may lie between two.
    """

    def __init__(self, positions: Sequence[float] | torch.Tensor):
        self._positions = torch.as_tensor(positions, dtype=torch.float64)
        self.frame_count = len(self._positions)
        self._held: torch.Tensor | None = None  # the last feature of the piece before
        self._taken = 0
        self._done = 0

    def add(self, layers: torch.Tensor) -> tuple[slice, torch.Tensor]:
        """See ``FeaturePieces``."""
        first = self._taken - (0 if self._held is None else 1)
        piece = layers if self._held is None else torch.cat([self._held, layers], dim=1)
        stop = first + piece.shape[1]
        self._taken, self._held = stop, piece[:, -1:]
        reached = int((self._positions <= stop - 1).sum())
        positions = self._positions[self._done : reached].to(piece.device) - first
        below = positions.floor().long().clamp(max=piece.shape[1] - 1)
        above = (below + 1).clamp(max=piece.shape[1] - 1)
        weight = (positions - below).to(piece.dtype)[None, :, None]
        frames, self._done = slice(self._done, reached), reached
        return frames, piece[:, below] * (1 - weight) + piece[:, above] * weight


def frames_between(features: torch.Tensor, start: int, stop: int) -> torch.Tensor:
    """The frames ``start ... stop - 1`` of ``[bands, frames, width]``; zeros before the sound and after it."""
    inside = features[:, max(0, start) : max(0, stop)]
    before = min(stop, 0) - min(start, 0)
    return torch.nn.functional.pad(inside, (0, 0, before, stop - start - before - inside.shape[1]))
