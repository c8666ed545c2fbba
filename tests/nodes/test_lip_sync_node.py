"""Lip Sync Sampler as the host calls it: the clip is the footage's, and every refusal says what to do."""

import types
from fractions import Fraction

import pytest
import torch
from comfy_api.latest import InputImpl, Types
from sound_to_video.core.audio import audio_from
from sound_to_video.core.lip_sync import HEAD_BOX
from sound_to_video.nodes.lip_sync_sampler import LipSyncSampler
from sound_to_video.tests.families import small
from sound_to_video.tests.ltx import Models, conditioning, encoded, sound

WIDTH, HEIGHT, RATE = 97, 75, Fraction(30000, 1001)


@pytest.fixture(scope="module")
def models(checkpoints):
    return Models(checkpoints)


def footage(count=30):
    images = torch.rand([count, HEIGHT, WIDTH, 3], generator=torch.Generator().manual_seed(1))
    return InputImpl.VideoFromComponents(Types.VideoComponents(images=images, audio=None, frame_rate=RATE))


def run(models, **changes):
    positive, negative = conditioning()
    values = {
        "model": models.model,
        "vae": models.vae,
        "positive": positive,
        "negative": negative,
        "encoded_audio": encoded(models, sound(44100)),
        "source_video": footage(),
        **{entry.id: entry.default for entry in LipSyncSampler.define_schema().inputs if hasattr(entry, "default")},
        "crop_size": 64,
        "steps": 2,
        "cfg": 1.0,
        "sampler_name": "euler",
        "keep_segments": False,
        **changes,
    }
    values = {name: value for name, value in values.items() if value is not None}
    node = type("Node", (LipSyncSampler,), {"hidden": types.SimpleNamespace(unique_id=None, dynprompt=None)})
    with torch.inference_mode():
        return node.execute(**values)


@pytest.mark.slow
def test_the_clip_has_the_footages_size_rate_and_pixels(models):
    video, latent = run(models).args
    components = video.get_components()
    assert video.get_dimensions() == (WIDTH, HEIGHT) and video.get_frame_rate() == RATE
    assert components.images.shape == (30, HEIGHT, WIDTH, 3)
    assert components.audio["waveform"].shape[-1] == 44100
    assert latent["samples"].shape[1:] == (128, 5, 2, 2)
    images = footage().get_components().images
    changed = (components.images != images).any(dim=-1)
    rows, columns = changed.any(dim=0).any(dim=1), changed.any(dim=0).any(dim=0)
    assert changed.any() and not rows[: HEIGHT // 2].any(), "above the nose nothing changes"
    assert not columns[: round(HEAD_BOX["head_left"] * WIDTH)].any()
    (trimmed,) = [video.as_trimmed(0.5, 0.2)]
    assert torch.equal(trimmed.get_components().images, components.images[15:21])


@pytest.fixture(scope="module")
def infinitetalk(checkpoints):
    """The inputs that another model changes."""
    talk = small("infinitetalk", checkpoints)
    prompts = {"positive": talk.prompt(), "negative": talk.prompt()}
    heard = {"encoded_audio": talk.encoded(audio_from(sound(44100)))}
    return {"model": talk.model, "vae": talk.vae, **prompts, **heard, **talk.options, "scheduler": "simple"}


@pytest.mark.slow
def test_infinitetalk_makes_the_mouth_of_footage_of_another_rate(models, infinitetalk):
    video, latent = run(models, **infinitetalk).args
    components = video.get_components()
    assert video.get_dimensions() == (WIDTH, HEIGHT) and video.get_frame_rate() == RATE
    assert torch.equal(components.audio["waveform"], sound(44100)["waveform"])
    assert latent["samples"].shape[1:] == (16, 7, 8, 8), "25 frames"
    images = footage().get_components().images
    changed = (components.images != images).any(dim=-1)
    assert changed.any() and not changed.any(dim=0).any(dim=1)[: HEIGHT // 2].any(), "above the nose nothing changes"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_patch": None}, "load wan2.1_infiniteTalk_single_fp16"),
        ({"clip_vision": "CLIP"}, "clip_vision is not CLIP-ViT-H"),
        ({"scheduler": "ltx-2.3 distilled"}, "the scheduler ltx-2.3 distilled is not one for InfiniteTalk"),
        ({"crop_size": 72}, "crop_size 72 is off the grid of InfiniteTalk"),
        (
            {"encoded_audio": "LTX"},
            "the audio was encoded by an LTX audio VAE, but InfiniteTalk listens to wav2vec2 base",
        ),
    ],
)
def test_refusals_of_infinitetalk(models, infinitetalk, changes, message):
    if "encoded_audio" in changes:
        changes = {"encoded_audio": encoded(models, sound(44100))}
    with pytest.raises(ValueError, match=f"^Lip Sync Sampler: .*{message}"):
        run(models, **{**infinitetalk, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source_video": 5}, "expected a VIDEO, got an int"),
        ({"mask": torch.ones(1, 8, 8)}, r"the mask is 8 x 8, the footage 97 x 75"),
        ({"mask": torch.ones(1, HEIGHT, WIDTH), "face_detection_model": object()}, "a mask or a face model, one of"),
        ({"crop_size": 100}, "crop_size 100"),
        ({"head_left": 0.9}, "the box around the head is empty"),
        ({"start_seconds": 50.0}, "holds no frames from start_seconds on"),
        ({"region": "nose"}, "there is no region 'nose': choose lower face or mouth or whole face"),
        ({"strength": float("nan")}, "strength is nan"),
        ({"source_video": None}, "connect a video of a speaker to source_video"),
    ],
)
def test_refusals_say_what_to_do(models, changes, message):
    with pytest.raises(ValueError, match=f"^Lip Sync Sampler: .*{message}"):
        run(models, **changes)


def test_a_model_that_cannot_is_told_which_can(models, checkpoints):
    import comfy.sd

    wan = comfy.sd.load_diffusion_model(str(checkpoints.path("wan_s2v")))
    with pytest.raises(ValueError, match=r"^Lip Sync Sampler: Wan2\.2-S2V cannot make .* Load a model that can: LTX-2"):
        run(models, model=wan)
