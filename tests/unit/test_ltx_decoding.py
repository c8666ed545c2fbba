"""Decoding LTX latents in pieces: the frames of one decode, with the memory of a piece, whoever else decodes."""

import gc

import comfy.model_management
import pytest
import torch
from sound_to_video.core.decoding import ltx_vae as decoding_ltx
from sound_to_video.core.decoding.ltx_vae import GROUP_LATENTS
from sound_to_video.core.decoding.stream import _ways, decode_stream
from sound_to_video.tests.ltx import load_ltx_2_5_vae, one_decode

ROUNDING = 5e-6  # of 1.0: convolutions and attention over fewer frames add up in another order


pytestmark = pytest.mark.usefixtures("as_in_a_node")


@pytest.fixture(params=["LTX-2", "LTX-2.5"])
def vae(request, ltx_models, checkpoints):
    return ltx_models.vae if request.param == "LTX-2" else load_ltx_2_5_vae(checkpoints)


def latents_of(count: int, seed: int = 1, vae=None) -> torch.Tensor:
    """``[1, 128, count, 2, 3]``; for a VAE that takes less, and longer, ``[1, 128, count, 1, 2]``."""
    side = 1 if vae is not None and hasattr(vae.first_stage_model.decoder, "forward_diff_step") else 2
    return torch.randn([1, 128, count, side, side + 1], generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("lengths", [[1], [2], [3], [4], [7, 3, 3], [1] * 8, [13, 1], [20]])
def test_frames_of_one_decode(vae, lengths):
    latents = latents_of(sum(lengths), vae=vae)
    frames = torch.cat(list(decode_stream(vae, iter(latents.split(lengths, dim=2)), sum(lengths))))
    assert frames.shape == (8 * sum(lengths) - 7, *(32 * side for side in latents.shape[3:]), 3) and frames.std() > 0.05
    torch.testing.assert_close(frames, one_decode(vae, latents), rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_frames_of_one_decode_of_a_causal_decoder(ltx_models, monkeypatch, count):
    monkeypatch.setattr(ltx_models.vae.first_stage_model.decoder, "causal", True)
    latents = latents_of(count)
    frames = torch.cat(list(decode_stream(ltx_models.vae, [latents], count)))
    torch.testing.assert_close(frames, one_decode(ltx_models.vae, latents), rtol=0, atol=ROUNDING)


def test_every_way_gives_the_same_frames(vae):
    """All but the last, the host's tiles."""
    latents = latents_of(7, vae=vae)
    whole = one_decode(vae, latents)
    for way in _ways(vae)[:-1]:
        frames = torch.cat(list(way.decode(vae, [latents], 7)))
        torch.testing.assert_close(frames, whole, rtol=0, atol=ROUNDING)


def test_two_clips_at_once_do_not_meet(vae):
    clips = [latents_of(5, seed, vae) for seed in (1, 2)]
    streams = [decode_stream(vae, [latents], 5) for latents in clips]
    got: list[list[torch.Tensor]] = [[], []]
    for groups in zip(*streams, strict=True):
        for pieces, group in zip(got, groups, strict=True):
            pieces.append(group)
        vae.decode(latents_of(1, 3, vae))  # and a decode of the host in between
    for latents, pieces in zip(clips, got, strict=True):
        torch.testing.assert_close(torch.cat(pieces), one_decode(vae, latents), rtol=0, atol=ROUNDING)


def test_a_stream_left_early_leaves_nothing_behind(ltx_models):
    next(decode_stream(ltx_models.vae, [latents_of(9)], 9))
    decoder = ltx_models.vae.first_stage_model.decoder
    assert not any(getattr(module, "temporal_cache_state", None) for module in decoder.modules())


def bytes_of_tensors() -> int:
    """Of all that were made since ``gc.freeze``."""
    gc.collect()
    made = [found for found in gc.get_objects() if issubclass(type(found), torch.Tensor)]
    return sum({tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in made}.values())


@pytest.mark.slow
def test_memory_does_not_grow_with_the_clip(vae):
    """Between groups, what is held of a long clip is at most what is held of a short one."""

    def most(count: int) -> int:
        groups = (latents_of(GROUP_LATENTS, vae=vae) for _ in range(count))
        way, *_ = _ways(vae)
        gc.freeze()
        try:
            return max(bytes_of_tensors() for _ in way.decode(vae, groups, GROUP_LATENTS * count))
        finally:
            gc.unfreeze()

    assert 0 < most(10) <= 1.05 * most(5)


def loadings(monkeypatch) -> list:
    """Every ``load_models_gpu`` of the host from now on, by what it loads."""
    load, seen = comfy.model_management.load_models_gpu, []

    def counted(models, *args, **how):
        seen.append(models)
        return load(models, *args, **how)

    monkeypatch.setattr(comfy.model_management, "load_models_gpu", counted)
    return seen


def test_the_vae_is_loaded_once_and_again_only_where_it_was_unloaded(ltx_models, monkeypatch):
    seen = loadings(monkeypatch)
    stream = decode_stream(ltx_models.vae, [latents_of(18)], 18)
    whole = [next(stream), next(stream)]
    assert len(seen) == 1
    comfy.model_management.unload_all_models()
    whole += list(stream)
    assert seen == [[ltx_models.vae.patcher]] * 2
    torch.testing.assert_close(torch.cat(whole), ltx_models.vae.decode(latents_of(18))[0], rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("after_groups", [0, 3])
def test_where_memory_does_not_do_latents_are_decoded_one_by_one(ltx_models, monkeypatch, caplog, after_groups):
    """Also in the middle of a clip: no frame is missing, none comes twice."""
    latents, calls = latents_of(18), []
    whole = ltx_models.vae.decode(latents)[0]
    normal = decoding_ltx._decode_piece

    def small_memory(model, group, *args):
        calls.append(group.shape[2])
        if group.shape[2] > 1 and len(calls) > after_groups:
            raise torch.cuda.OutOfMemoryError("out of memory")
        return normal(model, group, *args)

    monkeypatch.setattr(decoding_ltx, "_decode_piece", small_memory)
    frames = torch.cat(list(decode_stream(ltx_models.vae, [latents], 18)))
    assert calls == [3] * (after_groups + 1) + [1] * 18
    torch.testing.assert_close(frames, whole, rtol=0, atol=ROUNDING)
    assert caplog.text.count("not enough memory to decode 3 latents at a time, decoding one at a time") == 1


def test_where_one_latent_is_too_much_the_hosts_tiles_are_left(ltx_models, monkeypatch):
    def no_memory(*args):
        raise torch.cuda.OutOfMemoryError("out of memory")

    monkeypatch.setattr(decoding_ltx, "_decode_piece", no_memory)
    latents = latents_of(6)
    frames = torch.cat(list(decode_stream(ltx_models.vae, [latents], 6)))
    assert torch.equal(frames, ltx_models.vae.decode_tiled(latents, tile_x=8, tile_y=8, overlap=2)[0])


def test_other_errors_are_no_lack_of_memory(ltx_models, monkeypatch):
    def broken(*args):
        raise ValueError("broken")

    monkeypatch.setattr(decoding_ltx, "_decode_piece", broken)
    with pytest.raises(ValueError, match="broken"):
        list(decode_stream(ltx_models.vae, [latents_of(6)], 6))
