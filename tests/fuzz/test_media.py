"""Damaged files of every format: what libav plays is played, as long as libav has it; the rest ends in one sentence."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from comfy_api.latest import InputImpl
from sound_to_video.core.audio import open_audio
from sound_to_video.core.audio.file import FileSource
from sound_to_video.core.audio.lazy import Audio
from sound_to_video.core.audio.media import HIGHEST_RATE, MOST_CHANNELS
from sound_to_video.core.audio.peaks import sketch
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.frames.reading import frames_of
from sound_to_video.tests.fuzz.rounds import Round
from sound_to_video.tests.sound_files import chirp, plain_decode, played_seconds, write_sound

MOST_SOUNDS, MOST_VIDEOS = 90, 40
SECONDS = 2.0
BOUNDS = (f"up to {HIGHEST_RATE} can be read", f"up to {MOST_CHANNELS} can be read")
"""What a damaged header may ask for and not get, whatever libav makes of it."""
FORMATS = {
    "wav": ("pcm_s16le", {}),
    "aiff": ("pcm_s16be", {}),
    "flac": ("flac", {"sample_format": "s16"}),
    "mp3": ("libmp3lame", {}),
    "m4a": ("aac", {}),
    "aac": ("aac", {"container": "adts"}),
    "ogg": ("flac", {"sample_format": "s16"}),
    "opus": ("libopus", {}),
    "webm": ("libopus", {"picture": True}),
    "mkv": ("aac", {"picture": True}),
    "mp4": ("aac", {"picture": True}),
    "mov": ("pcm_s16le", {"picture": True}),
    "ts": ("mp2", {"container": "mpegts"}),
}
MOST_ROUNDING = 0.001  # seconds
PICTURES = ("webm", "mkv", "mp4", "mov")


def flipped(data: bytearray, random: Random) -> bytearray:
    for _ in range(random.choice([1, 3, 20])):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return data


def header_flipped(data: bytearray, random: Random) -> bytearray:
    data[random.randrange(min(len(data), 200))] = random.randrange(256)
    return data


def cut(data: bytearray, random: Random) -> bytearray:
    return data[: random.randrange(1, len(data))]


def hole(data: bytearray, random: Random) -> bytearray:
    at = random.randrange(len(data))
    del data[at : at + random.choice([1, 20, 400])]
    return data


def zeroed(data: bytearray, random: Random) -> bytearray:
    at = random.randrange(len(data))
    size = min(random.choice([16, 400, 3000]), len(data) - at)
    data[at : at + size] = bytes(size)
    return data


def inserted(data: bytearray, random: Random) -> bytearray:
    at = random.randrange(len(data))
    data[at:at] = random.randbytes(random.choice([1, 50, 2000]))
    return data


def doubled(data: bytearray, random: Random) -> bytearray:
    return data + data


def headless(data: bytearray, random: Random) -> bytearray:
    return data[random.randrange(1, max(2, len(data) // 3)) :]


MUTATIONS = (flipped, header_flipped, cut, hole, zeroed, inserted, doubled, headless)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("seeds")
    made = {}
    for suffix, (codec, options) in FORMATS.items():
        rate = 48000 if codec == "libopus" else 44100
        path = folder / f"seed.{suffix}"
        made[suffix] = write_sound(path, codec, chirp(SECONDS, rate, 2), rate, **options).read_bytes()
    return made


class Mutants:
    """Damaged files of the given formats, one after the other; ``case`` names the last one."""

    def __init__(self, fuzz_round: Round, seeds: dict[str, bytes], folder: Path):
        self.round, self._seeds, self._folder = fuzz_round, seeds, folder
        self.ran = self.refused = 0
        self.case = ""

    def made(self, most: int) -> Iterator[tuple[Path, Random]]:
        kinds = [(suffix, mutation) for suffix in self._seeds for mutation in MUTATIONS]
        for number in self.round.repeated(most):
            random = Random(f"{self.round.seed}-{number}")
            suffix, mutation = kinds[number % len(kinds)] if self.round.minutes else random.choice(kinds)
            path = self._folder / f"mutant.{suffix}"
            path.write_bytes(mutation(bytearray(self._seeds[suffix]), random))
            self.case = f"{number}: {mutation.__name__} {suffix}"
            self.ran += 1
            yield path, random

    def is_wrong(self, what: str) -> None:
        self.round.is_wrong(f"{self.case}: {what[:200]}")

    def assert_none_is_wrong(self, kind: str) -> None:
        self.round.tell(f"{self.ran} {kind}, {self.refused} refused")
        self.round.assert_nothing_is_wrong(self.ran)


@pytest.fixture
def mutants(fuzz_round, seeds, tmp_path, caplog):
    caplog.set_level(logging.CRITICAL)

    def of(suffixes: Iterable[str]) -> Mutants:
        return Mutants(fuzz_round, {suffix: seeds[suffix] for suffix in suffixes}, tmp_path)

    return of


def heard(path: Path) -> Iterator[int]:
    """Samples of ours, piece by piece; the pieces hold no NaN."""
    for block in open_audio(path).blocks(8192):
        assert np.isfinite(block.numpy()).all()
        yield block.shape[1]


def check_sound(path: Path, random: Random) -> str | None:
    """What is wrong with the sound of a file that may be refused; raises what opening and reading it raises."""
    sound = open_audio(path)
    count = sum(heard(path))
    if abs(count - sound.sample_count) > sound.sample_rate / 1000:
        return f"said {sound.sample_count} samples, gave {count}"
    start = random.randrange(count)
    stop = random.randrange(start, min(count, start + 9000)) + 1
    whole = sound["waveform"]
    if not torch.equal(Audio(FileSource(path)).trimmed(start, stop)["waveform"], whole[..., start:stop]):
        return f"{start} to {stop} of {count} is not the slice of the whole"
    lasts, meant = float(sound.duration), played_seconds(path)
    if min(abs(lasts - seconds) for seconds in meant) > MOST_ROUNDING:
        return f"lasts {lasts:.4f} s, not {meant[0]:.4f} or {meant[1]:.4f} s"
    return None


def test_damaged_sounds(mutants):
    files = mutants(FORMATS)
    for path, random in files.made(MOST_SOUNDS):
        sketch(path, 8)
        try:
            odd = check_sound(path, random)
        except SoundToVideoError as error:
            files.refused += 1
            seconds = plain_decode(path)
            odd = f"refused where libav plays {seconds:.3f} s: {error}" if seconds else None
            if any(bound in str(error) for bound in BOUNDS):
                odd = None
        except Exception as error:
            odd = f"{type(error).__name__}: {error}"
        if odd:
            files.is_wrong(odd)
    files.assert_none_is_wrong("mutants of sounds")


def test_damaged_videos(mutants):
    """As VIDEO: frames that can be had are given, or one sentence says why there are none."""
    files = mutants(PICTURES)
    for path, _ in files.made(MOST_VIDEOS):
        try:
            stream = frames_of(InputImpl.VideoFromFile(str(path)), 16)
            shapes = {group.shape[1:] for group in stream.groups}
            if shapes != {(stream.height, stream.width, 3)}:
                files.is_wrong(f"frames of {shapes}, said {stream.width} x {stream.height}")
        except SoundToVideoError:
            files.refused += 1
        except Exception as error:
            files.is_wrong(f"{type(error).__name__}: {error}")
    files.assert_none_is_wrong("mutants of videos")
