"""The negative prompt is for the picture alone: the sound is given, and its stream keeps the positive prompt.

In the official pipeline for a given sound (Lightricks/LTX-2, ltx_pipelines a2vid_two_stage.py) the audio guider has no
negative context; the pass without the prompt then gives the sound the positive one (utils/denoisers.py
``_guided_denoise``). The host keeps what both streams read side by side in one context
(comfy/ldm/lightricks/av_model.py ``_prepare_context``), and its guiders take the negative prompt for both.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm
from typing import Any

import comfy.patcher_extension
import torch

from ..network_patches import with_wrapper

CONTEXT = "c_crossattn"


def with_sound_of_positive(model: Any) -> Any:
    """A clone of the host's LTX-AV MODEL whose negative prompts say nothing to the sound."""
    return with_wrapper(model, SoundOfPositive(), comfy.patcher_extension.WrappersMP.SAMPLER_SAMPLE)


@dataclass(frozen=True)
class SoundOfPositive:
    """Around a run of the host's sampler, after the prompts went through the model's own layers for them."""

    def __call__(self, executor: Any, guider: Any, *args: Any, **kwargs: Any) -> Any:
        positive, negative = (guider.conds.get(name) or [] for name in ("positive", "negative"))
        width = picture_width(guider.inner_model.diffusion_model)
        for index, entry in enumerate(negative):
            heard = positive[min(index, len(positive) - 1)]["model_conds"] if positive else {}
            read = entry["model_conds"]
            if CONTEXT in heard and CONTEXT in read:
                context = joined(read[CONTEXT].cond, heard[CONTEXT].cond, width)
                entry["model_conds"] = {**read, CONTEXT: type(read[CONTEXT])(context)}
        return executor(guider, *args, **kwargs)


def picture_width(network: Any) -> int:
    """How much of a context, ``[1, tokens, width]``, the picture reads; the rest is the sound's."""
    return network.cross_attention_dim if network.caption_proj_before_connector else network.caption_channels


def joined(picture: torch.Tensor, sound: torch.Tensor, width: int) -> torch.Tensor:
    """A context of what the picture reads of one and the sound of another, each ``[1, tokens, width + ...]``.

    The model's registers fill prompts up to one length. Those that still differ are repeated as a whole: attention to
    a text, which has no positions there, is the same for it.
    """
    tokens = lcm(picture.shape[1], sound.shape[1])
    halves = picture[..., :width], sound[..., width:].to(picture)
    return torch.cat([half.repeat(1, tokens // half.shape[1], 1) for half in halves], dim=-1)
