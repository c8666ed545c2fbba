"""What makes the sound drive the picture of LTX-2, beyond the text: guidance per modality.

The official pipelines (Lightricks/LTX-2: MultiModalGuider in ltx_core/components/guiders.py, and
ltx_pipelines/utils/denoisers.py) sample the full model with three kinds of guidance at once. With ``x`` the prediction
of the clean latent:

    x + (cfg - 1) (x - x without the prompt) + structure (x - x with one self-attention passed by)
      + (audio - 1) (x - x with picture and sound apart),  then scaled towards the deviation of x.

The first term is the host's CFG. The others are added here after it, for the picture alone: the sound is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import comfy.utils
import torch

from ...errors import SoundToVideoError
from ..extra_pass import predicted_again
from ..network_patches import Forward, ScaledAudio, forward_replaced
from .versions import version_of


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
    patched.set_model_sampler_post_cfg_function(_AfterCFG(guidance, structure_block(model)))
    return patched


def check_guidance(model: Any, guidance: Guidance) -> None:
    """Raise where the MODEL already carries, from nodes of newer hosts, the guidance that is asked for here too.

    Host 0.33: comfy_extras/nodes_lt.py LTXVModalityGuidance, LTXVSpatioTemporalGuidance. They add their terms after
    CFG, in a function inside the node's own ``execute``: both would count.
    """
    functions = model.model_options.get("sampler_post_cfg_function", [])
    makers = {getattr(function, "__qualname__", "").partition(".")[0] for function in functions}
    for node, node_name, wanted, name, off in (
        ("LTXVModalityGuidance", "LTXV Modality Guidance", guidance.audio != 1, "audio_guidance", 1),
        (
            "LTXVSpatioTemporalGuidance",
            "LTXV Spatio-Temporal Guidance",
            guidance.structure != 0,
            "structure_guidance",
            0,
        ),
    ):
        if wanted and node in makers:
            raise SoundToVideoError(
                f"{name} would be applied twice: the connected model went through {node_name}. Take that node out, "
                f"or set {name} to {off}."
            )


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
            without = _predicted_with(args, SelfAttentionPassedBy(self.block))
            change += guidance.structure * (clean - _picture(without, shapes))
        if guidance.audio != 1:
            without = _predicted_with(args, PictureAndSoundApart(), a2v_cross_attn=False, v2a_cross_attn=False)
            change += (guidance.audio - 1) * (clean - _picture(without, shapes))
        parts = comfy.utils.unpack_latents(args["denoised"], shapes)
        picture = parts[0].float() + change
        factor = guidance.rescale * clean.std() / picture.std() + (1 - guidance.rescale)
        parts[0] = (picture * factor).to(parts[0].dtype)
        return comfy.utils.pack_latents(parts)[0]


def structure_block(model: Any) -> int:
    """The block of the host's MODEL whose video self-attention is passed by."""
    blocks = model.get_model_object("diffusion_model").transformer_blocks
    return min(version_of(model).structure_block, len(blocks) - 1)


class HeardAudio(ScaledAudio):
    def listeners(self, network: Any) -> Iterable[torch.nn.Module]:
        return [block.audio_to_video_attn for block in network.transformer_blocks]


@dataclass(frozen=True)
class PictureAndSoundApart:
    """Around the network: picture and sound add nothing to each other, also in blocks that ignore the host's switch."""

    def __call__(self, executor: Any, *args: Any, **kwargs: Any) -> Any:
        def nothing(forward: Forward) -> Forward:
            return lambda x, *args, **kwargs: torch.zeros_like(x)

        blocks = executor.class_obj.transformer_blocks
        between = [part for block in blocks for part in (block.audio_to_video_attn, block.video_to_audio_attn)]
        with forward_replaced(between, nothing):
            return executor(*args, **kwargs)


@dataclass(frozen=True)
class SelfAttentionPassedBy:
    """Around the network: the video self-attention of one block returns its values, skipping attention."""

    block: int

    def __call__(self, executor: Any, *args: Any, **kwargs: Any) -> Any:
        block = executor.class_obj.transformer_blocks[self.block]
        passing_by = _PassingBy(block.attn1)
        with forward_replaced([block], passing_by.in_block), forward_replaced([block.attn1], passing_by.in_attention):
            return executor(*args, **kwargs)


class _PassingBy:
    """One run of a block without its video self-attention, whichever way the block computes it.

    The host's block calls the module ``attn1``; patches replace that module's ``forward`` by a kernel of their own
    (KJNodes' LTX2 Mem Eff Sage Attention), or the block's, and compute in it what the module would (its LTX2 Attention
    Tuner). In the last case the first attention from picture to picture is the one.
    """

    def __init__(self, attention: torch.nn.Module):
        self._attention = attention
        self._is_due = False

    def in_attention(self, forward: Forward) -> Forward:
        def values(x: torch.Tensor, *args: Any, transformer_options: dict[str, Any], **kwargs: Any) -> torch.Tensor:
            self._is_due = False
            options = {**transformer_options, "optimized_attention_override": lambda attention, q, k, v, *_, **__: v}
            host_forward = type(self._attention).forward  # its gate and output, not another pack's kernel
            kwargs["mask"] = None  # with one, for key frames, the host asks for attention in pieces
            return host_forward(self._attention, x, *args, transformer_options=options, **kwargs)

        return values

    def in_block(self, forward: Forward) -> Forward:
        def run(x: Any, *args: Any, transformer_options: dict[str, Any], **kwargs: Any) -> Any:
            self._is_due = True
            other = transformer_options.get("optimized_attention_override")
            options = {**transformer_options, "optimized_attention_override": self._first_of(x[0].shape, other)}
            result = forward(x, *args, transformer_options=options, **kwargs)
            if self._is_due:
                raise SoundToVideoError(
                    "structure_guidance does not reach the attention of the connected model: a patch on it computes "
                    "attention in a way of its own. Take the patch out, or set structure_guidance to 0."
                )
            return result

        return run

    def _first_of(self, shape: torch.Size, other: Callable[..., torch.Tensor] | None) -> Callable[..., torch.Tensor]:
        """An attention override of the host: the first attention of a picture of this shape to itself is passed by."""

        def override(attention: Callable[..., torch.Tensor], q, k, v, *args: Any, **kwargs: Any) -> torch.Tensor:
            if self._is_due and q.shape == v.shape == shape:
                self._is_due = False
                return v
            if other is None:
                return attention(q, k, v, *args, **kwargs)
            return other(attention, q, k, v, *args, **kwargs)

        return override


def _picture(packed: torch.Tensor, shapes: list) -> torch.Tensor:
    return comfy.utils.unpack_latents(packed, shapes)[0].float()


def _predicted_with(args: dict[str, Any], around_network: Callable[..., Any], **options: Any) -> torch.Tensor:
    """One more prediction for the positive condition, with a wrapper around the network."""
    return predicted_again(args, args["cond"], type(around_network).__name__, around_network, **options)
