"""A mouth in footage made anew by InfiniteTalk: what each window is shown and holds, and what stays the footage's."""

from dataclasses import replace
from fractions import Fraction
from functools import partial

import comfy.sd
import comfy.utils
import folder_paths
import pytest
import torch
from comfy.clip_vision import ClipVisionModel
from sound_to_video.core.clip.composite import CompositeDecoder
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.families import recognise
from sound_to_video.core.families.wan.infinitetalk import InfiniteTalk
from sound_to_video.core.features.encoded import EncodedTrack, HostEncodedAudio
from sound_to_video.core.lip_sync import FootageInputs
from sound_to_video.core.render import sample_segments
from sound_to_video.core.sampling.spool import LatentSpool
from sound_to_video.core.sampling.store import SegmentStore
from sound_to_video.tests.humo import SIZE
from sound_to_video.tests.infinitetalk import ONE_STEP, SETTINGS, inputs_of, load_patch
from sound_to_video.tests.lip_sync import Watched, sampled_over
from sound_to_video.tests.lip_sync import footage as footage_of

pytestmark = pytest.mark.usefixtures("as_in_a_node")
MASKED = [8 + 6, 5 * 8 + 3, 5 * 8 + 4]
TALK = "sound_to_video_infinitetalk"
footage = partial(footage_of, rate=25, size=SIZE)


@pytest.fixture(scope="module")
def models(checkpoints):
    vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(checkpoints.path("wan_vae"))))
    model = comfy.sd.load_diffusion_model(str(checkpoints.path("wan_i2v")))
    return model, vae, load_patch(checkpoints.path("infinitetalk"))


@pytest.fixture(scope="module")
def clip_vision():
    """CLIP as core's Load CLIP Vision gives it, two layers deep, as wide as ViT-H."""
    shape = {"hidden_size": 1280, "num_hidden_layers": 3, "intermediate_size": 8, "num_attention_heads": 16}
    settings = {"image_size": 224, "patch_size": 112, "num_channels": 3, "projection_dim": 4, "hidden_act": "gelu"}
    clip = ClipVisionModel({**shape, **settings, "model_type": "clip_vision_model"})
    generator = torch.Generator().manual_seed(6)
    weights = {name: torch.randn(value.shape, generator=generator) * 0.1 for name, value in clip.get_sd().items()}
    weights.update({name: value for name, value in clip.get_sd().items() if value.dtype == torch.int64})
    clip.load_sd(weights)
    return clip


def mask() -> torch.Tensor:
    """Of the 8 x 8 latents the fourth and fifth of the sixth row, and by one pixel the seventh of the second row.

    Far enough apart for the crop to be the whole picture.
    """
    mask = torch.zeros(1, SIZE, SIZE)
    mask[:, 42:46, 26:36] = 1
    mask[:, 10, 50] = 1
    return mask


def made(models, seconds, settings=ONE_STEP, segment_seconds=0.5, store=None, options=None, preview=0.0, **asked):
    values = {"source_video": footage(seconds), "mask": mask(), "crop_size": SIZE, **asked}
    inputs = inputs_of(*models, seconds, options, reference_image=None)
    sampler = Watched(settings, store)
    made = sampled_over(InfiniteTalk(), inputs, FootageInputs(**values), sampler, segment_seconds, preview)
    return *made, sampler


def composed(plan, shown, clip_sampler, latents) -> torch.Tensor:
    rate = shown.crops.footage.source.rate
    decoder = CompositeDecoder(clip_sampler.decoder(), shown.crops, rate, shown.frame_count)
    return torch.cat(list(decoder.frames(latents)))


def with_grey(picture: torch.Tensor, count: int) -> torch.Tensor:
    return torch.cat([picture[None], torch.full([count - 1, SIZE, SIZE, 3], 0.5)])


@pytest.mark.slow
def test_each_window_is_conditioned_on_the_footages_frame_at_its_start(models, clip_vision):
    """generate_infinitetalk: cond_image = extract_specific_frames(cond_video, audio_start_idx), which goes on by the
    window's length without the frames handed on; the last frame once the footage is over."""
    video = footage(0.8)
    images = video.get_components().images
    plan, _, _, latents, sampler = made(models, 1.8, options={"clip_vision": clip_vision}, source_video=video)
    assert [(s.latent_start, s.latent_count, s.overlap) for s in plan.segments] == [(0, 6, 0), (3, 6, 3), (6, 6, 3)]
    vae = models[1]
    for start, (shown, _, _, _, _) in zip((0, 12, 24), sampler.runs, strict=True):
        picture = images[min(start, 19)]
        assert torch.equal(shown["concat_latent_image"], vae.encode(with_grey(picture, 21)))
        assert shown["concat_mask"][0, 0].amax(dim=(1, 2)).tolist() == [0, 1, 1, 1, 1, 1]
        seen = clip_vision.encode_image(picture[None])["penultimate_hidden_states"]
        assert torch.equal(shown["clip_vision_output"].penultimate_hidden_states, seen)
    assert not torch.equal(*(vae.encode(images[at : at + 1]) for at in (12, 19))), "the frames are not one"
    assert torch.cat(list(latents), dim=2).shape[2] == plan.latent_count


@pytest.mark.slow
def test_a_window_holds_the_end_of_the_one_before_as_the_clip_shows_it(models):
    plan, shown, clip_sampler, latents, sampler = made(models, 1.8, SETTINGS)
    vae, images = models[1], footage(1.8).get_components().images
    window = latents[0]
    for number, (run, start, noise_mask, result, _) in enumerate(sampler.runs):
        segment = plan.segments[number]
        known = segment.overlap or 1
        held = run[f"{TALK}_held"]
        first = 4 * segment.latent_start
        if number:
            ended = vae.decode(window)[0][-9:]
            in_mask = mask()[0, :, :, None]
            ended = images[first : first + 9] * (1 - in_mask) + ended * in_mask
            assert torch.allclose(held, vae.encode(ended), atol=1e-5)
            window = torch.cat([held, latents[number]], dim=2)
        else:
            assert torch.allclose(held, vae.encode(images[:1]), atol=1e-5), "the clip's first frame is the footage's"
        assert torch.equal(start[:, :, :known], held)
        assert torch.allclose(result[:, :, :known], held, atol=1e-5)
        assert noise_mask[:, :, :known].eq(0).all()
        assert noise_mask[0, 0, known:].flatten(1).nonzero()[:, 1].unique().tolist() == MASKED
        assert torch.equal(latents[number], result[:, :, segment.overlap :])
        kept = (noise_mask == 0).expand_as(start)
        assert torch.allclose(result[kept], start[kept], atol=1e-5) and not torch.allclose(result[~kept], start[~kept])
        assert start[~kept].eq(0).all(), "the mouth that was there is forgotten"
    clip = composed(plan, shown, clip_sampler, latents)
    outside = (mask() == 0).expand(len(clip), -1, -1)
    assert clip.shape == images.shape
    assert torch.equal(clip[outside], images[outside])
    assert not torch.equal(clip[1:][~outside[1:]], images[1:][~outside[1:]])


@pytest.mark.slow
def test_the_mouth_hears_the_sound_at_its_place(models):
    """The run that a window of the S2V Sampler is, in what it hears."""
    _, _, clip_sampler, _, sampler = made(models, 1.4)
    inputs = inputs_of(*models, 1.4)
    plain = InfiniteTalk().prepare(inputs, clip_sampler.plan)

    heard = Watched(ONE_STEP)
    sample_segments(plain, heard, LatentSpool(folder_paths.get_temp_directory()))
    for ours, theirs in zip(sampler.runs, heard.runs, strict=True):
        for name in ("heard", "silence"):
            assert torch.equal(ours.shown[f"{TALK}_{name}"], theirs.shown[f"{TALK}_{name}"])


@pytest.mark.slow
def test_an_empty_mask_samples_nothing_and_gives_the_footage_back(models):
    *clip, sampler = made(models, 0.8, mask=torch.zeros(1, SIZE, SIZE))
    assert not sampler.runs
    assert torch.equal(composed(*clip), footage(0.8).get_components().images)


@pytest.mark.slow
def test_strength_says_how_much_of_the_footage_is_forgotten(models):
    settings = replace(SETTINGS, steps=10)
    *_, full = made(models, 0.5, settings)
    *_, half = made(models, 0.5, settings, strength=0.5)
    sigmas = full.runs[0].sigmas
    assert len(sigmas) == 11
    assert half.runs[0].sigmas[0] == min(sigmas, key=lambda sigma: abs(sigma - 0.5 * sigmas[0]))
    assert not half.runs[0].latent[:, :, 1:, 5, 3].eq(0).any(), "what was there is the start"
    _, _, _, latents, none = made(models, 0.5, settings, strength=0.0)
    images = footage(0.5).get_components().images
    assert not none.runs
    assert torch.equal(latents[0], models[1].encode(torch.cat([images, images[-1:]])[:13]).to(latents[0]))


@pytest.mark.slow
def test_after_a_cut_the_new_scene_is_the_condition(models):
    """A cut that falls between two latents, too: no window is shown or holds a frame of the scene before."""
    for cut in (13, 14, 15, 16):
        video = footage(1, cut_at=cut / 25)
        plan, _, _, latents, sampler = made(models, 1, segment_seconds=0, source_video=video)
        _, second = plan.segments
        assert second.starts_afresh and abs(plan.start_seconds(second) - Fraction(cut, 25)) <= Fraction(2, 25)
        shown, start, noise_mask, result, _ = sampler.runs[1]
        picture = video.get_components().images[4 * second.latent_start]
        assert picture.mean() > 0.5, "of the new scene"
        assert torch.equal(shown["concat_latent_image"][:, :, :1], models[1].encode(picture[None]))
        assert torch.equal(shown[f"{TALK}_held"], models[1].encode(picture[None]))
        assert start.shape[2] == second.latent_count + 1, "one in front, left out of the clip"
        assert noise_mask[:, :, 0].eq(0).all() and noise_mask[:, :, 1:, 5, 3].eq(1).all()
        assert torch.equal(latents[1], result[:, :, 1:])


@pytest.mark.slow
@pytest.mark.parametrize("rate", [Fraction(30000, 1001), 60, 12])
def test_footage_of_any_rate_keeps_its_frames(models, rate):
    """25 frames a second are made, of the frames nearest in time; the clip has the footage's."""
    video = footage_of(1, rate, SIZE)
    images = video.get_components().images
    *clip, _ = made(models, 1, source_video=video)
    plan, shown, _, _ = clip
    assert plan.frame_rate == 25 and plan.frame_count == 25 and shown.frame_count == len(images) == round(rate)
    assert "the mouth is sampled at 25 fps" in plan.describe()
    seen = shown.crops.frames(0, 25)
    for number in range(25):
        distances = [abs(index / Fraction(rate) - Fraction(number, 25)) for index in range(len(images))]
        nearest = max(index for index, distance in enumerate(distances) if distance == min(distances))
        assert torch.equal(seen[number], images[nearest]), number
    result = composed(*clip)
    outside = (mask() == 0).expand(len(images), -1, -1)
    assert torch.equal(result[outside], images[outside])
    assert not torch.equal(result[1:][~outside[1:]], images[1:][~outside[1:]])


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on(models, clip_vision, tmp_path):
    asked = {"options": {"clip_vision": clip_vision}}
    _, _, _, whole, first = made(models, 1.2, store=SegmentStore(tmp_path), **asked)
    plan, _, _, again, second = made(models, 1.2, store=SegmentStore(tmp_path), **asked)
    assert first.resumed_runs == 0 and second.resumed_runs == len(plan.segments) > 1
    assert first.store is not None and first.store.trouble is None
    assert all(torch.equal(*pair) for pair in zip(whole, again, strict=True))
    *_, other = made(models, 1.2, store=SegmentStore(tmp_path), source_video=footage(1.2, cut_at=0.5), **asked)
    assert other.resumed_runs == 0


@pytest.mark.slow
def test_lengths(models):
    empty = torch.zeros(1, SIZE, SIZE)
    for seconds in (0.04, 1.0, 3.4567):
        plan, shown, _, latents, _ = made(models, seconds, segment_seconds=0, source_video=footage(1), mask=empty)
        assert plan.frame_count == shown.frame_count == max(1, round(seconds * 25))
        assert sum(piece.shape[2] for piece in latents) == plan.latent_count
    plan, shown, *_ = made(models, 1, source_video=footage(0.4), when_sound_is_longer="stop", mask=empty)
    assert (plan.frame_count, shown.frame_count) == (10, 10)
    plan, shown, *_ = made(models, 2, preview=0.4, mask=empty)
    assert (plan.frame_count, shown.frame_count) == (10, 10)


@pytest.mark.slow
def test_speakers_are_heard_as_one_sound(models):
    inputs = inputs_of(*models, 1.0, reference_image=None)
    encoded = inputs.encoded_audio
    encoded.tracks = (EncodedTrack(encoded, None), EncodedTrack(encoded, None))
    InfiniteTalk().check_lip_sync(inputs)
    asked = FootageInputs(footage(1), mask=mask(), crop_size=SIZE)
    _, _, clip_sampler, _ = sampled_over(InfiniteTalk(), inputs, asked, Watched(ONE_STEP))
    assert len(clip_sampler.features) == 1 and not clip_sampler.regions


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_patch": None}, r"Wan 2.1 I2V, which takes audio with .* wan2.1_infiniteTalk_single_fp16"),
        ({"model_patch": object()}, "the connected model_patch is not InfiniteTalk's: load wan"),
        ({"clip_vision": object()}, r"clip_vision is not CLIP-ViT-H: load clip_vision_h"),
    ],
)
def test_what_it_cannot_work_with_is_said_before_any_work(models, changes, words):
    inputs = inputs_of(*models, 1.0, changes, reference_image=None)
    family = recognise({"model": models[0], **inputs.options})
    with pytest.raises(SoundToVideoError, match=words):
        family.check_lip_sync(inputs)


def test_an_encoder_that_does_not_fit(models):
    layers = tuple(torch.zeros([1, 49, 1024]) for _ in range(25))
    large = HostEncodedAudio({"encoded_audio_all_layers": layers, "audio_samples": 16000})
    inputs = inputs_of(*models, reference_image=None, encoded_audio=large)
    with pytest.raises(SoundToVideoError, match=r"wav2vec2 large .* InfiniteTalk listens to wav2vec2 base .*chinese"):
        InfiniteTalk().check_lip_sync(inputs)
