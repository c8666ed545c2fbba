"""How loud a sound is (ITU-R BS.1770-4), read once from its beginning, in the memory of a block."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import cos, inf, log10, pi, sin, sqrt

import numpy as np
import torch

from ..timeline import rounded
from .lazy import Audio

HOPS_PER_BLOCK, HOP_SECONDS = 4, 0.1  # a block of 0.4 s begins every 0.1 s
ABSOLUTE_GATE, RELATIVE_GATE = -70.0, -10.0  # LUFS, and below the mean of what the first gate lets through
SHELF_HZ, SHELF_DB, SHELF_Q = 1500.0, 4.0, 1 / sqrt(2)  # the numbers of pyloudnorm and torchaudio
LOWEST_HZ, LOWEST_Q = 38.0, 0.5
SURROUND_WEIGHT = 1.41
BLOCK_SAMPLES = 1 << 17


@dataclass(frozen=True)
class Level:
    """How loud a sound is. Silence has -inf.

    peak: dB of its furthest sample, 0 for full scale.  loudness: LUFS, see ``integrated_loudness``.
    """

    peak: float
    loudness: float


def level_of(audio: Audio, is_over: Callable[[], bool] = lambda: False) -> Level:
    """Read all of ``audio`` once, in the memory of a block; ends early, with what it has, once ``is_over`` says so."""
    highest = 0.0

    def watched() -> Iterator[torch.Tensor]:
        nonlocal highest
        for block in audio.blocks(BLOCK_SAMPLES):
            if is_over():
                return
            highest = max(highest, float(block.abs().max()))
            yield block

    loudness = integrated_loudness(watched(), audio.sample_rate)
    return Level(20 * log10(highest) if highest else -inf, loudness)


def integrated_loudness(blocks: Iterable[torch.Tensor], sample_rate: int) -> float:
    """LUFS of ``blocks``, ``[channels, n]`` each, one after the other; -inf for silence and for less than 0.4 s.

    Of six channels (5.1) the fourth is left out, as the standard asks; those behind count 1.41.
    """
    from scipy.signal import sosfilt  # a part of what ComfyUI requires

    hop = rounded(HOP_SECONDS * sample_rate)
    filters = np.stack([_high_shelf(sample_rate), _high_pass(sample_rate)])
    state: np.ndarray | None = None
    rest, powers = np.zeros(0), []
    for block in blocks:
        if not block.shape[-1]:
            continue
        samples = block.double().numpy()
        if state is None:
            state = np.zeros((len(filters), len(samples), 2))
        samples, state = sosfilt(filters, samples, zi=state)
        rest = np.concatenate([rest, _weights(len(samples)) @ np.square(samples)])
        whole = len(rest) // hop * hop
        powers.append(rest[:whole].reshape(whole // hop, hop).mean(axis=1))
        rest = rest[whole:]
    hops = np.concatenate(powers) if powers else rest
    if len(hops) < HOPS_PER_BLOCK:
        return -inf
    return _gated(np.convolve(hops, np.full(HOPS_PER_BLOCK, 1 / HOPS_PER_BLOCK), mode="valid"))


def _gated(powers: np.ndarray) -> float:
    heard = powers[powers > _power(ABSOLUTE_GATE)]
    if not len(heard):
        return -inf
    return _lufs(heard[heard > _power(_lufs(heard.mean()) + RELATIVE_GATE)].mean())


def _lufs(power: float) -> float:
    return -0.691 + 10 * log10(power)


def _power(lufs: float) -> float:
    return 10 ** ((lufs + 0.691) / 10)


def _weights(channels: int) -> np.ndarray:
    weights = np.ones(channels)
    if channels == 5:
        weights[3:] = SURROUND_WEIGHT
    if channels >= 6:
        weights[3], weights[4:] = 0, SURROUND_WEIGHT
    return weights


def _high_shelf(sample_rate: int) -> np.ndarray:
    """A second-order section (Audio EQ Cookbook): the head's, which lifts what is above 1.5 kHz."""
    gain, angle = 10 ** (SHELF_DB / 40), 2 * pi * SHELF_HZ / sample_rate
    width = sin(angle) / SHELF_Q * sqrt(gain)  # 2 sqrt(A) alpha
    more, less, middle = gain + 1, gain - 1, cos(angle)
    above = [more + less * middle + width, -2 * (less + more * middle), more + less * middle - width]
    below = [more - less * middle + width, 2 * (less - more * middle), more - less * middle - width]
    return np.array([gain * value for value in above] + below) / below[0]


def _high_pass(sample_rate: int) -> np.ndarray:
    """A second-order section (Audio EQ Cookbook): what is below 38 Hz counts little."""
    angle = 2 * pi * LOWEST_HZ / sample_rate
    width, middle = sin(angle) / (2 * LOWEST_Q), cos(angle)
    rise = (1 + middle) / 2
    return np.array([rise, -2 * rise, rise, 1 + width, -2 * middle, 1 - width]) / (1 + width)
