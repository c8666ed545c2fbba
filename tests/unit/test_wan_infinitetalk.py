"""InfiniteTalk against the host's own graph and the official code's arithmetic, window after window."""

import math
from dataclasses import replace
from pathlib import Path

import comfy.sd
import comfy.utils
import pytest
import torch
from comfy.ldm.wan.model_multitalk import project_audio_features
from sound_to_video.benchmarks.process import Measured
from sound_to_video.core.audio import audio_from
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.families import SamplerInputs, recognise
from sound_to_video.core.families.wan import talk_features
from sound_to_video.core.families.wan.infinitetalk import InfiniteTalk
from sound_to_video.core.families.wan.talk_clip_sampler import LAYOUT, mirrored_between
from sound_to_video.core.families.wan.talk_features import LongConvolution, gain_to_speech
from sound_to_video.core.features.encoded import HostEncodedAudio, encoded_audio_from
from sound_to_video.core.features.encoders import EncoderFeatures
from sound_to_video.core.sampling.store import SegmentStore
from sound_to_video.tests.checkpoints import make_infinitetalk
from sound_to_video.tests.humo import SIZE, picture
from sound_to_video.tests.infinitetalk import (
    ONE_STEP,
    SETTINGS,
    host_encoding,
    host_latents,
    inputs_of,
    load_patch,
    sampled,
)
from sound_to_video.tests.unit.test_audio_encoding import sound

pytestmark = pytest.mark.usefixtures("as_in_a_node")


@pytest.fixture(scope="module")
def vae(checkpoints):
    return comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(checkpoints.path("wan_vae"))))


@pytest.fixture(scope="module")
def model(checkpoints):
    return comfy.sd.load_diffusion_model(str(checkpoints.path("wan_i2v")))


@pytest.fixture(scope="module")
def patch(checkpoints):
    return load_patch(checkpoints.path("infinitetalk"))


class Seen:
    """A CLIP_VISION_OUTPUT."""

    penultimate_hidden_states = torch.randn([1, 257, 1280], generator=torch.Generator().manual_seed(7))


@pytest.mark.slow
def test_the_first_window_is_the_hosts_graph_to_the_bit(model, vae, patch):
    inputs = inputs_of(model, vae, patch, 4.0, {"clip_vision_output": Seen()}, audio_scale=0.7)
    (first, _), plan, _, _ = sampled(inputs)
    assert [(s.latent_start, s.latent_count, s.overlap) for s in plan.segments] == [(0, 21, 0), (18, 8, 3)]
    assert torch.equal(first, host_latents(inputs, 81, host_encoding(4.0), scale=0.7, clip_vision_output=Seen()))


@pytest.mark.slow
def test_both_prompts_in_one_batch_hear_the_sound_where_the_host_fails(model, vae, patch):
    inputs, settings = inputs_of(model, vae, patch), replace(SETTINGS, cfg=3.0)
    with pytest.raises(RuntimeError, match=r"shape .* is invalid"):
        host_latents(inputs, 25, host_encoding(1.0), settings)
    (ours,), _, _, _ = sampled(inputs, settings)
    assert ours.isfinite().all()


@pytest.mark.slow
def test_later_windows_hear_and_hold_what_the_official_code_lets_them(model, vae, patch):
    """The reference image again, the last nine frames encoded anew, the sound from their first frame on."""
    inputs = inputs_of(model, vae, patch, 3.0)
    latents, plan, runs, _ = sampled(inputs, ONE_STEP, segment_seconds=1.0)
    assert [(s.latent_start, s.latent_count, s.overlap) for s in plan.segments] == [(0, 9, 0), (6, 9, 3), (12, 8, 3)]
    window = latents[0]
    features = inputs.encoded_audio.features(LAYOUT).movedim(0, 1)
    for number in (1, 2):
        held, segment = runs[number]["sound_to_video_infinitetalk_held"], plan.segments[number]
        assert torch.equal(held, vae.encode(vae.decode(window)[0][-9:]))
        window = torch.cat([held, latents[number]], dim=2)
        count = 4 * (segment.latent_count - 1) + 1
        image = torch.full([count, SIZE, SIZE, 3], 0.5)
        image[:1] = comfy.utils.common_upscale(picture().movedim(-1, 1), SIZE, SIZE, "bilinear", "center").movedim(
            1, -1
        )
        assert torch.equal(runs[number]["concat_latent_image"], vae.encode(image))
        start = 4 * segment.latent_start
        mirrored = torch.cat([features, features[-8:].flip(0)])
        heard = project_audio_features(patch.model.audio_proj, [mirrored], start, start + count)
        assert torch.equal(runs[number]["sound_to_video_infinitetalk_heard"], heard)


@pytest.mark.slow
def test_a_window_holds_its_first_latents_at_every_step(model, vae, patch):
    """What the host's extension writes over them before decoding is what ours held."""
    inputs = inputs_of(model, vae, patch, 3.0)
    latents, _, runs, _ = sampled(inputs, SETTINGS, segment_seconds=1.0)
    frames = vae.decode(latents[0])[0]
    second = host_latents(inputs, 33, host_encoding(3.0), replace(SETTINGS, seed=6), previous_frames=frames)
    assert torch.equal(second[:, :, :3], runs[1]["sound_to_video_infinitetalk_held"])
    assert torch.equal(second[:, :, 3:], latents[1]), "sound, image and seed alike: the host's extension to the bit"


@pytest.mark.slow
def test_a_stopped_run_goes_on(model, vae, patch, checkpoints, tmp_path):
    store = SegmentStore(tmp_path / "kept")
    inputs = inputs_of(model, vae, patch, 2.0, {"clip_vision_output": Seen()})
    latents, plan, _, _ = sampled(inputs, ONE_STEP, segment_seconds=1.0, store=store)
    again, _, _, resumed = sampled(inputs, ONE_STEP, segment_seconds=1.0, store=store)
    assert resumed == len(plan.segments) > 1 and store.trouble is None
    assert all(torch.equal(*pair) for pair in zip(latents, again, strict=True))
    other = load_patch(make_infinitetalk(tmp_path / "other.safetensors", seed=1))
    assert sampled(inputs_of(model, vae, other, 2.0), ONE_STEP, segment_seconds=1.0, store=store)[3] == 0


@pytest.mark.slow
def test_audio_guidance_is_the_official_formula(model, vae, patch):
    """generate_infinitetalk: null + text (x - no text) + audio (no text - null); with 1 for the text, of the sound."""
    inputs = inputs_of(model, vae, patch)
    silent = encoded_audio_from(host_encoding(1.0))
    silent._features = {LAYOUT: torch.zeros_like(inputs.encoded_audio.features(LAYOUT))}

    def predicted(inputs: SamplerInputs, cfg: float = 1.0, guidance: float = 1.0) -> torch.Tensor:
        given = replace(inputs, options={**inputs.options, "audio_guidance": guidance})
        return sampled(given, replace(ONE_STEP, cfg=cfg))[0][0]

    untold = replace(inputs, positive=inputs.negative)
    both, no_text = predicted(inputs), predicted(untold)
    no_sound, null = (predicted(replace(each, encoded_audio=silent)) for each in (inputs, untold))
    official = null + 5 * (both - no_text) + 4 * (no_text - null)
    assert (predicted(inputs, 5.0, 4.0) - official).abs().max() < 1e-3 * official.abs().max()
    official = no_sound + 2 * (both - no_sound)
    assert (predicted(inputs, 1.0, 2.0) - official).abs().max() < 1e-3 * official.abs().max()
    assert (both - no_sound).abs().max() > 1e-3 * both.abs().max(), "the sound is heard at all"


@pytest.mark.parametrize("frame_count", [1, 3, 40])
@pytest.mark.parametrize(("start", "stop"), [(-2, 1), (-2, 7), (10, 25), (30, 43), (38, 48)])
def test_behind_its_end_the_sound_is_heard_backwards(frame_count, start, stop):
    features = torch.randn([12, frame_count, 3], generator=torch.Generator().manual_seed(4))
    endless = torch.cat([features, features.flip(1), features[:, :1].expand(-1, 50, -1)], dim=1)
    before = features[:, :1].expand(-1, 2, -1)
    assert torch.equal(
        mirrored_between(features, start, stop), torch.cat([before, endless], 1)[:, start + 2 : stop + 2]
    )


@pytest.fixture(scope="module")
def encoder(checkpoints):
    from comfy.audio_encoders.audio_encoders import load_audio_encoder_from_sd

    return load_audio_encoder_from_sd(comfy.utils.load_torch_file(str(checkpoints.path("wav2vec2_base"))))


@pytest.mark.slow
def test_features_come_to_the_videos_rate_before_the_transformer(encoder):
    """As the official Wav2Vec2Model.forward; the host lets the transformer run at 50 a second, and hears otherwise."""
    audio = sound(1.3)
    ours = EncoderFeatures(audio, encoder, InfiniteTalk.encoder_kind, [LAYOUT]).features(LAYOUT)
    network = encoder.model
    convolved = network.feature_extractor(audio["waveform"][0] * gain_to_speech(audio))
    moved = convolved.transpose(1, 2)
    at_rate = torch.nn.functional.interpolate(moved, size=int(1.3 * 25), mode="linear", align_corners=True)
    _, layers = network.encoder(network.feature_projection(at_rate.transpose(1, 2)))
    assert ours.shape == (12, 32, 768)
    assert torch.equal(ours, torch.cat(layers[1:]))
    host = HostEncodedAudio(encoder.encode_audio(audio["waveform"], 16000)).features(LAYOUT)
    assert (ours[:, :31] - host[:, :31]).abs().mean() > 0.05 * host.std()


def test_loudness_is_that_of_speech_for_the_model_alone():
    """A sine of 997 Hz at full scale is -3.01 LUFS (ITU-R BS.1770-4)."""
    time = torch.arange(2 * 16000) / 16000
    for level in (1.0, 0.1, 0.003):
        audio = audio_from(
            {"waveform": (level * torch.sin(2 * math.pi * 997 * time))[None, None], "sample_rate": 16000}
        )
        wanted = 10 ** ((-23 + 3.01 - 20 * math.log10(level)) / 20)
        assert gain_to_speech(audio) == pytest.approx(wanted, rel=0.04), "to within a third of a decibel"
        assert audio["waveform"].abs().max() == pytest.approx(level, rel=0.01)
    assert gain_to_speech(audio_from({"waveform": torch.zeros([1, 1, 32000]), "sample_rate": 16000})) == 1
    assert gain_to_speech(sound(0.2)) == 1


@pytest.mark.slow
def test_long_sound_in_windows_is_heard_to_its_end(encoder, monkeypatch):
    """The convolutions give what they give for all of it; the transformer's windows see some seconds on both sides."""
    audio = sound(4.5)
    whole = EncoderFeatures(audio, encoder, InfiniteTalk.encoder_kind, [LAYOUT]).features(LAYOUT)
    monkeypatch.setattr(talk_features, "PIECE", 70)
    convolution = LongConvolution(audio, encoder, 0.5)
    convolved = encoder.model.feature_extractor(audio["waveform"][0] * 0.5)
    assert convolution.count == convolved.shape[1] == 224
    difference = torch.cat(list(convolution.pieces()), dim=1) - convolved
    assert difference.abs().max() < 1e-4 * convolved.abs().max()
    monkeypatch.setattr(talk_features, "ONE_PASS_SECONDS", 3)
    parts = EncoderFeatures(audio, encoder, InfiniteTalk.encoder_kind, [LAYOUT]).features(LAYOUT)
    assert parts.shape == whole.shape == (12, 112, 768)
    assert (parts - whole).abs().max() < 1e-3 * whole.abs().max(), "one window is all of it"
    monkeypatch.setattr(talk_features, "KEPT_SECONDS", 2)
    monkeypatch.setattr(talk_features, "MARGIN_SECONDS", 1)
    parts = EncoderFeatures(audio, encoder, InfiniteTalk.encoder_kind, [LAYOUT]).features(LAYOUT)
    assert parts.shape == whole.shape and parts.isfinite().all()
    assert not torch.equal(parts, whole)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measures memory by Linux's /proc")
def test_a_long_sound_takes_no_more_memory_than_its_features(encoder, monkeypatch):
    for name, value in {"ONE_PASS_SECONDS": 2, "KEPT_SECONDS": 2, "MARGIN_SECONDS": 1, "PIECE": 100}.items():
        monkeypatch.setattr(talk_features, name, value)
    monkeypatch.setattr(encoder.model.encoder, "layers", encoder.model.encoder.layers[:2])

    def peak(seconds: int) -> int:
        audio = sound(seconds)
        with Measured() as measured:
            EncoderFeatures(audio, encoder, InfiniteTalk.encoder_kind, [LAYOUT])
        assert measured.peak_bytes is not None
        return measured.peak_bytes

    peak(4)
    short, long = (min(peak(seconds) for _ in range(2)) for seconds in (6, 24))
    assert long - short < 40 << 20, "one pass over 18 s more needs 460 MB"


class InfiniteTalkOuterSampleWrapper:
    """What the host's WanInfiniteTalkToVideo puts around a plain Wan model (comfy/ldm/wan/model_multitalk.py)."""


def test_a_model_that_went_through_the_hosts_node(model, vae, patch):
    wrapped = model.clone()
    wrapped.add_wrapper_with_key("outer_sample", "infinite_talk_outer_sample", InfiniteTalkOuterSampleWrapper())
    with pytest.raises(SoundToVideoError, match="went through core's WanInfiniteTalkToVideo: connect the one in front"):
        InfiniteTalk().check(inputs_of(wrapped, vae, patch))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"options": {"model_patch": None}}, r"Wan 2.1 I2V, which takes audio with .* wan2.1_infiniteTalk_single_fp16"),
        ({"options": {"model_patch": object()}}, "the connected model_patch is not InfiniteTalk's: load wan"),
        ({"reference_image": None}, "InfiniteTalk makes an image speak: use the S2V Sampler"),
        ({"reference_image": None, "options": {}}, "InfiniteTalk makes an image speak: use the S2V Sampler"),
        ({"control_video": torch.zeros([9, 64, 64, 3])}, "InfiniteTalk takes no control_video"),
        ({"width": 840}, "width 840 is off the grid of InfiniteTalk"),
    ],
)
def test_what_it_cannot_work_with_is_said_before_any_work(model, vae, patch, changes, words):
    inputs = inputs_of(model, vae, patch, **changes)
    family = recognise({"model": model, **inputs.options})
    with pytest.raises(SoundToVideoError, match=words):
        family.check(inputs)


def test_a_patch_for_a_model_of_another_size(model, vae, checkpoints, tmp_path):
    wide = load_patch(make_infinitetalk(tmp_path / "wide.safetensors", width=160))
    with pytest.raises(SoundToVideoError, match="the patch is for a model 160 wide, the connected one is 80: load Wan"):
        InfiniteTalk().check(inputs_of(model, vae, wide))
    plain = comfy.sd.load_diffusion_model(str(checkpoints.path("wan_t2v")))
    inputs = inputs_of(plain, vae, wide)
    with pytest.raises(SoundToVideoError, match=r"needs Wan 2.1 I2V 14B; the connected model takes no image"):
        recognise({"model": plain, **inputs.options}).check(inputs)


def test_an_encoder_that_does_not_fit(model, vae, patch):
    layers = tuple(torch.zeros([1, 49, 1024]) for _ in range(25))
    large = HostEncodedAudio({"encoded_audio_all_layers": layers, "audio_samples": 16000})
    with pytest.raises(SoundToVideoError, match=r"wav2vec2 large .* InfiniteTalk listens to wav2vec2 base .*chinese"):
        InfiniteTalk().check(inputs_of(model, vae, patch, encoded_audio=large))
