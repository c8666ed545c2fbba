"""Loudness as the standard has it, whatever the blocks it is read in."""

from math import inf

import pytest
import torch
import torchaudio
from sound_to_video.core.audio import audio_from
from sound_to_video.core.audio.loudness import BLOCK_SAMPLES, Level, integrated_loudness, level_of
from sound_to_video.core.sync.measure import mel_filters


def tone(seconds: float, rate: int, channels: int = 1, peak: float = 1.0, hertz: float = 997.0) -> torch.Tensor:
    return (peak * torch.sin(2 * torch.pi * hertz * torch.arange(int(seconds * rate)) / rate)).expand(channels, -1)


@pytest.mark.parametrize(("channels", "lufs"), [(1, -3.01), (2, 0.0)])
def test_the_standards_own_tone_at_full_scale(channels, lufs):
    """BS.1770-4: a 997 Hz sine at 0 dB FS in one of the front channels is -3.01 LKFS."""
    assert integrated_loudness([tone(5, 48000, channels)], 48000) == pytest.approx(lufs, abs=0.1)


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_torchaudio_agrees(rate, channels):
    generator = torch.Generator().manual_seed(3)
    samples = 0.1 * torch.randn([channels, 6 * rate], generator=generator)
    samples[:, 2 * rate : 4 * rate] *= 0.003  # the second gate leaves it out
    theirs = float(torchaudio.functional.loudness(samples.double(), rate))
    assert integrated_loudness([samples], rate) == pytest.approx(theirs, abs=0.02)


def test_blocks_of_any_length_give_the_same():
    samples = tone(3, 16000, 2, 0.2) * torch.linspace(0.2, 1, 48000)
    whole = integrated_loudness([samples], 16000)
    for size in (777, 16001):
        assert integrated_loudness(samples.split(size, dim=-1), 16000) == pytest.approx(whole, abs=1e-9)
    assert integrated_loudness([samples[:, :1], samples[:, 1:]], 16000) == pytest.approx(whole, abs=1e-9)


def test_the_low_frequency_channel_does_not_count():
    front = torch.zeros([6, 48000])
    front[0] = tone(1, 48000)[0]
    low = front.clone()
    low[3] = tone(1, 48000, hertz=60)[0]
    assert integrated_loudness([low], 48000) == integrated_loudness([front], 48000)


@pytest.mark.parametrize("samples", [torch.zeros([2, 48000]), tone(0.3, 48000), torch.zeros([1, 0])])
def test_silence_and_what_is_too_short_have_none(samples):
    assert integrated_loudness([samples], 48000) == -inf
    assert integrated_loudness([], 48000) == -inf


def test_the_level_of_a_sound_is_its_furthest_sample_and_its_loudness():
    samples = tone(6, 48000, 2, 0.25)
    samples = torch.cat([samples, -0.5 * torch.ones([2, 1])], dim=1)
    level = level_of(audio_from({"waveform": samples[None], "sample_rate": 48000}))
    assert level.peak == pytest.approx(-6.02, abs=0.01)
    assert level.loudness == pytest.approx(-12.04, abs=0.1)
    silent = audio_from({"waveform": torch.zeros([1, 1, 48000]), "sample_rate": 48000})
    assert level_of(silent) == Level(-inf, -inf)


def test_a_level_that_nobody_waits_for_is_not_measured_to_its_end():
    audio, read = audio_from({"waveform": torch.ones([1, 1, 9 * BLOCK_SAMPLES]), "sample_rate": 48000}), []
    level_of(audio, lambda: bool(read.append(1)) or len(read) > 2)
    assert len(read) == 3


def test_mel_filters_are_torchaudios():
    theirs = torchaudio.functional.melscale_fbanks(257, 50.0, 8000.0, 32, 16000)
    assert (mel_filters(257, 50.0, 8000.0, 32, 16000) - theirs).abs().max() < 1e-5
