"""Several speakers: their mix, their tracks, and where in the picture they are."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from sound_to_video.benchmarks.process import Measured
from sound_to_video.core.audio import Audio, audio_from, open_audio
from sound_to_video.core.audio.resampling import resampled
from sound_to_video.core.audio.speakers import IN_TURNS, TOGETHER, Speaker, speakers_sound
from sound_to_video.core.audio.trim import trim
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.families.wan.speakers import token_regions
from sound_to_video.core.frames.regions import Box, box, columns, painted
from sound_to_video.tests.sound_files import chirp, write_sound

LEFT, RIGHT = columns(2)


def noise(seconds: float, rate: int = 16000, channels: int = 1, seed: int = 1) -> Audio:
    generator = torch.Generator().manual_seed(seed)
    waveform = 0.2 * torch.randn([1, channels, round(seconds * rate)], generator=generator)
    return audio_from({"waveform": waveform, "sample_rate": rate})


def test_together_each_begins_at_its_start():
    one, other = noise(1.0), noise(0.5, seed=2)
    mix = speakers_sound([Speaker(one, LEFT), Speaker(other, RIGHT, 0.75)], TOGETHER)
    assert (mix.sample_rate, mix.channels, mix.duration) == (16000, 1, Fraction(5, 4))
    wanted = torch.zeros([1, 1, 20000])
    wanted[..., :16000] += one["waveform"]
    wanted[..., 12000:] += other["waveform"]
    assert torch.equal(mix["waveform"], wanted)
    first, second = mix.tracks
    assert (first.region, second.region) == (LEFT, RIGHT)
    assert [track.audio.duration for track in mix.tracks] == [mix.duration] * 2
    assert torch.equal(first.audio["waveform"] + second.audio["waveform"], wanted)
    assert not second.audio["waveform"][..., :12000].any()


def test_in_turns_a_start_is_a_pause_after_the_one_before():
    sounds = [noise(0.5, seed=seed) for seed in range(3)]
    mix = speakers_sound(
        [Speaker(sound, LEFT, start) for sound, start in zip(sounds, (0, 0.25, 0), strict=True)], IN_TURNS
    )
    silence = torch.zeros([1, 1, 4000])
    assert torch.equal(
        mix["waveform"],
        torch.cat([sounds[0]["waveform"], silence, *(sound["waveform"] for sound in sounds[1:])], dim=2),
    )
    for number, track in enumerate(mix.tracks):
        heard = track.audio["waveform"].reshape(-1, 4000).any(dim=1)
        assert heard.nonzero().flatten().tolist() == [[0, 1], [3, 4], [5, 6]][number], "the others' time is silence"


def test_the_mix_is_at_the_highest_rate_and_in_stereo_where_one_is():
    mono, stereo = noise(1.0, 16000), noise(1.0, 44100, channels=2, seed=2)
    mix = speakers_sound([Speaker(mono, LEFT), Speaker(stereo, RIGHT)], TOGETHER)
    assert (mix.sample_rate, mix.channels, mix.sample_count) == (44100, 2, 44100)
    wanted = resampled(mono["waveform"], 16000, 44100) + stereo["waveform"]
    assert (mix["waveform"] - wanted).abs().max() < 1e-6
    assert [track.audio.sample_rate for track in mix.tracks] == [16000, 44100], "each is heard as it is"


def test_any_stretch_is_that_of_the_whole():
    mix = speakers_sound([Speaker(noise(21.5), LEFT), Speaker(noise(9, 8000, 2, 2), RIGHT, 3)], TOGETHER)
    whole = mix["waveform"]
    for start, stop in ((0, 16000), (159990, 160010), (47900, 336000), (343999, 344000)):
        assert torch.equal(mix.trimmed(start, stop)["waveform"], whole[..., start:stop])


def test_a_trim_takes_the_same_of_every_track():
    mix = speakers_sound([Speaker(noise(1.0), LEFT), Speaker(noise(1.0, 44100, seed=2), RIGHT, 0.5)], TOGETHER)
    kept = trim(mix, 0.25, 1.0, 0.1, 0.1)
    assert kept.duration == Fraction(3, 4)
    for track, before in zip(kept.tracks, mix.tracks, strict=True):
        rate = track.audio.sample_rate
        faded = before.audio.trimmed(rate // 4, rate).faded(rate // 10, rate // 10)
        assert track.region is before.region
        assert torch.equal(track.audio["waveform"], faded["waveform"])
    assert [track.audio.sample_count for track in mix.trimmed(0, 1).tracks] == [1, 1], "of a sample, too"
    assert noise(1.0).tracks == ()


def test_nothing_is_decoded_before_it_is_heard(monkeypatch):
    sounds = [noise(1.0), noise(1.0, 44100, seed=2)]

    def never(*args):
        raise AssertionError("decoded")

    monkeypatch.setattr(Audio, "_decode", never)
    monkeypatch.setattr(Audio, "blocks", never)
    monkeypatch.setattr(Audio, "_pieces", never)
    mix = speakers_sound([Speaker(sound, LEFT) for sound in sounds], IN_TURNS)
    assert trim(mix, 0.1, 1.9).duration == Fraction(9, 5)
    assert len(mix.tracks) == 2


def test_a_mix_outlives_its_files_once_it_is_made_safe(tmp_path):
    files = [write_sound(tmp_path / f"{rate}.wav", "pcm_s16le", chirp(1.0, rate, 1), rate) for rate in (16000, 44100)]
    mix = speakers_sound([Speaker(open_audio(file), LEFT, 0.5 * n) for n, file in enumerate(files)], IN_TURNS)
    part = mix.trimmed(22050, 88200)
    wanted = part["waveform"].clone()
    safe = part.secured(tmp_path)
    for file in files:
        file.unlink()
    assert torch.equal(safe["waveform"], wanted)


def test_a_part_of_a_mix_outlives_the_long_files_it_is_of(tmp_path):
    """What a sound at another rate is made of reaches further than the part that is kept."""
    files = [write_sound(tmp_path / f"{rate}.wav", "pcm_s16le", chirp(30.0, rate, 1), rate) for rate in (16000, 44100)]
    mix = speakers_sound([Speaker(open_audio(file), LEFT) for file in files], TOGETHER)
    part = mix.trimmed(int(20.5 * 44100), 25 * 44100)
    wanted = part["waveform"].clone()
    safe = part.secured(tmp_path)
    for file in files:
        file.unlink()
    assert torch.equal(safe["waveform"], wanted)


class Hum:
    """A sound of any length that takes no memory."""

    channels = 1

    def __init__(self, seconds: int, sample_rate: int):
        self.sample_rate, self.sample_count = sample_rate, seconds * sample_rate
        self.fingerprint = f"hum {seconds} {sample_rate}"

    def reaches(self, sample: int) -> bool:
        return sample <= self.sample_count

    def read(self, start: int, stop: int):
        for first in range(start, stop, 50000):
            yield np.full([1, min(50000, stop - first)], 0.1, np.float32)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measures memory by Linux's /proc")
def test_ten_minutes_are_mixed_in_the_memory_of_ten_seconds():
    def peak(seconds: int) -> int:
        speakers = [Speaker(Audio(Hum(seconds, rate)), LEFT) for rate in (48000, 44100)]
        mix = speakers_sound(speakers, TOGETHER)
        with Measured() as measured:
            assert sum(block.shape[1] for block in mix.blocks(48000)) == seconds * 48000
        assert measured.peak_bytes is not None
        return measured.peak_bytes

    peak(10)
    assert peak(600) - peak(30) < 40 << 20, "the whole mix is 115 MB"


def picture(width: int = 96, height: int = 64) -> torch.Tensor:
    return torch.zeros([1, height, width, 3])


def tokens_of(regions, width=64, height=64, fit="crop", shown=None) -> list[torch.Tensor]:
    rows = token_regions(regions, picture() if shown is None else shown, width, height, fit)
    return [row.view(height // 16, width // 16).int().tolist() for row in rows]


def test_a_region_is_where_its_picture_shows_it():
    """The picture is half as wide again as the clip: a sixth is cut off on both sides, or bars are above and below."""
    halves = [Box(0, 0, 0.5, 1), Box(0.5, 0, 1, 1)]
    assert tokens_of(halves) == [[[1, 1, 0, 0]] * 4, [[0, 0, 1, 1]] * 4], (
        "no row for what is nobody's: all is somebody's"
    )
    assert tokens_of([Box(0, 0, 0.3, 1), Box(0.6, 0, 1, 1)])[0] == [[1, 0, 0, 0]] * 4
    padded = tokens_of(halves, fit="pad", height=96, shown=picture(64, 64))
    bars, rows = [[0, 0, 0, 0]], [[1, 1, 0, 0]] * 4
    assert padded[0] == bars + rows + bars
    assert padded[2] == [[1, 1, 1, 1]] + [[0, 0, 0, 0]] * 4 + [[1, 1, 1, 1]], "the bars are nobody's"


def test_a_mask_of_any_size_is_of_the_picture():
    mask = torch.zeros([1, 10, 30])
    mask[:, :, :15] = 1
    left, right = painted(mask, "mask_1"), painted(1 - mask, "mask_2")
    assert tokens_of([left, right]) == tokens_of([Box(0, 0, 0.5, 1), Box(0.5, 0, 1, 1)])


def test_columns_are_the_official_default_boxes():
    """wan/multitalk.py: face_scale 0.05, of half the width and of the height; rows are its x."""
    width, height, scale = 832, 480, 0.05
    rows = int(height * scale), int(height * (1 - scale))
    for number, region in enumerate(columns(2)):
        first, last = (int(width // 2 * part + number * (width // 2)) for part in (scale, 1 - scale))
        drawn = region.drawn(height, width)
        across, down = drawn.any(dim=0).nonzero().flatten(), drawn.any(dim=1).nonzero().flatten()
        assert (int(down[0]), int(down[-1]) + 1) == rows
        assert abs(int(across[0]) - first) <= 1 and abs(int(across[-1]) + 1 - last) <= 1
    assert [(round(each.left, 3), round(each.right, 3)) for each in columns(4)][1] == (0.263, 0.487)


@pytest.mark.parametrize(
    ("regions", "words"),
    [
        ([Box(0, 0, 0.6, 1), Box(0.4, 0, 1, 1)], "the regions of speakers 1 and 2 overlap: a place .* Move them apart"),
        ([Box(0.3, 0, 0.5, 1), Box(0.6, 0, 1, 1), Box(0.1, 0, 0.8, 1)], "speakers 1 and 3 overlap"),
        (
            [Box(0, 0, 0.5, 1), Box(0.9, 0, 1, 1)],
            "the region of speaker 2 covers nothing of the picture at 64 x 64: it is cut",
        ),
        (
            [Box(0.3, 0.31, 0.35, 0.33), Box(0.6, 0, 1, 1)],
            "region of speaker 1 covers nothing .* smaller than 16 pixels",
        ),
    ],
)
def test_regions_that_cannot_be_told_apart(regions, words):
    with pytest.raises(SoundToVideoError, match=words):
        tokens_of(regions)


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (torch.zeros([1, 8, 8]), "mask_2 holds nothing: paint the speaker"),
        (torch.zeros([1, 0, 8]), r"mask_2 is a tensor of the shape \(1, 0, 8\), not a MASK"),
        (torch.full([1, 8, 8], float("nan")), "mask_2 is a tensor with values that are no numbers, not a MASK"),
        (torch.ones([1, 8, 8], dtype=torch.int32), "no numbers, not a MASK"),
        ("mask", "mask_2 is a str, not a MASK"),
    ],
)
def test_a_mask_that_is_none(mask, words):
    with pytest.raises(SoundToVideoError, match=words):
        painted(mask, "mask_2")


@pytest.mark.parametrize(
    "edges", [(0.5, 0, 0.5, 1), (0.6, 0, 0.4, 1), (0, 0.9, 1, 0.1), (-0.1, 0, 1, 1), (0, 0, 1, 1.1)]
)
def test_a_box_without_an_inside(edges):
    with pytest.raises(SoundToVideoError, match=r"the box of speaker 2 is empty: from .* Left must be smaller"):
        box(edges, "speaker 2")
