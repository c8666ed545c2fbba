"""Decoding LTX latents to frames group by group.

The host's LTX decoder (comfy/ldm/lightricks/vae/causal_video_autoencoder.py) already works in pieces: every temporal
convolution keeps the frames that its next piece needs, also where it looks ahead (``causal_decoder`` false), and lets
them out when the end is marked. The host only does so within one decode of the whole clip, whose frames it holds. Here
the pieces come from outside, and what the convolutions keep is put aside between them, so that two clips on the same
VAE do not meet.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import comfy.ldm.lightricks.vae.causal_video_autoencoder as ltx
import comfy.model_management
import torch

NEEDED = (
    ltx.VideoVAE,
    ltx.Decoder.run_up,
    ltx.mark_conv3d_ended,
    ltx.get_max_chunk_size,
)  # missed here, not later
GROUP_LATENTS = 3


def decodes_in_pieces(vae: Any) -> bool:
    """Whether the host's VAE is the LTX video VAE, of the kind that adds no noise while decoding."""
    model = vae.first_stage_model
    return isinstance(model, ltx.VideoVAE) and not model.timestep_conditioning


def decode_ltx(vae: Any, groups: Iterator[torch.Tensor]) -> Iterator[torch.Tensor]:
    """Decode consecutive latents ``[1, 128, n, H, W]``; yields ``[1, frames, 32 H, 32 W, 3]`` as the host decodes.

    The frames come a few behind the latents, as many as the decoder looks ahead.
    """
    decoder = vae.first_stage_model.decoder
    carried = _Carried(decoder)
    given, taken = 0, 0
    group = next(groups, None)
    while group is not None:
        following = next(groups, None)
        comfy.model_management.throw_exception_if_processing_interrupted()
        memory = vae.memory_used_decode(group.shape, vae.vae_dtype)
        comfy.model_management.load_models_gpu([vae.patcher], memory_required=memory)
        given += group.shape[2]
        shape = list(decoder.decode_output_shape((*group.shape[:2], given, *group.shape[3:])))
        shape[2] -= taken  # all frames that may come now
        buffer = torch.empty(shape, dtype=vae.vae_output_dtype(), device=vae.output_device)
        with comfy.model_management.cuda_device_context(vae.device), carried:
            latents = group.to(device=vae.device, dtype=vae.vae_dtype)
            frames = buffer[:, :, : _decode_piece(vae.first_stage_model, latents, following is None, buffer)]
        if frames.shape[2]:
            vae.process_output(frames)
            taken += frames.shape[2]
            yield frames.movedim(1, -1)
        group = following


def _decode_piece(model: Any, latents: torch.Tensor, ended: bool, buffer: torch.Tensor) -> int:
    """What the host's ``Decoder.forward_orig`` does with a whole clip, for one piece. Returns the frames written."""
    decoder = model.decoder
    sample = model.per_channel_statistics.un_normalize(latents)
    if ended:
        ltx.mark_conv3d_ended(decoder.conv_in)
    sample = decoder.conv_in(sample, causal=decoder.causal)
    written = [0]
    if sample.shape[2]:
        chunk_size = ltx.get_max_chunk_size(sample.device)
        decoder.run_up(0, [sample], ended, None, None, lambda block: block, buffer, written, chunk_size)
    return written[0]


class _Carried:
    """The frames kept by the decoder's convolutions: in place inside the ``with``, put aside outside."""

    def __init__(self, decoder: torch.nn.Module):
        self._modules: list[Any] = [m for m in decoder.modules() if hasattr(m, "temporal_cache_state")]
        self._states: list[Any] = [None] * len(self._modules)

    def __enter__(self) -> None:
        for module, state in zip(self._modules, self._states, strict=True):
            module.temporal_cache_state.pop(threading.get_ident(), None)
            if state is not None:
                module.temporal_cache_state[threading.get_ident()] = state

    def __exit__(self, *error: object) -> None:
        self._states = [module.temporal_cache_state.pop(threading.get_ident(), None) for module in self._modules]
