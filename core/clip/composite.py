"""Footage whose mouth is a sampled one: decoded crops set into the footage's own frames, where the mask is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from ..decoding.stream import Decoder
from ..frames.crops import Crops, scaled, token_masks
from ..frames.footage_time import jumps, sampled_at
from ..frames.images import levels_of, no_numbers, pictures_of
from ..tensors import on_few_cores
from ..timeline import exact

GROUP_BYTES = 16 << 20
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
        return self._composed(latents, self.crops.footage.frames(0, self.frame_count))

    def levels(self, latents: Sequence[Tensor]) -> Iterator[Tensor]:
        """As ``frames``; over footage of 8 bits they have 8 bits, uint8. Raises SoundToVideoError for NaN in these."""
        return self._composed(latents, self.crops.footage.levels(0, self.frame_count))

    def _composed(self, latents: Sequence[Tensor], frames: Iterator[Tensor]) -> Iterator[Tensor]:
        crops = (crop for group in self.decoder.frames(latents) for crop in group)
        composer = _Composer(self.crops, self.frame_rate, self.frame_count)
        group, filled = torch.empty([0]), 0
        for index, (frame, crop) in enumerate(zip(frames, self._between(crops), strict=False)):
            if not filled:
                most = max(1, GROUP_BYTES // (frame.numel() * frame.element_size()))
                group = torch.empty([min(most, self.frame_count - index), *frame.shape], dtype=frame.dtype)
            with on_few_cores():
                group[filled] = frame
                composer.compose(index, group[filled], crop)
            filled += 1
            if filled == len(group):
                yield group
                filled = 0
        if filled:
            yield group[:filled]

    def _between(self, crops: Iterator[Tensor]) -> Iterator[Tensor]:
        """A crop for every frame of the clip, by ``sampled_at``; the last one also for frames behind it."""
        number, before = 0, next(crops)
        after = next(crops, before)
        for index in range(self.frame_count):
            wanted, share = sampled_at(index, self.crops.step)
            while number < wanted:
                number, before, after = number + 1, after, next(crops, after)
            yield torch.lerp(before, after, float(share)) if share else before


class _Composer:
    """Sets the mouths of a clip into its frames, one after another."""

    def __init__(self, crops: Crops, frame_rate: Fraction, frame_count: int):
        self._path, self._footage = crops.path, crops.footage
        self._begins = set(jumps(frame_count, crops.footage.count, crops.footage.when_longer, crops.path.starts))
        self._matching = ColourMatch(frame_rate)
        self._key: tuple = ()
        self._mask = torch.empty([0, 0])
        self._extent: tuple[slice, slice] | None = None

    def compose(self, index: int, frame: Tensor, crop: Tensor) -> None:
        """Change ``frame`` ``[height, width, 3]``, the clip's ``index``-th, where the mask is not 0."""
        shown = self._footage.frame_at(index)
        if index in self._begins or not self._path.is_masked(shown):
            self._matching.restart()
        if not self._path.is_masked(shown):
            return
        left, top, side = self._path.crop(shown)
        self._take_mask(shown)
        known = frame[top : top + side, left : left + side]
        made = scaled(self._matching.matched(crop, known, self._mask)[None], side)[0]
        if self._extent is None:
            return
        rows, columns = self._extent
        mask, known, made = self._mask[rows, columns, None], pictures_of(known[rows, columns]), made[rows, columns]
        blended = torch.where(mask > 0, torch.lerp(known, made, mask), known)
        if frame.dtype == torch.uint8:
            if not blended.sum().isfinite():
                raise no_numbers(index)
            blended = levels_of(blended)
        frame[top + rows.start : top + rows.stop, left + columns.start : left + columns.stop] = blended

    def _take_mask(self, shown: int) -> None:
        """The mask of a frame of the footage, and the rows and columns in which it is not 0; often the last ones."""
        key = self._path.mask_key(shown)
        if key == self._key:
            return
        self._key, self._mask = key, self._path.feathered(shown)
        rows, columns = ((self._mask > 0).any(dim=side).nonzero().flatten() for side in (1, 0))
        self._extent = (_from_first_to_last(rows), _from_first_to_last(columns)) if len(rows) else None


def _from_first_to_last(indices: Tensor) -> slice:
    return slice(int(indices[0]), int(indices[-1]) + 1)


class ColourMatch:
    """Brings what is made to the colours of the footage: mean and deviation around the mask, where both are known."""

    def __init__(self, frame_rate: Fraction):
        self._share = 1 / max(1.0, float(frame_rate * SETTLING_SECONDS))
        self._mask, self._ring = torch.empty([0, 0]), torch.empty([0, 0])
        self.restart()

    def restart(self) -> None:
        """Forget what was seen: another scene begins."""
        self._factor: Tensor | None = None
        self._offset: Tensor | None = None

    def matched(self, made: Tensor, known: Tensor, mask: Tensor) -> Tensor:
        """``made``: ``[size, size, 3]``, ``known``: ``[side, side, 3]``, in 0..1 or uint8, ``mask``: ``[side, side]``.

        Both are compared small, so that sharpness does not count.
        """
        if mask is not self._mask:
            self._mask, self._ring = mask, ring_of(token_masks(mask[None], COMPARED_SIDE)[0])
        ring = self._ring
        if int(ring.sum()) >= LEAST_RING:
            every = max(1, known.shape[0] // made.shape[0])  # of both about as many pixels
            made_small, known_small = _small(made)[ring], _small(pictures_of(known[::every, ::every]))[ring]
            made_deviation, deviation = made_small.std(dim=0), known_small.std(dim=0)
            factor = (deviation / made_deviation.clamp(min=1e-3)).clamp(1 / MOST_CONTRAST, MOST_CONTRAST)
            offset = known_small.mean(dim=0) - made_small.mean(dim=0) * factor
            if self._factor is None or self._offset is None:
                self._factor, self._offset = factor, offset
            self._factor = torch.lerp(self._factor, factor, self._share)
            self._offset = torch.lerp(self._offset, offset, self._share)
        if self._factor is None or self._offset is None:
            return made
        return (made * self._factor).add_(self._offset).clamp_(0, 1)


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
