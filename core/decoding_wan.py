"""Decoding Wan latents to frames group by group, the causal cache of every convolution carried along."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice
from typing import Any

import comfy.ldm.wan.vae
import comfy.model_management
import torch

NEEDED = (comfy.ldm.wan.vae.WanVAE, comfy.ldm.wan.vae.count_cache_layers)  # missed here, not after the sampling
SPATIAL_RATIO = 8
TILE, OVERLAP = 32, 8  # latents, as the host's VAE takes them when it runs out of memory (comfy/sd.py)


def decodes_causally(vae: Any) -> bool:
    """Whether the host's VAE is Wan's, of which the loop below is known."""
    return type(vae.first_stage_model) is comfy.ldm.wan.vae.WanVAE


def decode_wan(vae: Any, groups: Iterator[torch.Tensor], latent_count: int) -> Iterator[torch.Tensor]:
    """Decode groups of one latent, then two at a time; yields ``[1, frames, height, width, 3]`` as the host decodes.

    The loop of the host's ``WanVAE.decode`` (comfy/ldm/wan/vae.py), with the same numbers. Where the device's memory
    does not do for a whole frame, overlapping tiles are decoded, each with its own cache, and blended.
    """
    head = list(islice(groups, 2))  # the second group needs as much memory as any
    tiles = [_Tile(vae, slice(None), slice(None), latent_count)]
    decoded: list[torch.Tensor] = []
    try:
        decoded = [_decode(vae, group, tiles) for group in head]
    except Exception as error:
        comfy.model_management.raise_non_oom(error)
        tiles = []
    if not tiles:  # outside of the handler, which holds on to memory
        logging.warning("Sound to Video: not enough memory to decode whole frames, decoding them in tiles.")
        comfy.model_management.soft_empty_cache()
        height, width = head[0].shape[3:]
        tiles = [_Tile(vae, y, x, latent_count) for y in _spans(height) for x in _spans(width)]
        decoded = [_decode(vae, group, tiles) for group in head]
    yield from decoded
    for group in groups:
        yield _decode(vae, group, tiles)


class _Tile:
    """A part of the picture, ``y`` and ``x`` in latents, and the cache of its convolutions."""

    def __init__(self, vae: Any, y: slice, x: slice, latent_count: int):
        layers = comfy.ldm.wan.vae.count_cache_layers(vae.first_stage_model.decoder)
        self.cache: list | None = [None] * layers if latent_count > 1 else None
        self.y, self.x = y, x
        self._vae = vae

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        vae, model = self._vae, self._vae.first_stage_model
        hidden = model.conv2(latents[..., self.y, self.x].to(device=vae.device, dtype=vae.vae_dtype))
        frames = torch.cat(model.decoder(hidden, feat_cache=self.cache, feat_idx=[0]), dim=2)
        return frames.to(device=vae.output_device, dtype=vae.vae_output_dtype(), copy=True)


def _decode(vae: Any, latents: torch.Tensor, tiles: list[_Tile]) -> torch.Tensor:
    comfy.model_management.throw_exception_if_processing_interrupted()
    height, width = latents.shape[3:]
    memory = vae.memory_used_decode((*latents.shape[:2], 5, height, width), vae.vae_dtype) // len(tiles)
    comfy.model_management.load_models_gpu([vae.patcher], memory_required=memory)
    with comfy.model_management.cuda_device_context(vae.device):
        frames = tiles[0].decode(latents) if len(tiles) == 1 else _blended(latents, tiles)
        vae.process_output(frames)
    return frames.movedim(1, -1)


def _blended(latents: torch.Tensor, tiles: list[_Tile]) -> torch.Tensor:
    height, width = latents.shape[3:]
    total = weights = torch.zeros(0)
    for tile in tiles:
        frames = tile.decode(latents)
        if not total.numel():
            shape = (*frames.shape[:3], height * SPATIAL_RATIO, width * SPATIAL_RATIO)
            total, weights = frames.new_zeros(shape), frames.new_zeros(shape[3:])
        weight = _ramp(tile.y, height)[:, None] * _ramp(tile.x, width)[None, :]
        weight = weight.to(frames)
        y = slice(tile.y.start * SPATIAL_RATIO, tile.y.stop * SPATIAL_RATIO)
        x = slice(tile.x.start * SPATIAL_RATIO, tile.x.stop * SPATIAL_RATIO)
        total[..., y, x] += frames * weight
        weights[y, x] += weight
    return total / weights


def _spans(size: int) -> list[slice]:
    """Overlapping spans of at most ``TILE`` latents that cover ``size``."""
    starts = range(0, max(1, size - OVERLAP), TILE - OVERLAP)
    return [slice(min(start, max(0, size - TILE)), min(size, start + TILE)) for start in starts]


def _ramp(span: slice, size: int) -> torch.Tensor:
    """Weights of a span's pixels: 1 within, falling towards the edges that it shares with other spans."""
    length, overlap = (span.stop - span.start) * SPATIAL_RATIO, OVERLAP * SPATIAL_RATIO
    rising = (torch.arange(length) + 0.5) / overlap
    ramp = torch.ones(length)
    if span.start > 0:
        ramp = torch.minimum(ramp, rising)
    if span.stop < size:
        ramp = torch.minimum(ramp, rising.flip(0))
    return ramp
