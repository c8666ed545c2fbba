"""Decoding LTX latents to frames group by group.

The host's LTX decoder (comfy/ldm/lightricks/vae/causal_video_autoencoder.py) already works in pieces: every temporal
convolution keeps the frames that its next piece needs, also where it looks ahead (``causal_decoder`` false), and lets
them out when the end is marked. The host only does so within one decode of the whole clip, whose frames it holds. Here
the pieces come from outside, and what the convolutions keep is put aside between them, so that two clips on the same
VAE do not meet.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any

import comfy.ldm.lightricks.vae.causal_video_autoencoder as ltx
import comfy.model_management
import torch

from .steps import VaeOnDevice, Way, regrouped

NEEDED = (
    ltx.VideoVAE,
    ltx.Decoder.run_up,
    ltx.mark_conv3d_ended,
    ltx.get_max_chunk_size,
)  # missed here, not later
GROUP_LATENTS = 3


def decodes(vae: Any) -> bool:
    """Whether the host's VAE is the LTX video VAE, of the kind that adds no noise while decoding."""
    model = vae.first_stage_model
    return isinstance(model, ltx.VideoVAE) and not model.timestep_conditioning


def decode_groups(vae: Any, latents: Iterable[torch.Tensor], latent_count: int) -> Iterator[torch.Tensor]:
    """A few latents at a time, the least work."""
    return _decoded(vae, regrouped(latents, GROUP_LATENTS, GROUP_LATENTS))


def decode_latents(vae: Any, latents: Iterable[torch.Tensor], latent_count: int) -> Iterator[torch.Tensor]:
    """One latent at a time."""
    return _decoded(vae, regrouped(latents, 1, 1))


def decode_tiles(vae: Any, latents: Iterable[torch.Tensor], latent_count: int) -> Iterator[torch.Tensor]:
    """The host's own tiles, for want of memory for one latent; all frames are in the machine's memory at once."""
    tile = 256 // vae.spacial_compression_decode()
    decoded = vae.decode_tiled(torch.cat(list(latents), dim=2), tile_x=tile, tile_y=tile, overlap=tile // 4)
    yield decoded[0].float().cpu()


WAYS = (
    Way(f"{GROUP_LATENTS} latents at a time", decode_groups),
    Way("one at a time", decode_latents),
    Way("in tiles", decode_tiles),
)


def _decoded(vae: Any, groups: Iterator[torch.Tensor]) -> Iterator[torch.Tensor]:
    """Consecutive latents ``[1, 128, n, H, W]`` -> ``[frames, 32 H, 32 W, 3]`` float32 in 0..1 on the CPU.

    The frames come a few behind the latents, as many as the decoder looks ahead.
    """
    decoder = vae.first_stage_model.decoder
    carried, on_device = _Carried(decoder), VaeOnDevice(vae)
    given, taken = 0, 0
    group = next(groups, None)
    while group is not None:
        following = next(groups, None)
        on_device.load(vae.memory_used_decode(group.shape, vae.vae_dtype))
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
            yield frames[0].movedim(0, -1).float().cpu()
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
