"""Decoding Wan latents to frames group by group, the causal cache of every convolution carried along."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import comfy.ldm.wan.vae
import comfy.model_management
import torch

from .steps import VaeOnDevice, Way, regrouped

NEEDED = (comfy.ldm.wan.vae.WanVAE, comfy.ldm.wan.vae.count_cache_layers)  # missed here, not after the sampling
SPATIAL_RATIO = 8
GROUP_LATENTS = 2
TILE, OVERLAP = 32, 8  # latents, as the host's VAE takes them when it runs out of memory (comfy/sd.py)
TILED_GROUPS = 4  # that a tile decodes in a row: moving its cache costs about as much as decoding a group


def decodes(vae: Any) -> bool:
    """Whether the host's VAE is Wan's, of which the loop below is known."""
    return type(vae.first_stage_model) is comfy.ldm.wan.vae.WanVAE


def decode_frames(vae: Any, latents: Iterable[torch.Tensor], latent_count: int) -> Iterator[torch.Tensor]:
    """Whole frames, the least work."""
    groups = regrouped(latents, 1, GROUP_LATENTS)
    tile, on_device = _Tile(vae, slice(None), slice(None), latent_count), VaeOnDevice(vae)

    def decode(group: torch.Tensor) -> torch.Tensor:
        on_device.load(_memory(vae, *group.shape[3:]))
        with comfy.model_management.cuda_device_context(vae.device):
            return _finished(vae, tile.decode(group))

    yield from [decode(group) for group in islice(groups, 2)]  # the second needs as much memory as any
    yield from map(decode, groups)


def decode_tiles(vae: Any, latents: Iterable[torch.Tensor], latent_count: int) -> Iterator[torch.Tensor]:
    """Overlapping tiles, each with its own cache, blended: a tile's memory, and all caches in the machine's."""
    groups, on_device = regrouped(latents, 1, GROUP_LATENTS), VaeOnDevice(vae)
    tiles: list[_Tile] = []
    while run := list(islice(groups, TILED_GROUPS)):
        height, width = run[0].shape[3:]
        tiles = tiles or [_Tile(vae, y, x, latent_count) for y in _spans(height) for x in _spans(width)]
        with comfy.model_management.cuda_device_context(vae.device):
            blend = _Blend(height, width)
            for tile in tiles:
                on_device.load(_memory(vae, min(TILE, height), min(TILE, width)))
                blend.add(tile, tile.decode_and_rest(run))
        yield _finished(vae, blend.frames())


WAYS = (Way("whole frames", decode_frames), Way("them in tiles", decode_tiles))


def _memory(vae: Any, height: int, width: int) -> float:
    """Bytes that a group of latents takes, as the host has it."""
    return vae.memory_used_decode((1, vae.latent_channels, 5, height, width), vae.vae_dtype)


def _finished(vae: Any, frames: torch.Tensor) -> torch.Tensor:
    vae.process_output(frames)
    return frames[0].movedim(0, -1).float().cpu()


class _Tile:
    """A part of the picture, ``y`` and ``x`` in latents, and the cache of its convolutions.

    The loop of the host's ``WanVAE.decode`` (comfy/ldm/wan/vae.py), with the same numbers.
    """

    def __init__(self, vae: Any, y: slice, x: slice, latent_count: int):
        layers = comfy.ldm.wan.vae.count_cache_layers(vae.first_stage_model.decoder)
        self.cache: list | None = [None] * layers if latent_count > 1 else None
        self.y, self.x = y, x
        self._vae = vae

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """One latent at first, then ``GROUP_LATENTS``; the cache stays on the device."""
        vae, model = self._vae, self._vae.first_stage_model
        hidden = model.conv2(latents[..., self.y, self.x].to(device=vae.device, dtype=vae.vae_dtype))
        frames = torch.cat(model.decoder(hidden, feat_cache=self.cache, feat_idx=[0]), dim=2)
        return frames.to(device=vae.output_device, dtype=vae.vae_output_dtype(), copy=True)

    def decode_and_rest(self, groups: list[torch.Tensor]) -> torch.Tensor:
        """Several groups; between calls the cache lies in the machine's memory, so that the device holds one tile's."""
        self._move_cache(self._vae.device)
        frames = [self.decode(group) for group in groups]
        self._move_cache(torch.device("cpu"))
        return torch.cat(frames, dim=2)

    def _move_cache(self, device: torch.device) -> None:
        for index, held in enumerate(self.cache or []):
            if isinstance(held, torch.Tensor):
                assert self.cache is not None
                self.cache[index] = held.to(device)


class _Blend:
    """Overlapping tiles of ``[1, 3, frames, H, W]`` added up, each weighted down towards the edges that it shares."""

    def __init__(self, height: int, width: int):
        self._size = height, width  # latents
        self._total: torch.Tensor | None = None
        self._weights: torch.Tensor | None = None

    def add(self, tile: _Tile, frames: torch.Tensor) -> None:
        height, width = self._size
        if self._total is None or self._weights is None:
            shape = (*frames.shape[:3], height * SPATIAL_RATIO, width * SPATIAL_RATIO)
            self._total, self._weights = frames.new_zeros(shape), frames.new_zeros(shape[3:])
        weight = (_ramp(tile.y, height)[:, None] * _ramp(tile.x, width)[None, :]).to(frames)
        y = slice(tile.y.start * SPATIAL_RATIO, tile.y.stop * SPATIAL_RATIO)
        x = slice(tile.x.start * SPATIAL_RATIO, tile.x.stop * SPATIAL_RATIO)
        self._total[..., y, x] += frames * weight
        self._weights[y, x] += weight

    def frames(self) -> torch.Tensor:
        assert self._total is not None and self._weights is not None
        return self._total / self._weights


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
