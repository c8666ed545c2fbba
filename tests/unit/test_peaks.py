"""What a person would miss in the waveform: a click that is not drawn, a picture that is shifted, a pause not found."""

import numpy as np
import pytest
from sound_to_video.core.audio.peaks import (
    FINEST_BINS_PER_SECOND,
    MOST_BINS,
    PeakMeter,
    bins_per_second_for,
    reduced,
    silences,
)


def peaks_of(samples: np.ndarray, sample_rate: int, bins_per_second: int, block_sizes=(4096,)) -> np.ndarray:
    meter = PeakMeter(sample_rate, bins_per_second)
    parts, at, turn = [], 0, 0
    while at < samples.shape[1]:
        size = block_sizes[turn % len(block_sizes)]
        parts.append(meter.feed(samples[:, at : at + size]))
        at, turn = at + size, turn + 1
    return np.concatenate([*parts, meter.finish()])


@pytest.mark.parametrize("sample_rate", [8000, 11025, 22050, 44100, 48000, 192000])
@pytest.mark.parametrize("bins_per_second", [1000, 250, 62])
def test_every_bin_holds_exactly_its_samples(sample_rate, bins_per_second):
    samples = np.random.default_rng(sample_rate).uniform(-1, 1, (2, sample_rate + 777)).astype(np.float32)
    bins = np.arange(samples.shape[1]) * bins_per_second // sample_rate
    expected = np.array(
        [[samples[:, bins == i].min(), samples[:, bins == i].max()] for i in range(0, bins[-1] + 1, 37)]
    )
    found = peaks_of(samples, sample_rate, bins_per_second)
    assert len(found) == bins[-1] + 1
    np.testing.assert_array_equal(found[::37, 0], np.floor(expected[:, 0] * 127).clip(-127, 127))
    np.testing.assert_array_equal(found[::37, 1], np.ceil(expected[:, 1] * 127).clip(-127, 127))


@pytest.mark.parametrize("block_sizes", [(1,), (44,), (45,), (1000, 1, 7), (100_000,)])
def test_the_size_of_blocks_does_not_matter(block_sizes):
    samples = np.random.default_rng(1).uniform(-1, 1, (1, 9001)).astype(np.float32)
    np.testing.assert_array_equal(
        peaks_of(samples, 44100, 1000, block_sizes), peaks_of(samples, 44100, 1000, (samples.shape[1],))
    )


def test_a_single_loud_sample_is_never_lost():
    samples = np.zeros((1, 44100 * 3), np.float32)
    samples[0, 98_765] = 0.004
    found = peaks_of(samples, 44100, 1000)
    assert found[98_765 * 1000 // 44100, 1] == 1
    assert np.count_nonzero(found) == 1
    assert reduced(found, 64)[:, 1].max() == 1


def test_too_loud_samples_stay_within_the_picture():
    assert peaks_of(np.array([[-7.0, 7.0]], np.float32), 1000, 1000).tolist() == [[-127, -127], [127, 127]]


@pytest.mark.parametrize("hours", [0.001, 1, 1.12, 7, 24 * 7])
def test_a_long_sound_gets_coarser_bins_not_more(hours):
    bins_per_second = bins_per_second_for(hours * 3600)
    assert hours * 3600 * bins_per_second <= MOST_BINS
    assert bins_per_second == FINEST_BINS_PER_SECOND or hours * 3600 * bins_per_second * 2 > MOST_BINS - 7200 * hours


def levels_of(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    meter = PeakMeter(sample_rate, 1000)
    meter.feed(samples)
    meter.finish()
    return meter.levels()


def test_pauses_of_a_noisy_voice_are_found_where_they_are():
    rate = 16000
    random = np.random.default_rng(4)
    samples = random.normal(0, 0.002, (1, rate * 6))  # the room
    for start, end in [(0.5, 2.0), (2.6, 4.0), (4.1, 5.0)]:  # words; the gap of 0.1 s is no pause
        samples[0, int(start * rate) : int(end * rate)] += random.normal(0, 0.2, int(end * rate) - int(start * rate))
    found = silences(levels_of(samples.astype(np.float32), rate))
    np.testing.assert_allclose(found, [(0, 0.5), (2.0, 2.6), (5.0, 6.0)], atol=0.011)


def test_digital_silence_is_all_pause_and_steady_sound_is_none():
    assert silences(levels_of(np.zeros((1, 16000), np.float32), 16000)) == [(0.0, 1.0)]
    tone = np.sin(np.arange(32000) / 5)[None].astype(np.float32)
    assert silences(levels_of(tone, 16000)) == []
    assert silences(np.zeros(0)) == []
