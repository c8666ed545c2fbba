"""Decoding LTX-2.5 latents by its diffusion decoder, group by group.

The host's ``NADiffusionDecoder`` (comfy/ldm/lightricks/vae/na_diffusion_decoder.py) takes a whole clip at once: four
stages of blocks enlarge the latents, and more blocks draw the frames out of noise in one step, led by the result. A
block mixes frames in its attention alone, where each looks at ``kernel`` frames around it, at the ends of the clip at
as many within it. So every block can go on as soon as the next few frames are there: here it keeps the frames that are
still looked at, and the clip runs through all blocks in pieces. Positions count from the first frame that a block
holds; attention knows distances alone, so that the frames are those of one decode but for rounding.

The noise is another than in a decode of the host, which draws that of the whole clip at once, and another for another
length. Here every frame has its own, by its number: the opening of a clip is the same at any length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import comfy.ldm.lightricks.vae.na_diffusion_decoder as na  # pyright: ignore[reportMissingImports]  # host 0.32
import comfy.model_management
import torch

from .ltx_vae import decode_tiles
from .steps import VaeOnDevice, Way, regrouped

GROUP_LATENTS = 3
HELD_LATENTS = 3  # what all blocks keep between groups takes as much memory as decoding these

Pieces = Iterator[torch.Tensor]  # consecutive frames ``[1, n, H, W, C]``
Pairs = Iterator[tuple[torch.Tensor, torch.Tensor]]  # frames in the making, and the context that leads them


def decodes(vae: Any) -> bool:
    """Whether the host's VAE has LTX-2.5's diffusion decoder as it is published: one step from noise to picture."""
    model = vae.first_stage_model
    if not isinstance(model, na.CausalDiffusionVAE):
        return False
    return model.decoder.model_output_type == "x0" and len(model.decoder.default_inference_timesteps) == 1


def decode_groups(vae: Any, latents: Iterable[torch.Tensor], latent_count: int) -> Iterator[torch.Tensor]:
    """A few latents at a time, the least work."""
    return _decoded(vae, latents, latent_count, GROUP_LATENTS)


def decode_latents(vae: Any, latents: Iterable[torch.Tensor], latent_count: int) -> Iterator[torch.Tensor]:
    """One latent at a time."""
    return _decoded(vae, latents, latent_count, 1)


def decode_latents_kept(vae: Any, latents: Iterable[torch.Tensor], latent_count: int) -> Iterator[torch.Tensor]:
    """One latent at a time; what blocks keep lies in the machine's memory, so that the device has to hold one block."""
    return _decoded(vae, latents, latent_count, 1, torch.device("cpu"))


WAYS = (
    Way(f"{GROUP_LATENTS} latents at a time", decode_groups),
    Way("one at a time", decode_latents),
    Way("one at a time, what is kept in the machine's memory", decode_latents_kept),
    Way("in tiles", decode_tiles),
)


def noise_of_frame(number: int, height: int, width: int) -> torch.Tensor:
    """The noise ``[1, 3, 1, height, width]`` that a frame of a clip is drawn from, the same on every device."""
    return torch.randn([1, 3, 1, height, width], generator=torch.Generator().manual_seed(number))


def _decoded(
    vae: Any, latents: Iterable[torch.Tensor], latent_count: int, size: int, kept_on: torch.device | None = None
) -> Iterator[torch.Tensor]:
    """Latents ``[1, 128, n, H, W]`` -> ``[frames, 32 H, 32 W, 3]`` float32 in 0..1 on the CPU.

    The frames come some latents behind: as many as all blocks together look ahead.
    size: latents taken at a time.  kept_on: where frames wait that blocks still look at; None: on the VAE's device.
    """
    model, on_device = vae.first_stage_model, VaeOnDevice(vae)
    groups = regrouped(latents, size, size)
    first = next(groups)
    at_once = size + (HELD_LATENTS if kept_on is None else 1)
    memory = vae.memory_used_decode((*first.shape[:2], at_once, *first.shape[3:]), vae.vae_dtype)

    def as_tokens(group: torch.Tensor) -> torch.Tensor:
        group = group.to(device=vae.device, dtype=vae.vae_dtype)
        return model.per_channel_statistics.un_normalize(group).permute(0, 2, 3, 4, 1)

    blocks = _Blocks(model.decoder, kept_on or vae.device)
    frames = blocks.frames(map(as_tokens, chain([first], groups)), latent_count)
    while True:
        on_device.load(memory)
        with comfy.model_management.cuda_device_context(vae.device):
            piece = next(frames, None)
            if piece is None:
                return
            piece = piece.to(device=vae.output_device, dtype=vae.vae_output_dtype(), copy=True)
        vae.process_output(piece)
        yield piece[0].movedim(0, -1).float().cpu()


@dataclass(frozen=True)
class _Blocks:
    """The blocks of the host's ``NADiffusionDecoder``, which a clip goes through in pieces.

    kept_on: the device on which frames wait that a block still looks at.
    """

    decoder: Any
    kept_on: torch.device

    def frames(self, latents: Pieces, latent_count: int) -> Iterator[torch.Tensor]:
        """``NADiffusionDecoder.forward``: latents to frames ``[1, 3, n, 32 H, 32 W]``."""
        decoder = self.decoder
        context: Pieces = map(decoder.conv_in, _ended(latents, decoder.trailing_pad_latent_frames))
        for blocks, upsample in zip(decoder.det_stages, decoder.upsamples, strict=True):
            for block in blocks:
                context = self._through(block, context)
            context = _upsampled(upsample, context)
        context = _first(context, 1 + (latent_count - 1) * decoder.temporal_upscale)
        modulation = self._modulation()
        drawn = self._noised(context)
        for block in decoder.diff_blocks:
            drawn = self._led_through(block, drawn, modulation)
        for piece, _ in drawn:
            pixels = decoder.conv_out(decoder.norm_out(piece)).permute(0, 4, 1, 2, 3)
            yield na.unpatchify(pixels, patch_size_hw=decoder.patch_size, patch_size_t=1)

    def _modulation(self) -> tuple[torch.Tensor, ...]:
        """What the one step's time says to all diffusion blocks."""
        decoder = self.decoder
        time = decoder.default_inference_timesteps.to(decoder.conv_out.weight)
        return decoder.shared_adaln(decoder.t_embedder(decoder.timestep_scale_multiplier * time, dtype=time.dtype))

    def _noised(self, context: Pieces) -> Pairs:
        """The noise that frames are drawn from, as diffusion blocks take it, beside the context that leads them."""
        patch_size, start = self.decoder.patch_size, 0
        for piece in context:
            height, width = (side * patch_size for side in piece.shape[2:4])
            numbers = range(start, start + piece.shape[1])
            start = numbers.stop
            noise = torch.cat([noise_of_frame(number, height, width) for number in numbers], dim=2).to(piece)
            patches = na.patchify(noise, patch_size_hw=patch_size, patch_size_t=1)
            yield self.decoder.conv_in_x_t(patches.permute(0, 2, 3, 4, 1)), piece

    def _through(self, block: Any, pieces: Pieces) -> Pieces:
        """``NABlock.forward``."""
        for piece in self._attended(block.attn, pieces, block.norm1):
            yield block.mlp(piece, pre=block.norm2, add_to=piece)

    def _led_through(self, block: Any, pairs: Pairs, modulation: tuple[torch.Tensor, ...]) -> Pairs:
        """``DiffusionNABlock.forward``; the context of a frame goes on together with it."""
        own = block.scale_shift_table
        parts = [shared + row.view(1, 1, 1, 1, -1) for shared, row in zip(modulation, own, strict=True)]
        scale_attention, shift_attention, _, scale_mlp, shift_mlp, *_ = parts
        waiting: list[torch.Tensor] = []

        def led() -> Pieces:
            for piece, context in pairs:
                waiting.append(context)
                yield piece + block.context_proj(context)

        def before_attention(piece: torch.Tensor) -> torch.Tensor:
            return na.modulate(block.norm1(piece), scale_attention, shift_attention)

        def before_mlp(piece: torch.Tensor) -> torch.Tensor:
            return na.modulate(block.norm2(piece), scale_mlp, shift_mlp)

        for piece in self._attended(block.attn, led(), before_attention):
            context = torch.cat([part.to(piece) for part in waiting], dim=1)
            count = piece.shape[1]
            waiting[:] = [self._kept(context[:, count:])]
            yield block.mlp(piece, pre=before_mlp, add_to=piece), context[:, :count].clone()

    def _attended(self, attention: Any, pieces: Pieces, before: Callable[[torch.Tensor], torch.Tensor]) -> Pieces:
        """Frames with what they see of others added, each as soon as all that it looks at is there.

        before: from frames to what goes into the attention.
        """
        kernel = attention.kernel_size[0]
        held, done = None, 0  # frames that are looked at, of which the first ones are through
        for piece in pieces:
            held = piece if held is None else torch.cat([held.to(piece), piece], dim=1)
            ready = held.shape[1] - kernel // 2
            if ready <= done or held.shape[1] < kernel:
                continue
            yield held[:, done:ready] + attention(held, pre=before)[:, done:ready]
            first = held.shape[1] - kernel
            held, done = self._kept(held[:, first:]), ready - first
        if held is not None and held.shape[1] > done:
            held = held.to(attention.proj.weight)
            yield held[:, done:] + attention(held, pre=before)[:, done:]

    def _kept(self, frames: torch.Tensor) -> torch.Tensor:
        return frames.to(self.kept_on, copy=True)


def _ended(pieces: Pieces, count: int) -> Pieces:
    """The pieces, and the last frame ``count`` times more."""
    last = None
    for piece in pieces:
        last = piece[:, -1:]
        yield piece
    if last is not None and count:
        yield last.expand(-1, count, -1, -1, -1)


def _first(pieces: Pieces, count: int) -> Pieces:
    """The first ``count`` frames."""
    for piece in pieces:
        yield piece[:, :count]
        count -= piece.shape[1]
        if count <= 0:
            return


def _upsampled(upsample: Any, pieces: Pieces) -> Pieces:
    """Larger frames, and where time is doubled two for each; of those for the clip's first, the second alone."""
    is_first = True
    for piece in pieces:
        yield upsample(piece, drop_leading_frame=is_first)
        is_first = False
