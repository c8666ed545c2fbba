"""Decoding latents to frames group by group, with the memory of one group.

Decoding windows with some overlap is not exact: the causal video VAEs look far back. Here the causal cache of every
convolution is carried from group to group, so that the frames equal those of one decode of the whole clip.

Where the device's memory does not do, also in the middle of a clip, the clip is decoded anew in a way that takes less.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib import import_module
from typing import Any

import comfy.model_management
import torch

from ..plan import Plan, Segment
from .steps import Way


@dataclass(frozen=True)
class Decoder:
    """Decodes the latents of a plan: what a VIDEO keeps of the take that it comes from.

    vae: the host's VAE.  width, height: of the frames, in pixels.
    leads: for each of the plan's shots the latent ``[1, C, 1, H, W]`` that is decoded in front of its segments, its
    frame left out; without any, it is the shot's own first.  skipped_frames: left out at the clip's start together with
    a lead; None: no lead there.
    led_after_cuts: whether shots after a cut have a lead; a VAE whose latents hold turns of frames needs none.
    """

    vae: Any
    plan: Plan
    width: int
    height: int
    leads: Sequence[torch.Tensor] = ()
    skipped_frames: int | None = None
    led_after_cuts: bool = True

    @property
    def frame_rate(self) -> Fraction:
        return self.plan.frame_rate

    @property
    def frame_count(self) -> int:
        return self.plan.frame_count

    def frames(self, latents: Sequence[torch.Tensor]) -> Iterator[torch.Tensor]:
        """Decode the clip group by group in constant memory.

        latents: the new latents of every segment, in order, ``[1, C, n, H, W]``.
        Yields ``[frames, height, width, 3]`` float32 in 0..1 on the CPU; the first frame is the clip's first.
        """
        for number, segments in enumerate(self.plan.shots()):
            skip = self.skipped_frames
            if segments[0].index:
                skip = 1 if self.led_after_cuts else None
            shot = _Shot(latents, segments, skip is not None, self.leads[number] if self.leads else None)
            frames = decode_stream(self.vae, shot, shot.latent_count)
            yield from skip_frames(frames, skip or 0, self.plan.frame_count)

    def levels(self, latents: Sequence[torch.Tensor]) -> Iterator[torch.Tensor]:
        """As ``frames``: what is sampled has no 8 bits of its own, as footage has (``CompositeDecoder.levels``)."""
        return self.frames(latents)


@dataclass(frozen=True)
class _Shot(Iterable[torch.Tensor]):
    """The latents of segments that go on from each other; can be gone through again."""

    latents: Sequence[torch.Tensor]
    segments: list[Segment]
    is_led: bool
    lead: torch.Tensor | None

    @property
    def latent_count(self) -> int:
        return sum(segment.new_latents for segment in self.segments) + self.is_led

    def __iter__(self) -> Iterator[torch.Tensor]:
        start = self.segments[0].index
        for index in range(start, start + len(self.segments)):
            piece = self.latents[index]
            if self.is_led and index == start:
                yield piece[:, :, :1] if self.lead is None else self.lead.to(piece)
            yield piece


def decode_stream(vae: Any, latents: Iterable[torch.Tensor], latent_count: int) -> Iterator[torch.Tensor]:
    """Decode consecutive latents to consecutive frames.

    vae: the host's VAE.  latents: ``[1, C, n, H, W]`` pieces of any lengths, ``latent_count`` latents in all. They are
    gone through again where memory runs out; an iterator cannot be, and the error is passed on.
    Yields ``[frames, height, width, 3]`` float32 in 0..1 on the CPU. A VAE without a causal cache known here is decoded
    in one go by the host.
    """
    taken = 0
    ways = _ways(vae)
    while True:
        way, *ways = ways
        try:
            for frames in _from_frame(way.decode(vae, latents, latent_count), taken):
                taken += frames.shape[0]
                yield frames
            return
        except Exception as error:
            comfy.model_management.raise_non_oom(error)
            if not ways or iter(latents) is latents:
                raise
        # outside of the handler, which holds on to memory
        logging.warning("Sound to Video: not enough memory to decode %s, decoding %s.", way.words, ways[0].words)
        comfy.model_management.soft_empty_cache()


def _ways(vae: Any) -> Sequence[Way]:
    """How a VAE can be decoded, each with less memory than the one before."""
    for module in ("wan_vae", "ltx_vae", "ltx_diffusion_vae", "minimax_vae"):
        decoder = _decoder(module)
        if decoder and decoder.decodes(vae):
            return decoder.WAYS
    return (Way("the clip", _in_one_go),)


@cache
def _decoder(module: str) -> Any:
    """A decoder's module; None where this host lacks a part that it needs (its families have dropped out then)."""
    try:
        return import_module(f".{module}", __package__)
    except Exception:
        return None


def _in_one_go(vae: Any, latents: Iterable[torch.Tensor], latent_count: int) -> Iterator[torch.Tensor]:
    yield as_images(vae.decode(torch.cat(list(latents), dim=2)))


def _from_frame(groups: Iterable[torch.Tensor], first: int) -> Iterator[torch.Tensor]:
    for group in groups:
        if group.shape[0] > first:
            yield group[first:]
        first = max(0, first - group.shape[0])


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


def as_images(decoded: torch.Tensor) -> torch.Tensor:
    """``[1, frames, height, width, 3]`` as the host decodes -> ``[frames, height, width, 3]`` float32 on the CPU."""
    return decoded.reshape(-1, *decoded.shape[-3:]).float().cpu()
