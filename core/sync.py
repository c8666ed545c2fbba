"""How well what moves follows what is heard: the curves of both, and lag and correlation between them."""

from __future__ import annotations

import torch
import torchaudio

SAMPLE_RATE = 16000
HOP = 160
"""Curves are computed at 100 values a second, then read at the frames' times."""
CURVE_RATE = SAMPLE_RATE // HOP
QUIET_DB, LOUD_DB = -42.0, -14.0
"""RMS levels, against full scale, that count as silence and as loud."""
LOUDNESS_WINDOW = 1280
MEL_BANDS = 32
MEL_WINDOW = 512
ONSET_DB = 9.0
"""A rise of the bands' mean level by so much, within 30 ms, is a full onset."""
PULSE_DECAY_SECONDS = 0.12


def loudness(samples: torch.Tensor, sample_rate: int, frame_rate: float, frame_count: int) -> torch.Tensor:
    """How loud it is at each frame's time, ``[frame_count]`` in 0..1: silence to loud speech, even steps in decibels.

    samples: ``[n]`` mono in -1..1. The level is the RMS of the 80 ms around the frame's time.
    """
    mono = at_16_khz(samples, sample_rate)
    window = torch.hann_window(LOUDNESS_WINDOW, periodic=False)
    power = torch.nn.functional.conv1d(
        mono.square()[None, None],
        (window / window.sum())[None, None],
        stride=HOP,
        padding=LOUDNESS_WINDOW // 2,
    )[0, 0]
    level = 10 * torch.log10(power + 1e-10)
    return at_frames(((level - QUIET_DB) / (LOUD_DB - QUIET_DB)).clamp(0, 1), frame_rate, frame_count)


def pulse(samples: torch.Tensor, sample_rate: int, frame_rate: float, frame_count: int) -> torch.Tensor:
    """How freshly something was struck, ``[frame_count]`` in 0..1: up at every onset, then falling within 0.3 s.

    samples: ``[n]`` mono in -1..1. An onset is a rise in the level of the mel bands, whatever the loudness.
    """
    mono = at_16_khz(samples, sample_rate)
    spectrum = torch.stft(
        torch.nn.functional.pad(mono, (MEL_WINDOW // 2, MEL_WINDOW // 2)),
        MEL_WINDOW,
        HOP,
        window=torch.hann_window(MEL_WINDOW),
        center=False,
        return_complex=True,
    )
    bands = torchaudio.functional.melscale_fbanks(MEL_WINDOW // 2 + 1, 50.0, 8000.0, MEL_BANDS, SAMPLE_RATE)
    level = 10 * torch.log10(bands.T @ (spectrum.abs() / MEL_WINDOW * 4).square() + 1e-7)
    rise = torch.zeros_like(level)
    rise[:, 3:] = (level[:, 3:] - level[:, :-3]).clamp(min=0)
    onset = (rise.mean(dim=0) / ONSET_DB).clamp(max=1)
    onset = (onset - 0.25).clamp(min=0) / 0.75  # the flutter of a held tone is no onset
    curve, decay, value = onset.tolist(), torch.tensor(-1 / CURVE_RATE / PULSE_DECAY_SECONDS).exp().item(), 0.0
    for index, now in enumerate(curve):
        value = max(now, value * decay)
        curve[index] = value
    return at_frames(torch.tensor(curve), frame_rate, frame_count)


def at_16_khz(samples: torch.Tensor, sample_rate: int) -> torch.Tensor:
    return torchaudio.functional.resample(samples.float(), sample_rate, SAMPLE_RATE)


def at_frames(curve: torch.Tensor, frame_rate: float, frame_count: int) -> torch.Tensor:
    """``curve``, 100 values a second from 0 s, read at the times of the frames; its last value where it is over."""
    times = torch.arange(frame_count, dtype=torch.float64) * (CURVE_RATE / frame_rate)
    before = times.floor().long().clamp(0, len(curve) - 1)
    after = (before + 1).clamp(max=len(curve) - 1)
    between = (times - before).clamp(0, 1).float()
    return curve[before] * (1 - between) + curve[after] * between
