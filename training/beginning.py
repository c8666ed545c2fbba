"""The transformer's weights before the first step: a network that already shows the reference image, unmoved.

A model that gets a reference image has to give back what it was given, to a hundredth, before motion is more than an
error among others; from noise, learning this alone takes thousands of steps. But it can be written down:

- the first 128 channels of the residual stream are the latent's, the last 16 are constant, so that norms hardly change;
- in the first block every token looks at the token without noise at its own place, and subtracts what it finds;
- what is left of a noisy latent, divided by the noise level, is the velocity;
- each block listens to the sound at two of the eight frames of a latent.

What else the blocks do begins as nearly nothing. What is heard, and how it moves the picture, is learnt.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional as F

CONTENT, FLAG = 128, 128
"""Channels of the latent; and the channel that tells tokens without noise."""
CONSTANTS, SIZE = 16, 24.0
TOKEN_SIZE = 1.66
"""Root mean square of the residual stream at a token without noise, beside the constants: measured on clips."""
SHARPNESS = 2.0
"""Factor on queries and on keys of the look-up."""
HEARD = [-0.17 + 0.04 * (3 * frame % 8) for frame in range(8)]
"""Where the sound of a latent's frames lies from the latent's middle, in seconds, at 25 frames a second."""
FLAGGED = 6.0
SMALLEST_NOISE = 0.12


@torch.no_grad()
def show_the_reference(network: Any) -> None:
    """Write the look-up into an otherwise freshly drawn ``network``."""
    width = network.inner_dim
    signs = torch.ones(CONSTANTS)
    signs[::2] = -1
    network.patchify_proj.weight.zero_()
    network.patchify_proj.weight[:CONTENT].copy_(torch.eye(CONTENT))
    network.patchify_proj.bias.zero_()
    network.patchify_proj.bias[-CONSTANTS:] = SIZE * signs
    size = (TOKEN_SIZE**2 + CONSTANTS / width * SIZE**2) ** 0.5

    know_noise_levels(network)
    for block in network.transformer_blocks:
        for layer in (
            block.attn1.to_out[0],
            block.audio_to_video_attn.to_out[0],
            block.ff.net[2],
            block.attn2.to_out[0],
        ):
            layer.weight *= 0.1
    look_up(network, network.transformer_blocks[0], size)
    for index, block in enumerate(network.transformer_blocks):
        listen(network, block.audio_to_video_attn, (HEARD[2 * index], HEARD[2 * index + 1]))

    # LayerNorm divides by about the constants' deviation; the embedding is in scale and shift, so the constants' mean,
    # which is the shift alone, is taken away again
    deviation = (CONSTANTS / width) ** 0.5 * SIZE
    network.scale_shift_table.zero_()
    network.proj_out.weight.zero_()
    network.proj_out.bias.zero_()
    network.proj_out.weight[:, :CONTENT] = torch.eye(CONTENT) * deviation
    network.proj_out.weight[:, -CONSTANTS:] = -deviation / CONSTANTS


def know_noise_levels(network: Any) -> None:
    """Fit the embedding of the noise level: 1 / level - 1 in nearly all channels, and a flag for no noise."""
    embedder = network.adaln_single.emb
    levels = torch.cat([torch.zeros(1), torch.linspace(0.01, 1, 5000)])
    first = embedder.timestep_embedder.linear_1
    features = F.silu(first(embedder.time_proj(levels * network.timestep_scale_multiplier)))
    features = torch.cat([features, torch.ones(len(levels), 1)], dim=1).double()
    second = embedder.timestep_embedder.linear_2

    def fit(channels: list[int], wanted: torch.Tensor, weight: torch.Tensor) -> None:
        weight = weight.double()[:, None]
        square = features.T @ (features * weight) + 1e-4 * torch.eye(features.shape[1])
        found = torch.linalg.solve(square, features.T @ (wanted.double()[:, None] * weight))[:, 0].float()
        second.weight[channels], second.bias[channels] = found[:-1], found[-1]

    content = [*range(CONTENT), *range(network.inner_dim - CONSTANTS, network.inner_dim)]
    fit(content, 1 / levels.clamp(min=SMALLEST_NOISE) - 1, levels.square())
    clean = levels == 0
    fit([FLAG], FLAGGED * (2 * clean - 1), 1 + 2000.0 * clean)


def look_up(network: Any, block: Any, size: float) -> None:
    """Have every token of ``block`` subtract the content of the flagged token at its place. Head 0 is left alone."""
    width, attention = network.inner_dim, block.attn1
    head = attention.dim_head
    # pairs of channels that turn with height and width: cosines of the distance add up, most where there is none
    turning = torch.zeros(width)
    pairs = width // 2
    padding = pairs - pairs // 3 * 3
    for pair in range(head // 2, pairs):
        if (pair - padding) % 3:
            turning[pair // (head // 2) * head + pair % (head // 2)] = 1.0
    others = torch.zeros(width)
    others[:head] = 1.0  # of head 0, which asks for nothing here
    for layer in (attention.to_q, attention.to_k):
        layer.weight *= 0.02
    attention.to_q.bias.copy_(turning)
    attention.to_k.bias.copy_(others)
    attention.to_k.weight[:, FLAG] += 3.0 * turning
    for norm in (attention.q_norm, attention.k_norm):
        norm.weight.fill_(SHARPNESS)
    attention.to_v.weight.zero_()
    attention.to_v.weight[head:, :CONTENT] = torch.eye(CONTENT)
    attention.to_out[0].weight.zero_()
    attention.to_out[0].weight[:CONTENT, head:] = -size * torch.eye(CONTENT)

    modulate, table = network.adaln_single.linear, block.scale_shift_table
    table.zero_()
    table[2], table[5] = 1.0, 0.5
    modulate.weight[FLAG, FLAG] = FLAGGED  # the shift shows the flag; tokens that have it keep what they are
    modulate.weight[2 * width : 2 * width + CONTENT, FLAG] = -1 / FLAGGED


def listen(network: Any, attention: Any, offsets: tuple[float, float]) -> None:
    """Have the last two heads of ``attention`` to the sound look at ``offsets`` seconds, the one before them around."""
    heads, pairs = attention.heads, attention.dim_head // 2
    places = torch.linspace(0, 1, heads * pairs)
    turns = math.pi / network.positional_embedding_max_pos[0] * 10000.0**places  # radians a second
    for layer in (attention.to_q, attention.to_k):
        layer.weight *= 0.1
        layer.bias.zero_()
    for head, offset in zip(range(heads - 3, heads), (0.0, *offsets), strict=True):
        angles = turns[head * pairs : (head + 1) * pairs] * offset
        start = head * attention.dim_head
        attention.to_q.bias[start : start + 2 * pairs] = torch.cat([angles.cos(), angles.sin()])
        attention.to_k.bias[start : start + pairs] = 1.0
    for norm in (attention.q_norm, attention.k_norm):
        norm.weight.fill_(SHARPNESS)
