"""The timeline and the plan: no frame too many, none too few, every latent once."""

import random
from fractions import Fraction

import pytest
from sound_to_video.core.plan import Window, plan_clip, window_of
from sound_to_video.core.timeline import FrameGrid, clip_frame_count, exact, rounded, sample_index

WAN = (FrameGrid(stride=4), Window(latent_count=20, overlap=0, minimum=5), Fraction(16))
LTX = (FrameGrid(stride=8), Window(latent_count=61, overlap=3, minimum=5), Fraction(24))


def test_halves_round_up_as_in_the_browser():
    assert [rounded(value) for value in (0.5, 1.5, 2.5, 2.4999, -0.5)] == [1, 2, 3, 2, 0]


def test_typed_decimals_are_exact():
    assert exact(0.1) == Fraction(1, 10)
    assert sample_index(0.1, 44100) == 4410
    assert sample_index(1.00001, 192000) == 192002


@pytest.mark.parametrize("frame_rate", [Fraction(16), Fraction(24), Fraction(25), Fraction(24000, 1001)])
def test_picture_and_sound_last_the_same_within_half_a_frame(frame_rate):
    random.seed(1)
    for _ in range(2000):
        duration = Fraction(random.randint(1, 48000 * 40), 48000)
        frames = clip_frame_count(duration, frame_rate)
        if frames > 1:
            assert abs(frames / frame_rate - duration) <= Fraction(1, 2) / frame_rate
        else:
            assert duration < Fraction(3, 2) / frame_rate


@pytest.mark.parametrize("stride", [4, 8])
def test_grid_holds_every_frame_and_wastes_less_than_a_group(stride):
    grid = FrameGrid(stride)
    for frames in range(1, 200):
        latents = grid.latent_count(frames)
        assert 0 <= grid.frame_count(latents) - frames < stride
        assert grid.first_frame(latents - 1) < frames <= grid.first_frame(latents)


@pytest.mark.parametrize(("grid", "window", "frame_rate"), [WAN, LTX])
def test_every_latent_is_sampled_once_and_none_that_no_frame_needs(grid, window, frame_rate):
    random.seed(2)
    for _ in range(500):
        duration = Fraction(random.randint(1, 48000 * 90), 48000)
        plan = plan_clip(duration, frame_rate, grid, window, seed=7)
        new = [n for s in plan.segments for n in range(s.latent_start + s.overlap, s.latent_stop)]
        assert new == list(range(grid.latent_count(plan.frame_count)))
        assert all(segment.latent_count <= window.latent_count for segment in plan.segments)
        assert [segment.seed for segment in plan.segments] == [7 + i for i in range(len(plan.segments))]
        assert [segment.starts_afresh for segment in plan.segments] == [True] + [False] * (len(plan.segments) - 1)
        for before, after in zip(plan.segments, plan.segments[1:], strict=False):
            assert after.latent_start + after.overlap == before.latent_stop
        if len(plan.segments) > 1:
            assert plan.segments[-1].new_latents >= window.minimum


def test_the_example_of_the_trim_widget():
    grid, window, frame_rate = WAN
    assert plan_clip(8, frame_rate, grid, window).describe() == "8.00 s → 128 frames at 16 fps, 2 segments"
    assert plan_clip(0.01, frame_rate, grid, window).describe() == "0.01 s → 1 frame at 16 fps, 1 segment"


def test_cuts_start_segments_afresh_at_the_nearest_latent():
    grid, window, frame_rate = WAN
    plan = plan_clip(20, frame_rate, grid, window, cuts=[4.02, 4.1, 12, 0, 99])
    afresh = [segment.latent_start for segment in plan.segments if segment.starts_afresh]
    assert afresh == [0, 17, 49]  # their first frames are 65 and 193: 4.06 s and 12.06 s
    assert plan.latent_count == grid.latent_count(320)


def test_asked_segment_length():
    grid, window, frame_rate = LTX
    assert window_of(0, frame_rate, grid, window) == window
    assert window_of(5, frame_rate, grid, window) == Window(15 + 3, 3, 5)
    assert window_of(0.01, frame_rate, grid, window).latent_count == 5 + 3


def test_the_opening_has_the_segments_of_the_whole_plan():
    grid, window, frame_rate = WAN
    plan = plan_clip(60, frame_rate, grid, window)
    opening = plan.opening(8)
    assert opening.frame_count == 128
    assert opening.segments == plan.segments[:2]
    assert plan.opening(500).segments == plan.segments
    assert opening.describe() == "8.00 s → 128 frames at 16 fps, 2 segments"
    assert [opening.middle_seconds(s) for s in opening.segments] == [plan.middle_seconds(s) for s in plan.segments[:2]]
    assert plan.opening(1).middle_seconds(plan.segments[0]) == plan.middle_seconds(plan.segments[0])
