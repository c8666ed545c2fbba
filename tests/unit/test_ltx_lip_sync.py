"""A mouth in footage made anew by LTX-2: what is not masked stays, segments join, cuts begin anew."""

from dataclasses import replace
from fractions import Fraction
from functools import partial

import folder_paths
import pytest
import torch
from sound_to_video.core.audio import audio_from
from sound_to_video.core.families.ltx.av import LTXAV
from sound_to_video.core.families.over_footage import token_mask
from sound_to_video.core.lip_sync import FootageInputs, footage_under, sound_of
from sound_to_video.core.sampling.store import SegmentStore
from sound_to_video.core.timeline import FrameGrid
from sound_to_video.tests.lip_sync import Watched, sampled_over
from sound_to_video.tests.lip_sync import footage as footage_of
from sound_to_video.tests.ltx import SETTINGS, encoded, inputs_of, sound

pytestmark = pytest.mark.usefixtures("as_in_a_node")
SIZE, RATE = 128, 24


footage = partial(footage_of, rate=RATE, size=SIZE)


def mask() -> torch.Tensor:
    """Two tokens of 16: the second of the third row, and by one pixel the last of the first row."""
    mask = torch.zeros(1, SIZE, SIZE)
    mask[:, 70:80, 40:60] = 1
    mask[:, 10, 100] = 1
    return mask


def made(models, seconds, settings=SETTINGS, segment_seconds=0.0, store=None, options=None, preview=0.0, **asked):
    values = {"source_video": footage(seconds), "mask": mask(), "crop_size": SIZE, **asked}
    footage_inputs = FootageInputs(**values)
    audio = encoded(models, sound(round(44100 * seconds)))
    inputs = inputs_of(models, audio, width=SIZE, height=SIZE, reference_image=None, options=options or {})
    sampler = Watched(settings, store)
    plan, shown, _, latents = sampled_over(LTXAV(), inputs, footage_inputs, sampler, segment_seconds, preview)
    return plan, shown, sampler, torch.cat(list(latents), dim=2)


def test_a_token_takes_the_maximum_of_its_frames():
    masks = torch.zeros(17, 2, 2)
    masks[0, 0, 0], masks[8, 0, 1], masks[9, 1, 0] = 0.3, 0.5, 1
    by_latent = token_mask(masks, FrameGrid(8))[0, 0]
    assert by_latent.shape == (3, 2, 2)
    assert by_latent.flatten(1).tolist() == [
        [pytest.approx(0.3), 0, 0, 0],
        [0, 0.5, 0, 0],
        [0, 0, 1, 0],
    ]


def test_what_is_not_masked_comes_out_as_it_went_in(ltx_models):
    plan, _, sampler, latents = made(ltx_models, 1)
    _, (start, sound_latent), (noise_mask, sound_mask), (result, sound_result), _ = sampler.runs[0]
    assert plan.frame_count == 24 and latents.shape[2] == 4
    assert noise_mask[:, :, 0].eq(0).all(), "the first frame is the footage's"
    assert noise_mask[0, 0, 1:].sum() == 6 and noise_mask[0, 0, 1:, [2, 0], [1, 3]].eq(1).all()
    assert start[0, :, 1:, 2, 1].eq(0).all(), "the mouth that was there is forgotten"
    kept = (noise_mask == 0).expand_as(start)
    assert torch.allclose(result[kept], start[kept], atol=1e-6) and not torch.allclose(result[~kept], start[~kept])
    assert sound_mask.eq(0).all() and torch.allclose(sound_result, sound_latent, atol=1e-6)
    footage_latents = ltx_models.vae.encode(footage(1).get_components().images[[*range(24), 23]])
    assert torch.allclose(latents[kept], footage_latents[kept].to(latents), atol=1e-6)


@pytest.mark.slow
def test_strength_says_how_much_of_the_footage_is_forgotten(ltx_models):
    settings = replace(SETTINGS, steps=10)
    _, _, full, _ = made(ltx_models, 1, settings)
    _, _, half, _ = made(ltx_models, 1, settings, strength=0.5)
    sigmas = full.runs[0].sigmas
    assert len(sigmas) == 11
    assert half.runs[0].sigmas[0] == min(sigmas, key=lambda sigma: abs(sigma - 0.5 * sigmas[0]))
    assert not half.runs[0].latent[0][0, :, 1:, 2, 1].eq(0).any(), "what was there is the start"
    _, _, none, latents = made(ltx_models, 1, settings, strength=0.0)
    assert not none.runs
    images = footage(1).get_components().images[[*range(24), 23]]
    assert torch.equal(latents, ltx_models.vae.encode(images).to(latents))


def test_an_empty_mask_samples_nothing(ltx_models):
    _, _, sampler, _ = made(ltx_models, 1, mask=torch.zeros(1, SIZE, SIZE))
    assert not sampler.runs


@pytest.mark.slow
def test_segments_go_on_from_each_other(ltx_models):
    plan, _, sampler, latents = made(ltx_models, 4, segment_seconds=2.0)
    assert len(plan.segments) > 1
    for segment, (_, before, (noise_mask, _), _, _) in zip(plan.segments[1:], sampler.runs[1:], strict=True):
        start = segment.latent_start
        repeated = latents[:, :, start + 1 : start + segment.overlap]
        assert torch.equal(before[0][:, :, 1 : segment.overlap], repeated)
        assert noise_mask[:, :, : segment.overlap].eq(0).all()
        assert noise_mask[:, :, segment.overlap :, 2, 1].eq(1).all()


@pytest.mark.slow
def test_after_a_cut_a_segment_begins_with_a_latent_of_its_own(ltx_models):
    plan, _, sampler, latents = made(ltx_models, 4, source_video=footage(4, cut_at=2.0))
    _, second = plan.segments
    assert second.starts_afresh and abs(plan.start_seconds(second) - 2) <= Fraction(4, RATE)
    assert latents.shape[2] == plan.latent_count
    picture = sampler.runs[1].latent[0]
    assert picture.shape[2] == second.latent_count + 1, "one in front, left out of the clip"
    assert sampler.runs[1].mask[0][:, :, 0].eq(0).all()
    heard = sampler.runs[1].latent[1].shape[2]
    assert abs(heard - 25 * (8 * (picture.shape[2] - 1) + 1) / RATE) <= 2, "it hears what is said from there on"


def test_two_stages(ltx_models):
    _, _, sampler, latents = made(ltx_models, 1, options={"latent_upscale_model": ltx_models.upscaler})
    (_, small, (small_mask, _), _, _), (_, large, (large_mask, _), result, _) = sampler.runs
    assert small[0].shape[-2:] == (2, 2) and large[0].shape[-2:] == (4, 4)
    assert small_mask[0, 0, 1:].sum() == 6 and large_mask[0, 0, 1:].sum() == 6
    kept = (large_mask == 0).expand_as(result[0])
    assert torch.allclose(result[0][kept], large[0][kept], atol=1e-6)
    assert torch.equal(latents, result[0].to(latents))


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on(ltx_models, tmp_path):
    asked = {"segment_seconds": 2.0, "source_video": footage(4), "mask": mask()}
    _, _, _, whole = made(ltx_models, 4, store=SegmentStore(tmp_path), **asked)
    plan, _, again, latents = made(ltx_models, 4, store=SegmentStore(tmp_path), **asked)
    assert again.resumed_runs == len(plan.segments)
    assert torch.equal(latents, whole)


@pytest.mark.slow
def test_other_footage_is_other_content(ltx_models, tmp_path):
    made(ltx_models, 1, store=SegmentStore(tmp_path))
    _, _, other, _ = made(ltx_models, 1, store=SegmentStore(tmp_path), source_video=footage(1, cut_at=0.5))
    assert other.resumed_runs == 0


@pytest.mark.slow
def test_the_clip_ends_with_the_sound_or_stops_with_the_footage(ltx_models):
    plan, shown, _, _ = made(ltx_models, 1, source_video=footage(0.5), when_sound_is_longer="stop")
    assert (plan.frame_count, shown.frame_count) == (12, 12)
    assert "the footage lasts 0.50 s, the sound is longer: the clip stops with it" in plan.describe()
    plan, shown, _, _ = made(ltx_models, 1, source_video=footage(3))
    assert (plan.frame_count, shown.frame_count) == (24, 24)


def test_fast_footage_keeps_its_frames(ltx_models):
    plan, shown, _, _ = made(ltx_models, 1, source_video=footage(1, rate=50))
    assert (plan.frame_rate, plan.frame_count, shown.frame_count) == (25, 25, 50)
    assert "50 fps: the mouth is sampled in every second frame" in plan.describe()


def test_a_preview_is_the_opening(ltx_models):
    plan, shown, sampler, _ = made(ltx_models, 4, segment_seconds=2.0, preview=1.0)
    assert (plan.frame_count, shown.frame_count, len(sampler.runs)) == (24, 24, 1)


def test_the_footages_own_sound_is_dropped_or_mixed_under(ltx_models):
    own = {"waveform": torch.full([1, 1, 24000], 0.25), "sample_rate": 16000}
    shown = footage_under(
        FootageInputs(footage(1.5, own_sound=own), mask=mask(), start_seconds=0.5), encoded(ltx_models, sound(66150))
    )
    audio = audio_from(sound(44100))
    asked = FootageInputs(None)
    dropped = sound_of(asked, shown, audio, Fraction(1))
    assert dropped is not None and torch.equal(dropped["waveform"], audio["waveform"])
    mixed = sound_of(replace(asked, footage_sound_db=-6.0), shown, audio, Fraction(1))
    assert mixed is not None and mixed.sample_count == 44100
    added = mixed["waveform"] - audio["waveform"]
    assert added.shape == (1, 2, 44100)
    assert added[..., 500:-500].sub(0.25 * 10 ** (-6 / 20)).abs().max() < 1e-3
    secured = mixed.secured(folder_paths.get_temp_directory())
    assert torch.equal(secured["waveform"], mixed["waveform"])
