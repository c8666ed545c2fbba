"""Decoding LTX latents in pieces: the frames of one decode, with the memory of a piece, whoever else decodes."""

import pytest
import torch
from sound_to_video.core.decoding import decode_stream
from sound_to_video.core.decoding_ltx import GROUP_LATENTS, decode_ltx

ROUNDING = 5e-6  # of 1.0: convolutions over fewer frames add up in another order


pytestmark = pytest.mark.usefixtures("as_in_a_node")


def latents_of(count: int, seed: int = 1) -> torch.Tensor:
    return torch.randn([1, 128, count, 2, 3], generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("causal", [False, True], ids=["looks ahead", "causal"])
@pytest.mark.parametrize("lengths", [[1], [2], [3], [4], [7, 3, 3], [1] * 8, [13, 1], [20]])
def test_frames_of_one_decode(ltx_models, monkeypatch, causal, lengths):
    monkeypatch.setattr(ltx_models.vae.first_stage_model.decoder, "causal", causal)
    latents = latents_of(sum(lengths))
    frames = torch.cat(list(decode_stream(ltx_models.vae, iter(latents.split(lengths, dim=2)), sum(lengths))))
    whole = ltx_models.vae.decode(latents)[0]
    assert frames.shape == whole.shape == (8 * sum(lengths) - 7, 64, 96, 3)
    torch.testing.assert_close(frames, whole, rtol=0, atol=ROUNDING)


def test_two_clips_at_once_do_not_meet(ltx_models):
    clips = [latents_of(9, seed) for seed in (1, 2)]
    streams = [decode_stream(ltx_models.vae, [latents], 9) for latents in clips]
    got: list[list[torch.Tensor]] = [[], []]
    for groups in zip(*streams, strict=True):
        for pieces, group in zip(got, groups, strict=True):
            pieces.append(group)
        ltx_models.vae.decode(latents_of(2, 3))  # and a decode of the host in between
    for latents, pieces in zip(clips, got, strict=True):
        torch.testing.assert_close(torch.cat(pieces), ltx_models.vae.decode(latents)[0], rtol=0, atol=ROUNDING)


def test_a_stream_left_early_leaves_nothing_behind(ltx_models):
    next(decode_stream(ltx_models.vae, [latents_of(9)], 9))
    decoder = ltx_models.vae.first_stage_model.decoder
    assert not any(getattr(module, "temporal_cache_state", None) for module in decoder.modules())


def test_memory_does_not_grow_with_the_clip(ltx_models):
    """No group of a long clip is longer than the longest of a short one."""

    def longest(count: int) -> int:
        groups = (latents_of(GROUP_LATENTS) for _ in range(count))
        return max(frames.shape[1] for frames in decode_ltx(ltx_models.vae, groups))

    assert longest(20) == longest(5)
