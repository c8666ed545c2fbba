"""One timeline: every conversion between seconds, samples, frames and latents.

Times are exact (``fractions.Fraction``, seconds). Frame ``i`` is the picture at time ``i / frame_rate``;
a clip of ``duration`` seconds has ``round(duration * frame_rate)`` frames. Nothing else decides how long a clip is.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Any, Protocol

from .errors import SoundToVideoError

Number = int | float | Fraction

LARGEST_NUMBER = 10**15
LONGEST_TEXT = 100  # characters of a number
SMALLEST_EXPONENT, LARGEST_EXPONENT = -400, 15  # a float may be as small as 5e-324
EXPONENT = re.compile(r"[eE]([-+]?\d+)$")


def exact(value: Number | str, name: str = "a number") -> Fraction:
    """The value as people write it: ``exact(0.1) == 1/10``, ``exact(29.97) == 2997/100``, ``exact("24000/1001")``.

    name: what the error calls the value, such as the input's name.
    Raises SoundToVideoError, before anything large is computed, for what is no number, not finite or beyond 10**15.
    """
    if isinstance(value, Fraction):
        return value
    number = Fraction(value) if isinstance(value, int) else _read(str(value).strip())
    if number is None or abs(number) > LARGEST_NUMBER:
        raise SoundToVideoError(f"{name} is {_shown(value)}: give a finite number of ordinary size, such as 12.5.")
    return number


def _read(text: str) -> Fraction | None:
    """The number that a text writes; None for what is no number, or one whose digits alone would take long."""
    if len(text) > LONGEST_TEXT:
        return None
    exponent = EXPONENT.search(text)
    if exponent and not SMALLEST_EXPONENT <= int(exponent[1]) <= LARGEST_EXPONENT:
        return None
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        return None


def _shown(value: object) -> str:
    if isinstance(value, int):
        return "an integer beyond 10**15"
    text = ascii(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 20 else f"{text[:20]}…"


def rounded(value: Number) -> int:
    """To the nearest integer, halves up, as JavaScript's ``Math.round`` has it."""
    return floor(exact(value) + Fraction(1, 2))


def sample_index(seconds: Number, sample_rate: int) -> int:
    """Index of the audio sample nearest to ``seconds``."""
    return rounded(exact(seconds) * sample_rate)


def sample_time(index: int, sample_rate: int) -> Fraction:
    """Time of an audio sample in seconds; for a count of samples, their duration."""
    return Fraction(index, sample_rate)


def clip_frame_count(duration: Number, frame_rate: Number) -> int:
    """Frames of a clip that lasts as long as its audio, to within half a frame; never less than one."""
    return max(1, rounded(exact(duration) * exact(frame_rate)))


def frame_time(index: int, frame_rate: Number) -> Fraction:
    """Time of frame ``index`` in seconds; for a count of frames, their duration."""
    return index / exact(frame_rate)


def seconds_in_words(seconds: Number, digits: int = 2) -> str:
    """``8.00 s``: how messages and node texts write a time."""
    return f"{float(seconds):.{digits}f} s"


def frame_rate_in_words(frame_rate: Number) -> str:
    """``16 fps``, ``29.97 fps``."""
    return f"{float(frame_rate):.3f}".rstrip("0").rstrip(".") + " fps"


class Grid(Protocol):
    """How the latents of a video VAE and the frames of a clip belong together."""

    @property
    def stride(self) -> Any:
        """Frames of a latent: a whole number where all but the first hold as many, else a Fraction, their average."""

    def latent_count(self, frame_count: int) -> int:
        """The fewest latents that a clip can have and that hold ``frame_count`` frames."""
        ...

    def frame_count(self, latent_count: int) -> int:
        """Frames that ``latent_count`` latents decode to."""
        ...

    def first_frame(self, latent_index: int) -> int:
        """Index of the first frame that a latent decodes to."""
        ...

    def nearest_start(self, frame: Number, known: int) -> int:
        """The latent nearest to a frame that a segment can add first, ``known`` of it being known before."""
        ...


@dataclass(frozen=True)
class FrameGrid:
    """The temporal grid of a causal video VAE: latent 0 is one frame, every further latent ``stride`` frames.

    Latent ``n`` decodes to the frames ``stride * (n - 1) + 1 ... stride * n`` (4n+1 for Wan, 8n+1 for LTX).
    """

    stride: int

    def latent_count(self, frame_count: int) -> int:
        """The fewest latents that hold ``frame_count`` frames."""
        return 1 + -(-(frame_count - 1) // self.stride)

    def frame_count(self, latent_count: int) -> int:
        """Frames that ``latent_count`` latents decode to."""
        return 1 + (latent_count - 1) * self.stride

    def first_frame(self, latent_index: int) -> int:
        """Index of the first frame that a latent decodes to."""
        return max(0, self.stride * (latent_index - 1) + 1)

    def nearest_latent(self, frame: Number) -> int:
        """The latent whose first frame is nearest to a frame's index, which may lie between two frames."""
        frame = exact(frame)
        return 0 if frame < Fraction(1, 2) else 1 + rounded((frame - 1) / self.stride)

    def nearest_start(self, frame: Number, known: int) -> int:
        """The latent nearest to a frame that a segment can add first, ``known`` of it being known before."""
        return self.nearest_latent(frame)


@dataclass(frozen=True)
class CycleGrid:
    """The temporal grid of a video VAE whose latents hold turns of frame counts, such as MiniMax H3's 1, 4, 4, 4, 4.

    cycle: frames of the latents, in turns.  ending: how many latents of its last, unfinished turn a clip has.
    MiniMax H3 (host comfy/ldm/minimax/model.py FRAME_PER_TOKEN): 5k + 2 latents are 17k + 5 frames.
    """

    cycle: tuple[int, ...]
    ending: int

    @property
    def stride(self) -> Fraction:
        """Frames of a latent on average."""
        return Fraction(sum(self.cycle), len(self.cycle))

    def latent_count(self, frame_count: int) -> int:
        """The fewest latents that a clip can have and that hold ``frame_count`` frames."""
        missing = max(0, frame_count - self.frame_count(self.ending))
        return self.ending + len(self.cycle) * -(-missing // sum(self.cycle))

    def frame_count(self, latent_count: int) -> int:
        """Frames that ``latent_count`` latents decode to."""
        turns, rest = divmod(latent_count, len(self.cycle))
        return turns * sum(self.cycle) + sum(self.cycle[:rest])

    def first_frame(self, latent_index: int) -> int:
        """Index of the first frame that a latent decodes to."""
        return self.frame_count(latent_index)

    def nearest_latent(self, frame: Number) -> int:
        """The latent whose first frame is nearest to a frame's index, which may lie between two frames."""
        return self._nearest(frame, range(len(self.cycle)))

    def nearest_start(self, frame: Number, known: int) -> int:
        """The latent nearest to a frame that a segment can add first, ``known`` of it being known before.

        Segments begin with a turn: what is known of one ends within a turn where its number says.
        """
        return self._nearest(frame, [known % len(self.cycle)])

    def _nearest(self, frame: Number, places: Iterable[int]) -> int:
        """The latent at one of some places in a turn whose first frame is nearest; of two as near, the later one."""
        frame, turn = exact(frame), len(self.cycle)
        start = int(frame // sum(self.cycle)) * turn
        around = [start + shift + place for place in places for shift in (-turn, 0, turn)]
        possible = [index for index in around if index >= 0]
        return min(possible, key=lambda index: (abs(self.first_frame(index) - frame), -index))
