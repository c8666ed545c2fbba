"""What the tests of MiniMax H3 share: the small models, text, and a scene of them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import comfyui_version
import pytest
import torch
from sound_to_video.core.audio import audio_from
from sound_to_video.core.families import SamplerInputs
from sound_to_video.core.families.minimax.h3 import freezes_sound
from sound_to_video.core.families.minimax.sound import H3Sound
from sound_to_video.core.features.encoded import EncodedAudio
from sound_to_video.core.sampling.host_sampler import SamplerSettings
from sound_to_video.tests.checkpoints import small_minimax_vaes
from sound_to_video.tests.ltx import load_vae, pictures

SIZE = 64
RATE = 32000  # the VAE's own
SETTINGS = SamplerSettings(seed=5, steps=2, cfg=1.0, sampler_name="res_multistep", scheduler="simple")
TEXT_TOKENS = 6


def skip_without_masks_by_token() -> None:
    if not freezes_sound():
        version = comfyui_version.__version__
        pytest.skip(f"ComfyUI {version} cannot drive MiniMax H3 by a given sound; 0.34 is the first that can")


class Models:
    """The small MiniMax H3: model, vae, audio_vae; skips the test on a host that cannot freeze its sound."""

    def __init__(self, checkpoints):
        import comfy.sd

        skip_without_masks_by_token()
        self.model = comfy.sd.load_diffusion_model(str(checkpoints.path("minimax_h3")))
        with small_minimax_vaes():
            self.vae, self.audio_vae = (
                load_vae(checkpoints.path(name)) for name in ("minimax_h3_vae", "minimax_h3_audio_vae")
            )


class TextEncoder:
    """Stands for the host's CLIP of 32 billion parameters: hidden states and tags of its kind, of what it is given."""

    def tokenize(self, text: str, images: Any = (), minimax_ref_items: Any = None) -> tuple[str, int]:
        return text, len(images) + len(minimax_ref_items or ())

    def encode_from_tokens_scheduled(self, tokens: tuple[str, int]) -> list:
        text, pictures_in_it = tokens
        tags = torch.ones([TEXT_TOKENS], dtype=torch.long)
        tags[: 2 * pictures_in_it] = 0
        hidden = torch.randn([1, TEXT_TOKENS, 1024], generator=torch.Generator().manual_seed(len(text)))
        return [[hidden, {"minimax_token_tags": tags}]]


def text(words: str = "a singer") -> list:
    clip = TextEncoder()
    return clip.encode_from_tokens_scheduled(clip.tokenize(words))


def inputs_of(models: Models, audio: dict | EncodedAudio, **changes: Any) -> SamplerInputs:
    values = {
        "model": models.model,
        "vae": models.vae,
        "positive": text(),
        "negative": text(),
        "encoded_audio": audio if isinstance(audio, EncodedAudio) else H3Sound(audio_from(audio), models.audio_vae),
        "width": SIZE,
        "height": SIZE,
        "frame_rate": Fraction(24),
        "reference_image": pictures(1, SIZE, SIZE),
        **changes,
    }
    return SamplerInputs(**values)
