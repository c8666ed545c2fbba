"""Drift: over many segments colour and contrast wander; a correction that holds them to a first segment's."""

from __future__ import annotations

import torch


class DriftCorrection:
    """Brings segments' latents towards the mean and deviation, channel by channel, of the one they are anchored to.

    strength: 0 leaves them as sampled, 1 makes mean and deviation equal. This is the statistics matching of adaptive
    instance normalisation (Huang and Belongie 2017, arXiv 1703.06868) on a segment as a whole, so that movement within
    the segment stays.
    """

    def __init__(self, strength: float):
        self.strength = strength
        self._anchor: tuple[torch.Tensor, torch.Tensor] | None = None

    def anchor(self, latents: torch.Tensor) -> None:
        """Hold what follows to these latents ``[1, channels, n, height, width]``: a scene begins with them."""
        self._anchor = _statistics(latents)

    def apply(self, latents: torch.Tensor) -> torch.Tensor:
        """``[1, channels, n, height, width]`` -> the same shape."""
        if not self.strength or self._anchor is None:
            return latents
        mean, deviation = _statistics(latents)
        matched = (latents - mean) / deviation.clamp(min=1e-6) * self._anchor[1] + self._anchor[0]
        return torch.lerp(latents, matched, self.strength)


def _statistics(latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    dimensions = (0, 2, 3, 4)
    return latents.mean(dimensions, keepdim=True), latents.std(dimensions, keepdim=True)
