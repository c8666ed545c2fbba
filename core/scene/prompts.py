"""Prompts at times: a CONDITIONING whose entries say from when on they hold."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise

from ..errors import SoundToVideoError, is_encodable
from ..plan import Plan, SegmentLength
from ..timeline import Number, exact, frame_time, seconds_in_words

START_KEY = "sound_to_video_start_seconds"
CUT_KEY = "sound_to_video_cut"
MOST_NOTES = 3
MOST_TIMES = 8  # in words

CLOCK = r"(?:(\d+):)?(\d{1,2}):(\d+(?:\.\d+)?)"
WITH_COLONS = re.compile(rf"{CLOCK}\s+(\S.*)")
WITH_UNIT = re.compile(r"(\d+(?:\.\d+)?)\s*s\s+(\S.*)", re.IGNORECASE)
NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s+(\S.*)")
COUNT = re.compile(r"[1-9]\d*")


def parse_timeline(text: str) -> list[tuple[Fraction, str]]:
    """``0:00 verse, dim light`` and so on, one a line -> times in seconds and prompts, in order.

    Times are ``1:23.45``, ``1:02:03``, ``83 s`` or ``12.5``; a line without one goes on with the prompt before it.
    A whole number alone, as in ``2 guitars join in``, is a time only where the first line begins with a number alone
    too, and only if it does not go back before the time above it.
    """
    if not is_encodable(text):
        raise SoundToVideoError(f"the text holds a broken character ({_broken(text)}): delete it and type it again.")
    entries: list[tuple[Fraction, str]] = []
    numbers_are_times = False
    for line in filter(None, map(str.strip, text.splitlines())):
        entry, number = _with_time(line), NUMBER.fullmatch(line)
        if number:
            seconds = exact(number[1], "the time of a prompt")
            if not entries:
                numbers_are_times = True
            if not COUNT.fullmatch(number[1]) or not entries or (numbers_are_times and seconds >= entries[-1][0]):
                entry = seconds, number[2]
        if entry:
            entries.append(entry)
        elif entries:
            entries[-1] = (entries[-1][0], f"{entries[-1][1]} {line}")
        else:
            raise SoundToVideoError(f"the first line needs a time, such as 0:00 {line}")
    if not entries:
        raise SoundToVideoError("there is no prompt. Write one a line, such as 0:00 a singer on an empty stage")
    entries.sort(key=lambda entry: entry[0])
    for before, after in pairwise(entries):
        if before[0] == after[0]:
            raise SoundToVideoError(f"two prompts begin at {seconds_in_words(after[0])}: give each its own time.")
    return entries


def _with_time(line: str) -> tuple[Fraction, str] | None:
    """The time and the prompt of a line whose time has colons or the unit s."""
    if match := WITH_COLONS.fullmatch(line):
        return _on_the_clock(match, "the time of a prompt"), match[4]
    match = WITH_UNIT.fullmatch(line)
    return (exact(match[1], "the time of a prompt"), match[2]) if match else None


def parse_time(text: str) -> Fraction | None:
    """The seconds of ``1:23.45``, ``1:02:03``, ``83 s`` or ``12.5``; None for what is no time."""
    text = text.strip()
    if match := re.fullmatch(CLOCK, text):
        return _on_the_clock(match, "a time")
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*s?", text, re.IGNORECASE)
    return exact(match[1], "a time") if match else None


def _on_the_clock(match: re.Match, name: str) -> Fraction:
    """The seconds of a match of ``CLOCK``."""
    hours, minutes, seconds = (exact(part or 0, name) for part in match.groups()[:3])
    return hours * 3600 + minutes * 60 + seconds


def _broken(text: str) -> str:
    letter = next(letter for letter in text if not is_encodable(letter))
    return f"half of one, U+{ord(letter):04X}, at letter {text.index(letter) + 1}"


def in_words(entries: list[tuple[Fraction, str]]) -> str:
    """``3 prompts, from 0.00 s, 42.00 s, 75.00 s``: how a timeline was read."""
    times = [seconds_in_words(start) for start, _ in entries[:MOST_TIMES]]
    more = ["…"] if len(entries) > MOST_TIMES else []
    return f"{len(entries)} prompt{'s' if len(entries) > 1 else ''}, from {', '.join([*times, *more])}"


def snapped(entries: list[tuple[Fraction, str]], beats: Sequence[Number]) -> list[tuple[Fraction, str]]:
    """The entries with each time moved to the nearest of ``beats`` (seconds) that no prompt before it has.

    The clip's start stays a start.
    """
    if not beats:
        raise SoundToVideoError("no beats were found in the audio: disconnect it to keep the times as they are.")
    free = sorted({exact(beat) for beat in beats})
    moved: list[tuple[Fraction, str]] = []
    for start, prompt in entries:
        if start:
            free = free[bisect_right(free, moved[-1][0]) :] if moved else free
            if not free:
                raise SoundToVideoError(
                    f"the audio has no beat left for the prompt at {seconds_in_words(start)}: the prompts before it "
                    f"have them all. Take that prompt out, or disconnect the audio to keep the times as they are."
                )
            later = bisect_left(free, start)
            start = min(free[max(0, later - 1) : later + 1], key=lambda beat: abs(beat - start))
        moved.append((start, prompt))
    return moved


def placed(conditioning: list, start_seconds: Number, cut: bool) -> list:
    """A CONDITIONING that holds from ``start_seconds`` on; with ``cut`` a segment starts afresh there."""
    return [[tensor, {**values, START_KEY: exact(start_seconds), CUT_KEY: cut}] for tensor, values in conditioning]


def prompt_at(conditioning: list, seconds: Number) -> list:
    """The entries that hold at a time, without our own keys: what a segment's model is to see, and nothing else.

    An entry without a time always holds. Of the others, those with the last time that has come; before the first of
    them, those with the first.
    """
    starts = start_times(conditioning)
    current = _current(starts, seconds) if starts else None
    return [
        [tensor, {key: value for key, value in values.items() if key not in (START_KEY, CUT_KEY)}]
        for tensor, values in conditioning
        if values.get(START_KEY, current) == current
    ]


def cut_times(*conditionings: list) -> list[Fraction]:
    """Times in seconds at which a segment is to start afresh."""
    return sorted({entry[1][START_KEY] for entries in conditionings for entry in entries if entry[1].get(CUT_KEY)})


def first_time(*conditionings: list) -> Fraction:
    """The earliest time of an entry, 0 where none has one."""
    return min((start for conditioning in conditionings for start in start_times(conditioning)), default=Fraction(0))


def prompt_times(*conditionings: list) -> list[Fraction]:
    """Times in seconds at which other entries come into force: not the first, which hold from the clip's start."""
    return sorted({start for conditioning in conditionings for start in start_times(conditioning)[1:]})


def unexpected_prompts(plan: Plan, segment_length: SegmentLength, *conditionings: list) -> list[str]:
    """A sentence for each prompt that no segment takes, or only for less than the shortest segment of the family."""
    shortest = frame_time(segment_length.minimum * plan.grid.stride, plan.frame_rate)
    # dict: a sentence that holds for positive and negative is said once
    notes = list(dict.fromkeys(note for timeline in conditionings for note in _notes(plan, shortest, timeline)))
    if len(notes) > MOST_NOTES:
        notes[MOST_NOTES - 1 :] = [f"{len(notes) - MOST_NOTES + 1} more prompts are shown briefly or not at all."]
    return notes


def _notes(plan: Plan, shortest: Fraction, conditioning: list) -> Iterator[str]:
    starts = start_times(conditioning)
    shown = dict.fromkeys(starts, Fraction(0))
    for segment in plan.segments if starts else ():
        shown[_current(starts, segment.prompt_seconds)] += plan.seconds(segment)
    for index, start in enumerate(starts):
        time = seconds_in_words(start)
        if not shown[start] and any(shown[later] for later in starts[index + 1 :]):
            following = seconds_in_words(starts[index + 1])
            yield f"The prompt at {time} is not shown: the next one begins at {following}, too soon for a segment."
        elif not shown[start]:
            yield f"The prompt at {time} is not shown: the clip ends at {seconds_in_words(plan.duration)}."
        elif shown[start] < shortest and len(starts) > 1:
            yield (
                f"The prompt at {time} is shown for {seconds_in_words(shown[start])}: "
                f"a segment should last {seconds_in_words(shortest)} or more."
            )


def start_times(conditioning: list) -> list[Fraction]:
    """The times of its entries, in order."""
    return sorted({entry[1][START_KEY] for entry in conditioning if START_KEY in entry[1]})


def _current(starts: list[Fraction], seconds: Number) -> Fraction:
    return starts[max(0, bisect_right(starts, seconds) - 1)]
