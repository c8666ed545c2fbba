"""Vocals drive, the full mix is carried: what a model hears is the one, what the clip has is the other."""

import pytest
import torch
from sound_to_video.core.audio import Audio, audio_from
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.families import listen
from sound_to_video.core.families.wan.features import WanS2VLayout
from sound_to_video.core.features.driving import driving_sound
from sound_to_video.core.features.encoded import EncodedAudio
from sound_to_video.core.sampling.content import content_key
from sound_to_video.tests import ltx

pytestmark = pytest.mark.usefixtures("as_in_a_node")


def sound(samples: int, rate: int = 16000, seed: int = 2, channels: int = 1) -> Audio:
    return audio_from(ltx.sound(samples, rate, channels, seed))


@pytest.fixture(params=["encoder", "audio VAE"])
def ear(request, checkpoints, ltx_models) -> dict:
    """What is connected to Audio Encode beside the sound: one of the two."""
    if request.param == "audio VAE":
        return {"audio_vae": ltx_models.audio_vae}
    import comfy.sd
    import comfy.utils
    from comfy.audio_encoders.audio_encoders import load_audio_encoder_from_sd

    return {"audio_encoder": load_audio_encoder_from_sd(comfy.utils.load_torch_file(str(checkpoints.path("wav2vec2"))))}


def heard(encoded: EncodedAudio) -> torch.Tensor:
    latents = getattr(encoded, "latents", None)
    return encoded.features(WanS2VLayout()) if latents is None else latents


@pytest.mark.slow
def test_the_model_hears_the_one_and_the_clip_carries_the_other(ear):
    mix, vocals = sound(9600, 48000, channels=2), sound(3210, seed=3)  # 0.2 s; the vocals 0.6 ms longer
    both = listen(mix, **ear, driving_audio=vocals)
    assert both.audio is mix and both.duration == mix.duration
    assert torch.equal(heard(both), heard(listen(vocals.trimmed(0, 3200), **ear)))
    assert not torch.equal(heard(both), heard(listen(mix, **ear)))
    if "audio_encoder" in ear:
        assert both["audio_samples"] == 3200
        assert torch.equal(both["encoded_audio"], listen(vocals.trimmed(0, 3200), **ear)["encoded_audio"])


def test_a_driving_sound_that_ends_a_little_early_is_followed_by_silence(ltx_models):
    mix = sound(16000)
    short = listen(mix, audio_vae=ltx_models.audio_vae, driving_audio=sound(15300, seed=3))
    whole = listen(mix, audio_vae=ltx_models.audio_vae)
    assert short.count < whole.count
    assert short.span(0, whole.count).shape == whole.latents.shape


@pytest.mark.parametrize("samples", [15199, 16801, 1600])
def test_another_length_is_refused_with_both_lengths(samples):
    with pytest.raises(SoundToVideoError, match=rf"lasts {samples / 16000:.2f} s and audio 1\.00 s: .*Trim the song"):
        driving_sound(sound(samples), sound(16000))


@pytest.mark.parametrize("samples", [15200, 16000, 16800])
def test_a_twentieth_of_a_second_is_alike(samples):
    assert driving_sound(sound(samples), sound(16000)).sample_count == min(samples, 16000)


def test_nothing_is_decoded_to_compare_lengths(monkeypatch):
    mix, vocals = sound(16000), sound(16010)

    def never(*args):
        raise AssertionError("decoded")

    monkeypatch.setattr(Audio, "_decode", never)
    monkeypatch.setattr(Audio, "blocks", never)
    driving_sound(vocals, mix)


def test_other_vocals_are_another_clip(ltx_models):
    """Kept segments go by what is heard."""
    mix = sound(8000)
    first, again, other = (
        listen(mix, audio_vae=ltx_models.audio_vae, driving_audio=sound(8000, seed=seed)) for seed in (3, 3, 4)
    )
    assert content_key(first.span(0, 10)) == content_key(again.span(0, 10)) != content_key(other.span(0, 10))


@pytest.mark.slow
def test_a_clip_is_sampled_and_carries_the_mix(ltx_models):
    mix, vocals = sound(30000), sound(30000, seed=3)
    ours = ltx.inputs_of(ltx_models, listen(mix, audio_vae=ltx_models.audio_vae, driving_audio=vocals))
    latents, plan = ltx.our_latents(ours)
    alone, _ = ltx.our_latents(ltx.inputs_of(ltx_models, listen(vocals, audio_vae=ltx_models.audio_vae)))
    assert all(torch.equal(piece, single) for piece, single in zip(latents, alone, strict=True))
    assert plan.duration == mix.duration
