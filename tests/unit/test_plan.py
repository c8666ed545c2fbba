"""The timeline and the plan: no frame too many, none too few, every latent once."""

import random
from fractions import Fraction

import pytest
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.families import FAMILIES
from sound_to_video.core.families.ltx.av import LTXAV
from sound_to_video.core.families.minimax.h3 import MiniMaxH3
from sound_to_video.core.families.wan.s2v import WanS2V
from sound_to_video.core.plan import MAXIMUM_SEGMENTS, plan_clip
from sound_to_video.core.scene.prompts import placed
from sound_to_video.core.timeline import CycleGrid, FrameGrid, clip_frame_count, exact, rounded, sample_index

FRAMES_OF_LATENTS = (1, 4, 4, 4, 4)  # of MiniMax H3, in turns
WAN, LTX, H3 = ((f.grid, f.segment_length, f.frame_rate) for f in (WanS2V(), LTXAV(), MiniMaxH3()))


def test_halves_round_up_as_in_the_browser():
    assert [rounded(value) for value in (0.5, 1.5, 2.5, 2.4999, -0.5)] == [1, 2, 3, 2, 0]


def test_typed_decimals_are_exact():
    assert exact(0.1) == Fraction(1, 10)
    assert sample_index(0.1, 44100) == 4410
    assert sample_index(1.00001, 192000) == 192002


@pytest.mark.parametrize(
    "value",
    ["1e999999999", "1e-999999999", "9" * 5000, 10**5000, float("nan"), float("inf"), "nan", "soon", "1/0", "\ud800"],
    ids=lambda value: ascii(value)[:12] if not isinstance(value, int) else "10**5000",
)
def test_what_is_no_number_of_ordinary_size_is_refused_with_a_sentence(value):
    """Before it is computed: 10**999999999 alone would take the host's event loop for good."""
    with pytest.raises(SoundToVideoError, match=r"^start_seconds is .{1,25}: give a finite number") as refused:
        exact(value, "start_seconds")
    str(refused.value).encode()


def test_very_small_numbers_are_exact():
    assert exact(5e-324) == Fraction(5, 10**324)
    assert exact(-2.5e-17) == Fraction(-25, 10**18)


@pytest.mark.parametrize("frame_rate", [Fraction(16), Fraction(24), Fraction(25), Fraction(24000, 1001)])
def test_picture_and_sound_last_the_same_within_half_a_frame(frame_rate):
    random.seed(1)
    for _ in range(2000):
        duration = Fraction(random.randint(1, 48000 * 40), 48000)
        frames = clip_frame_count(duration, frame_rate)
        if frames > 1:
            assert abs(frames / frame_rate - duration) <= Fraction(1, 2) / frame_rate
        else:
            assert duration < Fraction(3, 2) / frame_rate


@pytest.mark.parametrize("stride", [4, 8])
def test_grid_holds_every_frame_and_wastes_less_than_a_group(stride):
    grid = FrameGrid(stride)
    for frames in range(1, 200):
        latents = grid.latent_count(frames)
        assert 0 <= grid.frame_count(latents) - frames < stride
        assert grid.first_frame(latents - 1) < frames <= grid.first_frame(latents)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.id)
def test_every_latent_is_sampled_once_and_none_that_no_frame_needs(family):
    grid, segment_length, frame_rate = family.grid, family.segment_length, family.frame_rate
    random.seed(2)
    for _ in range(500):
        duration = Fraction(random.randint(1, 48000 * 90), 48000)
        plan = plan_clip(duration, frame_rate, grid, segment_length, seed=7)
        new = [n for s in plan.segments for n in range(s.latent_start + s.overlap, s.latent_stop)]
        assert new == list(range(grid.latent_count(plan.frame_count)))
        *before, last = (segment.latent_count for segment in plan.segments)
        assert max(before, default=0) <= segment_length.latent_count
        assert last <= segment_length.latent_count + segment_length.spare
        assert [segment.seed for segment in plan.segments] == [7 + i for i in range(len(plan.segments))]
        assert [segment.starts_afresh for segment in plan.segments] == [True] + [False] * (len(plan.segments) - 1)
        for before, after in zip(plan.segments, plan.segments[1:], strict=False):
            assert after.latent_start + after.overlap == before.latent_stop
        if len(plan.segments) > 1:
            assert plan.segments[-1].new_latents >= segment_length.minimum


def test_the_example_of_the_trim_widget():
    grid, segment_length, frame_rate = WAN
    assert plan_clip(8, frame_rate, grid, segment_length).describe() == "8.00 s → 128 frames at 16 fps, 2 segments"
    assert plan_clip(0.01, frame_rate, grid, segment_length).describe() == "0.01 s → 1 frame at 16 fps, 1 segment"


def test_cuts_start_segments_afresh_at_the_nearest_latent():
    grid, segment_length, frame_rate = WAN
    plan = plan_clip(20, frame_rate, grid, segment_length, cuts=[4.02, 4.1, 12, 0, 99])
    afresh = [segment.latent_start for segment in plan.segments if segment.starts_afresh]
    assert afresh == [0, 17, 49]  # their first frames are 65 and 193: 4.06 s and 12.06 s
    assert plan.latent_count == grid.latent_count(320)


def test_asked_segment_length():
    family = WanS2V()
    lengths = [family.segment_length_for(Fraction(16), seconds).latent_count for seconds in (0, 3, 0.01)]
    assert lengths == [20, 12, family.segment_length.minimum]


@pytest.mark.parametrize("rate", [12, 16, 24, 25, 30, 48, 50, 60, Fraction(24000, 1001)])
def test_the_last_segment_of_ltx_adds_as_much_as_it_repeats(rate):
    """And begins between two latents of the sound no more than the others do."""
    family, draw = LTXAV(), random.Random(4)
    for segment_seconds in (0, 5, 10):
        segment_length = family.segment_length_for(Fraction(rate), segment_seconds)
        step = segment_length.latent_count - segment_length.overlap
        assert segment_seconds or segment_length.minimum >= segment_length.overlap
        for _ in range(200):
            plan = family.plan(Fraction(draw.randint(1, 1000 * 90), 1000), Fraction(rate), segment_seconds)
            new = [segment.new_latents for segment in plan.segments]
            assert new[1:-2] == [step] * len(new[1:-2])
            assert len(new) == 1 or new[-1] >= segment_length.minimum
            assert all(segment.latent_start % segment_length.multiple == 0 for segment in plan.segments)


def test_forty_seconds_of_ltx():
    plan = LTXAV().plan(40, Fraction(24))
    assert [segment.new_latents for segment in plan.segments] == [61, 54, 6]


def timeline(times, cut: bool = False) -> list:
    return [entry for time in times for entry in placed([[f"at {time}", {}]], time, cut)]


def shown(plan) -> list[tuple[float, int]]:
    """The time whose prompts hold, and the first new latent, of every segment."""
    return [(float(s.prompt_seconds), s.latent_start + s.overlap) for s in plan.segments]


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize(
    ("family", "seconds", "times", "expected"),
    [
        (LTXAV(), 40, [0, 12, 24], [(0, 0), (12, 37), (24, 73)]),
        (LTXAV(), 15, [0, 8], [(0, 0), (8, 25)]),
        (WanS2V(), 12, [0, 3, 6, 9], [(0, 0), (3, 13), (6, 25), (9, 37)]),
    ],
    ids=["ltx 40 s", "ltx 15 s", "wan 12 s"],
)
def test_every_prompt_is_shown_from_its_time_on(family, seconds, times, expected, cut):
    plan = family.plan(seconds, family.frame_rate, conditionings=[timeline(times, cut), timeline([0])])
    assert shown(plan) == expected
    assert [segment.starts_afresh for segment in plan.segments] == [True] + [cut] * (len(times) - 1)
    assert plan.notes == ()


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.id)
def test_prompts_at_random_times(family):
    """Each latent once; every border as near its prompt as can be; joined to what came before; seeds in order."""
    draw = random.Random(5)
    for _ in range(200):
        rate = (
            family.frame_rate if not family.frame_rate_is_free else draw.choice([Fraction(24), Fraction(30000, 1001)])
        )
        seconds = draw.uniform(1, 90)
        times = sorted({0, *(round(draw.uniform(0, seconds + 5), 2) for _ in range(draw.randint(1, 8)))})
        plan = family.plan(seconds, rate, draw.choice([0, 0, 4]), 7, 0, [timeline(times)])
        new = [n for s in plan.segments for n in range(s.latent_start + s.overlap, s.latent_stop)]
        assert new == list(range(family.grid.latent_count(plan.frame_count)))
        assert [segment.seed for segment in plan.segments] == list(range(7, 7 + len(plan.segments)))
        assert [segment.starts_afresh for segment in plan.segments] == [True] + [False] * (len(plan.segments) - 1)
        done = 0
        for segment in plan.segments:
            assert segment.overlap == min(done, family.segment_length.overlap)
            done += segment.new_latents
        seen = {segment.prompt_seconds: segment for segment in reversed(plan.segments)}
        apart = sum(family.grid.cycle) if isinstance(family.grid, CycleGrid) else family.grid.stride
        half = apart / rate / 2
        for time, segment in seen.items():
            assert time == 0 or abs(plan.start_seconds(segment) - time) <= half
        lost = {exact(time) for time in times} - set(seen)
        assert len(plan.notes) >= min(len(lost), 1)
        for time in lost:  # only where the next prompt, or the clip's end, is less than what lies between borders away
            later = [exact(other) for other in times if other > time] + [exact(seconds)]
            assert time > exact(seconds) - 2 * half or later[0] - time <= 2 * half


def test_prompts_that_no_segment_takes_are_named():
    plan = WanS2V().plan(12, Fraction(16), conditionings=[timeline([0, 5, 5.1, 6, 99]), timeline([0, 5.1])])
    assert plan.describe().split("\n")[1:] == [
        "The prompt at 5.00 s is not shown: the next one begins at 5.10 s, too soon for a segment.",
        "The prompt at 5.10 s is shown for 1.00 s: a segment should last 1.25 s or more.",
        "The prompt at 99.00 s is not shown: the clip ends at 12.00 s.",
    ]
    many = WanS2V().plan(12, Fraction(16), conditionings=[timeline(range(12))])
    assert many.notes[2:] == ("10 more prompts are shown briefly or not at all.",)
    assert [time for time, _ in shown(many)] == list(range(12))


def test_other_prompts_leave_the_segments_before_them_as_they_are():
    """What is finished stays finished: neither segments nor seeds before a time depend on what comes after it."""
    for family in FAMILIES:
        one, other = (
            family.plan(60, family.frame_rate, 0, 3, 0, [timeline(times)]) for times in ([0, 42], [0, 42, 47, 50])
        )
        assert one.segments[: len(one.segments) - 1][-1].prompt_seconds in (0, 42)
        before = [segment for segment in one.segments if segment.prompt_seconds < 42]
        assert before and list(other.segments[: len(before)]) == before


def test_a_first_prompt_holds_from_the_start_whatever_its_time():
    plan = LTXAV().plan(15, Fraction(24), conditionings=[timeline([5])])
    assert len(plan.segments) == 1


def test_more_segments_than_can_be_planned():
    family = WanS2V()
    seconds = MAXIMUM_SEGMENTS * 5 - 1
    assert len(family.plan(seconds, Fraction(16)).segments) == MAXIMUM_SEGMENTS
    with pytest.raises(SoundToVideoError, match=r"1000000\.00 s would take about \d+ segments, and at most 10000"):
        family.plan(1_000_000, Fraction(16), 0.1)


def test_the_opening_has_the_segments_of_the_whole_plan():
    grid, segment_length, frame_rate = WAN
    plan = plan_clip(60, frame_rate, grid, segment_length)
    opening = plan.opening(8)
    assert opening.frame_count == 128
    assert opening.segments == plan.segments[:2]
    assert plan.opening(500).segments == plan.segments
    assert opening.describe() == "8.00 s → 128 frames at 16 fps, 2 segments"


def test_an_opening_has_the_prompts_of_the_whole_plan():
    times = [timeline([0, 3, 30])]
    whole, opening = (LTXAV().plan(40, Fraction(24), 0, 0, preview, times) for preview in (0, 5))
    assert opening.segments == whole.segments[:2]
    assert opening.frame_count == 120


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.id)
@pytest.mark.parametrize("count", [1, 2, 5, 40])
def test_parts_are_whole_shots_each_once(family, count):
    draw = random.Random(count)
    cuts = [draw.uniform(0, 60) for _ in range(12)]
    plan = plan_clip(60, family.frame_rate, family.grid, family.segment_length, 3, cuts)
    parts = [plan.part(number, count) for number in range(1, count + 1)]
    assert sorted((segment for part in parts for segment in part), key=lambda segment: segment.index) == [
        *plan.segments
    ]
    for shot in plan.shots():
        assert sum(set(shot) <= set(part) for part in parts) == 1
    lengths = [sum(segment.new_latents for segment in part) for part in parts]
    longest = max(sum(segment.new_latents for segment in shot) for shot in plan.shots())
    assert max(lengths) <= plan.latent_count / count + longest
    assert all(list(part) == sorted(part, key=lambda segment: segment.index) for part in parts)


def test_the_grid_of_minimax_h3_is_the_hosts():
    """5k + 2 latents, 17k + 5 frames; nothing is lost on the way there and back."""
    host = pytest.importorskip("comfy_extras.nodes_minimax_h3", reason="this ComfyUI does not know MiniMax H3")
    grid = CycleGrid(FRAMES_OF_LATENTS, ending=2)
    for frame_count in range(1, 400):
        aligned, latents, _ = host.temporal_shape(frame_count)
        assert grid.latent_count(frame_count) == latents
        assert grid.frame_count(latents) == aligned >= frame_count


def test_latents_in_turns_begin_where_the_ones_before_them_end():
    grid = CycleGrid(FRAMES_OF_LATENTS, ending=2)
    begins = [grid.first_frame(index) for index in range(12)]
    assert begins == [0, 1, 5, 9, 13, 17, 18, 22, 26, 30, 34, 35]
    for frame in range(36):
        nearest = grid.nearest_latent(frame)
        assert abs(grid.first_frame(nearest) - frame) == min(abs(begin - frame) for begin in begins)
    assert [grid.nearest_latent(Fraction(number, 2)) for number in (1, 6, 7)] == [1, 2, 2]
    assert grid.stride == Fraction(17, 5)


def test_segments_begin_with_a_turn_of_latents():
    """After a cut with its first latent; after known ones with the one that they end before, in any turn."""
    grid = CycleGrid(FRAMES_OF_LATENTS, ending=2)
    assert [grid.nearest_start(frame, 0) for frame in (0, 8, 9, 17, 25, 26)] == [0, 0, 5, 5, 5, 10]
    assert [grid.nearest_start(frame, 6) for frame in (0, 1, 9, 10, 18, 40)] == [1, 1, 1, 6, 6, 11]
    assert [FrameGrid(8).nearest_start(frame, 4) for frame in (0, 1, 8, 9)] == [0, 1, 2, 2]


def test_a_segment_may_take_what_would_be_one_of_its_own():
    """The latents that the model's longest window has more than those that go on; no more than that."""
    length = H3[1]
    assert [s.new_latents for s in plan_clip(Fraction(362, 24), 24, H3[0], length).segments] == [107]
    assert [s.new_latents for s in plan_clip(Fraction(363, 24), 24, H3[0], length).segments] == [81, 31]
