"""Key frames of LTX-2: guide tokens behind a segment's latents, as core's LTXV Add Guide appends them.

A guide is a picture's latent at the time of a frame. It takes part in attention, takes no noise at full strength, and
is cut off after sampling (Lightricks/LTX-2, ltx_core VideoConditionByKeyframeIndex). What the node does is the host's
own: it gets latents that were encoded once, in place of a VAE.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from comfy_extras.nodes_lt import LTXVAddGuide

from ...plan import Plan, Segment

SCALE_FACTORS = (8, 32, 32)  # frames and pixels of a latent, as the VAE of the checkpoint has them


@dataclass(frozen=True)
class Guide:
    """frame: of the clip.  latents: of the picture at the size of every pass, ``[1, 128, 1, H, W]``."""

    frame: int
    latents: Sequence[torch.Tensor]
    strength: float


@dataclass(frozen=True)
class PassInputs:
    """What a pass is given: conditionings, latents ``[1, 128, n, H, W]`` and their noise mask, guides behind them."""

    positive: list
    negative: list
    picture: torch.Tensor
    mask: torch.Tensor


def frame_in_segment(guide_frame: int, segment: Segment, plan: Plan) -> int | None:
    """Where a segment that adds a frame of the clip has it; None for any other segment.

    The time 0 of a segment is that of the last frame of its first latent, one frame in the segment. After a cut that
    latent holds as many in the clip as any: they all are there.
    """
    first, stop = (
        plan.grid.first_frame(latent) for latent in (segment.latent_start + segment.overlap, segment.latent_stop)
    )
    if not first <= guide_frame < stop:
        return None
    return max(0, guide_frame - plan.grid.stride * segment.latent_start)


def with_guides(inputs: PassInputs, guides: Sequence[Guide], of_pass: int, segment: Segment, plan: Plan) -> PassInputs:
    """The inputs of a pass with the guides that the segment shows behind the latents; as they are for none."""
    for guide in guides:
        frame = frame_in_segment(guide.frame, segment, plan)
        if frame is not None:
            encoded = _Encoded(guide.latents[of_pass].to(inputs.picture))
            latent = {"samples": inputs.picture, "noise_mask": inputs.mask}
            result = LTXVAddGuide.execute(
                inputs.positive, inputs.negative, encoded, latent, encoded.picture, frame, guide.strength
            )
            positive, negative, latent = result.args
            inputs = PassInputs(positive, negative, latent["samples"], latent["noise_mask"])
    return inputs


class _Encoded:
    """In the place of a VAE: a picture that it has encoded already. ``picture`` stands for the picture, of its size."""

    downscale_index_formula = SCALE_FACTORS

    def __init__(self, latent: torch.Tensor):
        self._latent = latent
        height, width = (side * factor for side, factor in zip(latent.shape[3:], SCALE_FACTORS[1:], strict=True))
        self.picture = torch.zeros([1, 1, 1, 1]).expand(1, height, width, 3)

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        return self._latent
