"""How well what moves follows what is heard: the curves of both, and lag and correlation between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil, log10
from typing import Any

import torch

from ..audio import Audio, audio_from
from ..audio.resampling import resampled
from ..errors import SoundToVideoError
from ..timeline import rounded

SAMPLE_RATE = 16000
# Curves are computed at 100 values a second, then read at the frames' times.
HOP = 160
CURVE_RATE = SAMPLE_RATE // HOP
# RMS levels, against full scale, that count as silence and as loud.
QUIET_DB, LOUD_DB = -42.0, -14.0
LOUDNESS_WINDOW = 1280
MEL_BANDS = 32
MEL_WINDOW = 512
# A rise of the bands' mean level by so much, within 30 ms, is a full onset.
ONSET_DB = 9.0
PULSE_DECAY_SECONDS = 0.12
WINDOW_SECONDS, CONTEXT_SECONDS = 60, 2
MOST_LAG_SECONDS = 0.5
SLOWEST_SECONDS = 10
SHORTEST_FRAMES, SHORTEST_SECONDS = 16, 1
THUMBNAIL, CHANGE_SIZE = 24, 64
# Deviation below which a curve says nothing.
FLAT = 1e-5


def loudness(samples: torch.Tensor, sample_rate: int, frame_rate: float, frame_count: int) -> torch.Tensor:
    """How loud it is at each frame's time, ``[frame_count]`` in 0..1: silence to loud speech, even steps in decibels.

    samples: ``[n]`` mono in -1..1. The level is the RMS of the 80 ms around the frame's time.
    """
    return at_frames(loudness_curve(at_16_khz(samples, sample_rate)), frame_rate, frame_count)


def pulse(samples: torch.Tensor, sample_rate: int, frame_rate: float, frame_count: int) -> torch.Tensor:
    """How freshly something was struck, ``[frame_count]`` in 0..1: up at every onset, then falling within 0.3 s.

    samples: ``[n]`` mono in -1..1. An onset is a rise in the level of the mel bands, whatever the loudness.
    """
    return at_frames(pulse_curve(at_16_khz(samples, sample_rate)), frame_rate, frame_count)


def loudness_curve(mono: torch.Tensor) -> torch.Tensor:
    window = torch.hann_window(LOUDNESS_WINDOW, periodic=False)
    power = torch.nn.functional.conv1d(
        mono.square()[None, None],
        (window / window.sum())[None, None],
        stride=HOP,
        padding=LOUDNESS_WINDOW // 2,
    )[0, 0]
    level = 10 * torch.log10(power + 1e-10)
    return ((level - QUIET_DB) / (LOUD_DB - QUIET_DB)).clamp(0, 1)


def pulse_curve(mono: torch.Tensor) -> torch.Tensor:
    spectrum = torch.stft(
        torch.nn.functional.pad(mono, (MEL_WINDOW // 2, MEL_WINDOW // 2)),
        MEL_WINDOW,
        HOP,
        window=torch.hann_window(MEL_WINDOW),
        center=False,
        return_complex=True,
    )
    bands = mel_filters(MEL_WINDOW // 2 + 1, 50.0, 8000.0, MEL_BANDS, SAMPLE_RATE)
    level = 10 * torch.log10(bands.T @ (spectrum.abs() / MEL_WINDOW * 4).square() + 1e-7)
    rise = torch.zeros_like(level)
    rise[:, 3:] = (level[:, 3:] - level[:, :-3]).clamp(min=0)
    onset = (rise.mean(dim=0) / ONSET_DB).clamp(max=1)
    onset = (onset - 0.25).clamp(min=0) / 0.75  # the flutter of a held tone is no onset
    curve, decay, value = onset.tolist(), torch.tensor(-1 / CURVE_RATE / PULSE_DECAY_SECONDS).exp().item(), 0.0
    for index, now in enumerate(curve):
        value = max(now, value * decay)
        curve[index] = value
    return torch.tensor(curve)


def mel_filters(bins: int, lowest: float, highest: float, bands: int, sample_rate: int) -> torch.Tensor:
    """Triangles of equal width in mels (HTK's, 2595 log10(1 + f / 700)), ``[bins, bands]``; frequencies in Hz."""
    low, high = (2595 * log10(1 + frequency / 700) for frequency in (lowest, highest))
    corners = 700 * (10 ** (torch.linspace(low, high, bands + 2) / 2595) - 1)
    frequencies = torch.linspace(0, sample_rate // 2, bins)[:, None]
    rising = (frequencies - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - frequencies) / (corners[2:] - corners[1:-1])
    return torch.minimum(rising, falling).clamp(min=0)


# What can be heard: ``[n]`` mono samples at 16 kHz to 100 values a second.
HEARD = {"loudness": loudness_curve, "onsets": pulse_curve}
# What can move: how far the picture is from its still state, as a mouth opens; or how much it changes in a frame.
MOTIONS = ("opening", "change")


@dataclass(frozen=True)
class Sync:
    """How well a picture follows a sound.

    correlation: Pearson's, at the best lag; 0 where nothing moves or nothing is heard.
    lag_frames: that lag, to fractions of a frame; positive where the picture is late.
    heard, moved: the two curves, ``[frames]``, without what changes more slowly than in 10 s.
    """

    correlation: float
    lag_frames: float
    frame_rate: float
    heard: torch.Tensor
    moved: torch.Tensor

    @property
    def lag_seconds(self) -> float:
        return self.lag_frames / self.frame_rate

    @property
    def chance(self) -> float:
        """Below this lie nearly all correlations with sounds that have nothing to do with the clip."""
        return min(0.9, (len(self.heard) / self.frame_rate) ** -0.5)

    @property
    def is_flat(self) -> bool:
        """Whether one of the curves says nothing."""
        return min(float(self.heard.std()), float(self.moved.std())) < FLAT

    def describe(self) -> str:
        if self.is_flat:
            return "nothing to compare: " + ("nothing moves" if float(self.moved.std()) < FLAT else "nothing is heard")
        if self.correlation < self.chance:
            return f"no clear relation: correlation {self.correlation:.2f}, as unrelated sounds have in so short a clip"
        if abs(self.lag_frames) < 0.5:
            return f"correlation {self.correlation:.2f}, the picture in step with the sound to half a frame"
        late = "behind" if self.lag_frames > 0 else "ahead of"
        frames = f"{abs(self.lag_frames):.1f} frames ({abs(self.lag_seconds) * 1000:.0f} ms)"
        return f"correlation {self.correlation:.2f}, the picture {frames} {late} the sound"

    def between(self, start_seconds: float, stop_seconds: float) -> Sync:
        """The same for a stretch of the clip, such as its last segment."""
        part = slice(rounded(start_seconds * self.frame_rate), rounded(stop_seconds * self.frame_rate))
        return compare(self.heard[part], self.moved[part], self.frame_rate, any_sign=False)


def measure_sync(
    frames: Iterable[torch.Tensor],
    frame_rate: float,
    audio: Audio | Mapping[str, Any],
    heard: str = "loudness",
    motion: str = "opening",
    region: tuple[float, float, float, float] | None = None,
) -> Sync:
    """Lag and correlation between what is heard and what moves, in memory of 4 kB a frame.

    frames: groups of them, in order, ``[n, height, width, 3]`` in 0..1.
    audio: an Audio, or the host's AUDIO; only windows of it are decoded at a time.
    heard: one of ``HEARD``.  motion: one of ``MOTIONS``.
    region: the part of the picture that is watched, (left, top, right, bottom) in 0..1.
    Raises SoundToVideoError: the clip is too short to say anything, or the region is empty.
    """
    moved = motion_curve(frames, motion, region, rounded(SLOWEST_SECONDS * frame_rate))
    seconds = len(moved) / frame_rate
    if len(moved) < SHORTEST_FRAMES or seconds < SHORTEST_SECONDS:
        raise SoundToVideoError(
            f"a clip of {len(moved)} frames, {seconds:.2f} s, is too short to be measured: "
            f"{SHORTEST_FRAMES} frames and {SHORTEST_SECONDS} s will do."
        )
    curve = at_frames(heard_curve(audio_from(audio), heard, seconds), frame_rate, len(moved))
    if motion == "change":
        curve = curve.diff(prepend=curve[:1]).abs()
    curve = without_slow_changes(curve, rounded(SLOWEST_SECONDS * frame_rate))
    return compare(curve, moved, frame_rate, any_sign=motion == "opening")


def heard_curve(audio: Audio, heard: str, seconds: float) -> torch.Tensor:
    """100 values a second of what is heard in the first ``seconds``, decoded a minute at a time."""
    rate = audio.sample_rate
    audio = audio.mixed_to_stereo()
    total = min(-(-audio.sample_count // rate), ceil(seconds) + 1)
    pieces = []
    for start in range(0, total, WINDOW_SECONDS):
        stop = min(start + WINDOW_SECONDS, total)
        first = max(0, start - CONTEXT_SECONDS)
        samples = audio.trimmed(first * rate, min(audio.sample_count, (stop + CONTEXT_SECONDS) * rate))["waveform"]
        curve = HEARD[heard](at_16_khz(samples[0].mean(dim=0), rate))
        pieces.append(curve[(start - first) * CURVE_RATE : None if stop == total else (stop - first) * CURVE_RATE])
    return torch.cat(pieces)


def motion_curve(
    frames: Iterable[torch.Tensor],
    motion: str,
    region: tuple[float, float, float, float] | None,
    window: int,
) -> torch.Tensor:
    """``[frames]`` of how far the picture is from its still state ("opening"), or of how much it changes ("change").

    Without what changes more slowly than in ``window`` frames.
    """
    small: list[torch.Tensor] = []
    changes: list[torch.Tensor] = []
    last = None
    for group in frames:
        group = watched(group, region).float().cpu().movedim(-1, 1)
        if not group.isfinite().all():
            raise SoundToVideoError(
                "the pictures hold NaN or infinite values: the model or its VAE ran out of range. Try them in another "
                "precision."
            )
        if motion == "change":
            averaged = torch.nn.functional.adaptive_avg_pool2d(group, CHANGE_SIZE)
            known = torch.cat([averaged[:1] if last is None else last, averaged])
            changes.append((known[1:] - known[:-1]).abs().mean(dim=(1, 2, 3)))
            last = averaged[-1:]
        else:
            small.append(torch.nn.functional.adaptive_avg_pool2d(group, THUMBNAIL).flatten(1).half())
    if not (changes or small):
        return torch.zeros(0)
    if motion == "change":
        return without_slow_changes(torch.cat(changes), window)
    return main_motion(without_slow_changes(torch.cat(small).float(), window))


def watched(group: torch.Tensor, region: tuple[float, float, float, float] | None) -> torch.Tensor:
    if region is None:
        return group
    height, width = group.shape[1:3]
    left, top, right, bottom = region
    part = group[:, rounded(top * height) : rounded(bottom * height), rounded(left * width) : rounded(right * width)]
    if not part.numel():
        raise SoundToVideoError(f"the region {region} holds no pixel: left < right and top < bottom, in 0..1.")
    return part


def main_motion(moved: torch.Tensor) -> torch.Tensor:
    """Where each of ``moved [frames, n]`` lies along the way in which they change most: the first component."""
    if float(moved.std()) < FLAT:
        return torch.zeros(len(moved))
    if len(moved) <= moved.shape[1]:
        scores = torch.linalg.eigh(moved @ moved.T)[1][:, -1]
        return scores * (moved.T @ scores).norm()
    return moved @ torch.linalg.eigh(moved.T @ moved)[1][:, -1]


def without_slow_changes(curve: torch.Tensor, window: int) -> torch.Tensor:
    """``curve [frames, ...]`` less its mean over the ``window`` values around: a clip's drift is not its motion."""
    if len(curve) <= window:
        return curve - curve.mean(dim=0)
    half = window // 2
    total = torch.cat([torch.zeros_like(curve[:1]).double(), curve.double().cumsum(0)])
    index = torch.arange(len(curve))
    low, high = (index - half).clamp(min=0), (index + half + 1).clamp(max=len(curve))
    count = (high - low).view(-1, *[1] * (curve.ndim - 1))
    return (curve - (total[high] - total[low]) / count).float()


def compare(heard: torch.Tensor, moved: torch.Tensor, frame_rate: float, any_sign: bool) -> Sync:
    """Two curves of the same frames, at the lag within half a second at which they agree best.

    any_sign: the sign of ``moved`` may be turned so that they agree: a component of the picture has none of its own.
    """
    most = min(rounded(MOST_LAG_SECONDS * frame_rate), len(heard) // 3)
    lags = range(-most, most + 1)
    values = torch.tensor([correlation(heard, moved, lag) for lag in lags])
    # a beat repeats itself: of lags that agree as well, the smaller one
    nearness = 1 - 0.05 * torch.tensor([abs(lag) / max(most, 1) for lag in lags])
    if any_sign and float((values * nearness).max()) < float((-values * nearness).max()):
        values, moved = -values, -moved
    best = int((values * nearness).argmax()) if values.any() else most
    lag = float(lags[best])
    if 0 < best < len(values) - 1:  # the top of the parabola through the best and its neighbours
        before, top, after = values[best - 1 : best + 2].tolist()
        if 2 * top > before + after:
            lag += 0.5 * (before - after) / (before - 2 * top + after)
    return Sync(float(values[best]), lag, frame_rate, heard, moved)


def correlation(heard: torch.Tensor, moved: torch.Tensor, lag: int = 0) -> float:
    """Pearson's correlation with ``moved`` taken ``lag`` frames later; 0 where a curve is flat."""
    if lag >= 0:
        heard, moved = heard[: len(heard) - lag], moved[lag:]
    else:
        heard, moved = heard[-lag:], moved[:lag]
    heard, moved = heard - heard.mean(), moved - moved.mean()
    size = float(heard.norm() * moved.norm())
    return float(heard @ moved) / size if size > 1e-9 and float(heard.std()) > FLAT else 0.0


def at_16_khz(samples: torch.Tensor, sample_rate: int) -> torch.Tensor:
    return resampled(samples.float(), sample_rate, SAMPLE_RATE)


def at_frames(curve: torch.Tensor, frame_rate: float, frame_count: int) -> torch.Tensor:
    """``curve``, 100 values a second from 0 s, read at the times of the frames; its last value where it is over."""
    times = torch.arange(frame_count, dtype=torch.float64) * (CURVE_RATE / frame_rate)
    before = times.floor().long().clamp(0, len(curve) - 1)
    after = (before + 1).clamp(max=len(curve) - 1)
    between = (times - before).clamp(0, 1).float()
    return curve[before] * (1 - between) + curve[after] * between
