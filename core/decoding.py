"""Decoding latents to frames group by group, with the memory of one group.

Decoding windows with some overlap is not exact: the causal video VAEs look far back. Here the causal cache of every
convolution is carried from group to group, so that the frames equal those of one decode of the whole clip.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from typing import Any

import torch


def decode_stream(vae: Any, latents: Iterable[torch.Tensor], latent_count: int) -> Iterator[torch.Tensor]:
    """Decode consecutive latents to consecutive frames.

    vae: the host's VAE.  latents: ``[1, C, n, H, W]`` pieces of any lengths, ``latent_count`` latents in all.
    Yields ``[frames, height, width, 3]`` float32 in 0..1 on the CPU. A VAE without a causal cache known here is decoded
    in one go by the host.
    """
    wan, ltx = _decoder("decoding_wan"), _decoder("decoding_ltx")
    if wan and wan.decodes_causally(vae):
        groups = _regrouped(latents, first=1, following=2)
        yield from (_images(frames) for frames in wan.decode_wan(vae, groups, latent_count))
    elif ltx and ltx.decodes_in_pieces(vae):
        groups = _regrouped(latents, first=ltx.GROUP_LATENTS, following=ltx.GROUP_LATENTS)
        yield from (_images(frames) for frames in ltx.decode_ltx(vae, groups))
    else:
        yield _images(vae.decode(torch.cat(list(latents), dim=2)))


@cache
def _decoder(module: str) -> Any:
    """A decoder's module; None where this host lacks a part that it needs (its families have dropped out then)."""
    try:
        return import_module(f".{module}", __package__)
    except Exception:
        return None


def skip_frames(groups: Iterable[torch.Tensor], skip: int, frame_count: int) -> Iterator[torch.Tensor]:
    """``frame_count`` frames of a stream of frame groups, after leaving out the first ``skip``."""
    for group in groups:
        skipped = min(skip, group.shape[0])
        skip -= skipped
        group = group[skipped : skipped + frame_count]
        frame_count -= group.shape[0]
        if group.shape[0]:
            yield group
        if frame_count <= 0:
            return


def _images(decoded: torch.Tensor) -> torch.Tensor:
    """``[1, frames, height, width, 3]`` as the host decodes -> ``[frames, height, width, 3]`` float32 on the CPU."""
    return decoded.reshape(-1, *decoded.shape[-3:]).float().cpu()


def _regrouped(latents: Iterable[torch.Tensor], first: int, following: int) -> Iterator[torch.Tensor]:
    """Pieces of any lengths -> pieces of ``first``, then ``following`` latents each; the last may be shorter."""
    size, held = first, None
    for piece in latents:
        held = piece if held is None else torch.cat([held, piece], dim=2)
        while held.shape[2] >= size:
            yield held[:, :, :size]
            held, size = held[:, :, size:], following
    if held is not None and held.shape[2]:
        yield held
