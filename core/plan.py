"""The plan of a clip: which latents are sampled in which segment, made before any work is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from .errors import SoundToVideoError
from .timeline import (
    Grid,
    Number,
    clip_frame_count,
    exact,
    frame_rate_in_words,
    frame_time,
    seconds_in_words,
)

MAXIMUM_SEED = 2**64
MAXIMUM_SEGMENTS = 10_000


@dataclass(frozen=True)
class SegmentLength:
    """How a model family takes a long clip apart, in latents.

    latent_count: latents of one segment, overlap included.
    overlap: latents at the start of a segment that repeat the end of the segment before it.
    minimum: a last segment that adds fewer takes latents from the one before it.
    multiple: it takes a multiple of these, so that segments go on beginning where the family wants them to.
    spare: latents beyond ``latent_count`` that the last segment may have, where one more segment would have no more.
    """

    latent_count: int
    overlap: int = 0
    minimum: int = 1
    multiple: int = 1
    spare: int = 0


@dataclass(frozen=True)
class Segment:
    """One run of the sampler.

    latent_start, latent_count: the sampled latents in the clip, the overlap included.
    overlap: how many of them, at the start, are already known from the segment before.
    starts_afresh: nothing is carried over from the segment before (the first one, and after a cut).
    prompt_seconds: the prompts in force at this time are the segment's.
    """

    index: int
    latent_start: int
    latent_count: int
    overlap: int
    seed: int
    starts_afresh: bool
    prompt_seconds: Fraction = Fraction(0)

    @property
    def latent_stop(self) -> int:
        return self.latent_start + self.latent_count

    @property
    def new_latents(self) -> int:
        """Latents that this segment adds to the clip."""
        return self.latent_count - self.overlap


@dataclass(frozen=True)
class Plan:
    """What will be sampled for an audio of ``duration`` seconds.

    notes: sentences on what the user may not expect, such as a prompt that no segment takes.
    """

    duration: Fraction
    frame_rate: Fraction
    grid: Grid
    frame_count: int
    segments: tuple[Segment, ...]
    notes: tuple[str, ...] = ()

    @property
    def latent_count(self) -> int:
        return self.segments[-1].latent_stop

    def shots(self) -> list[list[Segment]]:
        """The segments, apart where one starts afresh."""
        shots: list[list[Segment]] = []
        for segment in self.segments:
            if segment.starts_afresh:
                shots.append([])
            shots[-1].append(segment)
        return shots

    def part(self, number: int, count: int) -> tuple[Segment, ...]:
        """The segments of part ``number``, from 1, of ``count``: whole shots, so that parts are about equally long.

        Shots know nothing of each other: each part can be sampled by another machine. Where there are fewer shots than
        parts, the last parts are empty.
        """
        latents = [0] * count
        mine: list[Segment] = []
        for shot in sorted(self.shots(), key=lambda shot: shot[0].latent_start - shot[-1].latent_stop):  # longest first
            shortest = latents.index(min(latents))
            latents[shortest] += shot[-1].latent_stop - shot[0].latent_start
            mine += shot if shortest == number - 1 else []
        return tuple(sorted(mine, key=lambda segment: segment.index))

    def start_seconds(self, segment: Segment) -> Fraction:
        """Time of the first frame that ``segment`` adds to the clip."""
        return frame_time(self.grid.first_frame(segment.latent_start + segment.overlap), self.frame_rate)

    def seconds(self, segment: Segment) -> Fraction:
        """How much of the clip ``segment`` adds."""
        stop = min(self.frame_count, self.grid.first_frame(segment.latent_stop))
        return frame_time(stop, self.frame_rate) - self.start_seconds(segment)

    def opening(self, seconds: Number) -> Plan:
        """The first segments, as many as show ``seconds``: the same segments as in the whole plan."""
        frame_count = min(self.frame_count, clip_frame_count(exact(seconds, "preview_seconds"), self.frame_rate))
        latent_count = self.grid.latent_count(frame_count)
        segments = tuple(s for s in self.segments if s.latent_start + s.overlap < latent_count)
        return replace(self, duration=min(self.duration, exact(seconds)), frame_count=frame_count, segments=segments)

    def numbers(self) -> dict[str, str | int]:
        """What ``describe`` says before the notes, for a page in another language."""
        return {
            "seconds": seconds_in_words(self.duration),
            "frames": self.frame_count,
            "rate": frame_rate_in_words(self.frame_rate),
            "segments": len(self.segments),
        }

    def describe(self) -> str:
        """``8.00 s → 128 frames at 16 fps, 2 segments``, and each of the notes on a line of its own."""
        frames = "1 frame" if self.frame_count == 1 else f"{self.frame_count} frames"
        segments = "1 segment" if len(self.segments) == 1 else f"{len(self.segments)} segments"
        rate = frame_rate_in_words(self.frame_rate)
        return "\n".join((f"{seconds_in_words(self.duration)} → {frames} at {rate}, {segments}", *self.notes))


def plan_clip(
    duration: Number,
    frame_rate: Number,
    grid: Grid,
    segment_length: SegmentLength,
    seed: int = 0,
    cuts: Sequence[Number] = (),
    prompts: Sequence[Number] = (),
) -> Plan:
    """Plan the segments of a clip as long as its audio.

    duration: of the audio, in seconds (> 0).  cuts: times in seconds at which a segment starts afresh.
    prompts: times in seconds at which another prompt comes into force: a segment begins there and goes on from the one
    before. Both move to the nearest latent; those beyond the clip count for nothing.
    Between them every segment but the last has full length; no latent is sampled that no frame of the clip needs.
    Segment ``i`` is sampled with ``seed + i``.
    Raises SoundToVideoError for a plan of more than ``MAXIMUM_SEGMENTS``.
    """
    duration, frame_rate = exact(duration), exact(frame_rate)
    frame_count = clip_frame_count(duration, frame_rate)
    spans = _spans(cuts, prompts, frame_rate, grid, grid.latent_count(frame_count), segment_length.overlap)
    _check_count(duration, spans, segment_length)
    segments: list[Segment] = []
    afresh_from = 0
    for span in spans:
        if span.starts_afresh:
            afresh_from = span.start
        position = span.start
        for new_latents in _lengths(
            span.stop - span.start, min(segment_length.overlap, span.start - afresh_from), segment_length
        ):
            overlap = min(segment_length.overlap, position - afresh_from)
            segments.append(
                Segment(
                    index=len(segments),
                    latent_start=position - overlap,
                    latent_count=new_latents + overlap,
                    overlap=overlap,
                    seed=(seed + len(segments)) % MAXIMUM_SEED,
                    starts_afresh=position == afresh_from,
                    prompt_seconds=span.prompt_seconds,
                )
            )
            position += new_latents
    return Plan(duration, frame_rate, grid, frame_count, tuple(segments))


@dataclass(frozen=True)
class _Span:
    """The latents ``start ... stop - 1``, between two times at which something changes."""

    start: int
    stop: int
    starts_afresh: bool
    prompt_seconds: Fraction


def _spans(
    cuts: Sequence[Number], prompts: Sequence[Number], frame_rate: Fraction, grid: Grid, latent_count: int, overlap: int
) -> list[_Span]:
    cut_times = {exact(time) for time in cuts}

    def latent_at(time: Fraction) -> int:
        return grid.nearest_start(time * frame_rate, 0 if time in cut_times else overlap)

    last_times = {0: Fraction(0)}
    for time in sorted({*cut_times, *map(exact, prompts)}):
        if latent_at(time) < latent_count:
            last_times[latent_at(time)] = time
    afresh = {0, *map(latent_at, cut_times)}
    borders = [*sorted(last_times), latent_count]
    return [_Span(start, stop, start in afresh, last_times[start]) for start, stop in pairwise(borders)]


def _check_count(duration: Fraction, spans: list[_Span], segment_length: SegmentLength) -> None:
    """Raise for more segments than can be planned, before they are."""
    step = segment_length.latent_count - segment_length.overlap
    count = sum(-(-(span.stop - span.start) // step) for span in spans)
    if count > MAXIMUM_SEGMENTS:
        raise SoundToVideoError(
            f"{seconds_in_words(duration)} would take about {count} segments, and at most {MAXIMUM_SEGMENTS} can be "
            f"planned: choose a shorter part of the sound, or set segment_seconds higher."
        )


def _lengths(latent_count: int, overlap: int, segment_length: SegmentLength) -> list[int]:
    """The new latents of the segments of one span, the first of which repeats ``overlap`` latents."""
    first = min(segment_length.latent_count - overlap, latent_count)
    full, rest = divmod(latent_count - first, segment_length.latent_count - segment_length.overlap)
    lengths = [first, *[segment_length.latent_count - segment_length.overlap] * full]
    if rest <= segment_length.spare:
        lengths[-1] += rest
    else:
        lengths.append(rest)
    if len(lengths) > 1:
        missing = -(-max(0, segment_length.minimum - lengths[-1]) // segment_length.multiple)
        to_spare = max(0, lengths[-2] - segment_length.minimum) // segment_length.multiple
        lengths[-2] -= min(missing, to_spare) * segment_length.multiple
        lengths[-1] += min(missing, to_spare) * segment_length.multiple
    return lengths
