"""A picture for each shot: the k-th for the k-th, and a shot is the clip that it would be on its own."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from sound_to_video.core.audio import audio_from
from sound_to_video.core.clip.video import SampledVideo
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.families import FAMILIES, Family, SamplerInputs
from sound_to_video.core.families.ltx.audio_latents import MIRRORED_LATENTS, AudioLatents
from sound_to_video.core.features.encoded import EncodedAudio
from sound_to_video.core.render import plan_of
from sound_to_video.core.scene.key_frames import key_frames_of
from sound_to_video.core.scene.pictures import ShotPictures, shot_pictures
from sound_to_video.core.scene.prompts import placed
from sound_to_video.tests import ltx
from sound_to_video.tests.families import Small, small
from sound_to_video.tests.minimax import RATE

pytestmark = pytest.mark.usefixtures("as_in_a_node")

CUT_FRAME = 52  # at which the models of 25 frames a second hear the shot begin that is cut to at 2 s
SECONDS = 4


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


def with_an_edge(encoded: EncodedAudio, family: Family) -> EncodedAudio:
    """For models that hear some frames before their own: before the cut it is as before a clip."""
    features = encoded.features(family.feature_layout).clone()
    before = features[:, CUT_FRAME : CUT_FRAME + 1] if family.id == "infinitetalk" else torch.zeros([])
    features[:, CUT_FRAME - 2 : CUT_FRAME] = before
    encoded._features = {family.feature_layout: features}
    return encoded


@pytest.fixture(scope="module", params=[family.id for family in FAMILIES])
def loaded(request, checkpoints) -> Small:
    return small(request.param, checkpoints)


@pytest.fixture
def inputs_of(loaded):
    """A function that makes inputs of 4 s, changed as asked, for every family."""
    family = loaded.family
    encoded = loaded.encoded(audio_from(ltx.sound(SECONDS * RATE, RATE)))
    if family.feature_layout is not None and family.frame_rate == 25:
        encoded = with_an_edge(encoded, family)
    rate = Fraction(25) if family.frame_rate_is_free else family.frame_rate

    def made(audio: EncodedAudio = encoded, options: dict | None = None, **changes) -> SamplerInputs:
        return ltx.inputs_of(loaded, audio, frame_rate=rate, options={**loaded.options, **(options or {})}, **changes)

    return made


def later(inputs: SamplerInputs, loaded: Small, latent: int) -> EncodedAudio:
    """What the model hears from a latent on."""
    encoded, grid, frame_rate = inputs.encoded_audio, loaded.family.grid, inputs.frame_rate
    if loaded.audio_vae is None:
        return Later(encoded, 4 * latent, frame_rate)
    if not isinstance(encoded, AudioLatents):
        samples = grid.first_frame(latent) / frame_rate * RATE
        assert samples == int(samples), "a shot begins with a sample"
        return loaded.encoded(encoded.audio.between(samples / RATE, SECONDS))
    first = round(8 * latent / frame_rate * encoded.rate)
    assert 8 * latent / frame_rate * encoded.rate == first, "a latent of picture begins on one of sound"
    return AudioLatents(
        encoded.audio.between(first / encoded.rate, SECONDS),
        encoded.latents[:, :, first:],
        encoded.span(encoded.count - MIRRORED_LATENTS, encoded.count + 100),
        encoded.rate,
    )


@pytest.mark.slow
def test_a_shot_is_the_clip_that_it_would_be_alone(loaded, inputs_of):
    batch = ltx.pictures(3)
    inputs = inputs_of(reference_image=batch, positive=timeline([0, 2]))
    (first, second), plan = ltx.our_latents(inputs)
    assert [segment.starts_afresh for segment in plan.segments] == [True, True]
    start = plan.segments[1].latent_start
    settings = replace(ltx.SETTINGS, seed=ltx.SETTINGS.seed + 1)
    alone = inputs_of(
        reference_image=batch[1:2],
        positive=timeline([0]),
        audio=later(inputs, loaded, start),
    )
    (again,), _ = ltx.our_latents(alone, settings)
    assert torch.equal(second, again[:, :, : second.shape[2]])
    (one, _), _ = ltx.our_latents(inputs_of(reference_image=batch[:1], positive=timeline([0, 2])))
    assert torch.equal(first, one), "one picture is what it was"


@pytest.mark.slow
def test_without_a_cut_the_clip_goes_over_to_the_next_picture(loaded, inputs_of):
    """In the segment of its line where the model sees a picture throughout; else to a key frame, to the bit."""
    batch = ltx.pictures(2)
    positive = timeline([0, 2], cut=False)
    several, plan = ltx.our_latents(inputs_of(reference_image=batch, positive=positive))
    single, _ = ltx.our_latents(inputs_of(reference_image=batch[:1], positive=positive))
    if not loaded.family.shows_key_frames:
        assert torch.equal(several[0], single[0]) and not torch.equal(several[1], single[1])
        assert not any("picture" in note for note in plan.notes)
        return
    options = {"key_frames": key_frames_of(batch[1:], "0:02", 1.0)}
    by_node, planned = ltx.our_latents(inputs_of(reference_image=batch[:1], positive=positive, options=options))
    assert planned.segments == plan.segments and planned.segments[1].starts_afresh is False
    assert all(torch.equal(one, other) for one, other in zip(several, by_node, strict=True))
    assert not torch.equal(several[0], single[0]), "the segment before the line comes to its picture"
    notes = [note for note in plan.notes if note not in planned.notes]
    assert notes == ["Without cuts the clip comes to picture 2 at 2.00 s: key frames at the times of their lines."]


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


@pytest.mark.parametrize(
    ("count", "times", "comings", "note"),
    [
        (1, [0, 1, 2], "", ""),
        (3, [0, 1, 2], "picture 2 at 1.00 s, picture 3 at 2.00 s", ""),
        (2, [0, 1, 2], "picture 2 at 1.00 s", "2 pictures, 3 lines: from line 2 on the clip goes on by itself."),
        (4, [0, 1, 2], "picture 2 at 1.00 s, picture 3 at 2.00 s", "4 pictures, 3 shots: picture 4 and later are not"),
        (3, [0, 1, 9], "picture 2 at 1.00 s", "3 pictures, 2 shots: picture 3 and later are not shown."),
        (2, [0, 4], "", "2 pictures, 1 shot: picture 2 and later are not shown."),
    ],
)
def test_without_cuts_it_is_said_where_the_clip_comes_to_each(loaded, inputs_of, count, times, comings, note):
    family = loaded.family
    inputs = inputs_of(reference_image=ltx.pictures(count), positive=timeline(times, cut=False))
    family.check(inputs)
    said = [line for line in plan_of(family, inputs, 0, 0).notes if "picture" in line]
    if not family.shows_key_frames:
        assert len(said) == (count != 1 and (count != len(times) or times[-1] >= SECONDS))
        return
    assert [frame.seconds for frame in family.key_frames(inputs)] == times[1 : 1 + comings.count("picture")]
    if comings:
        assert said.pop(0) == f"Without cuts the clip comes to {comings}: key frames at the times of their lines."
    assert len(said) == bool(note) and (not note or said[0].startswith(note))


def test_key_frames_beside_a_batch_are_both_shown_and_not_for_one_time(loaded, inputs_of):
    family = loaded.family
    if not family.shows_key_frames:  # said where Key Frames is wired: tests/unit/test_key_frames.py
        return
    positive, batch = timeline([0, 2], cut=False), ltx.pictures(2)

    def both(time: str) -> SamplerInputs:
        return inputs_of(
            reference_image=batch, positive=positive, options={"key_frames": key_frames_of(batch[:1], time, 0.5)}
        )

    family.check(both("last"))
    assert [(frame.seconds, frame.strength) for frame in family.key_frames(both("last"))] == [(None, 0.5), (2, 1.0)]
    with pytest.raises(SoundToVideoError, match=r"^two pictures are for 2\.00 s: one from Key Frames, one of those on"):
        family.check(both("0:02"))
    cut = inputs_of(reference_image=batch, positive=timeline([0, 2]))
    assert family.key_frames(cut) == ()


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
