"""What makes the sound drive the picture of LTX-2, beyond the text: guidance per modality.

The official pipelines (Lightricks/LTX-2: MultiModalGuider in ltx_core/components/guiders.py, and
ltx_pipelines/utils/denoisers.py) sample the full model with three kinds of guidance at once. With ``x`` the prediction
of the clean latent:

    x + (cfg - 1) (x - x without the prompt) + structure (x - x with one self-attention passed by)
      + (audio - 1) (x - x with picture and sound apart),  then scaled towards the deviation of x.

The first term is the host's CFG. The others are added here after it, for the picture alone: the sound is given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import comfy.samplers
import comfy.utils
import torch


@dataclass(frozen=True)
class Guidance:
    """audio: 1 = none, official 3.  structure: 0 = none, official 1.  rescale: 0 ... 1, official 0.7."""

    audio: float = 1.0
    structure: float = 0.0
    rescale: float = 0.7

    @property
    def passes(self) -> int:
        """How many more passes of the model a step takes."""
        return (self.audio != 1) + (self.structure != 0)


def guided(model: Any, guidance: Guidance) -> Any:
    """A clone of the host's LTX-AV MODEL with the guidance in force; the MODEL itself where there is none."""
    if not guidance.passes:
        return model
    patched = model.clone()
    block = structure_block(model.get_model_object("diffusion_model"))
    patched.set_model_sampler_post_cfg_function(_AfterCFG(guidance, block))
    return patched


@dataclass(frozen=True)
class _AfterCFG:
    """The host's post-CFG function that adds the guidance; a record, so that runs are told apart by its numbers."""

    guidance: Guidance
    block: int

    def __call__(self, args: dict[str, Any]) -> torch.Tensor:
        guidance = self.guidance
        shapes = args["cond"][0]["model_conds"]["latent_shapes"].cond
        clean = _picture(args["cond_denoised"], shapes)
        change = torch.zeros_like(clean)
        if guidance.structure:
            options = _with_attention_passed_by(args["model_options"], self.block)
            change += guidance.structure * (clean - _picture(_predict(args, options), shapes))
        if guidance.audio != 1:
            options = _with_transformer_options(args["model_options"], a2v_cross_attn=False, v2a_cross_attn=False)
            change += (guidance.audio - 1) * (clean - _picture(_predict(args, options), shapes))
        parts = comfy.utils.unpack_latents(args["denoised"], shapes)
        picture = parts[0].float() + change
        factor = guidance.rescale * clean.std() / picture.std() + (1 - guidance.rescale)
        parts[0] = (picture * factor).to(parts[0].dtype)
        return comfy.utils.pack_latents(parts)[0]


def structure_block(transformer: Any) -> int:
    """The block whose video self-attention is passed by: 28 for LTX-2.3, 29 for LTX-2 (ltx_pipelines constants.py)."""
    wanted = 28 if transformer.cross_attention_adaln else 29
    return min(wanted, len(transformer.transformer_blocks) - 1)


def scaled_audio(model: Any, scale: float) -> Any:
    """A clone of the MODEL in which what the sound adds to the picture is multiplied; the MODEL itself for 1."""
    if scale == 1:
        return model
    patched = model.clone()
    for index in range(len(model.get_model_object("diffusion_model.transformer_blocks"))):
        name = f"diffusion_model.transformer_blocks.{index}.audio_to_video_attn.forward"
        # By its full name: while another clone's patch is in place, the host keeps the original under it.
        patched.add_object_patch(name, partial(_scaled, model.get_model_object(name), scale))
    return patched


def _scaled(forward: Callable[..., torch.Tensor], scale: float, *args: Any, **kwargs: Any) -> torch.Tensor:
    return forward(*args, **kwargs) * scale


def _picture(packed: torch.Tensor, shapes: list) -> torch.Tensor:
    return comfy.utils.unpack_latents(packed, shapes)[0].float()


def _predict(args: dict[str, Any], model_options: dict[str, Any]) -> torch.Tensor:
    return comfy.samplers.calc_cond_batch(args["model"], [args["cond"]], args["input"], args["sigma"], model_options)[0]


def _with_transformer_options(model_options: dict[str, Any], **more: Any) -> dict[str, Any]:
    options = model_options.copy()
    options["transformer_options"] = {**options.get("transformer_options", {}), **more}
    return options


def _with_attention_passed_by(model_options: dict[str, Any], block: int) -> dict[str, Any]:
    """The options with the first attention of a block, its video self-attention, giving out its values unmixed."""
    patches = dict(model_options.get("transformer_options", {}).get("patches_replace", {}))
    blocks = dict(patches.get("dit", {}))
    inner = blocks.get(("double_block", block))

    def run_block(args: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
        attention = _PassFirstBy(args["transformer_options"].get("optimized_attention_override"))
        transformer_options = {**args["transformer_options"], "optimized_attention_override": attention}
        args = {**args, "transformer_options": transformer_options}
        return extra["original_block"](args) if inner is None else inner(args, extra)

    blocks["double_block", block] = run_block
    return _with_transformer_options(model_options, patches_replace={**patches, "dit": blocks})


class _PassFirstBy:
    """An attention override of the host: the first call gives back its values, the rest go on as they would have."""

    def __init__(self, inner: Callable[..., torch.Tensor] | None):
        self._inner, self._first = inner, True

    def __call__(self, attention: Callable[..., torch.Tensor], q, k, v, *args: Any, **kwargs: Any) -> torch.Tensor:
        if self._first:
            self._first = False
            return v
        return (
            attention(q, k, v, *args, **kwargs)
            if self._inner is None
            else self._inner(attention, q, k, v, *args, **kwargs)
        )
