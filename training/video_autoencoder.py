"""Train the picture's autoencoder: ``python -m training.video_autoencoder --hours 1``. Goes on where it was stopped.

The network is the host's own LTX-2 video VAE at a small width. It does not start from noise, from which it takes very
long to get beyond the mean colour, but from a principal component analysis of the training clips: one level of the
pyramid at a time (4x4 pixels, then 2x2x2 blocks of the level below), the leading components become its kernels'
middle taps, and the norms and activations are put where they are nearly straight lines. So the first step already
sees blurred but right pictures, and training sharpens them.
"""

from __future__ import annotations

import argparse
from typing import Any

from .host import DEVICE, WORK

# isort: split
import numpy as np
import torch
from comfy.ldm.lightricks.vae.causal_video_autoencoder import VideoVAE, mark_conv3d_ended, patchify

from .clips import curve_of, make_frames, make_sound, seeded, to_tensor
from .config import FRAME_RATE, VIDEO_VAE
from .progress import Clock, save, sheet

STATE = WORK / "video_autoencoder.pt"
FRAMES = 17
LINEAR = 0.15
"""How far signals move around the middle of norm and activation at the start, in units of that middle."""
NOISE_LEARNT = 0.2
"""Noise on latents that the decoder learns to see through: the transformer errs too."""
SLOPE, MIDDLE = 0.9277, 0.7311  # of SiLU at 1


def encode(vae: VideoVAE, clip: torch.Tensor) -> torch.Tensor:
    """``[batch, 3, 8n+1, height, width]`` to means ``[batch, 128, n+1, height/32, width/32]``, not normalised.

    As the host's ``VideoVAE.encode``, without cutting the clip into pieces, which autograd refuses.
    """
    mark_conv3d_ended(vae.encoder)
    try:
        return vae.encoder._forward_chunk(patchify(clip, vae.encoder.patch_size))[:, : vae.encoder.latent_channels]
    finally:
        forget(vae.encoder)


def decode(vae: VideoVAE, latents: torch.Tensor) -> torch.Tensor:
    return vae.decoder(latents)


def noised(latents: torch.Tensor, most: float | torch.Tensor) -> torch.Tensor:
    """``latents`` with noise of up to ``most``, one number for all or one for each of the batch."""
    amount = most * torch.rand(len(latents), 1, 1, 1, 1, device=latents.device)
    return latents + amount * torch.randn_like(latents)


def forget(network: torch.nn.Module) -> None:
    for module in network.modules():
        if hasattr(module, "temporal_cache_state"):
            module.temporal_cache_state.clear()


def batch(seed: int, count: int, frames: int = FRAMES) -> torch.Tensor:
    """Clips ``[count, 3, frames, size, size]`` in -1..1: a stretch somewhere in a sound, or its opening."""
    clips = []
    for index in range(count):
        random = seeded(1, seed, index)
        kind = "face" if random.random() < 0.75 else "shapes"
        name = "bursts" if kind == "face" else "drums"
        sound = make_sound(random, kind, 3.0) if random.random() < 0.02 else None
        samples = sound.samples if sound else quick_sound(random, name)
        curve = curve_of(kind, samples, int(3 * FRAME_RATE))
        start = random.integers(0, len(curve) - frames) if random.random() < 0.7 else 0
        clips.append(to_tensor(make_frames(random, kind, curve[start : start + frames])))
    return torch.stack(clips)


def quick_sound(random: np.random.Generator, name: str) -> np.ndarray:
    from .sounds import SOUNDS, mastered

    return mastered(random, SOUNDS[name](random, 3.0))


# ---- the start


def middle_tap(conv: Any, matrix: torch.Tensor, bias: torch.Tensor | None = None, at: tuple = (1, 1, 1)) -> None:
    """Make ``conv`` apply ``matrix [out, in]`` to each position alone."""
    weight, shift = conv.conv.weight, conv.conv.bias
    weight.zero_()
    shift.zero_()
    weight[: matrix.shape[0], : matrix.shape[1], at[0], at[1], at[2]] = matrix
    if bias is not None:
        shift[: len(bias)] = bias


def components(rows: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(the leading ``count`` components as rows ``[count, n]``, mean ``[n]``) of ``rows [samples, n]``."""
    mean = rows.mean(dim=0)
    _, vectors = torch.linalg.eigh(torch.cov((rows - mean).T.double()))
    return vectors.flip(1)[:, :count].T.float(), mean


def blocks(level: torch.Tensor) -> torch.Tensor:
    """``[b, c, 2t, 2h, 2w]`` as ``[b, c * 8, t, h, w]``, the order of the host's depth to space."""
    b, c, t, h, w = level.shape
    level = level.reshape(b, c, t // 2, 2, h // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 7, 2, 4, 6)
    return level.reshape(b, c * 8, t // 2, h // 2, w // 2)


def project(level: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    return torch.einsum("oc,bcthw->bothw", matrix, level)


@torch.no_grad()
def start_from_components(vae: VideoVAE, clips: torch.Tensor) -> None:
    encoder, decoder = vae.encoder, vae.decoder
    down = [block for block in encoder.down_blocks if not hasattr(block, "res_blocks")]
    up = [block for block in decoder.up_blocks if not hasattr(block, "res_blocks")][::-1]
    for network in (encoder, decoder):
        for name, parameter in network.named_parameters():
            if "conv2" in name:  # residual blocks start as nothing
                parameter.zero_()
            elif parameter.ndim > 1:
                torch.nn.init.kaiming_normal_(parameter, nonlinearity="linear")
            else:
                parameter.zero_()

    # Every frame that begins a clip stands for eight: the encoder repeats it.
    video = torch.cat([clips[:, :, :1].expand(-1, -1, 8, -1, -1), clips[:, :, 1:]], dim=2)
    level = patchify(video, encoder.patch_size)
    basis, mean = components(level.permute(0, 2, 3, 4, 1).reshape(-1, level.shape[1]), encoder.conv_in.out_channels)
    middle_tap(encoder.conv_in, basis, -basis @ mean, (2, 1, 1))
    level = project(level - mean.view(1, -1, 1, 1, 1), basis)

    # decoder_basis: how the decoder's features of a level make those of the level below (at first, pixels)
    width = min(decoder.conv_out.in_channels, encoder.conv_in.out_channels)
    pixels, pixel_mean = basis[:width].T, mean
    for index, (smaller, larger) in enumerate(zip(down, up, strict=True)):
        rows = blocks(level)
        flat = rows.permute(0, 2, 3, 4, 1).reshape(-1, rows.shape[1])
        flat = flat[torch.randperm(len(flat))[:200_000]]
        last = index == len(down) - 1
        count = encoder.latent_channels if last else smaller.out_channels
        basis, _ = components(flat, count)
        # the encoder: kernel taps 1, 2 of each axis in space, the last two in time, are the block
        smaller.conv.weight.zero_()
        taps = basis.reshape(count, level.shape[1], 2, 2, 2)
        smaller.conv.weight[:count, :, 1:, 1:, 1:] = taps
        # the decoder: only its first channels
        below, own = larger.out_channels // 8, larger.conv.conv.in_channels
        own = min(own, count)
        kept = basis[:own].reshape(own, level.shape[1], 8)[:, :below].reshape(own, -1)
        if last:
            top = project(rows, basis)
        middle_tap(larger.conv, kept.T)
        level = project(rows, basis)

    # the encoder's end: signals small around a middle of 1, where norm and activation are nearly straight
    spread = top.std()
    with torch.no_grad():
        down[-1].conv.weight *= LINEAR / spread
        down[-1].conv.bias.fill_(1.0)
        count = encoder.latent_channels
        scale = 1 / (LINEAR * SLOPE)
        middle_tap(encoder.conv_out, torch.eye(count) * scale, torch.full((count,), -MIDDLE * scale), (2, 1, 1))
    # the decoder: latents have deviation 1; the last level's features around 1
    middle_tap(decoder.conv_in, torch.eye(decoder.conv_in.out_channels)[:, : encoder.latent_channels] * spread)
    lowest = up[0].conv.conv
    features = project(patchify(video, encoder.patch_size) - pixel_mean.view(1, -1, 1, 1, 1), pixels.T)
    wide = LINEAR / features.std()
    lowest.weight *= wide
    lowest.bias += 1.0
    matrix = pixels / (wide * SLOPE)
    middle_tap(decoder.conv_out, matrix, pixel_mean - matrix @ torch.full((width,), MIDDLE))


# ---- training


def loss_of(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Absolute error, counted more where the picture moves, and of the differences between neighbours (edges)."""
    moving = (wanted - wanted.roll(1, dims=2)).abs().amax(dim=1, keepdim=True)
    moving = torch.maximum(moving, (wanted - wanted.mean(dim=2, keepdim=True)).abs().amax(dim=1, keepdim=True))
    weight = 1 + 16 * moving.clamp(max=1)
    error = made - wanted
    loss = (weight * (error.abs() + 2 * error.square())).mean()
    for axis in (3, 4):
        loss = loss + 0.7 * error.diff(dim=axis).abs().mean()
    return loss + 0.5 * (weight * error).diff(dim=2).abs().mean()


@torch.no_grad()
def settle_latents(vae: VideoVAE, clips: int = 96) -> None:
    """Turn and scale the latents' channels, without changing what comes out, so that they are good to sample.

    A change of the same size in any channel then shows as much in the picture (the Gram matrix of what the decoder
    makes of small changes is about a multiple of one), channels are uncorrelated, and the first ones carry the most.
    Noise is then the same noise to the eye in all channels, and squared error is error that can be seen.
    """
    seen = [batch(2 * 10**6 + index, 4, 33).to(DEVICE) for index in range(clips // 4)]
    latents = [encode(vae, one) for one in seen]
    flat = torch.cat([one.transpose(0, 1).flatten(1) for one in latents], dim=1)
    mean, covariance = flat.mean(dim=1), torch.cov(flat.double())
    gram = sum(shown(vae, one[:1, :, 1:4]) for one in latents[:4]).double()
    values, vectors = torch.linalg.eigh(gram / gram.diagonal().mean())
    values = values.clamp(min=0.02 * float(values.mean()))
    root, inverse = (vectors * values ** (sign * 0.5) @ vectors.T for sign in (1, -1))
    turn = torch.linalg.eigh(root @ covariance @ root)[1].flip(1)
    there, back = (turn.T @ root).float(), (inverse @ turn).float()
    deviation = (there @ covariance.float() @ there.T).diagonal().sqrt()
    unit = float(deviation.square().mean().sqrt())
    there, back, deviation = there / unit, back * unit, deviation / unit
    count = len(there)
    out, into = vae.encoder.conv_out.conv, vae.decoder.conv_in.conv
    out.weight[:count] = torch.einsum("ij,j...->i...", there, out.weight[:count])
    out.bias[:count] = there @ out.bias[:count]
    into.weight.copy_(torch.einsum("oj...,ji->oi...", into.weight, back))
    vae.per_channel_statistics.get_buffer("mean-of-means").copy_(there @ mean)
    vae.per_channel_statistics.get_buffer("std-of-means").copy_(NOISE * deviation.sqrt())


NOISE = 0.35
"""How large noise is to be beside the settled latents. Less of it in small channels, but not as little as they have."""


def shown(vae: VideoVAE, latents: torch.Tensor) -> torch.Tensor:
    """How much changes of the channels of ``latents [1, 128, n, h, w]`` show together, ``[128, 128]``."""
    still = decode(vae, latents)
    where = 0.1 * latents.std() * torch.randn(latents.shape[2:], device=latents.device).sign()
    changes = []
    for first in range(0, latents.shape[1], 16):
        changed = latents.repeat(16, 1, 1, 1, 1)
        changed[range(16), range(first, first + 16)] += where
        changes.append((decode(vae, changed) - still).flatten(1))
    change = torch.cat(changes)
    return change @ change.T


def psnr(made: torch.Tensor, wanted: torch.Tensor) -> float:
    return float(-10 * torch.log10((made.clamp(-1, 1) - wanted).square().mean() / 4))


def load() -> tuple[VideoVAE, dict]:
    """The autoencoder and the state of its training; new ones where there is none."""
    vae = VideoVAE(config=VIDEO_VAE)
    state = torch.load(STATE, map_location="cpu") if STATE.exists() else {}
    if state:
        vae.load_state_dict(state["vae"])
    else:
        start_from_components(vae, batch(0, 96))
    return vae.to(DEVICE), state


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0, help="of this run")
    parser.add_argument("--total-steps", type=int, default=6000, help="the learning rate falls to nothing there")
    parser.add_argument("--batch", type=int, default=3)
    parser.add_argument("--rate", type=float, default=0.08, help="learning rate x inputs of a kernel")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    vae, state = load()
    networks = list(vae.parameters())
    groups = [{"params": [one], "per_input": 1 / (one[0].numel() if one.ndim > 1 else 1000)} for one in networks]
    optimizer = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), weight_decay=1e-4)
    if state:
        optimizer.load_state_dict(state["optimizer"])
    step = state.get("step", 0)
    held_out = batch(10**6, 12).to(DEVICE)
    clock = Clock(arguments.hours, arguments.total_steps, step)
    looked = -1.0
    while step < arguments.total_steps and clock.going():
        share = step / arguments.total_steps
        warm = min(1.0, (step + 1) / 100)
        for group in optimizer.param_groups:
            group["lr"] = float(arguments.rate * group["per_input"] * warm * (0.52 + 0.48 * np.cos(np.pi * share)))
        clips = batch(step + 1, arguments.batch).to(DEVICE)
        with torch.autocast(DEVICE.type, torch.bfloat16):
            latents = encode(vae, clips)
            made = decode(vae, noised(latents, NOISE_LEARNT)).float()
        tidy = 1e-3 * (latents.float().square() - 4).clamp(min=0).mean()
        loss = loss_of(made, clips) + tidy
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(networks, 1.0)
        optimizer.step()
        step += 1
        clock.tick(step, f"loss {loss.item():.4f}")
        if clock.minutes() - looked > 2 or step == arguments.total_steps:
            looked = clock.minutes()
            with torch.no_grad(), torch.autocast(DEVICE.type, torch.bfloat16):
                made = torch.cat([decode(vae, encode(vae, one[None])).float() for one in held_out])
            clock.say(
                f"step {step}: held out PSNR {psnr(made, held_out):.2f} dB, first frames "
                f"{psnr(made[:, :, 0], held_out[:, :, 0]):.2f} dB, loss {loss_of(made, held_out):.4f}"
            )
            sheet(WORK / "video_autoencoder.png", torch.cat([held_out, made])[:, :, ::5])
            save(STATE, vae=vae.state_dict(), optimizer=optimizer.state_dict(), step=step)
    settle_latents(vae)
    save(STATE, vae=vae.state_dict(), optimizer=optimizer.state_dict(), step=step)


if __name__ == "__main__":
    main()
