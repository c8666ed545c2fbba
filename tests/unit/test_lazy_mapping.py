"""What the host does with every value that passes between nodes must not decode a file or encode a song anew."""

import torch
from sound_to_video.core.audio import Audio, audio_from
from sound_to_video.core.encoded_audio import HOST_KEYS, EncodedAudio


class Watched(EncodedAudio):
    kind = "wav2vec2-large"

    def __init__(self):
        self.asked = []

    def host_value(self, key):
        self.asked.append(key)
        return torch.zeros(1)


def test_the_host_walks_outputs_without_making_their_values(monkeypatch):
    from comfy.model_patcher import PromptModelTracker

    decoded = []
    monkeypatch.setattr(Audio, "_decode", lambda self: decoded.append(self) or torch.zeros([1, 1, 8]))
    encoded, audio = Watched(), audio_from({"waveform": torch.zeros([1, 1, 8]), "sample_rate": 8}).trimmed(1, 5)
    tracker = PromptModelTracker()
    tracker.start()
    tracker.add([encoded, audio])
    assert encoded.asked == decoded == []


def test_everything_is_there_for_who_indexes():
    encoded = Watched()
    assert set(dict(encoded)) == set({**encoded}) == {key for key, _ in encoded.items()} == set(HOST_KEYS)
    assert sorted(encoded.asked) == sorted(HOST_KEYS * 3)
    audio = audio_from({"waveform": torch.ones([1, 2, 8]), "sample_rate": 8}).trimmed(1, 5)
    assert torch.equal(dict(audio)["waveform"], torch.ones([1, 2, 4]))
