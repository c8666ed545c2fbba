"""Key frames: pictures at times, in the segment that shows them, at the frame of their time."""

import random
from dataclasses import replace
from fractions import Fraction

import folder_paths
import pytest
import torch
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.families import FAMILIES
from sound_to_video.core.families.ltx.av import LTXAV
from sound_to_video.core.families.ltx.key_frames import frame_in_segment
from sound_to_video.core.families.wan.s2v import WanS2V
from sound_to_video.core.render import plan_of, sample_segments
from sound_to_video.core.sampling.host_sampler import HostSampler
from sound_to_video.core.sampling.spool import LatentSpool
from sound_to_video.core.scene.key_frames import (
    ROOM_SECONDS,
    KeyFrame,
    checked_key_frames,
    key_frames_of,
    parse_times,
)
from sound_to_video.core.scene.prompts import placed, prompt_at
from sound_to_video.core.timeline import CycleGrid, rounded
from sound_to_video.tests.ltx import SETTINGS, conditioning, inputs_of, our_latents, pictures, sound

pytestmark = pytest.mark.usefixtures("as_in_a_node")


def frames_at(*times, strength: float = 1.0) -> tuple[KeyFrame, ...]:
    batch = pictures(len(times))
    return tuple(
        KeyFrame(batch[index : index + 1], None if time is None else Fraction(time), strength)
        for index, time in enumerate(times)
    )


class Watched(HostSampler):
    """The host's sampler, and what went into every run."""

    def __init__(self, settings):
        super().__init__(settings)
        self.runs: list[tuple] = []

    def sample(self, model, positive, negative, latent, seed, **how):
        self.runs.append((positive, negative, latent.unbind()[0], how["noise_mask"].unbind()[0]))
        return super().sample(model, positive, negative, latent, seed, **how)


def watched(inputs, segment_seconds):
    plan = plan_of(LTXAV(), inputs, SETTINGS.seed, segment_seconds)
    host, latents = Watched(SETTINGS), LatentSpool(folder_paths.get_temp_directory())
    clip_sampler = LTXAV().prepare(inputs, plan)
    sample_segments(clip_sampler, host, latents)
    return plan, clip_sampler, host.runs, list(latents)


@pytest.mark.slow
@pytest.mark.parametrize("two_stages", [False, True], ids=["one stage", "two stages"])
def test_each_is_in_the_segment_that_shows_it_at_its_frame(each_ltx, two_stages):
    times = ("0", "1.5", "4.4", "4.6", None)
    options = {"key_frames": frames_at(*times), "latent_upscale_model": each_ltx.upscaler if two_stages else None}
    inputs = inputs_of(each_ltx, sound(44100 * 6), options=options)
    plan, clip_sampler, runs, latents = watched(inputs, 4)
    passes = 2 if two_stages else 1
    assert len(plan.segments) > 1 and len(runs) == passes * len(plan.segments)
    assert sum(piece.shape[2] for piece in latents) == plan.latent_count, "guides are cut off again"
    shown = []
    for index, (positive, negative, picture, mask) in enumerate(runs):
        segment, of_pass = plan.segments[index // passes], index % passes
        guides = picture.shape[2] - segment.latent_count
        assert mask.shape[2] == picture.shape[2] and mask[:, :, segment.latent_count :].eq(0).all()
        if not guides:
            assert "keyframe_idxs" not in positive[0][1] and "keyframe_idxs" not in negative[0][1]
            continue
        coordinates = positive[0][1]["keyframe_idxs"]
        assert torch.equal(coordinates, negative[0][1]["keyframe_idxs"])
        starts = coordinates[0, 0, :, 0].unflatten(0, (guides, -1))
        assert torch.equal(coordinates[0, 0, :, 1], coordinates[0, 0, :, 0] + 1), "one frame, no more"
        for number, start in enumerate(starts):
            in_clip = int(start[0]) + 8 * segment.latent_start
            (guide,) = [guide for guide in clip_sampler.guides if guide.frame == in_clip]
            assert torch.equal(picture[:, :, segment.latent_count + number], guide.latents[of_pass][:, :, 0])
            shown.append((in_clip, of_pass))
    expected = {0, 36, round(4.4 * 24), round(4.6 * 24), plan.frame_count - 1}
    assert sorted(shown) == sorted((frame, of_pass) for frame in expected for of_pass in range(passes))


@pytest.mark.slow
def test_a_batch_without_cuts_is_key_frames_at_its_lines_in_both_stages(each_ltx):
    batch, times = pictures(3), (0, 1.5, 5)
    positive = [entry for time in times for entry in placed(conditioning()[0], time, False)]
    options = {"latent_upscale_model": each_ltx.upscaler}

    def clip(reference_image, **more):
        inputs = inputs_of(
            each_ltx,
            sound(44100 * 6),
            positive=positive,
            reference_image=reference_image,
            options={**options, **more},
        )
        return watched(inputs, 4)

    plan, clip_sampler, _, latents = clip(batch)
    assert [(guide.frame, guide.strength) for guide in clip_sampler.guides] == [(36, 1.0), (120, 1.0)]
    assert list(clip_sampler.references) == [0], "the others are encoded as guides alone"
    planned, _, _, by_node = clip(batch[:1], key_frames=key_frames_of(batch[1:], "1.5, 5", 1.0))
    assert plan.segments == planned.segments
    assert all(torch.equal(one, other) for one, other in zip(latents, by_node, strict=True))


@pytest.mark.slow
def test_a_shot_has_its_key_frame_as_the_clip_that_it_would_be_alone(ltx_models):
    """A key frame of the second shot changes nothing in the first, and is where its time is within the shot."""
    text = conditioning()[0]
    positive = [*placed(text, 0, True), *placed(text, 2, True)]
    audio = sound(44100 * 4)
    at_25 = {"positive": positive, "frame_rate": Fraction(25), "reference_image": pictures(2)}
    without, plan = our_latents(inputs_of(ltx_models, audio, **at_25))
    with_one, _ = our_latents(inputs_of(ltx_models, audio, **at_25, options={"key_frames": frames_at("3")}))
    assert torch.equal(without[0], with_one[0]) and not torch.equal(without[1], with_one[1])
    second = plan.segments[1]
    assert [frame_in_segment(75, segment, plan) for segment in plan.segments] == [None, 75 - 8 * second.latent_start]
    at_the_cut = plan.grid.first_frame(second.latent_start)
    assert [frame_in_segment(at_the_cut, segment, plan) for segment in plan.segments] == [None, 0]


@pytest.mark.slow
def test_structure_guidance_goes_round_the_mask_of_a_weaker_key_frame(ltx_models):
    """The host then asks for attention in pieces; what is passed by is the whole of it."""
    settings = replace(SETTINGS, sigmas=torch.tensor([0.8, 0.0]))

    def prediction(strength, **options):
        options["key_frames"] = frames_at("0.5", strength=strength)
        return our_latents(inputs_of(ltx_models, sound(44100), options=options), settings)[0][0]

    weaker, guided = prediction(0.5), prediction(0.5, structure_guidance=1.0)
    assert guided.isfinite().all() and not torch.equal(weaker, guided)
    assert not torch.equal(weaker, prediction(1.0))


@pytest.mark.slow
def test_what_a_clip_does_not_show_is_said(ltx_models, checkpoints):
    import comfy.sd

    inputs = inputs_of(ltx_models, sound(44100 * 2), options={"key_frames": frames_at("1", "2", "2.5", None)})
    family = LTXAV()
    family.check(inputs)
    assert plan_of(family, inputs, 0, 0).notes == ("The picture for 2.50 s is not shown: the clip ends at 2.00 s.",)
    many = replace(inputs, options={"key_frames": frames_at(*range(3, 9))})
    assert plan_of(family, many, 0, 0).notes[-1] == "4 more pictures are not shown: the clip is over by then."
    clip_sampler = family.prepare(inputs, plan_of(family, inputs, 0, 0))
    assert [guide.frame for guide in clip_sampler.guides] == [24, 47, 47]
    opening = family.prepare(inputs, plan_of(family, inputs, 0, 0, 1))
    assert [guide.frame for guide in opening.guides] == [], "the last is the clip's, not the opening's"
    model = comfy.sd.load_diffusion_model(str(checkpoints.path("wan_s2v")))
    of_wan = replace(inputs, model=model, frame_rate=Fraction(16))
    assert WanS2V().unused_options(of_wan) == ["key_frames is not used: Wan2.2-S2V does not know it."]
    assert WanS2V().key_frames(of_wan) == ()


def test_a_picture_that_is_none_is_refused_with_its_time(ltx_models):
    (frame,) = frames_at("1")
    frame.picture[0, 0, 0, 0] = torch.nan
    with pytest.raises(SoundToVideoError, match=r"^the picture for 1\.00 s has pixels that are no numbers"):
        LTXAV().check(inputs_of(ltx_models, sound(44100 * 2), options={"key_frames": (frame,)}))
    with pytest.raises(SoundToVideoError, match="key_frames is a Tensor: connect the node Key Frames"):
        LTXAV().check(inputs_of(ltx_models, sound(44100 * 2), options={"key_frames": pictures()}))


def test_times_are_read():
    assert parse_times("first, 0:42, last") == [0, 42, None]
    assert parse_times("First\n1:02:03.5\n\n 12 s; 12.75 ,LAST") == [
        0,
        Fraction(37235, 10),
        12,
        Fraction(1275, 100),
        None,
    ]
    assert parse_times("") == []
    for word in ("middle", "-1", "1:2:3:4", "50%", "nan", "1e5"):
        with pytest.raises(SoundToVideoError, match=r"is no time: write first, last, or a time such as 0:42 or 12\.5"):
            parse_times(f"first, {word}")


def test_pictures_and_times_have_to_fit():
    with pytest.raises(SoundToVideoError, match=r"^3 pictures and 2 times: write a time for each picture"):
        key_frames_of(pictures(3), "first, last", 1.0)
    with pytest.raises(SoundToVideoError, match=r"^1 picture and 0 times"):
        key_frames_of(pictures(1), " ", 1.0)
    with pytest.raises(SoundToVideoError, match=r"^two pictures are for 42\.00 s: give each its own time"):
        key_frames_of(pictures(2), "0:42, 42 s", 1.0)
    before = key_frames_of(pictures(1), "last", 0.5)
    with pytest.raises(SoundToVideoError, match=r"^two pictures are for the end"):
        key_frames_of(pictures(1), "last", 1.0, before)
    both = key_frames_of(pictures(1, width=33), "0:01", 1.0, before)
    assert [(frame.seconds, frame.strength) for frame in both] == [(None, 0.5), (1, 1.0)]
    assert checked_key_frames(None) == ()


@pytest.mark.parametrize("rate", [24, 25, Fraction(30000, 1001)])
@pytest.mark.parametrize(
    "times", [[21], [20.1, 20.5, 39.5, 60], [1, 2, 3], [19.9, 20.2, 22.9, 23.1], [*range(1, 120)], [118.9, 120]]
)
def test_a_segment_has_room_to_get_to_a_key_frame(rate, times):
    """Where segments have 20 s, none begins shortly before a picture; prompts and cuts stay where they are."""
    family = LTXAV()
    positive = [*placed(conditioning()[0], 0, False), *placed(conditioning()[0], 50, True)]
    plain = family.plan(120, Fraction(rate), conditionings=[positive])
    plan = family.plan(120, Fraction(rate), conditionings=[positive], key_times=times)
    assert plan.frame_count == plain.frame_count and plan.latent_count == plain.latent_count
    assert [segment.starts_afresh for segment in plan.segments].count(True) == 2
    assert len(plan.segments) <= len(plain.segments) + len(times)
    longest = family.segment_length_for(Fraction(rate), 0).latent_count
    assert all(segment.latent_count <= longest for segment in plan.segments)
    latent = Fraction(8) / rate
    for segment in plan.segments[1:]:
        start = plan.start_seconds(segment)
        soon = [time for time in times if start <= time < start + ROOM_SECONDS - latent]
        crowded = len(times) > 50  # a picture a second leaves no room anywhere
        assert segment.starts_afresh or crowded or not soon, (float(start), soon)


@pytest.mark.parametrize(
    "family", [family for family in FAMILIES if family.shows_key_frames], ids=lambda family: family.id
)
def test_a_clip_comes_to_a_picture_before_its_line_begins(family):
    """A line's segment that began right before its picture would show it at once, as after a cut."""
    draw = random.Random(16)
    for _ in range(40):
        rate = Fraction(draw.choice([24, 25, 30]) if family.frame_rate_is_free else family.frame_rate)
        times, seconds = [Fraction(0)], 0.0
        while (seconds := seconds + draw.uniform(5, 40)) < 120:
            times.append(Fraction(str(round(seconds, 2))))
        positive = [entry for time in times for entry in placed(conditioning()[0], time, False)]
        frames = [rounded(time * rate) for time in times[1:]]
        shown_at = [Fraction(frame) / rate for frame in frames]
        plan = family.plan(121, rate, conditionings=[positive], key_times=shown_at)
        starts = [plan.start_seconds(segment) for segment in plan.segments]
        unit = max(family.grid.first_frame(latent + 1) - family.grid.first_frame(latent) for latent in range(1, 9))
        unit = Fraction(sum(family.grid.cycle) if isinstance(family.grid, CycleGrid) else unit) / rate
        for time, picture in zip(times[1:], shown_at, strict=True):
            before, behind = max(start for start in starts if start <= picture), min(s for s in starts if s > picture)
            assert picture - before >= ROOM_SECONDS - 2 * unit, (float(picture), float(before))
            (segment,) = [segment for segment in plan.segments if plan.start_seconds(segment) == behind]
            assert behind - picture <= unit and prompt_at(positive, segment.prompt_seconds) == prompt_at(positive, time)
        assert len(starts) == len(set(starts)) <= len(family.plan(121, rate).segments) + 2 * len(times)


@pytest.mark.parametrize(
    "family", [family for family in FAMILIES if family.shows_key_frames], ids=lambda family: family.id
)
def test_a_key_frame_at_a_line_with_a_cut_takes_no_segment_of_its_own(family):
    """There the picture may be at once."""
    rate = Fraction(24)
    for tenths in range(95, 125):
        times = [Fraction(0), Fraction(tenths, 10), Fraction(2 * tenths, 10)]
        positive = [entry for time in times for entry in placed(conditioning()[0], time, True)]
        shown_at = [Fraction(rounded(time * rate)) / rate for time in times[1:]]
        with_pictures = family.plan(40, rate, conditionings=[positive], key_times=shown_at)
        afresh = [with_pictures.start_seconds(segment) for segment in with_pictures.segments if segment.starts_afresh]
        assert len(afresh) == 3
        for segment in with_pictures.segments:
            behind = [with_pictures.start_seconds(segment) - start for start in afresh]
            assert segment.starts_afresh or all(not 0 < seconds < 1 for seconds in behind), tenths
