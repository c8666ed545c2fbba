"""Clips to learn from: a look, a sound, and the curve with which the one follows the other. From a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from sound_to_video.core.sync.measure import loudness, pulse

from .config import FRAME_RATE
from .drawing import LOOKS, SIZE, Array, Random
from .sounds import RATE, SOUNDS, mastered

# How often which sound moves which look.
PAIRS = {
    "face": {"speech": 0.66, "bursts": 0.16, "notes": 0.08, "drums": 0.06, "silence": 0.04},
    "shapes": {"drums": 0.3, "music": 0.25, "notes": 0.17, "bursts": 0.12, "speech": 0.12, "silence": 0.04},
}
HEARD = {"face": loudness, "shapes": pulse}
"""What a look follows: a mouth opens with loudness, shapes swell at every onset."""
REST = (0.0, 0.4, 0.75)
"""A clip opens at rest, as reference images show it, and is in step with the sound after so many frames."""


@dataclass
class Sound:
    name: str
    samples: Array  # [n] mono at 16 kHz


def make_sound(random: Random, kind: str, seconds: float, held_out: bool = False) -> Sound:
    pairs = PAIRS[kind]
    name = random.choice(list(pairs), p=list(pairs.values()))
    return Sound(name, mastered(random, SOUNDS[name](random, seconds, held_out)))


def curve_of(kind: str, samples: Array, frame_count: int, frame_rate: float = FRAME_RATE) -> Array:
    """``[frame_count]`` in 0..1: how far the mouth is open or the shapes are swollen at each frame."""
    curve = HEARD[kind](torch.from_numpy(samples), RATE, frame_rate, frame_count).numpy().copy()
    count = min(len(REST), frame_count)
    curve[:count] *= REST[:count]
    return curve


def make_frames(random: Random, kind: str, curve: Array, size: int = SIZE) -> Array:
    """``[frames, size, size, 3]`` uint8 of a new look."""
    return LOOKS[kind](random, size).frames(curve)


def to_tensor(frames: Array) -> torch.Tensor:
    """``[frames, height, width, 3]`` uint8 as ``[3, frames, height, width]`` in -1..1."""
    return torch.from_numpy(frames).permute(3, 0, 1, 2).float() / 127.5 - 1


def seeded(*numbers: int) -> Random:
    return np.random.default_rng(numbers)
