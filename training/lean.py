"""The host's transformer as a plain function of its own weights, for training: fast, and nothing changed in place.

The host's forward pass serves sampling: it writes in place, which autograd refuses, and works token by token where a
training knows better. Here the sound has no noise and does not look at the picture, and a scene is one token, so that
attention to it is a constant. `tests/unit/test_training.py` compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

Tensor = torch.Tensor


@dataclass(frozen=True)
class Places:
    """Cosines and sines of the rotary embeddings, ``[tokens, heads, head channels / 2]`` each, for one length."""

    picture: tuple[Tensor, Tensor]
    sound: tuple[Tensor, Tensor]
    picture_in_time: tuple[Tensor, Tensor]
    sound_in_time: tuple[Tensor, Tensor]


def places_for(network: Any, latents: int, sounds: int, frame_rate: float) -> Places:
    """The host's own embeddings for ``latents`` of the picture and ``sounds`` of the sound."""
    device = network.patchify_proj.weight.device
    parts = [torch.zeros(1, 128, latents, 4, 4, device=device), torch.zeros(1, 8, sounds, 16, device=device)]
    _, coordinates, _ = network._process_input(parts, None, None)
    picture, sound = network._prepare_positional_embeddings(coordinates, frame_rate, torch.float32)

    def taken(embedding: tuple[Tensor, bool]) -> tuple[Tensor, Tensor]:
        matrix = embedding[0][0]  # [tokens, heads, head channels / 2, 2, 2]
        return matrix[..., 0, 0].contiguous(), matrix[..., 1, 0].contiguous()

    return Places(*map(taken, (picture[0], sound[0], picture[1], sound[1])))


def normed(x: Tensor) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],), eps=1e-6)


def split(x: Tensor, weight: Tensor, heads: int, place: tuple[Tensor, Tensor]) -> Tensor:
    """Queries or keys ``[batch, tokens, channels]``, normed and turned: ``[batch, heads, tokens, n]``."""
    x = F.rms_norm(x.float(), (x.shape[-1],), weight, eps=1e-5)
    first, second = x.unflatten(-1, (heads, -1)).chunk(2, dim=-1)
    cosine, sine = place
    turned = torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)
    return turned.transpose(1, 2)


def attend(
    layer: Any, x: Tensor, context: Tensor, place: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]
) -> Tensor:
    heads = layer.heads
    q = split(layer.to_q(x), layer.q_norm.weight, heads, place)
    k = split(layer.to_k(context), layer.k_norm.weight, heads, other)
    v = layer.to_v(context).unflatten(-1, (heads, -1)).transpose(1, 2)
    share = (q @ k.transpose(-1, -2) * layer.dim_head**-0.5).softmax(dim=-1)
    return layer.to_out[0]((share @ v).transpose(1, 2).flatten(2))


def modulation(table: Tensor, time: Tensor) -> list[Tensor]:
    """``table [n, channels]`` plus ``time [batch, latents, n * channels]``: n ``[batch, latents, 1, channels]``."""
    return list((table + time.unflatten(-1, table.shape)).unsqueeze(2).unbind(dim=3))


def over_tokens(x: Tensor, latents: int) -> Tensor:
    return x.unflatten(1, (latents, -1))


def time_embedding(layer: Any, times: Tensor) -> tuple[Tensor, Tensor]:
    """(modulation, embedding) of ``times [batch, latents]``."""
    embedded = layer.emb.timestep_embedder(layer.emb.time_proj(times.flatten())).unflatten(0, times.shape)
    return layer.linear(F.silu(embedded)), embedded


def velocity(network: Any, places: Places, noisy: Tensor, sound: Tensor, levels: Tensor, scene: Tensor) -> Tensor:
    """What the host's model makes of the picture, ``[batch, 128, n, 4, 4]``.

    noisy: ``[batch, 128, n, 4, 4]``.  sound: ``[batch, 8, m, 16]``, no noise.  levels: ``[batch, n]``, the noise of
    every latent.  scene: ``[batch, 1, 2 * channels]``.
    """
    latents = noisy.shape[2]
    x = network.patchify_proj(noisy.flatten(3).permute(0, 2, 3, 1).flatten(1, 2)).float()
    a = network.audio_patchify_proj(sound.transpose(1, 2).flatten(2)).float()
    scale = network.timestep_scale_multiplier
    time, embedded = time_embedding(network.adaln_single, levels * scale)
    cross_time, _ = time_embedding(network.av_ca_video_scale_shift_adaln_single, levels * scale)
    nothing = levels.new_zeros(1, 1)
    gate_time, _ = time_embedding(network.av_ca_a2v_gate_adaln_single, nothing)
    sound_time, _ = time_embedding(network.audio_adaln_single, nothing)
    sound_cross_time, _ = time_embedding(network.av_ca_audio_scale_shift_adaln_single, nothing)
    half = scene.shape[-1] // 2
    told, told_sound = (
        network.caption_projection(scene[..., :half]),
        network.audio_caption_projection(scene[..., half:]),
    )

    def changed(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        return (over_tokens(normed(x), shift.shape[1]) * (1 + scale) + shift).flatten(1, 2)

    def gated(x: Tensor, gate: Tensor, made: Tensor) -> Tensor:
        return x + (over_tokens(made, gate.shape[1]) * gate).flatten(1, 2)

    for block in network.transformer_blocks:
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = modulation(block.scale_shift_table, time)
        h = changed(x, shift, scale)
        x = gated(x, gate, attend(block.attn1, h, h, places.picture, places.picture))
        x = x + block.attn2.to_out[0](block.attn2.to_v(told))

        shift, scale, gate, a_mlp_shift, a_mlp_scale, a_mlp_gate = modulation(block.audio_scale_shift_table, sound_time)
        h = changed(a, shift, scale)
        a = gated(a, gate, attend(block.audio_attn1, h, h, places.sound, places.sound))
        a = a + block.audio_attn2.to_out[0](block.audio_attn2.to_v(told_sound))

        scale, shift, _, _ = modulation(block.scale_shift_table_a2v_ca_video[:4], cross_time)
        a_scale, a_shift, _, _ = modulation(block.scale_shift_table_a2v_ca_audio[:4], sound_cross_time)
        (gate,) = modulation(block.scale_shift_table_a2v_ca_video[4:], gate_time)
        heard = attend(
            block.audio_to_video_attn,
            *(changed(x, shift, scale), changed(a, a_shift, a_scale)),
            *(places.picture_in_time, places.sound_in_time),
        )
        x = gated(x, gate, heard)

        x = gated(x, mlp_gate, block.ff(changed(x, mlp_shift, mlp_scale)))
        a = gated(a, a_mlp_gate, block.audio_ff(changed(a, a_mlp_shift, a_mlp_scale)))

    shift, scale = modulation(network.scale_shift_table, embedded.repeat(1, 1, 2))
    x = F.layer_norm(x, (x.shape[-1],), eps=1e-6)
    x = network.proj_out((over_tokens(x, latents) * (1 + scale) + shift).flatten(1, 2))
    return x.unflatten(1, (latents, 4, 4)).permute(0, 4, 1, 2, 3)
