"""What the tests of HuMo share: text, a picture, what Whisper gives for a sound, and a sampler's inputs of them."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import torch
from sound_to_video.core.families import SamplerInputs
from sound_to_video.core.features.encoded import encoded_audio_from

SIZE = 64


def text(seed: int) -> list:
    return [[torch.randn([1, 2, 1024], generator=torch.Generator().manual_seed(seed)), {}]]


@cache
def whisper_layers() -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(2)
    return tuple(torch.randn([1, 1500, 1280], generator=generator) for _ in range(33))


def host_encoding(seconds: float) -> dict:
    """What core's Audio Encoder Encode gives for ``seconds`` of sound: Whisper always hears 30 s."""
    layers = whisper_layers()
    return {"encoded_audio": layers[-1], "encoded_audio_all_layers": layers, "audio_samples": round(seconds * 16000)}


def picture(width: int = 80, height: int = 64) -> torch.Tensor:
    return torch.rand([1, height, width, 3], generator=torch.Generator().manual_seed(3))


def inputs_of(model: Any, vae: Any, seconds: float = 1.0, **changes) -> SamplerInputs:
    values = {
        "model": model,
        "vae": vae,
        "positive": text(1),
        "negative": text(2),
        "encoded_audio": encoded_audio_from(host_encoding(seconds)),
        "width": SIZE,
        "height": SIZE,
        "frame_rate": Fraction(25),
        "reference_image": picture(),
        **changes,
    }
    return SamplerInputs(**values)
