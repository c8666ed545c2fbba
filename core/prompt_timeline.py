"""Prompts at times: a CONDITIONING whose entries say from when on they hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

from .errors import SoundToVideoError, is_encodable
from .timeline import Number, exact, seconds_in_words

START_KEY = "sound_to_video_start_seconds"
CUT_KEY = "sound_to_video_cut"
LINE = re.compile(r"^(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d+)?)\s+(\S.*)$")


def parse_timeline(text: str) -> list[tuple[Fraction, str]]:
    """``0:00 verse, dim light`` and so on, one a line -> times in seconds and prompts, in order.

    Times are ``12.5``, ``1:23.45`` or ``1:02:03``; a line without one goes on with the prompt before it.
    """
    if not is_encodable(text):
        raise SoundToVideoError(f"the text holds a broken character ({_broken(text)}): delete it and type it again.")
    entries: list[tuple[Fraction, str]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        match = LINE.match(line)
        if match:
            hours, minutes, seconds, prompt = match.groups()
            entries.append((int(hours or 0) * 3600 + int(minutes or 0) * 60 + exact(seconds), prompt))
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


def _broken(text: str) -> str:
    letter = next(letter for letter in text if not is_encodable(letter))
    return f"half of one, U+{ord(letter):04X}, at letter {text.index(letter) + 1}"


def snapped(entries: list[tuple[Fraction, str]], beats: Sequence[Number]) -> list[tuple[Fraction, str]]:
    """The entries with each time moved to the nearest of ``beats`` (seconds); the clip's start stays a start."""
    if not beats:
        raise SoundToVideoError("no beats were found in the audio: disconnect it to keep the times as they are.")
    return [
        (start and min((exact(beat) for beat in beats), key=lambda beat: abs(beat - start)), prompt)
        for start, prompt in entries
    ]


def placed(conditioning: list, start_seconds: Number, cut: bool) -> list:
    """A CONDITIONING that holds from ``start_seconds`` on; with ``cut`` a segment starts afresh there."""
    return [[tensor, {**values, START_KEY: exact(start_seconds), CUT_KEY: cut}] for tensor, values in conditioning]


def prompt_at(conditioning: list, seconds: Number) -> list:
    """The entries in force at a time: those without one, and those that began last; before any, the first to come."""
    starts = sorted({entry[1][START_KEY] for entry in conditioning if START_KEY in entry[1]})
    if not starts:
        return conditioning
    current = max([start for start in starts if start <= seconds], default=starts[0])
    return [entry for entry in conditioning if entry[1].get(START_KEY, current) == current]


def cut_times(*conditionings: list) -> list[Fraction]:
    """Times in seconds at which a segment is to start afresh."""
    entries: list[Sequence[Any]] = [entry for conditioning in conditionings for entry in conditioning]
    return sorted({entry[1][START_KEY] for entry in entries if entry[1].get(CUT_KEY)})
