"""A picture for each shot: the k-th for the k-th, and a shot is the clip that it would be on its own."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from sound_to_video.core.audio import audio_from
from sound_to_video.core.clip.video import SampledVideo
from sound_to_video.core.families import FAMILIES
from sound_to_video.core.families.ltx.audio_latents import MIRRORED_LATENTS, AudioLatents
from sound_to_video.core.families.wan.common import WanFamily
from sound_to_video.core.features.encoded import EncodedAudio, HostEncodedAudio
from sound_to_video.core.render import plan_of
from sound_to_video.core.scene.pictures import ShotPictures, shot_pictures
from sound_to_video.core.scene.prompts import placed
from sound_to_video.tests import humo, infinitetalk, ltx

pytestmark = pytest.mark.usefixtures("as_in_a_node")

TESTED = ("wan_s2v", "ltx_av", "humo", "infinitetalk")
CUT_FRAME = 52  # at which the models of 25 frames a second hear the shot begin that is cut to at 2 s


def timeline(times: list, cut: bool = True) -> list:
    text = torch.randn([1, 2, 1024], generator=torch.Generator().manual_seed(1))
    return [entry for time in times for entry in placed([[text, {}]], time, cut)]


class Later(EncodedAudio):
    """What a model hears from a frame on."""

    def __init__(self, encoded: EncodedAudio, first_frame: int, frame_rate: Fraction):
        self.encoded, self.first_frame, self.kind = encoded, first_frame, encoded.kind
        self.duration = encoded.duration - first_frame / frame_rate

    def host_value(self, key):
        raise AssertionError

    def features(self, layout):
        return self.encoded.features(layout)[:, self.first_frame :]


def wan_encoding(seconds: float) -> HostEncodedAudio:
    generator = torch.Generator().manual_seed(2)
    layers = tuple(torch.randn([1, round(seconds * 50) - 1, 1024], generator=generator) for _ in range(25))
    host = {"encoded_audio": layers[-1], "encoded_audio_all_layers": layers, "audio_samples": round(seconds * 16000)}
    return HostEncodedAudio(host)


def with_an_edge(host: dict, family_id: str) -> HostEncodedAudio:
    """For models that hear some frames before their own: before the cut it is as before a clip."""
    encoded = HostEncodedAudio(host)
    layout = next(family.feature_layout for family in FAMILIES if family.id == family_id)
    features = encoded.features(layout).clone()
    before = features[:, CUT_FRAME : CUT_FRAME + 1] if family_id == "infinitetalk" else torch.zeros([])
    features[:, CUT_FRAME - 2 : CUT_FRAME] = before
    encoded._features = {layout: features}
    return encoded


@pytest.fixture(params=[family.id for family in FAMILIES if family.id in TESTED])
def inputs_of(request, checkpoints, ltx_models):
    """A function that makes inputs of 4 s, changed as asked, for every family."""
    if request.param == "ltx_av":
        return lambda **changes: ltx.inputs_of(
            ltx_models, **{"audio": ltx.sound(4 * 44100), "frame_rate": Fraction(25), **changes}
        )
    import comfy.sd
    import comfy.utils

    name = {"infinitetalk": "wan_i2v"}.get(request.param, request.param)
    values = {
        "model": comfy.sd.load_diffusion_model(str(checkpoints.path(name))),
        "vae": comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(checkpoints.path("wan_vae")))),
        "frame_rate": Fraction(16 if request.param == "wan_s2v" else 25),
    }
    if request.param == "wan_s2v":
        values["audio"] = wan_encoding(4)
    else:
        module = {"humo": humo, "infinitetalk": infinitetalk}[request.param]
        values["audio"] = with_an_edge(module.host_encoding(4), request.param)
    if request.param == "infinitetalk":
        values["options"] = {"model_patch": infinitetalk.load_patch(checkpoints.path("infinitetalk"))}
    return lambda **changes: ltx.inputs_of(ltx_models, **{**values, **changes})


def later(inputs, latent: int, frame_rate: Fraction) -> EncodedAudio:
    """What the model hears from a latent on."""
    encoded = inputs.encoded_audio
    if not isinstance(encoded, AudioLatents):
        return Later(encoded, 4 * latent, frame_rate)
    first = round(8 * latent / frame_rate * encoded.rate)
    assert 8 * latent / frame_rate * encoded.rate == first, "a latent of picture begins on one of sound"
    samples = round(first / encoded.rate * 44100)
    audio = audio_from({"waveform": ltx.sound(4 * 44100)["waveform"][:, :, samples:], "sample_rate": 44100})
    return AudioLatents(
        audio,
        encoded.latents[:, :, first:],
        encoded.span(encoded.count - MIRRORED_LATENTS, encoded.count + 100),
        encoded.rate,
    )


@pytest.mark.slow
def test_a_shot_is_the_clip_that_it_would_be_alone(inputs_of):
    batch = ltx.pictures(3)
    inputs = inputs_of(reference_image=batch, positive=timeline([0, 2]))
    (first, second), plan = ltx.our_latents(inputs)
    assert [segment.starts_afresh for segment in plan.segments] == [True, True]
    start = plan.segments[1].latent_start
    settings = replace(ltx.SETTINGS, seed=ltx.SETTINGS.seed + 1)
    alone = inputs_of(
        reference_image=batch[1:2],
        positive=timeline([0]),
        audio=later(inputs, start, inputs.frame_rate),
    )
    (again,), _ = ltx.our_latents(alone, settings)
    assert torch.equal(second, again[:, :, : second.shape[2]])
    (one, _), _ = ltx.our_latents(inputs_of(reference_image=batch[:1], positive=timeline([0, 2])))
    assert torch.equal(first, one), "one picture is what it was"


@pytest.mark.slow
def test_without_a_cut_a_family_that_sees_the_picture_throughout_goes_over_to_the_next(inputs_of):
    batch = ltx.pictures(2)
    several, plan = ltx.our_latents(inputs_of(reference_image=batch, positive=timeline([0, 2], cut=False)))
    single, _ = ltx.our_latents(inputs_of(reference_image=batch[:1], positive=timeline([0, 2], cut=False)))
    assert torch.equal(several[0], single[0])
    follows = isinstance(ltx.family_of(inputs_of()), WanFamily)
    assert torch.equal(several[1], single[1]) != follows
    assert any("picture 2 and later are not shown" in note for note in plan.notes) != follows


@pytest.mark.slow
def test_frames_of_a_shot_are_decoded_after_its_own_picture(inputs_of):
    inputs = inputs_of(reference_image=ltx.pictures(2), positive=timeline([0, 2]))
    latents, plan = ltx.our_latents(inputs)
    decoder = ltx.clip_sampler(inputs, plan).decoder()
    frames = torch.cat(list(SampledVideo(decoder, latents, None).stream_frames()))
    assert frames.shape[0] == plan.frame_count
    if decoder.leads:
        assert not torch.equal(*decoder.leads)
        cut = plan.grid.first_frame(plan.segments[1].latent_start)
        alone = inputs.vae.decode(torch.cat([decoder.leads[1], latents[1]], dim=2))[0]
        assert torch.equal(frames[cut:], alone[1 : 1 + plan.frame_count - cut])


@pytest.mark.parametrize(
    ("count", "times", "note"),
    [
        (1, [0, 2, 3], None),
        (3, [0, 2, 3], None),
        (2, [0, 2, 3], "2 pictures, 3 shots: the last picture is shown from shot 2 on."),
        (4, [0, 2, 3], "4 pictures, 3 shots: picture 4 and later are not shown. Prompt Timeline makes a shot of every"),
        (2, [], "2 pictures, 1 shot: picture 2 and later are not shown. Prompt Timeline makes a shot of every line"),
        (3, [0, 2, 9], "3 pictures, 2 shots: picture 3 and later are not shown."),
    ],
)
def test_numbers_that_do_not_fit_are_said_on_the_node(inputs_of, count, times, note):
    positive = timeline(times) if times else timeline([0], cut=False)
    inputs = inputs_of(reference_image=ltx.pictures(count), positive=positive)
    family = ltx.family_of(inputs)
    family.check(inputs)
    for preview_seconds in (0, 1):
        said = [
            line for line in plan_of(family, inputs, 0, 0, preview_seconds).describe().split("\n") if "pict" in line
        ]
        assert len(said) == (note is not None)
        assert note is None or said[0].startswith(note)


def test_a_later_picture_that_is_none_is_refused_before_any_work_where_it_is_shown(inputs_of):
    batch = ltx.pictures(3)
    batch[1, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="frame 1"):
        ltx.family_of(inputs_of()).check(inputs_of(reference_image=batch, positive=timeline([0, 2])))
    ltx.family_of(inputs_of()).check(inputs_of(reference_image=batch))


def test_a_picture_belongs_to_its_line(inputs_of):
    """Also where two lines fall on the same latent, and where the first does not begin at 0."""
    family = ltx.family_of(inputs_of())
    for times, expected in (([0, 1, 1.01, 2], [0, 2, 3]), ([1, 2], [0, 0, 1]), ([0, 1, 2, 3], [0, 1, 2, 3])):
        inputs = inputs_of(reference_image=ltx.pictures(4), positive=timeline(times))
        plan = plan_of(family, inputs, 0, 0)
        pictures = family.pictures(inputs)
        assert [pictures.number(segment) for segment in plan.segments if segment.starts_afresh] == expected


def test_cuts_from_two_sources():
    """A first line without a cut is a shot; so is a cut of the negative prompt."""
    positive = [*timeline([0], cut=False), *timeline([2])]
    assert shot_pictures(ltx.pictures(2), positive, timeline([3])) == ShotPictures(2, (0, 2, 3))
