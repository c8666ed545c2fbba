"""Measure Sync as the host calls it."""

import folder_paths
import pytest
import torch
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.sync.measure import loudness
from sound_to_video.nodes.measure_sync import MeasureSync

RATE, SOUND_RATE = 25, 16000


@pytest.fixture(autouse=True)
def temp_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path))
    return tmp_path


def sound(seconds: float = 4.0) -> dict:
    """Noise that comes and goes, never twice alike."""
    generator = torch.Generator().manual_seed(3)
    levels = torch.rand(round(seconds * 5), generator=generator).repeat_interleave(SOUND_RATE // 5)
    return {
        "waveform": (torch.randn(len(levels), generator=generator) * 0.3 * levels**2)[None, None],
        "sample_rate": SOUND_RATE,
    }


def disc(audio: dict, late: int = 0) -> torch.Tensor:
    """A disc ``[frames, 64, 64, 3]`` as large as the sound is loud."""
    samples = audio["waveform"][0, 0]
    curve = loudness(samples, SOUND_RATE, RATE, len(samples) * RATE // SOUND_RATE)
    curve = torch.cat([curve[:1].expand(late), curve[: len(curve) - late]])
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    away = ((x - 32) ** 2 + (y - 32) ** 2).sqrt()
    return ((8 + 16 * curve)[:, None, None] - away).clamp(0, 1)[..., None].expand(-1, -1, -1, 3).contiguous()


def measure(video, audio=None, heard="loudness", motion="opening", frame_rate=float(RATE)):
    return MeasureSync.execute(video, heard, motion, frame_rate, 0.0, 0.0, 1.0, 1.0, audio)


def test_numbers_plot_and_sentence(temp_folder):
    output = measure(disc(sound(), late=4), sound())
    correlation, lag_seconds, plot, summary = output.args
    assert correlation > 0.97
    assert lag_seconds == pytest.approx(4 / RATE, abs=0.2 / RATE)
    assert plot.shape == (1, 320, 960, 3)
    assert "the picture 4.0 frames" in summary and "behind the sound" in summary
    shown = output.ui.as_dict()["images"]
    assert (temp_folder / shown[0]["subfolder"] / shown[0]["filename"]).stat().st_size > 5000


def test_frames_without_a_sound_are_an_error_on_the_node():
    with pytest.raises(SoundToVideoError, match=r"^Measure Sync: there is no sound to compare with"):
        measure(disc(sound()))
