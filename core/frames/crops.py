"""The square around the face, at the size that a model works at: its frames, its mask, and the way back."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from .footage import Footage
from .mouth import MouthPath


def scaled(images: Tensor, side: int) -> Tensor:
    """``[n, height, width, 3]`` in 0..1 to ``side`` x ``side``; itself where it has that size."""
    if images.shape[1:3] == (side, side):
        return images
    moved = images.movedim(-1, 1)
    resized = torch.nn.functional.interpolate(moved, (side, side), mode="bicubic", antialias=True, align_corners=False)
    return resized.clamp(0, 1).movedim(1, -1)


def token_masks(masks: Tensor, tokens: int) -> Tensor:
    """``[n, side, side]`` -> ``[n, tokens, tokens]``: of each token the maximum over the pixels that it holds."""
    return torch.nn.functional.adaptive_max_pool2d(masks[:, None], (tokens, tokens))[:, 0]


@dataclass
class Crops:
    """What a model sees of the footage: one crop for each frame that is sampled.

    size: of a crop at the model's, in pixels.  step: of how many frames of the clip one is sampled.
    frame_count: of the clip.
    """

    footage: Footage
    path: MouthPath
    size: int
    step: int
    frame_count: int
    _held: dict[int, Tensor] = field(default_factory=dict, repr=False)  # of the last stretch: the next one repeats some

    def frames(self, start: int, stop: int) -> Tensor:
        """Crops of the sampled frames ``start ... stop - 1``: ``[n, size, size, 3]`` in 0..1."""
        wanted = [min(index * self.step, self.frame_count - 1) for index in range(start, stop)]
        self._held = {index: self._held[index] for index in wanted if index in self._held}
        missing = [index for index in wanted if index not in self._held]
        if missing:
            indices = range(missing[0], missing[-1] + 1)
            for index, frame in zip(indices, self.footage.frames(indices.start, indices.stop), strict=True):
                if index in missing:
                    left, top, side = self.path.crop(self.footage.frame_at(index))
                    self._held[index] = scaled(frame[None, top : top + side, left : left + side], self.size)[0]
        return torch.stack([self._held[index] for index in wanted])

    def masks(self, start: int, stop: int, tokens: int) -> Tensor:
        """For each sampled frame ``[n, tokens, tokens]``: the maximum of the mask over a token's pixels, and over the
        frames up to the next sampled one."""
        found: dict[tuple, Tensor] = {}  # a face that is still has one mask

        def of(index: int) -> Tensor:
            frame = self.footage.frame_at(min(index, self.frame_count - 1))
            if not self.path.is_masked(frame):
                return torch.zeros([tokens, tokens])
            one_for_all = self.path.masks is None or len(self.path.masks) == 1
            key = (*self.path.crop(frame), *self.path.regions[frame]) if one_for_all else (frame,)
            if key not in found:
                found[key] = token_masks(self.path.mask(frame)[None], tokens)[0]
            return found[key]

        return torch.stack(
            [
                torch.stack([of(index * self.step + offset) for offset in range(self.step)]).amax(dim=0)
                for index in range(start, stop)
            ]
        )
