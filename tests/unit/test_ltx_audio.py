"""Audio Encode with an LTX audio VAE: what the host does with the sound, without what the host loses of it."""

import pytest
import torch
from sound_to_video.core.audio import audio_from
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.families import listen
from sound_to_video.core.families.ltx import audio_latents
from sound_to_video.core.families.ltx.audio_latents import encode_with_vae
from sound_to_video.tests.ltx import encoded, sound

pytestmark = pytest.mark.usefixtures("as_in_a_node")


def host_encoding(ltx_models, audio: dict) -> torch.Tensor:
    from comfy_extras.nodes_lt_audio import LTXVAudioVAEEncode

    return LTXVAudioVAEEncode.execute(audio, ltx_models.audio_vae)[0]["samples"]


def test_it_is_the_hosts_where_the_host_cuts_nothing(ltx_models):
    audio = sound(4096 * 5)
    assert torch.equal(encoded(ltx_models, audio).latents, host_encoding(ltx_models, audio))


def test_the_host_cuts_up_to_93_ms_and_shifts_the_rest(ltx_models):
    """A click 0.2 s into 0.5 s of silence: in the host's latents it comes 30 ms early and the end is missing."""
    samples = 22050
    audio = {"waveform": torch.zeros([1, 2, samples]), "sample_rate": 44100}
    audio["waveform"][..., 8820:8830] = 1.0
    theirs, ours = host_encoding(ltx_models, audio), encoded(ltx_models, audio).latents
    cut = samples % 4096
    assert cut / 44100 > 0.03
    assert theirs.shape[2] < ours.shape[2]
    shifted = {"waveform": audio["waveform"][..., cut // 2 : cut // 2 + samples - cut], "sample_rate": 44100}
    assert torch.equal(theirs, encoded(ltx_models, shifted).latents)


def test_sound_is_resampled_once(ltx_models):
    """48 kHz goes to the VAE's 16 kHz directly, as in the official code; the host goes over 44.1 kHz."""
    audio = sound(48000, rate=48000)
    network = ltx_models.audio_vae.first_stage_model
    once = network.encode(audio["waveform"], sample_rate=48000)
    assert torch.equal(encoded(ltx_models, audio).latents, once)
    assert encoded(ltx_models, audio).count == 26


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000])
def test_any_rate(ltx_models, rate):
    assert encoded(ltx_models, sound(rate, rate=rate)).count == 26


@pytest.mark.parametrize("samples", [1, 100, 512, 2000])
def test_the_shortest_sounds(ltx_models, samples):
    latents = encoded(ltx_models, sound(samples, rate=16000))
    assert torch.isfinite(latents.latents).all()
    span = latents.span(0, 40)
    assert span.shape[2] == 40
    padded = torch.nn.functional.pad(sound(samples, rate=16000)["waveform"], (0, 5 * 16000))
    silent_after = encoded(ltx_models, {"waveform": padded, "sample_rate": 16000}).latents
    torch.testing.assert_close(span[:, :, 2:], silent_after[:, :, 2:40], rtol=0, atol=1e-5)
    assert torch.equal(latents.span(7, 40), span[:, :, 7:])


def test_mono_is_heard_on_both_sides(ltx_models):
    mono = sound(16000, rate=16000, channels=1)
    both = {"waveform": mono["waveform"].repeat(1, 2, 1), "sample_rate": 16000}
    assert torch.equal(encoded(ltx_models, mono).latents, encoded(ltx_models, both).latents)


def test_surround_sound_is_mixed_down(ltx_models):
    surround = audio_from(sound(16000, channels=6))
    latents = encode_with_vae(surround, ltx_models.audio_vae)
    assert latents.audio is surround, "the clip has its sound as it was"
    mixed = encode_with_vae(surround.mixed_to_stereo(), ltx_models.audio_vae)
    assert torch.equal(latents.latents, mixed.latents)


def test_another_vae_is_refused(ltx_models):
    with pytest.raises(SoundToVideoError, match=r"VideoVAE.* is not an LTX audio VAE: .* Load LTXV Audio VAE"):
        encode_with_vae(audio_from(sound(16000)), ltx_models.vae)
    with pytest.raises(SoundToVideoError, match=r"is a VideoVAE, not an LTX audio VAE.*: connect .*Load LTXV"):
        listen(audio_from(sound(16000)), audio_vae=ltx_models.vae)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [16000, 44100])
def test_windows_give_what_one_pass_gives(ltx_models, monkeypatch, rate):
    audio = sound(int(17.3 * rate), rate=rate)
    whole = encoded(ltx_models, audio).latents
    monkeypatch.setattr(audio_latents, "WINDOW_SECONDS", 5)
    windows = encoded(ltx_models, audio).latents
    assert windows.shape == whole.shape
    torch.testing.assert_close(windows, whole, rtol=0, atol=1e-5)


def test_silence_follows_the_end(ltx_models):
    """What stands for the time after the sound is what the VAE gives for silence there, not a cut or a repeat."""
    rate, seconds = 16000, 2
    audio = sound(rate * seconds, rate=rate)
    longer = {"waveform": torch.nn.functional.pad(audio["waveform"], (0, 3 * rate)), "sample_rate": rate}
    padded = encoded(ltx_models, audio).span(0, 25 * 4)
    torch.testing.assert_close(padded, encoded(ltx_models, longer).latents[:, :, : 25 * 4], rtol=0, atol=1e-5)
    far = encoded(ltx_models, audio).span(0, 25 * 60)
    assert torch.equal(far[:, :, -1], far[:, :, -200])


def test_a_span_within_the_sound_is_the_sound(ltx_models):
    latents = encoded(ltx_models, sound(44100 * 2))
    assert torch.equal(latents.span(10, 30), latents.latents[:, :, 10:30])
    assert torch.equal(latents.span(10, latents.count), latents.latents[:, :, 10:])


def test_nodes_for_audio_encoders_get_a_clear_error(ltx_models):
    with pytest.raises(SoundToVideoError, match="goes into S2V Sampler or A2V Sampler"):
        encoded(ltx_models, sound(16000))["encoded_audio_all_layers"]
