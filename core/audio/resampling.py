"""From one sample rate to another, for any pair of rates, in memory that does not grow with them.

The host's ``resample`` keeps a filter for every phase between the two rates: as many as their greatest common divisor
leaves, 16000 of 44 thousand taps (12 GB) from 44101 to 16000 Hz. For pairs with few phases, all usual ones, it is used
as it is. For others it is the same filter, of which some phases are computed and the others lie between them.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, gcd

import torch

try:
    from comfy.audio import resample as host_resample  # pyright: ignore[reportMissingImports]
except ImportError:  # older hosts ask for torchaudio, newer ones have its filter themselves and do not
    from torchaudio.functional import resample as host_resample

MOST_TAPS = 1 << 20  # of the host's filters for a pair of rates: 8 MB while they are computed
MOST_PADDED_RATE = 1 << 20  # a rate beyond which a pair is never usual: silence of seconds would fill the memory
CHUNK_TAPS = 1 << 18
PHASES = 2048  # computed of a filter; a line between two of them is as exact as float32
LOWPASS_WIDTH, ROLLOFF = 6, 0.99  # the host's, which are torchaudio's


def is_usual(rate: int, new_rate: int) -> bool:
    """Whether the host resamples between these rates in little memory."""
    phases, taps = _filter_shape(rate, new_rate)
    return phases * taps <= MOST_TAPS and max(rate, new_rate) <= MOST_PADDED_RATE


def resampled(
    samples: torch.Tensor, rate: int, new_rate: int, on_chunk: Callable[[], None] = lambda: None
) -> torch.Tensor:
    """``[..., n]`` floating point at ``rate`` -> ``[..., ceil(n * new_rate / rate)]`` at ``new_rate``.

    To the bit the host's ``resample`` for usual pairs; for others its filter (windowed sinc, Hann, width 6,
    rolloff 0.99), to 1e-6 of full scale. on_chunk: called now and then; what it raises ends it.
    """
    if is_usual(rate, new_rate):
        return host_resample(samples, rate, new_rate)
    divisor = gcd(rate, new_rate)
    old, new = rate // divisor, new_rate // divisor
    base = min(old, new) * ROLLOFF
    width = ceil(LOWPASS_WIDTH * old / base)
    count = -(-samples.shape[-1] * new // old)
    signal = samples.reshape(-1, samples.shape[-1])
    result = samples.new_empty(len(signal), count)
    taps = torch.arange(-width, width + 1)
    phases = max(1, round(PHASES * min(old, new) / old))  # what is cut off lower changes more slowly
    filters = _filters(taps, phases, base / old).to(signal)
    chunk = max(1, CHUNK_TAPS // len(taps) // len(signal))
    for first in range(0, count, chunk):
        on_chunk()
        # Where the new samples lie among the old ones: after one, on from a phase, by a part of one. Whole numbers, so
        # that it is exact at any length.
        position = torch.arange(first, min(first + chunk, count)) * old
        before = position // new
        finer = (position - before * new) * phases
        phase = finer // new
        part = ((finer - phase * new).double() / new).to(signal)[:, None]
        weights = torch.lerp(filters[phase], filters[phase + 1], part)
        around = _with_silence(signal, int(before[0]) - width, int(before[-1]) + width + 1)
        windows = around.unfold(-1, len(taps), 1)[:, before - before[0]]
        result[:, first : first + len(position)] = torch.einsum("cnt,nt->cn", windows, weights)
    return result.reshape(*samples.shape[:-1], count)


def _filter_shape(rate: int, new_rate: int) -> tuple[int, int]:
    """Phases and taps of the filters that the host makes."""
    divisor = gcd(rate, new_rate)
    old, new = rate // divisor, new_rate // divisor
    return new, old + 2 * ceil(LOWPASS_WIDTH * old / (min(old, new) * ROLLOFF))


def _filters(taps: torch.Tensor, phases: int, cutoff: float) -> torch.Tensor:
    """The host's filter, ``[phases + 1, taps]``: for new samples from 0 to 1 old one behind the middle tap."""
    shift = torch.arange(phases + 1, dtype=torch.float64) / phases
    time = ((taps[None] - shift[:, None]) * cutoff).clamp(-LOWPASS_WIDTH, LOWPASS_WIDTH)
    return torch.sinc(time) * torch.cos(time * (torch.pi / LOWPASS_WIDTH / 2)) ** 2 * cutoff


def _with_silence(signal: torch.Tensor, low: int, high: int) -> torch.Tensor:
    """Samples ``low ... high - 1`` of ``[C, n]``, silence outside of it."""
    before, after = max(0, -low), max(0, high - signal.shape[-1])
    return torch.nn.functional.pad(signal[:, max(0, low) : high], (before, after))
