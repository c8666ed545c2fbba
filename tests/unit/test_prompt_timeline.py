"""Prompts at times: read as people write them, each segment taking the one of its time."""

from fractions import Fraction

import pytest
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.prompt_timeline import cut_times, parse_timeline, placed, prompt_at, snapped


def test_a_timeline_as_people_write_it():
    text = """
        0:42.5 chorus, bright light
        and confetti
        0:00 verse, dim light
        1:02:03 the end
        75 bridge
    """
    assert parse_timeline(text) == [
        (Fraction(0), "verse, dim light"),
        (Fraction(85, 2), "chorus, bright light and confetti"),
        (Fraction(75), "bridge"),
        (Fraction(3723), "the end"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is no prompt"),
        ("a singer", "the first line needs a time, such as 0:00 a singer"),
        ("0:05 a\n5 b", r"two prompts begin at 5\.00 s"),
    ],
)
def test_a_timeline_that_cannot_be_read(text, words):
    with pytest.raises(SoundToVideoError, match=words):
        parse_timeline(text)


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


def test_before_its_first_time_a_timeline_shows_its_first_prompt():
    assert [entry[0] for entry in prompt_at(placed([["chorus", {}]], 42, cut=False), 3)] == ["chorus"]
