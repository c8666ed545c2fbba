"""The square around the face, at the size that a model works at: its frames, its mask, and the way back."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..tensors import on_few_cores
from ..timeline import Number
from .footage import Footage
from .footage_time import frames_of_sampled, sampled_frame
from .images import pictures_of
from .mouth import MouthPath

HELD_FRAMES = 64  # of the last stretch: the next one repeats some


def scaled(images: Tensor, side: int) -> Tensor:
    """``[n, height, width, 3]``, in 0..1 or uint8, to ``side`` x ``side``; itself where it has that size."""
    if images.shape[1:3] == (side, side):
        return images
    moved = images.movedim(-1, 1)
    resized = torch.nn.functional.interpolate(moved, (side, side), mode="bicubic", antialias=True, align_corners=False)
    return (resized if images.dtype == torch.uint8 else resized.clamp_(0, 1)).movedim(1, -1)


def token_masks(masks: Tensor, tokens: int) -> Tensor:
    """``[n, side, side]`` -> ``[n, tokens, tokens]``: of each token the maximum over the pixels that it holds."""
    return torch.nn.functional.adaptive_max_pool2d(masks[:, None], (tokens, tokens))[:, 0]


@dataclass
class Crops:
    """What a model sees of the footage: one crop for each frame that is sampled.

    size: of a crop at the model's, in pixels.  step: as in ``footage_time``.
    frame_count: of the clip.
    """

    footage: Footage
    path: MouthPath
    size: int
    step: Number
    frame_count: int
    _held: dict[int, Tensor] = field(default_factory=dict, repr=False)  # the last of the last stretch

    def frames(self, start: int, stop: int) -> Tensor:
        """Crops of the sampled frames ``start ... stop - 1``: ``[n, size, size, 3]`` in 0..1."""
        wanted = [min(sampled_frame(number, self.step), self.frame_count - 1) for number in range(start, stop)]
        crops = torch.empty([len(wanted), self.size, self.size, 3])
        places: dict[int, list[int]] = {}  # of the clip's last frame there may be several
        for place, index in enumerate(wanted):
            if index in self._held:
                crops[place] = self._held[index]
            else:
                places.setdefault(index, []).append(place)
        self._held = {}
        if places:
            indices = range(min(places), max(places) + 1)
            for index, frame in zip(indices, self.footage.levels(indices.start, indices.stop), strict=True):
                if index in places:
                    left, top, side = self.path.crop(self.footage.frame_at(index))
                    with on_few_cores():
                        crop = scaled(frame[None, top : top + side, left : left + side], self.size)
                        crops[places[index]] = pictures_of(crop)
        self._held = dict(zip(wanted[-HELD_FRAMES:], crops[-HELD_FRAMES:].clone(), strict=True))
        return crops

    def masks(self, start: int, stop: int, tokens: int) -> Tensor:
        """For each sampled frame ``[n, tokens, tokens]``: the maximum of the mask over a token's pixels, and over the
        frames up to the next sampled one."""
        found: dict[tuple, Tensor] = {}  # a face that is still has one mask

        def of(index: int) -> Tensor:
            frame = self.footage.frame_at(min(index, self.frame_count - 1))
            if not self.path.is_masked(frame):
                return torch.zeros([tokens, tokens])
            key = self.path.mask_key(frame)
            if key not in found:
                found[key] = token_masks(self.path.mask(frame)[None], tokens)[0]
            return found[key]

        return torch.stack(
            [
                torch.stack([of(index) for index in frames_of_sampled(number, self.step)]).amax(dim=0)
                for number in range(start, stop)
            ]
        )
