"""Footage whose mouth is a sampled one: decoded crops set into the footage's own frames, where the mask is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import repeat

import torch
from torch import Tensor

from ..decoding.stream import Decoder
from ..frames.crops import Crops, scaled, token_masks
from ..timeline import exact

GROUP_BYTES = 64 << 20
SETTLING_SECONDS = exact(1)
RING = 0.12  # of the crop's side: how far around the mask colours are compared
COMPARED_SIDE, LEAST_RING = 64, 16  # pixels
MOST_CONTRAST = 1.25


@dataclass(frozen=True)
class CompositeDecoder:
    """Decodes a lip-synced clip: what its VIDEO keeps. Where the mask is 0, pixels are the footage's, bit for bit.

    decoder: of the crops' latents.  frame_rate, frame_count: of the footage under the sound.
    """

    decoder: Decoder
    crops: Crops
    frame_rate: Fraction
    frame_count: int

    @property
    def plan(self):
        return self.decoder.plan

    @property
    def width(self) -> int:
        return self.crops.footage.source.width

    @property
    def height(self) -> int:
        return self.crops.footage.source.height

    def frames(self, latents: Sequence[Tensor]) -> Iterator[Tensor]:
        """Decode group by group: ``[n, height, width, 3]`` float32 in 0..1 of the footage's own size."""
        crops = (crop for group in self.decoder.frames(latents) for crop in group)
        together = zip(self.crops.footage.frames(0, self.frame_count), self._between(crops), strict=False)
        group_frames = max(1, GROUP_BYTES // (self.width * self.height * 12))
        matching = ColourMatch(self.frame_rate)
        group: list[Tensor] = []
        for index, (frame, crop) in enumerate(together):
            group.append(self._composed(index, frame, crop, matching))
            if len(group) == group_frames:
                yield torch.stack(group)
                group = []
        if group:
            yield torch.stack(group)

    def _between(self, crops: Iterator[Tensor]) -> Iterator[Tensor]:
        """A crop for every frame of the clip: those not sampled are blended from the two around them."""
        step, before = self.crops.step, next(crops)
        for after in crops:
            yield before
            yield from (torch.lerp(before, after, number / step) for number in range(1, step))
            before = after
        yield from repeat(before, step + 1)  # the clip may be longer than what is sampled by less than that

    def _composed(self, index: int, frame: Tensor, crop: Tensor, matching: ColourMatch) -> Tensor:
        path, shown = self.crops.path, self.crops.footage.frame_at(index)
        if not path.is_masked(shown):
            return frame
        if shown in path.starts:
            matching.restart()
        left, top, side = path.crop(shown)
        mask = path.feathered(shown)
        known = frame[top : top + side, left : left + side]
        made = scaled(matching.matched(crop, known, mask)[None], side)[0]
        composed = frame.clone()
        composed[top : top + side, left : left + side] = torch.where(
            mask[..., None] > 0, torch.lerp(known, made, mask[..., None]), known
        )
        return composed


class ColourMatch:
    """Brings what is made to the colours of the footage: mean and deviation around the mask, where both are known."""

    def __init__(self, frame_rate: Fraction):
        self._share = 1 / max(1.0, float(frame_rate * SETTLING_SECONDS))
        self.restart()

    def restart(self) -> None:
        """Forget what was seen: another scene begins."""
        self._factor: Tensor | None = None
        self._offset: Tensor | None = None

    def matched(self, made: Tensor, known: Tensor, mask: Tensor) -> Tensor:
        """``made``: ``[size, size, 3]``, ``known``: ``[side, side, 3]``, ``mask``: ``[side, side]``, of one crop.

        Both are compared small, so that sharpness does not count.
        """
        ring = ring_of(token_masks(mask[None], COMPARED_SIDE)[0])
        if int(ring.sum()) >= LEAST_RING:
            made_small, known_small = (_small(image)[ring] for image in (made, known))
            made_deviation, deviation = made_small.std(dim=0), known_small.std(dim=0)
            factor = (deviation / made_deviation.clamp(min=1e-3)).clamp(1 / MOST_CONTRAST, MOST_CONTRAST)
            offset = known_small.mean(dim=0) - made_small.mean(dim=0) * factor
            if self._factor is None or self._offset is None:
                self._factor, self._offset = factor, offset
            self._factor = torch.lerp(self._factor, factor, self._share)
            self._offset = torch.lerp(self._offset, offset, self._share)
        if self._factor is None or self._offset is None:
            return made
        return (made * self._factor + self._offset).clamp(0, 1)


def _small(image: Tensor) -> Tensor:
    moved = image.movedim(-1, 0)[None]
    return torch.nn.functional.adaptive_avg_pool2d(moved, COMPARED_SIDE)[0].movedim(0, -1)


def ring_of(mask: Tensor) -> Tensor:
    """Where the mask is 0 next to where it is not, ``[side, side]`` bool."""
    reach = max(1, round(RING * mask.shape[0]))
    inside = (mask > 0).float()[None, None]
    # A square's reach, one side after the other.
    across = torch.nn.functional.max_pool2d(inside, (1, 2 * reach + 1), 1, (0, reach))
    around = torch.nn.functional.max_pool2d(across, (2 * reach + 1, 1), 1, (reach, 0))
    return (around > inside)[0, 0]
