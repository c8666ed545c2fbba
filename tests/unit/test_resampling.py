"""Any pair of sample rates, in bounded memory: the host's numbers where it can, the same filter where it cannot."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torchaudio
from sound_to_video.core.audio import audio_from, resampling
from sound_to_video.core.audio.beats import detect_beats
from sound_to_video.core.audio.resampling import is_usual, resampled
from sound_to_video.core.sync.measure import heard_curve
from sound_to_video.tests.sound_files import chirp

ROOT = Path(__file__).resolve().parents[2]
USUAL = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 37800, 44100, 48000, 64000, 88200, 96000, 176400, 192000)


@pytest.mark.parametrize("rate", USUAL)
@pytest.mark.parametrize("new_rate", [16000, 22050, 44100, 48000])
def test_usual_rates_are_the_hosts_to_the_bit(rate, new_rate):
    assert is_usual(rate, new_rate)
    samples = torch.from_numpy(chirp(0.1, rate, 2))[None]
    assert torch.equal(resampled(samples, rate, new_rate), torchaudio.functional.resample(samples, rate, new_rate))


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "new_rate"), [(8001, 1600), (4001, 1600), (1600, 4001), (3001, 1000), (44100, 16000)])
def test_the_filter_for_other_rates_is_the_hosts(monkeypatch, rate, new_rate):
    samples = torch.from_numpy(chirp(1.5, rate, 2))[None]
    exact = torchaudio.functional.resample(samples.double(), rate, new_rate)
    monkeypatch.setattr(resampling, "MOST_TAPS", 0)
    ours = resampled(samples, rate, new_rate)
    assert ours.shape == exact.shape
    assert (ours - exact).abs().max() < 1e-6


@pytest.mark.parametrize("new_rate", [16000, 22050, 48000])
@pytest.mark.parametrize("rate", [44101, 47999, 22051, 11127, 1535999])
def test_rates_without_a_common_divisor_keep_pitch_and_length_in_little_memory(monkeypatch, rate, new_rate):
    asked = []
    monkeypatch.setattr(resampling, "host_resample", lambda *arguments: asked.append(arguments))
    count = rate // 2
    tone = torch.sin(2 * torch.pi * 440 * torch.arange(count) / rate)[None, None]
    ours = resampled(tone, rate, new_rate)[0, 0]
    assert asked == [], "its filters would take gigabytes"
    assert len(ours) == -(-count * new_rate // rate)
    meant = torch.sin(2 * torch.pi * 440 * torch.arange(len(ours)) / new_rate)
    middle = slice(new_rate // 10, -new_rate // 10)
    assert (ours - meant)[middle].abs().max() < 5e-3


NEWER_HOST = """
import sys, types
sys.path[:0] = sys.argv[1:3]
sys.modules["torchaudio"] = None  # whoever asks for it now fails
sys.modules["comfy.audio"] = types.ModuleType("comfy.audio")
sys.modules["comfy.audio"].resample = lambda samples, rate, new_rate: samples.new_full([1, new_rate], 7)
import tests.conftest
import torch
from sound_to_video.core.audio.resampling import resampled
assert resampled(torch.zeros([1, 44100]), 44100, 16000).tolist() == [[7] * 16000]
import sound_to_video.core.sync.measure
import sound_to_video.core.audio.loudness
import sound_to_video.nodes.load_audio
import sound_to_video.nodes.trim_audio
import sound_to_video.nodes.record_mic
"""


@pytest.mark.slow
def test_a_host_without_torchaudio_has_a_resampler_of_its_own():
    command = [sys.executable, "-c", NEWER_HOST, str(ROOT), str(ROOT / "tests")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_no_other_file_asks_for_torchaudio():
    asking = [
        path.relative_to(ROOT).as_posix()
        for folder in ("core", "nodes", "server", "farm")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"(from|import) torchaudio", path.read_text(encoding="utf-8"))
    ]
    assert asking == ["core/audio/resampling.py"]


def test_an_interrupt_ends_it():
    class Interrupted(Exception):
        pass

    def interrupt():
        raise Interrupted

    with pytest.raises(Interrupted):
        resampled(torch.zeros(1, 44101), 44101, 16000, interrupt)


def sound(seconds: float, rate: int, channels: int = 1) -> dict:
    """A tone that swells twice a second, in every channel."""
    time = np.arange(round(seconds * rate)) / rate
    swell = np.sin(2 * np.pi * 300 * time) * (1 + np.sin(2 * np.pi * 2 * time)) / 2
    waveform = torch.from_numpy(np.tile(swell, (channels, 1)).astype(np.float32))[None]
    return {"waveform": waveform, "sample_rate": rate}


def test_what_is_heard_does_not_depend_on_the_rate():
    curves = [heard_curve(audio_from(sound(3, rate)), "loudness", 3) for rate in (16000, 44101, 47999)]
    for curve in curves[1:]:
        assert (curve[:300] - curves[0][:300]).abs().max() < 0.02


@pytest.mark.slow  # librosa
def test_beats_of_an_odd_rate():
    pytest.importorskip("librosa")
    rate = 44101
    clicks = np.zeros((1, rate * 8), np.float32)
    for beat in range(1, 15):
        at = beat * rate // 2
        clicks[:, at : at + 400] = np.random.default_rng(beat).standard_normal(400) * np.linspace(0.9, 0, 400)
    beats = detect_beats(audio_from({"waveform": torch.from_numpy(clicks)[None], "sample_rate": rate}))
    assert len(beats) >= 10
    assert all(abs(at * 2 - round(at * 2)) < 0.06 for at in beats)


@pytest.mark.usefixtures("as_in_a_node")
@pytest.mark.parametrize(("rate", "channels"), [(44101, 2), (47999, 1), (44100, 6), (44101, 16)])
def test_ltx_takes_any_rate_and_any_channels(ltx_models, rate, channels):
    from sound_to_video.core.families.ltx.audio_latents import encode_with_vae

    ours = encode_with_vae(audio_from(sound(2, rate, channels)), ltx_models.audio_vae)
    usual = encode_with_vae(audio_from(sound(2, 44100)), ltx_models.audio_vae)
    assert ours.audio.channels == channels
    assert ours.count == usual.count
    if channels != 6:  # in 5.1 the centre and the sides are softer
        assert (ours.latents - usual.latents).abs().mean() < 0.05 * usual.latents.std()


@pytest.mark.usefixtures("as_in_a_node")
def test_ltx_hears_a_header_of_millions_of_samples_a_second_in_little_memory(ltx_models):
    from sound_to_video.core.families.ltx.audio_latents import encode_with_vae

    short = {"waveform": torch.zeros(1, 1, 500), "sample_rate": 1 << 24}
    assert encode_with_vae(audio_from(short), ltx_models.audio_vae).latents.isfinite().all()
