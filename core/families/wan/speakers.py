"""Several speakers for InfiniteTalk: who a token of the picture belongs to, and what it hears of whom.

The official code (wan/multitalk.py, wan/modules/attention.py, wan/utils/multitalk_utils.py of MeiGen-AI/InfiniteTalk)
knows two. In each block a token looks at the regions of the first frame, its own self-attention says whom it belongs
to, and a rotary position says so to the audio attention: 0 to 4 in the first speaker's, 20 to 24 in the second's, 12
in neither's; the first sound is at 2, the second at 22. That is the host's maths (comfy/ldm/wan/model_multitalk.py)
too, and its functions are called here. The host leaves out the third region, what is neither's: there it gives every
token to the speaker that it resembles more.

For three and four speakers nothing was trained. Here each hears at the distances that were: a token of the first
speaker's has its own sound at 2 and all others at 22, a token of any other speaker's its own at 22 and all others at 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from comfy.ldm.modules.attention import optimized_attention
from comfy.ldm.wan.model_multitalk import get_attn_map_with_target, normalize_and_scale

from ...errors import SoundToVideoError
from ...frames.regions import Region, fitted

MOST_SPEAKERS = 4
TOKEN_PIXELS = 16

# Keys in the host's transformer_options.
REGIONS, MAPS = (f"sound_to_video_infinitetalk_{name}" for name in ("regions", "maps"))


def token_regions(regions: Sequence[Region], picture: torch.Tensor, width: int, height: int, fit: str) -> torch.Tensor:
    """Which tokens of a frame are in whose region, ``[speakers, tokens]`` bool; one more row for those in nobody's.

    picture: ``[1, H, W, 3]``, what the regions are of.  width, height, fit: as it is shown.
    Raises SoundToVideoError for a region without a token, and for two that share one.
    """
    shown = torch.stack([fitted(region, picture, width, height, fit) for region in regions])
    size = height // TOKEN_PIXELS, width // TOKEN_PIXELS
    tokens = torch.nn.functional.interpolate(shown[None].float(), size=size, mode="nearest")[0].flatten(1) > 0
    for number, own in enumerate(tokens):
        if not own.any():
            raise SoundToVideoError(
                f"the region of speaker {number + 1} covers nothing of the picture at {width} x {height}: it is cut "
                f"off, or smaller than {TOKEN_PIXELS} pixels. Make it larger, or set image_fit to pad."
            )
        for other in range(number):
            if (own & tokens[other]).any():
                raise SoundToVideoError(
                    f"the regions of speakers {other + 1} and {number + 1} overlap: a place in the picture can be of "
                    "one speaker only. Move them apart in Speakers."
                )
    nobodys = ~tokens.any(dim=0)
    return torch.cat([tokens, nobodys[None]]) if nobodys.any() else tokens


@dataclass(frozen=True)
class AttentionMaps:
    """The host's patch behind self-attention: how much each token resembles each region, in REGIONS.

    A record, so that runs are told apart by it. The host's fails where both prompts go through in one batch.
    """

    def __call__(self, args: dict[str, Any]) -> torch.Tensor:
        options = args["transformer_options"]
        regions = options.get(REGIONS)
        if regions is not None:
            regions = regions.to(args["x"].device)
            pairs = zip(args["q"].split(1), args["k"].split(1), strict=True)
            options[MAPS] = [get_attn_map_with_target(*pair, options["grid_sizes"], regions) for pair in pairs]
        return args["x"]


def heard_by_all(
    attention: Any, x: torch.Tensor, heard: torch.Tensor, shape: Sequence[int], maps: torch.Tensor, speakers: int
) -> torch.Tensor:
    """What three speakers or more add to the picture's tokens, ``[1, T * S, C]``.

    attention: the patch's SingleStreamMultiAttention.  x: ``[1, T * S, C]``.  heard: ``[1, T, speakers * n, width]``.
    maps: ``[speakers or one more, T * S]``.  shape: latents, rows and columns.
    """
    frames, heads = shape[0], attention.num_heads
    near = 0, attention.class_interval
    far = attention.class_range - attention.class_interval, attention.class_range
    positions = [
        normalize_and_scale(own, (own.min(), own.max()), far if number else near)
        for number, own in enumerate(maps[:speakers])
    ]
    positions += [torch.full_like(own, attention.class_range // 2) for own in maps[speakers:]]
    belongs_to = maps.argmax(dim=0)
    queries = attention.q_linear(x[0]).unflatten(-1, (heads, -1)).transpose(0, 1)[None]
    position = torch.stack(positions)[belongs_to, torch.arange(len(belongs_to), device=belongs_to.device)]
    queries = attention.rope_1d(queries, position).unflatten(2, (frames, -1))[0].transpose(0, 1)
    keys, values = attention.kv_linear(heard[0]).unflatten(-1, (2, heads, -1)).movedim(2, 0)  # [T, speakers * n, H, c]
    values = values.transpose(1, 2)
    of_one = keys.shape[1] // speakers
    result = torch.zeros_like(queries)
    for number in range(len(maps)):
        own = number if number < speakers else 0  # what is nobody's is between the first and the others
        place, place_of_others = (sum(bucket) / 2 for bucket in ((far, near) if own else (near, far)))
        places = torch.full([speakers], place_of_others)
        places[own] = place
        places = places.to(keys).repeat_interleave(of_one).repeat(frames)
        placed = attention.rope_1d(keys.flatten(0, 1).transpose(0, 1)[None], places)
        placed = placed[0].unflatten(1, (frames, -1)).transpose(0, 1)
        seen = optimized_attention(queries, placed, values, heads=heads, skip_reshape=True, skip_output_reshape=True)
        mine = (belongs_to == number).view(frames, 1, -1, 1)
        result = torch.where(mine, seen, result)
    return attention.proj(result.transpose(1, 2).flatten(2)).flatten(0, 1)[None]
