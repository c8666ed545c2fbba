"""Lip Sync Sampler as the host calls it: the clip is the footage's, and every refusal says what to do."""

import types
from fractions import Fraction

import pytest
import torch
from comfy_api.latest import InputImpl, Types
from sound_to_video.core.lip_sync import HEAD_BOX
from sound_to_video.nodes.lip_sync_sampler import LipSyncSampler
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
