"""HuMo against the host's own graph and the official code's arithmetic; and what goes on where both of them end."""

from dataclasses import replace
from fractions import Fraction

import comfy.sd
import comfy.utils
import folder_paths
import pytest
import torch
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.families import SamplerInputs, recognise
from sound_to_video.core.families.wan.humo import HuMo, HuMoLayout, audio_windows
from sound_to_video.core.features import encoded as encoded_audio
from sound_to_video.core.features.encoded import HostEncodedAudio, encoded_audio_from
from sound_to_video.core.features.encoders import EncoderFeatures, all_layers
from sound_to_video.core.render import plan_of, sample_segments
from sound_to_video.core.sampling.host_sampler import HostSampler, SamplerSettings
from sound_to_video.core.sampling.spool import LatentSpool
from sound_to_video.core.scene.prompts import placed
from sound_to_video.tests.humo import SIZE, host_encoding, inputs_of, picture, text
from sound_to_video.tests.unit.test_audio_encoding import small_encoder, sound

SETTINGS = SamplerSettings(seed=5, steps=2, cfg=3.0, sampler_name="uni_pc", scheduler="simple")
ONE_STEP = SamplerSettings(seed=5, steps=1, cfg=1.0, sampler_name="euler", scheduler="simple")

pytestmark = pytest.mark.usefixtures("as_in_a_node")


@pytest.fixture(scope="module")
def vae(checkpoints):
    return comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(checkpoints.path("wan_vae"))))


@pytest.fixture(scope="module")
def model(checkpoints):
    return comfy.sd.load_diffusion_model(str(checkpoints.path("humo")))


@pytest.fixture(scope="module")
def large_model(checkpoints):
    """As the 17B is: the latents of a video without a picture, and of the reference image, beside the noise."""
    return comfy.sd.load_diffusion_model(str(checkpoints.path("humo_17b")))


class Watched(HostSampler):
    """The host's sampler; what each run began with, and what came out, is kept."""

    def __init__(self, settings: SamplerSettings):
        super().__init__(settings)
        self.runs: list[dict] = []

    def sample(self, model, positive, negative, latent, seed, **how):
        result = super().sample(model, positive, negative, latent, seed, **how)
        self.runs.append({"positive": positive, "negative": negative, "latent": latent, "result": result, **how})
        return result


def sampled(inputs: SamplerInputs, settings: SamplerSettings = SETTINGS, segment_seconds: float = 0):
    """The new latents of every segment, the plan, and the runs of the sampler."""
    family = recognise({"model": inputs.model})
    family.check(inputs)
    plan = plan_of(family, inputs, settings.seed, segment_seconds)
    sampler, latents = Watched(settings), LatentSpool(folder_paths.get_temp_directory())
    sample_segments(family.prepare(inputs, plan), sampler, latents)
    return list(latents), plan, sampler.runs


def host_latents(
    inputs: SamplerInputs, frames: int, encoding: dict, settings: SamplerSettings = SETTINGS
) -> torch.Tensor:
    """The template's wiring: WanHuMoImageToVideo and KSampler."""
    import nodes
    from comfy_extras.nodes_wan import WanHuMoImageToVideo

    made = WanHuMoImageToVideo.execute(
        inputs.positive,
        inputs.negative,
        inputs.vae,
        SIZE,
        SIZE,
        frames,
        1,
        ref_image=inputs.reference_image,
        audio_encoder_output=encoding,
    )
    positive, negative, latent = made.args
    how = (settings.seed, settings.steps, settings.cfg, settings.sampler_name, settings.scheduler)
    return nodes.KSampler().sample(inputs.model, *how, positive, negative, latent)[0]["samples"]


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.3, 97 / 25])
@pytest.mark.parametrize("which", ["model", "large_model"])
def test_one_window_is_the_hosts_graph_to_the_bit(request, vae, which, seconds):
    inputs = inputs_of(request.getfixturevalue(which), vae, seconds)
    ours, plan, _ = sampled(inputs)
    assert len(ours) == 1 and plan.notes == ()
    frames = plan.grid.frame_count(plan.latent_count)
    assert torch.equal(ours[0], host_latents(inputs, frames, host_encoding(seconds)))


@pytest.mark.slow
def test_without_a_picture_it_is_the_hosts_graph_too(model, vae):
    inputs = inputs_of(model, vae, reference_image=None)
    ours, plan, _ = sampled(inputs)
    assert torch.equal(ours[0], host_latents(inputs, plan.grid.frame_count(7), host_encoding(1.0)))


def official_window(features: torch.Tensor, frame_count: int, first_frame: int) -> torch.Tensor:
    """``get_audio_emb_window`` of the official humo/generate.py, worked out frame by frame: ``[latents, 8, 5, C]``."""
    silent = torch.zeros_like(features[0])

    def at(frame: int) -> torch.Tensor:
        return features[frame] if 0 <= frame < len(features) else silent

    windows = [[silent] * 3 + [at(first_frame + offset) for offset in range(-2, 3)]]
    for latent in range(1, 1 + (frame_count - 1) // 4):
        start = first_frame + 1 + 4 * (latent - 1) - 2
        windows.append([at(frame) for frame in range(start, start + 8)])
    return torch.stack([torch.stack(window) for window in windows])


@pytest.mark.parametrize(("latent_start", "latents"), [(0, 1), (0, 25), (21, 25), (42, 7)])
def test_every_latent_hears_what_the_official_code_lets_it_hear(latent_start, latents):
    features = torch.randn([150, 5, 3], generator=torch.Generator().manual_seed(4))
    ours = audio_windows(features.movedim(0, 1), latent_start, latents, 4)
    assert torch.equal(ours, official_window(features, 4 * (latents - 1) + 1, 4 * latent_start))


def test_windows_of_later_segments_are_those_of_one_long_window():
    """But for a segment's first latent, which is held: to the model it is one frame."""
    features = torch.randn([5, 300, 3], generator=torch.Generator().manual_seed(4))
    whole, part = audio_windows(features, 0, 60, 4), audio_windows(features, 21, 25, 4)
    assert torch.equal(whole[22:46], part[1:])
    assert not torch.equal(whole[21], part[0])


def small_whisper():
    """Whisper with as many layers as the real one, 32 wide."""
    return small_encoder(model_type="whisper3", n_audio_state=32, n_audio_head=2, n_audio_layer=32)


@pytest.fixture
def whisper(monkeypatch):
    monkeypatch.setitem(encoded_audio.KINDS, (33, 32), "whisper-large-v3")
    return small_whisper()


@pytest.mark.slow
def test_whisper_is_heard_to_its_end_where_the_host_stops_at_half_a_minute(whisper):
    audio = sound(41)
    ours = EncoderFeatures(audio, whisper, HuMo.encoder_kind, [HuMo.feature_layout]).features(HuMo.feature_layout)
    assert ours.shape == (5, 41 * 25, 32)
    host = HostEncodedAudio(whisper.encode_audio(audio["waveform"], 16000))
    assert host.features(HuMo.feature_layout).shape[1] == 750, "30 s"
    at_once = HuMoLayout().features(torch.cat(all_layers(audio, whisper)), 41 * 16000)
    assert (ours - at_once).abs().max() < 1e-3 * ours.abs().max(), "in windows as at once"


def test_sound_that_core_encoded_only_in_part_is_refused(model, vae):
    inputs = inputs_of(model, vae, 31.0)
    with pytest.raises(SoundToVideoError, match=r"hears the first 30\.00 s of 31\.00 s .*: use Audio Encode"):
        HuMo().check(inputs)


@pytest.mark.parametrize("seconds", [0.001, 0.0405])
def test_a_click_is_a_frame(model, vae, seconds):
    (ours,), _, _ = sampled(inputs_of(model, vae, seconds))
    assert ours.shape[2] == 1 and ours.isfinite().all()


@pytest.mark.slow
def test_later_segments_hold_the_last_frames_of_the_one_before(model, vae):
    inputs = inputs_of(model, vae, 3.0)
    latents, plan, runs = sampled(inputs, segment_seconds=1.0)
    assert [(s.latent_start, s.latent_count, s.overlap) for s in plan.segments] == [(0, 10, 0), (6, 10, 4), (12, 8, 4)]
    window = latents[0]
    for number in (1, 2):
        held = runs[number]["latent"][:, :, :4]
        assert torch.equal(held, vae.encode(vae.decode(window)[0][-13:])), "one latent of one frame, three of four"
        torch.testing.assert_close(runs[number]["result"][:, :, :4], held, atol=0.02, rtol=0)
        window = torch.cat([held, latents[number]], dim=2)
        assert runs[number]["noise_mask"].flatten().tolist() == [0.0] * 4 + [1.0] * (plan.segments[number].new_latents)
        heard = runs[number]["positive"][0][1]["audio_embed"][0]
        features = inputs.encoded_audio.features(HuMo.feature_layout).movedim(0, 1)
        first = 4 * plan.segments[number].latent_start
        assert torch.equal(heard, official_window(features, 4 * (len(heard) - 1) + 1, first))
    assert sum(piece.shape[2] for piece in latents) == plan.grid.latent_count(75)


@pytest.mark.slow
def test_what_it_was_not_trained_for_stands_on_the_node(model, vae):
    _, plan, _ = sampled(inputs_of(model, vae, 3.0), ONE_STEP, segment_seconds=1.0)
    assert (
        "HuMo was trained on 97 frames (3.88 s) and not on going on: later segments hold the last 13" in plan.describe()
    )
    longer = HuMo().plan(6, Fraction(25), segment_seconds=6)
    assert "HuMo was trained on 97 frames (3.88 s) at a time: longer segments may look worse." in longer.describe()
    cut = HuMo().plan(6, Fraction(25), conditionings=[placed(text(1), 0, False) + placed(text(1), 3, True)])
    assert len(cut.segments) == 2 and cut.notes == ()


def test_a_cut_starts_afresh(model, vae):
    prompts = placed(text(1), 0, False) + placed(text(2), 1, True)
    _, plan, runs = sampled(inputs_of(model, vae, 2.0, positive=prompts), ONE_STEP)
    assert [segment.starts_afresh for segment in plan.segments] == [True, True]
    assert [run["noise_mask"] for run in runs] == [None, None]


@pytest.mark.slow
def test_prompts_change_between_segments_that_go_on(model, vae):
    prompts = placed(text(1), 0, False) + placed(text(2), 1, False) + placed(text(1), 1.2, False)
    _, plan, runs = sampled(inputs_of(model, vae, 2.0, positive=prompts), ONE_STEP)
    assert [(segment.latent_start, segment.overlap) for segment in plan.segments] == [(0, 0), (3, 4), (4, 4)]
    heard = [run["positive"][0][0] for run in runs]
    assert [torch.equal(prompt, text(seed)[0][0]) for prompt, seed in zip(heard, (1, 2, 1), strict=True)] == [True] * 3


@pytest.mark.slow
def test_audio_guidance_is_the_official_formula(model, vae):
    """``forward_tia`` of humo/generate.py: null + scale_t (text - null) + scale_a (sound and text - text).

    With one Euler step from pure noise, the result is the prediction.
    """
    silent = encoded_audio_from({**host_encoding(1.0), "audio_samples": 16000})
    silent._features = {HuMo.feature_layout: torch.zeros([5, 25, 1280])}
    inputs = inputs_of(model, vae, 1.0)
    null = replace(inputs, positive=inputs.negative, encoded_audio=silent)

    def predicted(inputs: SamplerInputs, cfg: float = 1.0, **options) -> torch.Tensor:
        given = replace(inputs, options=options)
        (result,), _, _ = sampled(given, replace(ONE_STEP, cfg=cfg))
        return result

    heard, deaf = predicted(inputs), predicted(replace(inputs, encoded_audio=silent))
    nothing = predicted_without_picture(null)
    for cfg, guidance in ((5.0, 1.5), (1.0, 3.0)):
        scale_text, scale_audio = cfg, cfg + guidance - 1
        official = nothing + scale_text * (deaf - nothing) + scale_audio * (heard - deaf)
        ours = predicted(inputs, cfg, audio_guidance=guidance)
        assert (ours - official).abs().max() < 1e-4 * official.abs().max()
        assert not torch.allclose(ours, predicted(inputs, cfg), rtol=1e-2)
    assert torch.equal(predicted(inputs, 5.0, audio_guidance=1.0), predicted(inputs, 5.0)), "1 is off"


def predicted_without_picture(inputs: SamplerInputs) -> torch.Tensor:
    """With the negative prompt and a picture of zero latents, as the host's negative condition has it."""
    (result,), _, _ = sampled(replace(inputs, reference_image=None), ONE_STEP)
    return result


@pytest.mark.slow
def test_audio_scale_acts_on_what_the_sound_adds(model, vae):
    at = {scale: sampled(inputs_of(model, vae, audio_scale=scale), ONE_STEP)[0][0] for scale in (0.0, 1.0, 2.0)}
    other = encoded_audio_from({**host_encoding(1.0), "audio_samples": 16000})
    other._features = {HuMo.feature_layout: torch.ones([5, 25, 1280])}
    unheard = sampled(inputs_of(model, vae, audio_scale=0.0, encoded_audio=other), ONE_STEP)[0][0]
    assert torch.equal(unheard, at[0.0]), "at scale 0 no sound reaches the picture"
    assert not torch.equal(at[1.0], at[2.0]) and not torch.equal(at[0.0], at[1.0])


def test_a_whole_picture_stands_on_white(model, vae):
    """Official (load_image_latent_ref_id): the aspect kept, the rest white; the host crops."""
    inputs = inputs_of(model, vae, reference_image=torch.zeros([1, 32, 64, 3]), image_fit="pad")
    _, _, (run,) = sampled(inputs, ONE_STEP)
    (reference,) = run["positive"][0][1]["reference_latents"]
    fitted = torch.ones([1, SIZE, SIZE, 3])
    fitted[:, 16:48] = 0
    assert torch.equal(reference, vae.encode(fitted))
    (negative,) = run["negative"][0][1]["reference_latents"]
    assert negative.abs().max() == 0


@pytest.mark.slow
def test_another_picture_comes_in_with_its_prompt(model, vae):
    two = torch.cat([picture(SIZE), picture(SIZE).flip(2)])
    prompts = placed(text(1), 0, False) + placed(text(2), 1, False)
    _, _, runs = sampled(inputs_of(model, vae, 2.0, positive=prompts, reference_image=two), ONE_STEP)
    seen = [run["positive"][0][1]["reference_latents"][0] for run in runs]
    assert torch.equal(seen[0], vae.encode(two[:1])) and torch.equal(seen[1], vae.encode(two[1:]))


@pytest.mark.slow
def test_the_clip_decodes_to_one_decode_of_its_latents(model, vae):
    latents, plan, _ = sampled(inputs_of(model, vae, 1.6), ONE_STEP, segment_seconds=0.8)
    inputs = inputs_of(model, vae, 1.6)
    frames = torch.cat(list(HuMo().prepare(inputs, plan).decoder().frames(latents)))
    assert frames.shape[0] == 40
    assert torch.equal(frames, vae.decode(torch.cat(latents, dim=2))[0][:40])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"width": 840}, "width 840 is off the grid of HuMo: it must be a multiple of 16, for instance 832 or 848"),
        ({"reference_image": torch.zeros([1, 64, 64, 4])}, "alpha channel"),
        ({"control_video": torch.zeros([9, 64, 64, 3])}, "HuMo takes no control_video: disconnect it"),
        ({"positive": [[torch.zeros([1, 2, 64]), {}]]}, "its width is 64, HuMo takes 1024"),
    ],
)
def test_what_it_cannot_work_with_is_said_before_any_work(model, vae, changes, words):
    with pytest.raises(SoundToVideoError, match=words):
        HuMo().check(inputs_of(model, vae, **changes))


def test_an_encoder_that_does_not_fit(model, vae):
    layers = tuple(torch.zeros([1, 49, 1024]) for _ in range(25))
    large = HostEncodedAudio({"encoded_audio_all_layers": layers, "audio_samples": 16000})
    with pytest.raises(SoundToVideoError, match=r"wav2vec2 large .* HuMo listens to Whisper .* load whisper_large_v3"):
        HuMo().check(inputs_of(model, vae, encoded_audio=large))


def test_another_vae(model, ltx_models):
    with pytest.raises(SoundToVideoError, match="the connected VAE does not fit HuMo: load wan_2"):
        HuMo().check(inputs_of(model, ltx_models.vae))


def test_another_frame_rate_is_refused():
    with pytest.raises(SoundToVideoError, match="HuMo makes 25 fps, not 24 fps: set frame_rate to 0"):
        HuMo().rate(24)


def test_a_frame_for_every_640_samples():
    encoding = host_encoding(2.0)
    features = encoded_audio_from(encoding).features(HuMo.feature_layout)
    assert features.shape == (5, 50, 1280)
    more = encoded_audio_from({**encoding, "audio_samples": 40 * 640 + 639})
    assert more.features(HuMo.feature_layout).shape[1] == 40
