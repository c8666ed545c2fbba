"""Decoding MiniMax H3 latents turn by turn.

The host's VAE (comfy/ldm/minimax/vae.py) decodes a turn of 5 latents, 17 frames, together with the 2 that follow it,
and blends what it sees of their 5 frames into the next turn's. It takes all latents of a clip for that and holds all
of its frames. Here the turns come from outside, and only the frames that are still to be blended are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import comfy.ldm.minimax.vae
import comfy.model_management
import torch

from .steps import VaeOnDevice, Way, regrouped

TIME = -3  # the axis of ``[1, C, n, H, W]``


def decodes(vae: Any) -> bool:
    """Whether the host's VAE is MiniMax H3's, as a host has it that drives the model by a given sound.

    The tiny one is decoded in one go by the host.
    """
    model = vae.first_stage_model
    return isinstance(model, comfy.ldm.minimax.vae.MiniMaxH3VideoVAE) and hasattr(model, "_finalize_pixels")


def decode_turns(vae: Any, latents: Iterable[torch.Tensor], latent_count: int) -> Iterator[torch.Tensor]:
    """Consecutive latents ``[1, 24, n, H, W]`` -> ``[frames, 16 H, 16 W, 3]`` float32 in 0..1 on the CPU."""
    model, on_device = vae.first_stage_model, VaeOnDevice(vae)
    missing = int(model.decode_output_shape((1, 24, latent_count, 1, 1))[2])
    turn, ahead = model.tokens_chunk_size, model.token_overlap
    to_blend: torch.Tensor | None = None
    for chunk, is_last in _chunks(latents, turn, ahead):
        on_device.load(vae.memory_used_decode(chunk.shape, vae.vae_dtype))
        with comfy.model_management.cuda_device_context(vae.device):
            chunk = _denormalised(model, chunk.to(device=vae.device, dtype=vae.vae_dtype))
            decoded = model._adaptive_decode(chunk)
            frames, following = decoded.split(turn * model.vae_ratio_t, dim=TIME)
            frames, following = (part[:, :, model.frame_pre_padding :] for part in (frames, following))
            if to_blend is not None:
                frames = model.blend(to_blend, frames, model.frame_overlap, dim=TIME)
            if is_last:
                frames = torch.cat([frames, following], dim=TIME)
            to_blend = following.clone()
            frames = model._finalize_pixels(frames[:, :, :missing]).to(vae.output_device)
        missing -= frames.shape[2]
        yield frames[0].movedim(0, -1).float().cpu()


WAYS = (Way("a turn of frames at a time", decode_turns),)


def _chunks(latents: Iterable[torch.Tensor], turn: int, ahead: int) -> Iterator[tuple[torch.Tensor, bool]]:
    """A turn and those ahead of it, one turn after the other, the clip's last latent repeated behind its end.

    Of the last chunk what is ahead are the clip's last latents: 2 of 7 are one chunk, 5 two.
    """
    turns = regrouped(latents, turn, turn)
    held = next(turns)
    for following in turns:
        if following.shape[2] > ahead:
            yield torch.cat([held, following[:, :, :ahead]], dim=2), False
            held = following
        else:
            held = torch.cat([held, following], dim=2)
    yield _filled(held, turn + ahead), True


def _filled(latents: torch.Tensor, count: int) -> torch.Tensor:
    missing = count - latents.shape[2]
    return torch.cat([latents, latents[:, :, -1:].expand(-1, -1, missing, -1, -1)], dim=2)


def _denormalised(model: Any, latents: torch.Tensor) -> torch.Tensor:
    mean, deviation = (values.view(1, -1, 1, 1, 1).to(latents) for values in (model.latents_mean, model.latents_std))
    return latents * deviation + mean
