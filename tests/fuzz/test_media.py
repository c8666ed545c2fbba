"""Damaged files of every format: what libav plays is played, as long as libav has it; the rest ends in one sentence."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from random import Random

import av
import numpy as np
import pytest
from sound_to_video.core.audio import open_audio
from sound_to_video.core.audio.media import HIGHEST_RATE, MOST_CHANNELS
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.tests.sound_files import chirp, write_sound

MOST = 90
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


def samples_of_libav(path: Path) -> int | None:
    """Samples that a plain decode gives, errors of packets passed over; None where it gives none."""
    count = 0
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            if not container.streams.audio:
                return None
            for packet in container.demux(audio=0):
                try:
                    count += sum(frame.samples for frame in packet.decode())
                except av.error.FFmpegError:
                    continue
    except (av.error.FFmpegError, ValueError):
        pass
    return count or None


def heard(path: Path) -> Iterator[int]:
    """Samples of ours, piece by piece; the pieces hold no NaN."""
    for block in open_audio(path).blocks(8192):
        assert np.isfinite(block.numpy()).all()
        yield block.shape[1]


def test_damaged_files(fuzz_round, seeds, tmp_path, caplog):
    caplog.set_level(logging.CRITICAL)
    av.logging.set_level(av.logging.PANIC)
    wrong, ran, refused = [], 0, 0
    kinds = [(suffix, mutation) for suffix in seeds for mutation in MUTATIONS]
    for number in fuzz_round.repeated(MOST):
        random = Random(f"{fuzz_round.seed}-{number}")
        suffix, mutation = kinds[number % len(kinds)] if fuzz_round.minutes else random.choice(kinds)
        path = tmp_path / f"mutant.{suffix}"
        path.write_bytes(mutation(bytearray(seeds[suffix]), random))
        case = f"{number}: {mutation.__name__} {suffix}"
        plain = samples_of_libav(path)
        ran += 1
        try:
            sound = open_audio(path)
            duration, count = sound.duration, sum(heard(path))
        except SoundToVideoError as error:
            refused += 1
            if plain and not any(bound in str(error) for bound in BOUNDS):
                wrong.append(f"{case}: refused where libav plays {plain} samples: {str(error)[:160]}")
            continue
        except Exception as error:
            wrong.append(f"{case}: {type(error).__name__}: {str(error)[:160]}")
            continue
        if abs(Fraction(count, sound.sample_rate) - duration) > Fraction(1, 1000):
            wrong.append(f"{case}: said {float(duration):.4f} s, gave {count / sound.sample_rate:.4f} s")
    fuzz_round.tell(f"{ran} mutants, {refused} refused")
    assert not wrong, f"{len(wrong)} of {ran} (seed {fuzz_round.seed}):\n" + "\n".join(wrong)
