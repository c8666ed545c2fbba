"""What the host does with every node output must not decode or encode anything."""

import pytest
import torch
from sound_to_video.core.audio import audio_from
from sound_to_video.core.features.encoded import HostEncodedAudio


def touched(*args):
    raise AssertionError("the host's own bookkeeping decoded an output")


def encoded():
    layers = tuple(torch.zeros([1, 49, 1024]) for _ in range(25))
    return HostEncodedAudio({"encoded_audio": layers[-1], "encoded_audio_all_layers": layers, "audio_samples": 16000})


@pytest.mark.parametrize(
    "make", [lambda: audio_from({"waveform": torch.zeros([1, 1, 100]), "sample_rate": 100}), encoded]
)
def test_the_hosts_search_for_models_leaves_outputs_as_they_are(make, monkeypatch):
    from comfy.model_patcher import PromptModelTracker

    output = make()
    monkeypatch.setattr(type(output), "__getitem__", touched)
    PromptModelTracker().add([[output]])


def test_a_copy_of_an_audio_is_complete():
    audio = audio_from({"waveform": torch.zeros([1, 1, 100]), "sample_rate": 100})
    assert {**audio}.keys() == dict(audio.items()).keys() == {"waveform", "sample_rate"}
    assert dict(audio)["waveform"].shape == (1, 1, 100)
