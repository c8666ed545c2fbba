"""Measuring how a picture follows a sound, on real sound and on frames whose motion is known."""

import av
import numpy as np
import pytest
import torch
from sound_to_video.core.audio import audio_from
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.sync.measure import (
    at_16_khz,
    correlation,
    heard_curve,
    loudness,
    loudness_curve,
    measure_sync,
    pulse,
    pulse_curve,
)
from sound_to_video.core.sync.plot import draw_sync
from sound_to_video.tests.conftest import ROOT

RATE = 25
SIZE = 96


def media(name: str) -> dict:
    """A bundled sound as the host's AUDIO."""
    with av.open(str(ROOT / "media" / name)) as container:
        resampler = av.AudioResampler("fltp", "mono", 44100)
        frames = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
    waveform = np.concatenate([frame.to_ndarray() for frame in frames], axis=1)
    return {"waveform": torch.from_numpy(waveform)[None], "sample_rate": 44100}


@pytest.fixture(scope="module")
def voice() -> dict:
    return media("sound_to_video_voice.wav")


@pytest.fixture(scope="module")
def music() -> dict:
    return media("sound_to_video_music.flac")


def curve_of(audio: dict, kind=loudness) -> torch.Tensor:
    samples = audio["waveform"][0].mean(dim=0)
    return kind(samples, audio["sample_rate"], RATE, int(samples.shape[0] / audio["sample_rate"] * RATE))


def texture() -> torch.Tensor:
    return torch.rand([SIZE, SIZE, 3], generator=torch.Generator().manual_seed(1)) * 0.6 + 0.2


def talking(curve: torch.Tensor, noise: float = 0.0) -> torch.Tensor:
    """A small mouth that opens, low in a still picture ``[frames, 96, 96, 3]``."""
    frames = texture().expand(len(curve), -1, -1, -1).clone()
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    for frame, open_by in zip(frames, curve.tolist(), strict=True):
        mouth = ((x - 48) / 12) ** 2 + ((y - 70) / (1 + 8 * open_by)) ** 2 < 1
        frame[mouth] = 0.05
    generator = torch.Generator().manual_seed(2)
    return (frames + noise * torch.randn(frames.shape, generator=generator)).clamp(0, 1)


def delayed(frames: torch.Tensor, by: int) -> torch.Tensor:
    return torch.cat([frames[:1].expand(by, -1, -1, -1), frames[:-by]]) if by else frames


@pytest.mark.parametrize("late", [0, 2, 7])
def test_a_mouth_that_opens_with_a_voice_is_found_with_its_delay(voice, late):
    sync = measure_sync([delayed(talking(curve_of(voice), noise=0.02), late)], RATE, voice)
    assert sync.correlation > 0.95
    assert sync.lag_frames == pytest.approx(late, abs=0.3)
    assert sync.lag_seconds == pytest.approx(sync.lag_frames / RATE)


def test_a_picture_ahead_of_its_sound_has_a_negative_lag(voice):
    frames = talking(curve_of(voice))
    sync = measure_sync([torch.cat([frames[3:], frames[-1:].expand(3, -1, -1, -1)])], RATE, voice)
    assert sync.lag_frames == pytest.approx(-3, abs=0.3)
    assert "ahead of the sound" in sync.describe()


def test_a_mouth_that_follows_another_sound_does_not_agree(voice, music):
    curve = curve_of(voice)
    own, other = measure_sync([talking(curve)], RATE, voice), measure_sync([talking(curve)], RATE, music)
    assert own.correlation > 0.95
    assert abs(correlation(other.heard, own.moved)) < 0.2
    assert own.correlation > own.chance > other.correlation
    assert "no clear relation" in other.describe()


def test_flashes_on_struck_notes_show_in_the_change_of_the_picture(music):
    struck = curve_of(music, pulse)
    flashes = torch.full([len(struck), SIZE, SIZE, 3], 0.2) + 0.5 * struck[:, None, None, None]
    sync = measure_sync([flashes], RATE, music, heard="onsets", motion="change")
    assert sync.correlation > 0.8
    assert abs(sync.lag_frames) < 0.5


def test_a_small_mouth_shows_in_the_change_of_the_picture(voice):
    sync = measure_sync([talking(curve_of(voice))], RATE, voice, motion="change")
    assert sync.correlation > 0.9
    assert abs(sync.lag_frames) < 0.3


def test_a_picture_that_changes_where_the_sound_does_not_is_not_turned_around(voice):
    change = curve_of(voice).diff(prepend=torch.zeros(1)).abs()
    steps = (change.max() - change) * torch.tensor([1, -1]).repeat(len(change))[: len(change)]
    frames = (0.5 + 0.3 * steps)[:, None, None, None].expand(-1, 16, 16, 3)
    assert measure_sync([frames], RATE, voice, motion="change").correlation < 0.5


def test_groups_of_any_size_measure_the_same(voice):
    frames = talking(curve_of(voice))
    for motion in ("opening", "change"):
        whole = measure_sync([frames], RATE, voice, motion=motion)
        split = measure_sync(frames.split(7), RATE, voice, motion=motion)
        assert torch.allclose(whole.moved, split.moved, atol=1e-6)
        assert split.correlation == pytest.approx(whole.correlation, abs=1e-6)


@pytest.mark.slow
def test_drifting_light_does_not_hide_the_motion(voice):
    long = {"waveform": voice["waveform"].repeat(1, 1, 6), "sample_rate": 44100}
    frames = talking(curve_of(long))
    drifting = frames * torch.linspace(1.0, 0.6, len(frames))[:, None, None, None]
    sync = measure_sync([drifting], RATE, long)
    assert sync.correlation > 0.95
    last = sync.between(len(frames) / RATE - 5, len(frames) / RATE)
    assert last.correlation > 0.9 and abs(last.lag_frames) < 0.5


def test_the_region_keeps_other_motion_out(voice, music):
    frames = talking(curve_of(voice))
    frames[:, :40] = (0.2 + 0.7 * curve_of(music, pulse)[: len(frames)])[:, None, None, None]
    assert measure_sync([frames], RATE, voice).correlation < 0.6
    assert measure_sync([frames], RATE, voice, region=(0.0, 0.5, 1.0, 1.0)).correlation > 0.95


@pytest.mark.slow
def test_long_sound_is_decoded_in_windows_that_leave_no_seam(voice):
    long = {"waveform": voice["waveform"].repeat(1, 1, 25), "sample_rate": 44100}  # 139 s: three windows
    mono = at_16_khz(long["waveform"][0].mean(dim=0), 44100)
    for name, whole in (("loudness", loudness_curve(mono)), ("onsets", pulse_curve(mono))):
        in_windows = heard_curve(audio_from(long), name, 139)
        count = min(len(whole), len(in_windows)) - 5
        assert (in_windows[:count] - whole[:count]).abs().max() < 2e-3


def test_nothing_to_hear_and_nothing_to_see_are_said(voice):
    silence = {"waveform": torch.zeros_like(voice["waveform"]), "sample_rate": 44100}
    unheard = measure_sync([talking(curve_of(voice))], RATE, silence)
    unmoved = measure_sync([texture().expand(100, -1, -1, -1)], RATE, voice)
    assert unheard.correlation == unmoved.correlation == unheard.lag_frames == unmoved.lag_frames == 0
    assert "nothing is heard" in unheard.describe()
    assert "nothing moves" in unmoved.describe()
    for sync in (unheard, unmoved):
        assert draw_sync(sync, "loudness", "opening").isfinite().all()


def test_a_clip_too_short_and_an_empty_region_are_errors(voice):
    with pytest.raises(SoundToVideoError, match="too short"):
        measure_sync([texture().expand(5, -1, -1, -1)], RATE, voice)
    with pytest.raises(SoundToVideoError, match="too short"):
        measure_sync([texture().expand(18, -1, -1, -1)], 60, voice)
    with pytest.raises(SoundToVideoError, match="holds no pixel"):
        measure_sync([texture().expand(50, -1, -1, -1)], RATE, voice, region=(0.5, 0.0, 0.5, 1.0))


def test_the_plot_shows_both_curves(voice):
    sync = measure_sync([talking(curve_of(voice))], RATE, voice)
    plot = draw_sync(sync, "loudness", "opening")
    assert plot.shape == (1, 320, 960, 3)
    for color in ((0x4A, 0xA3, 0xD8), (0xFF, 0xB4, 0x54)):
        near = (plot[0] * 255 - torch.tensor(color)).abs().amax(dim=-1) < 24
        assert near[70:280].any(dim=0).float().mean() > 0.5, "the curve runs through most of the picture's width"


@pytest.mark.parametrize("motion", ["opening", "change"])
def test_pictures_that_are_no_numbers_are_told(motion):
    frames = torch.rand(40, 16, 16, 3)
    frames[20, 3, 3] = float("nan")
    audio = {"waveform": torch.rand(1, 1, 48000), "sample_rate": 16000}
    with pytest.raises(SoundToVideoError, match="the pictures hold NaN"):
        measure_sync([frames], 16.0, audio, motion=motion)
