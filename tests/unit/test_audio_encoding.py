"""Audio Encode for audio encoders: the host's numbers, for any rate, channels and length."""

from fractions import Fraction

import pytest
import torch
from sound_to_video.core.audio import audio_from
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.families import listen
from sound_to_video.core.families.wan.features import WanS2VLayout
from sound_to_video.core.features.encoded import WHISPER, HostEncodedAudio, encoded_audio_from
from sound_to_video.core.features.encoders import EncoderFeatures, all_layers, encoder_kind, windows
from sound_to_video.core.features.layout import frames_between

pytestmark = pytest.mark.usefixtures("as_in_a_node")


def sound(seconds: float, sample_rate: int = 16000, channels: int = 1):
    generator = torch.Generator().manual_seed(1)
    waveform = 0.1 * torch.randn([1, channels, round(seconds * sample_rate)], generator=generator)
    return audio_from({"waveform": waveform, "sample_rate": sample_rate})


def heard(encoded, frames: int) -> torch.Tensor:
    """What Wan2.2-S2V hears of the first frames."""
    return frames_between(encoded.features(WanS2VLayout()), 0, frames)


@pytest.fixture(scope="module")
def wav2vec2(checkpoints):
    import comfy.sd
    import comfy.utils
    from comfy.audio_encoders.audio_encoders import load_audio_encoder_from_sd

    return load_audio_encoder_from_sd(comfy.utils.load_torch_file(str(checkpoints.path("wav2vec2"))))


def small_encoder(**config):
    """One of the host's encoders at a small width."""
    import comfy.sd  # noqa: F401
    from comfy.audio_encoders.audio_encoders import AudioEncoderModel
    from sound_to_video.tests.checkpoints import fill

    encoder = AudioEncoderModel(config)
    encoder.load_sd(fill(encoder.get_sd()))
    return encoder


@pytest.fixture(scope="module")
def small_whisper():
    return small_encoder(model_type="whisper3", n_audio_state=32, n_audio_head=2, n_audio_layer=2)


@pytest.mark.slow
@pytest.mark.parametrize(("seconds", "sample_rate", "channels"), [(0.3, 44100, 2), (1.1, 16000, 1), (0.7, 8000, 6)])
def test_features_and_host_values_are_those_of_cores_node(wav2vec2, seconds, sample_rate, channels):
    from comfy_extras.nodes_audio_encoder import AudioEncoderEncode

    audio = sound(seconds, sample_rate, channels)
    theirs = AudioEncoderEncode.execute(wav2vec2, audio)[0]
    ours = listen(audio, wav2vec2)
    assert ours.duration == audio.duration
    features = heard(ours, 32)
    assert torch.equal(features, heard(HostEncodedAudio(theirs), 32))
    reached = round(float(audio.duration) * 16)
    assert features[:, reached - 2].abs().sum() > 0, "features to the end of the audio"
    assert features[:, reached + 1 :].abs().sum() == 0, "and silence after it"
    if seconds < 1:
        assert ours["audio_samples"] == theirs["audio_samples"]
        for mine, host in zip(ours["encoded_audio_all_layers"], theirs["encoded_audio_all_layers"], strict=True):
            assert torch.equal(mine, host)


@pytest.mark.slow
def test_a_click_of_a_few_samples_is_long_enough(wav2vec2):
    assert heard(listen(sound(0.001), wav2vec2), 4).isfinite().all()


def test_whisper_up_to_half_a_minute_is_the_hosts(small_whisper):
    audio = sound(12)
    theirs = small_whisper.encode_audio(audio["waveform"], 16000)["encoded_audio_all_layers"]
    assert all(torch.equal(a, b) for a, b in zip(all_layers(audio, small_whisper), theirs, strict=True))


def test_whisper_beyond_half_a_minute_hears_all_of_it(small_whisper):
    long, opening = sound(71), sound(30)
    layers = all_layers(long, small_whisper)
    assert {layer.shape[1] for layer in layers} == {71 * 50}
    host = small_whisper.encode_audio(long["waveform"], 16000)["encoded_audio_all_layers"]
    assert {layer.shape[1] for layer in host} == {1500}, "the host stops at 30 s"
    first = small_whisper.encode_audio(opening["waveform"], 16000)["encoded_audio_all_layers"]
    assert all(torch.equal(mine[:, :1250], whole[:, :1250]) for mine, whole in zip(layers, first, strict=True))
    later = long.trimmed(60 * 16000, 71 * 16000)
    tail = small_whisper.encode_audio(later["waveform"], 16000)["encoded_audio_all_layers"]
    assert torch.equal(layers[-1][:, 65 * 50 :], tail[-1][:, 5 * 50 : 11 * 50])


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [1, 71])
def test_all_families_of_an_encoder_hear_one_encoding(small_whisper, monkeypatch, seconds):
    """In one pass and in windows; whoever asks again, or for a rate that is new, costs no more than that."""
    windows_encoded, encode = [], small_whisper.encode_audio

    def counted(waveform, sample_rate):
        windows_encoded.append(waveform)
        return encode(waveform, sample_rate)

    monkeypatch.setattr(small_whisper, "encode_audio", counted)
    at_16, at_25 = WanS2VLayout(), WanS2VLayout(Fraction(25))
    encoded = EncoderFeatures(sound(seconds), small_whisper, WHISPER, [at_16, at_25])
    once = len(windows_encoded)
    assert once == (1 if seconds <= 30 else 4)
    assert encoded.features(WanS2VLayout()) is encoded.features(at_16)
    assert encoded.features(at_25).shape == (3, 25 * seconds, 32)
    assert len(windows_encoded) == once
    alone = EncoderFeatures(sound(seconds), small_whisper, WHISPER)
    assert torch.equal(alone.features(at_25), encoded.features(at_25))


def test_a_family_may_drive_the_encoder_itself(small_whisper):
    class Own(WanS2VLayout):
        def from_encoder(self, audio, encoder):
            return torch.full([1, int(audio.duration * 16), 2], float(encoder is small_whisper))

    encoded = EncoderFeatures(sound(2), small_whisper, WHISPER, [Own()])
    assert torch.equal(encoded.features(Own()), torch.ones([1, 32, 2]))


def test_before_the_sound_and_after_it_there_is_silence():
    features = torch.arange(1.0, 4.0)[None, :, None]
    assert frames_between(features, -2, 5).flatten().tolist() == [0, 0, 1, 2, 3, 0, 0]
    assert frames_between(features, -3, -1).flatten().tolist() == [0, 0]
    assert frames_between(features, 1, 2).flatten().tolist() == [2]
    assert frames_between(features, 7, 9).flatten().tolist() == [0, 0]


@pytest.mark.parametrize("seconds", [30.5, 35.01, 40, 61, 200])
def test_windows_keep_every_feature_once_with_context_on_both_sides(seconds):
    audio, count = sound(seconds, 100), round(seconds * 50)
    kept = 0
    for window, keep in windows(audio, 30, count):
        features = round(window.duration * 50)
        assert keep.start == (0 if kept == 0 else 5 * 50)
        kept += keep.stop - keep.start
        assert keep.stop == (features if kept == count else features - 5 * 50)
    assert kept == count


@pytest.mark.slow
@pytest.mark.parametrize("in_windows", [False, True])
def test_the_host_makes_room_for_what_the_encoder_computes(wav2vec2, monkeypatch, in_windows):
    import comfy.model_management
    from sound_to_video.core.features import encoders as audio_encoding

    asked, encode = [], wav2vec2.encode_audio
    load = comfy.model_management.load_models_gpu

    def watched(models, *arguments, **keywords):
        asked.append(keywords.get("memory_required", 0))
        return load(models, *arguments, **keywords)

    def encode_audio(waveform, sample_rate):
        held = waveform.shape[-1] * 400 * 4  # see benchmarks: what one pass of wav2vec2 holds for a sample
        assert max(asked) >= held, "before it computes"
        return encode(waveform, sample_rate)

    monkeypatch.setattr(comfy.model_management, "load_models_gpu", watched)
    monkeypatch.setattr(wav2vec2, "encode_audio", encode_audio)
    if in_windows:
        monkeypatch.setattr(audio_encoding, "one_pass_fits", lambda audio, encoder: False)
    listen(sound(0.5, 44100, 2), wav2vec2)
    assert asked


def test_room_for_whisper_is_that_of_half_a_minute(small_whisper):
    from sound_to_video.core.features.encoders import activation_bytes

    assert activation_bytes(16000, small_whisper) == activation_bytes(30 * 16000, small_whisper)
    assert activation_bytes(16000, small_whisper) >= 30 * 50 * 32 * 3 * 4, "every layer is kept"


@pytest.mark.parametrize("thing", [5, None, "wav2vec2", [1], torch.zeros(3)])
def test_what_is_no_encoder(thing):
    with pytest.raises(SoundToVideoError, match="is no audio encoder: load wav2vec2 or Whisper"):
        encoder_kind(thing)


@pytest.mark.slow
def test_an_odd_sample_rate_is_heard_as_a_usual_one(wav2vec2):
    def features(rate):
        time = torch.arange(rate // 2) / rate
        waveform = 0.3 * torch.sin(2 * torch.pi * 200 * time)[None, None]
        audio = audio_from({"waveform": waveform, "sample_rate": rate})
        return heard(listen(audio, wav2vec2), 6)

    usual, odd = features(16000), features(44101)
    assert (usual - odd).abs().mean() < 0.05 * usual.std()


def test_an_encoder_that_is_not_known():
    encoder = small_encoder(model_type="wav2vec2", embed_dim=64, num_heads=2, num_layers=2)
    with pytest.raises(SoundToVideoError, match=r"this audio encoder \(2 layers of 64\) is not known: load wav2vec2"):
        encoder_kind(encoder)


def test_the_output_of_another_encoder_is_refused():
    layers = tuple(torch.zeros([1, 10, 5]) for _ in range(3))
    with pytest.raises(SoundToVideoError, match="features of 3 layers of 5 are of no encoder known here"):
        encoded_audio_from({"encoded_audio": layers[-1], "encoded_audio_all_layers": layers, "audio_samples": 4000})
