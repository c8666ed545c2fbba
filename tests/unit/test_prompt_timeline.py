"""Prompts at times: read as people write them, each segment taking the one of its time."""

from fractions import Fraction

import pytest
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.scene.prompts import cut_times, in_words, parse_timeline, placed, prompt_at, snapped


def test_a_timeline_as_people_write_it():
    text = """
        0:42.5 chorus, bright light
        and confetti
        0:00 verse, dim light
        1:02:03 the end
        75 s bridge
    """
    assert parse_timeline(text) == [
        (Fraction(0), "verse, dim light"),
        (Fraction(85, 2), "chorus, bright light and confetti"),
        (Fraction(75), "bridge"),
        (Fraction(3723), "the end"),
    ]


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("0:00 verse\n2 guitars join in\n0:42 chorus\n50 dancers", [0, 42]),
        ("0:00 verse\n42.0 chorus\n2 guitars join in", [0, 42]),  # decimals count nothing
        ("0 verse\n42 chorus\n75 bridge", [0, 42, 75]),  # as people wrote it without units
        ("0 verse\n42 chorus\n2 guitars join in\n75 bridge", [0, 42, 75]),
        ("0.0 verse\n42 chorus", [0, 42]),
        ("12 verse\n05 intro", [5, 12]),
        ("0s verse\n12.5S chorus\n13 s bridge\n14 steps further", [0, 12.5, 13]),
        ("1:00 verse\n0:00 intro\n1:02:03.5 end", [0, 60, 3723.5]),
    ],
)
def test_a_number_is_a_time_only_where_it_cannot_count_something(text, times):
    entries = parse_timeline(text)
    assert [time for time, _ in entries] == times
    assert ("2 guitars join in" in text) == any("2 guitars join in" in prompt for _, prompt in entries)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("5 a\n5 b", r"two prompts begin at 5\.00 s"),
        (f"0:00 a\n{'9' * 5000} b", "the time of a prompt is '999"),
        (f"{'9' * 5000}:01:00 a", "the time of a prompt is '999"),
        ("", "there is no prompt"),
        ("a singer", "the first line needs a time, such as 0:00 a singer"),
        ("0:05 a\n5 s b", r"two prompts begin at 5\.00 s"),
    ],
)
def test_a_timeline_that_cannot_be_read(text, words):
    with pytest.raises(SoundToVideoError, match=words):
        parse_timeline(text)


def test_how_a_timeline_was_read_is_said_in_words():
    assert in_words(parse_timeline("0:00 verse\n2 guitars\n0:42.5 chorus")) == "2 prompts, from 0.00 s, 42.50 s"
    assert in_words([(Fraction(n), "") for n in range(20)]).startswith("20 prompts, from 0.00 s, 1.00 s, ")
    assert in_words([(Fraction(n), "") for n in range(20)]).endswith("7.00 s, …")


def test_each_time_has_its_prompt():
    always, verse, chorus = (["always", {}], ["verse", {}], ["chorus", {}])
    timeline = [always, *placed([verse], 0, cut=False), *placed([chorus], 42, cut=True)]
    names = {time: [entry[0] for entry in prompt_at(timeline, time)] for time in (0, 41.9, 42, 100)}
    assert names == {
        0: ["always", "verse"],
        41.9: ["always", "verse"],
        42: ["always", "chorus"],
        100: ["always", "chorus"],
    }
    assert cut_times(timeline) == [42]
    assert prompt_at([always], 7) == [always]


def test_times_move_to_the_nearest_beat_and_the_start_stays():
    entries = [(Fraction(0), "a"), (Fraction(5), "b"), (Fraction(91, 10), "c")]
    assert snapped(entries, [0.4, 4.5, 5.25, 8.0, 9.0]) == [(0, "a"), (Fraction(21, 4), "b"), (9, "c")]
    with pytest.raises(SoundToVideoError, match="no beats were found"):
        snapped(entries, [])


def test_no_two_prompts_share_a_beat():
    entries = [(Fraction(0), "a"), (Fraction(1, 10), "b"), (Fraction(39, 10), "c"), (Fraction(4), "d")]
    times = [time for time, _ in snapped(entries, [8.0, 4.0, 0.0, 4.0, 2.0])]
    assert times == [0, 2, 4, 8]
    with pytest.raises(SoundToVideoError, match=r"no beat left for the prompt at 4\.00 s"):
        snapped(entries, [0.0, 2.0, 4.0])


def test_a_segments_prompt_holds_nothing_of_other_prompts_nor_of_their_times():
    """What the sampler gets, and keys finished segments by, is what the model sees."""
    entries = [["always", {"a": 1}], *placed([["verse", {"b": 2}]], 0, True), *placed([["chorus", {}]], 42, True)]
    assert prompt_at(entries, 1) == [["always", {"a": 1}], ["verse", {"b": 2}]]
    moved = [*entries[:2], *placed([["other", {}]], 43, False)]
    assert prompt_at(moved, 1) == prompt_at(entries, 1)


def test_before_its_first_time_a_timeline_shows_its_first_prompt():
    assert [entry[0] for entry in prompt_at(placed([["chorus", {}]], 42, cut=False), 3)] == ["chorus"]
