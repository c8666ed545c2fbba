"""Several speakers in one sound: each a track of its own, and their mix, which is what a clip carries.

The official code (``audio_prepare_multi`` in generate_infinitetalk.py, MeiGen-AI/InfiniteTalk) knows two speakers and
calls the modes "para" and "add": a speaker who is silent is silence to the encoder, and the mix is the plain sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..timeline import Number, exact, sample_index
from .lazy import Audio, Changed, Track
from .mix import AtRate, Mixed

TOGETHER, IN_TURNS = MODES = ("together", "in turns")


@dataclass(frozen=True)
class Speaker:
    """What somebody says, and where in the picture.

    start_seconds: when it begins; of speakers in turns, how long after the one before has ended.
    region: one of ``frames.regions``.
    """

    audio: Audio
    region: Any
    start_seconds: Number = 0


def speakers_sound(speakers: Sequence[Speaker], mode: str) -> Audio:
    """The mix of what the speakers say, with their ``tracks``; as lazy as they are.

    mode: TOGETHER or IN_TURNS.  At the highest of their sample rates; stereo where one of them is.
    """
    starts: list[Fraction] = []
    end = Fraction(0)
    for speaker in speakers:
        starts.append(exact(speaker.start_seconds, "start_seconds") + (end if mode == IN_TURNS else 0))
        end = max(end, starts[-1] + speaker.audio.duration)
    tracks = tuple(
        Track(_placed(speaker.audio, start, end), speaker.region)
        for speaker, start in zip(speakers, starts, strict=True)
    )
    first, *others = (track.audio for track in tracks)
    rate = max(track.audio.sample_rate for track in tracks)
    channels = 2 if any(track.audio.channels > 1 for track in tracks) else 1
    mix = Audio(AtRate(first, rate, channels))
    for other in others:
        mix = Audio(Mixed(mix, other, 1.0))
    return Audio(_Speakers(mix, tracks))


def _placed(audio: Audio, start: Fraction, end: Fraction) -> Audio:
    """The sound from ``start`` on, with silence before it, and behind it up to ``end``; seconds."""
    before = sample_index(start, audio.sample_rate)
    after = sample_index(end, audio.sample_rate) - before - audio.sample_count
    return audio.delayed(before, max(0, after))


class _Speakers(Changed):
    """A mix that knows its tracks."""

    def __init__(self, mix: Audio, tracks: tuple[Track, ...]):
        super().__init__(mix)
        self.tracks = tracks

    @property
    def fingerprint(self) -> str:
        return self.audio.fingerprint

    def read(self, start, stop):
        return self.audio.trimmed(start, stop)._pieces()
