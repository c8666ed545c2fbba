"""What is wired into a sampler is checked before any work, with one kind of error: no raw one, and no silence."""

import math
import re
from fractions import Fraction
from types import SimpleNamespace

import pytest
import torch
from comfy_api.latest import InputImpl, Types
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.families import recognise
from sound_to_video.core.frames.images import check_images, fitted_reference, resized_cropped
from sound_to_video.core.frames.reading import frames_of
from sound_to_video.core.render import plan_of
from sound_to_video.core.scene.inputs import checked_sigmas
from sound_to_video.nodes import NODES
from sound_to_video.nodes._errors import named_errors
from sound_to_video.nodes._sampler import run_sampler
from sound_to_video.nodes.a2v_sampler import A2VSampler
from sound_to_video.nodes.s2v_sampler import S2VSampler
from sound_to_video.tests.fuzz.values import ODD_TENSORS
from sound_to_video.tests.ltx import conditioning, encoded, inputs_of, our_latents, pictures, sound

pytestmark = pytest.mark.usefixtures("as_in_a_node")
OTHER_TEXT = [[torch.zeros([1, 2, 768]), {}]]
NAN = float("nan")


class Untouched:
    """A VAE that must not be asked for anything: nothing is encoded before all is checked."""

    latent_channels, latent_dim = 128, 3

    def __init__(self, vae):
        self.first_stage_model = vae.first_stage_model

    def encode(self, pixels):
        raise AssertionError("encoded before all inputs were checked")

    decode = encode


@pytest.fixture(scope="module")
def wired(ltx_models):
    """The inputs of S2V Sampler by name, with a VAE and an audio that nothing may be done with."""
    positive, negative = conditioning()
    defaults = {entry.id: entry.default for entry in S2VSampler.define_schema().inputs if hasattr(entry, "default")}
    return {
        **defaults,
        "model": ltx_models.model,
        "vae": Untouched(ltx_models.vae),
        "positive": positive,
        "negative": negative,
        "encoded_audio": encoded(ltx_models, sound(16000)),
        "reference_image": pictures(),
        "width": 64,
        "height": 64,
    }


def refused(wired: dict, message: str, **changes) -> None:
    with pytest.raises(SoundToVideoError, match=message):
        run_sampler(SimpleNamespace(unique_id=None, dynprompt=None), {**wired, **changes})


@pytest.mark.parametrize("odd", [None, 3, 2.5, "text", [], {}, [1, 2], torch.zeros(2), object()], ids=repr)
@pytest.mark.parametrize(
    "name", ["model", "vae", "positive", "negative", "encoded_audio", "sampler_name", "scheduler", "image_fit"]
)
def test_what_is_not_what_the_input_is_for(wired, name, odd):
    refused(wired, ".", **{name: odd})


@pytest.mark.parametrize("odd", [3, "text", [], {}, [1, 2], torch.zeros(2), object()], ids=repr)
@pytest.mark.parametrize(
    "name", ["reference_image", "control_video", "sigmas", "refining_sigmas", "latent_upscale_model"]
)
def test_the_same_for_what_may_be_left_out(wired, name, odd):
    refused(wired, ".", **{name: odd})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "two noise levels or more in a row, not 0 of them"),
        ([1.0], "two noise levels or more in a row, not 1 of them"),
        ([[1.0, 0.0]], r"not a shape of \(1, 2\)"),
        ([0.0, 0.5, 1.0], "must go down"),
        ([1.0, 0.2, 0.6, 0.0], "must go down"),
        ([0.0, 0.0], "must go down"),
        ([1.0, NAN, 0.0], "negative or no numbers"),
        ([math.inf, 0.0], "negative or no numbers"),
        ([1.0, -0.5], "negative or no numbers"),
    ],
)
@pytest.mark.parametrize("name", ["sigmas", "refining_sigmas"])
def test_noise_levels_that_no_sampler_can_go_down_along(wired, name, values, message):
    refused(wired, f"{name} .*{message}", **{name: torch.tensor(values)})


@pytest.mark.parametrize("name", ["positive", "negative"])
def test_a_prompt_of_another_models_text_encoder(wired, name):
    refused(wired, f"the {name} prompt was encoded by the text encoder of another model", **{name: OTHER_TEXT})


def test_noise_levels_of_any_schedule_go_through():
    levels = torch.tensor([1.0, 0.9, 0.9, 0.1, 0.0])
    assert checked_sigmas(levels, "sigmas") is levels
    assert checked_sigmas(levels.double(), "sigmas").dtype == torch.float32


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.full([1, 64, 64, 3], NAN), "no numbers"),
        (torch.full([1, 64, 64, 3], math.inf), "no numbers"),
        (torch.zeros([1, 0, 64, 3]), "not an image: its shape is"),
        (torch.zeros([0, 64, 64, 3]), "not an image: its shape is"),
        (torch.zeros([64, 64, 3]), "not an image: its shape is"),
        (torch.zeros([1, 3, 64, 64]), "64 channels"),
        (torch.zeros([1, 64, 64, 3], dtype=torch.uint8), r"its tensor holds torch\.uint8"),
        (torch.zeros([1, 64, 64, 3], device="meta"), "is a tensor without data .meta., not an IMAGE"),
        (torch.zeros([1, 64, 64, 3]).to_sparse(), "is a sparse tensor, not an IMAGE"),
        (torch.zeros([1, 5000, 1, 3]), "is 1 x 5000 pixels, too narrow to be cut to 64 x 64"),
        (torch.zeros([1, 1, 5000, 3]), "is 5000 x 1 pixels, too narrow to be cut to 64 x 64"),
    ],
    ids=["NaN", "infinite", "no height", "no picture", "3-D", "channels first", "bytes", "meta", "sparse", "1x", "x1"],
)
def test_pictures_that_are_none(wired, image, message):
    refused(wired, f"the reference image .*{message}", reference_image=image)
    with pytest.raises(SoundToVideoError, match=f"the control video .*{message}"):
        check_images(image, "control video", 64, 64)


@pytest.mark.parametrize("odd", ODD_TENSORS)
def test_tensors_that_hold_no_numbers_to_compute_with(wired, odd):
    """Wherever a tensor comes over a link, as an IMAGE, a VIDEO's pictures, SIGMAS or a prompt."""
    image, levels, prompt = (ODD_TENSORS[odd](shape) for shape in ([4, 64, 64, 3], [3], [1, 2, 1024]))
    for frames in (image, InputImpl.VideoFromComponents(Types.VideoComponents(image, Fraction(16)))):
        with pytest.raises(SoundToVideoError, match=r"the video is a .*tensor.*, not an IMAGE"):
            frames_of(frames, 16)
    refused(wired, "reference image is a .*tensor.*, not an IMAGE", reference_image=image)
    refused(wired, "sigmas is a .*tensor.*, not SIGMAS", sigmas=levels)
    refused(wired, "positive is no CONDITIONING", positive=[[prompt, {}]])


def test_the_frame_that_is_no_picture_is_named():
    frames = torch.zeros([200, 8, 8, 3])
    frames[150, 3, 3, 1] = NAN
    with pytest.raises(SoundToVideoError, match="control video has pixels in frame 150 that are no numbers"):
        check_images(frames, "control video", 64, 64)
    check_images(frames, "reference image", 64, 64, count=1)  # of which the first picture counts


def test_a_picture_as_narrow_as_can_be_is_padded():
    picture = torch.ones([1, 5000, 1, 3])
    check_images(picture, "reference image", 64, 64, "pad")
    assert fitted_reference(picture, 64, 64, "pad").shape == (1, 64, 64, 3)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_pictures_of_other_precisions_are_taken(ltx_models, dtype, fit):
    image = (pictures() * 255).round() / 255
    (latents,), _ = our_latents(inputs_of(ltx_models, sound(16000), reference_image=image.to(dtype), image_fit=fit))
    assert latents.isfinite().all()
    close = fitted_reference(image, 64, 64, fit, "lanczos")
    torch.testing.assert_close(fitted_reference(image.to(dtype), 64, 64, fit, "lanczos"), close, rtol=0, atol=0.02)
    assert resized_cropped(image.to(dtype), 8, 8).dtype == torch.float32


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.__name__)
def test_every_number_of_every_node(node):
    """The host compares what is typed with the range, which NaN passes, and nothing that comes over a link."""
    for entry in node.define_schema().inputs:
        if entry.get_io_type() not in ("INT", "FLOAT"):
            continue
        for value in (NAN, math.inf, "7", [1], {}, True, 10**5000, -(10**5000), entry.max + 1, entry.min - 1):
            with pytest.raises(SoundToVideoError, match=f": {entry.id} is .*: it must be a (whole )?number from "):
                node.execute(**{entry.id: value})
        if not entry.optional:
            with pytest.raises(SoundToVideoError, match=f": {entry.id} is a NoneType"):
                node.execute(**{entry.id: None})


def test_whole_numbers_are_whole():
    with pytest.raises(SoundToVideoError, match=r"S2V Sampler: width is 640.5: it must be a whole number from 16 to"):
        S2VSampler.execute(width=640.5)
    with pytest.raises(SoundToVideoError, match="A2V Sampler: steps is 0: it must be a whole number from 1 to 10000"):
        A2VSampler.execute(steps=0)


def test_an_unexpected_error_leaves_as_it_is():
    @named_errors("Node")
    def execute():
        raise KeyError("a defect of ours")

    with pytest.raises(KeyError, match="a defect of ours"):
        execute()


@pytest.mark.parametrize("size", [{"width": 32}, {"height": 32}])
def test_a_picture_too_small_to_be_decoded_is_refused_before_it_is_sampled(ltx_models, size):
    inputs = inputs_of(ltx_models, sound(16000), **size)
    with pytest.raises(SoundToVideoError, match="32 is too small to be decoded: set 64 or more"):
        recognise({"model": inputs.model}).check(inputs)


@pytest.mark.parametrize(
    ("width", "height", "seconds", "notes"),
    [
        (832, 480, 12, ["height 480 is no multiple of 64: .* the 32 rows at the lower edge .* 448 or 512 is better"]),
        (848, 512, 12, ["width 848 is no multiple of 64: .* the 16 columns at the right edge .* 832 or 896 is better"]),
        (832, 448, 12, []),
        (832, 480, 4, []),  # one segment: nothing goes on
    ],
)
def test_wan_says_what_it_does_not_see_of_far_motion(checkpoints, width, height, seconds, notes):
    inputs, family = wan_inputs(checkpoints, width, height, seconds)
    family.check(inputs)
    plan = plan_of(family, inputs, 0, 0)
    assert len(plan.notes) == len(notes)
    assert all(re.search(expected, said) for expected, said in zip(notes, plan.notes, strict=True))
    assert all(note in plan.describe() for note in plan.notes)


def test_wan_in_a_size_in_which_no_segment_can_go_on(checkpoints):
    inputs, family = wan_inputs(checkpoints, 48, 80, 4)
    plan_of(family, inputs, 0, 0)
    inputs, family = wan_inputs(checkpoints, 48, 80, 12)
    with pytest.raises(SoundToVideoError, match=r"the width 48 is too small .* from segment to segment: it must be 64"):
        plan_of(family, inputs, 0, 0)


def wan_inputs(checkpoints, width: int, height: int, seconds: int):
    import comfy.sd
    import comfy.utils
    from sound_to_video.core.families import SamplerInputs
    from sound_to_video.core.features.encoded import encoded_audio_from

    layers = (torch.zeros([1, 50 * seconds, 1024]),) * 25
    positive, negative = conditioning()
    model = comfy.sd.load_diffusion_model(str(checkpoints.path("wan_s2v")))
    inputs = SamplerInputs(
        model=model,
        vae=comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(checkpoints.path("wan_vae")))),
        positive=positive,
        negative=negative,
        encoded_audio=encoded_audio_from({"encoded_audio_all_layers": layers, "audio_samples": 16000 * seconds}),
        width=width,
        height=height,
        frame_rate=Fraction(16),
    )
    return inputs, recognise({"model": model})
