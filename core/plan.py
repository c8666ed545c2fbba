"""The plan of a clip: which latents are sampled in which segment, made before any work is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from .timeline import (
    FrameGrid,
    Number,
    clip_frame_count,
    exact,
    frame_rate_in_words,
    frame_time,
    rounded,
    seconds_in_words,
)

MAXIMUM_SEED = 2**64


@dataclass(frozen=True)
class Window:
    """How a model family takes a long clip apart, in latents.

    latent_count: latents of one segment, overlap included.
    overlap: latents at the start of a segment that repeat the end of the segment before it.
    minimum: a last segment shorter than this takes latents from the one before it.
    """

    latent_count: int
    overlap: int = 0
    minimum: int = 1


@dataclass(frozen=True)
class Segment:
    """One run of the sampler.

    latent_start, latent_count: the sampled latents in the clip, the overlap included.
    overlap: how many of them, at the start, are already known from the segment before.
    starts_afresh: nothing is carried over from the segment before (the first one, and after a cut).
    """

    index: int
    latent_start: int
    latent_count: int
    overlap: int
    seed: int
    starts_afresh: bool

    @property
    def latent_stop(self) -> int:
        return self.latent_start + self.latent_count

    @property
    def new_latents(self) -> int:
        """Latents that this segment adds to the clip."""
        return self.latent_count - self.overlap


@dataclass(frozen=True)
class Plan:
    """What will be sampled for an audio of ``duration`` seconds."""

    duration: Fraction
    frame_rate: Fraction
    grid: FrameGrid
    frame_count: int
    segments: tuple[Segment, ...]
    whole_frame_count: int  # of the whole clip, where this is its opening

    @property
    def latent_count(self) -> int:
        return self.segments[-1].latent_stop

    def stretches(self) -> list[list[Segment]]:
        """The segments, apart where one starts afresh."""
        stretches: list[list[Segment]] = []
        for segment in self.segments:
            if segment.starts_afresh:
                stretches.append([])
            stretches[-1].append(segment)
        return stretches

    def start_seconds(self, segment: Segment) -> Fraction:
        """Time of the first frame that ``segment`` adds to the clip."""
        return frame_time(self.grid.first_frame(segment.latent_start + segment.overlap), self.frame_rate)

    def middle_seconds(self, segment: Segment) -> Fraction:
        """Time in the middle of the frames that ``segment`` adds to the clip."""
        stop = min(self.whole_frame_count, self.grid.first_frame(segment.latent_stop))
        return (self.start_seconds(segment) + frame_time(stop, self.frame_rate)) / 2

    def opening(self, seconds: Number) -> Plan:
        """The first segments, as many as show ``seconds``: the same segments as in the whole plan."""
        frame_count = min(self.frame_count, clip_frame_count(seconds, self.frame_rate))
        latent_count = self.grid.latent_count(frame_count)
        segments = tuple(s for s in self.segments if s.latent_start + s.overlap < latent_count)
        return replace(self, duration=min(self.duration, exact(seconds)), frame_count=frame_count, segments=segments)

    def describe(self) -> str:
        """``8.00 s → 128 frames at 16 fps, 2 segments``"""
        frames = "1 frame" if self.frame_count == 1 else f"{self.frame_count} frames"
        segments = "1 segment" if len(self.segments) == 1 else f"{len(self.segments)} segments"
        return f"{seconds_in_words(self.duration)} → {frames} at {frame_rate_in_words(self.frame_rate)}, {segments}"


def window_of(seconds: Number, frame_rate: Number, grid: FrameGrid, default: Window) -> Window:
    """The family's window, or one of about ``seconds`` of new frames (0 = the family's), never below its minimum."""
    if not seconds:
        return default
    new_latents = rounded(exact(seconds) * exact(frame_rate) / grid.stride)
    return Window(max(default.minimum, new_latents, 1) + default.overlap, default.overlap, default.minimum)


def plan_clip(
    duration: Number,
    frame_rate: Number,
    grid: FrameGrid,
    window: Window,
    seed: int = 0,
    cuts: Sequence[Number] = (),
) -> Plan:
    """Plan the segments of a clip as long as its audio.

    duration: of the audio, in seconds (> 0).  cuts: times in seconds at which a segment starts afresh.
    Every segment but the last of a stretch is a full window; no latent is sampled that no frame of the clip needs.
    Segment ``i`` is sampled with ``seed + i``.
    """
    duration, frame_rate = exact(duration), exact(frame_rate)
    frame_count = clip_frame_count(duration, frame_rate)
    latent_count = grid.latent_count(frame_count)
    boundaries = [0, *_cut_latents(cuts, frame_rate, grid, latent_count), latent_count]
    segments: list[Segment] = []
    for start, stop in pairwise(boundaries):
        for position, new_latents in _stretch(stop - start, window):
            overlap = 0 if position == 0 else window.overlap
            segments.append(
                Segment(
                    index=len(segments),
                    latent_start=start + position - overlap,
                    latent_count=new_latents + overlap,
                    overlap=overlap,
                    seed=(seed + len(segments)) % MAXIMUM_SEED,
                    starts_afresh=position == 0,
                )
            )
    return Plan(duration, frame_rate, grid, frame_count, tuple(segments), frame_count)


def _cut_latents(cuts: Sequence[Number], frame_rate: Fraction, grid: FrameGrid, latent_count: int) -> list[int]:
    """The latents whose first frames are nearest to the cuts, each once, none at the clip's ends."""
    frames = [exact(cut) * frame_rate for cut in cuts]
    latents = {1 + rounded((frame - 1) / grid.stride) for frame in frames if frame >= Fraction(1, 2)}
    return sorted(latent for latent in latents if 0 < latent < latent_count)


def _stretch(latent_count: int, window: Window) -> list[tuple[int, int]]:
    """``(position, new latents)`` of the segments of one stretch without cuts."""
    lengths = [min(window.latent_count, latent_count)]
    step = window.latent_count - window.overlap
    while sum(lengths) < latent_count:
        lengths.append(min(step, latent_count - sum(lengths)))
    if len(lengths) > 1:
        lack = min(max(0, window.minimum - lengths[-1]), max(0, lengths[-2] - window.minimum))
        lengths[-2] -= lack
        lengths[-1] += lack
    positions = [sum(lengths[:index]) for index in range(len(lengths))]
    return list(zip(positions, lengths, strict=True))
