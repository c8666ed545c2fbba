"""The small models of every family, and what else it needs: for tests that hold for all of them.

A new family is one entry in ``SMALL``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from sound_to_video.core.audio import Audio
from sound_to_video.core.families import FAMILIES, Family, recognise
from sound_to_video.core.features.encoded import KINDS, EncodedAudio, HostEncodedAudio
from sound_to_video.tests import ltx, minimax
from sound_to_video.tests.infinitetalk import load_patch

ENCODERS = {"wav2vec2-large": "wav2vec2", "wav2vec2-base": "wav2vec2_base", "whisper-large-v3": "whisper"}


@dataclass
class Small:
    """A family's small models, loaded by the host's own loaders.

    file: the checkpoint that ``model`` is of, by its name in ``tests/checkpoints.py``.
    options: of the samplers, by input name, without which it does not run.
    needs_picture: whether a sampler without a reference image refuses it.
    prompt: makes a CONDITIONING that its text encoder could have made.
    is_slow: whether each segment begins with frames that are decoded and encoded anew, seconds of work.
    """

    file: str
    model: Any
    vae: Any
    audio_vae: Any = None
    options: dict[str, Any] = field(default_factory=dict)
    needs_picture: bool = False
    is_slow: bool = False
    prompt: Callable[[], list] = lambda: [[torch.randn([1, 2, 1024]), {}]]

    @property
    def family(self) -> Family:
        return recognise({"model": self.model, **self.options})

    def encoded(self, audio: Audio) -> EncodedAudio:
        """What it hears of a sound: of an audio encoder numbers at random, as core's Audio Encoder Encode lays out."""
        if self.audio_vae is not None:
            return self.family.encode_with_vae(audio, self.audio_vae)
        samples = math.ceil(audio.sample_count * 16000 / audio.sample_rate)
        count, width = {kind: shape for shape, kind in KINDS.items()}[self.family.encoder_kind]
        layers = tuple(torch.randn([1, max(1, (samples - 400) // 320 + 1), width]) for _ in range(count))
        host = {"encoded_audio": layers[-1], "encoded_audio_all_layers": layers, "audio_samples": samples}
        return HostEncodedAudio(host, audio)


def small(family_id: str, checkpoints: Any) -> Small:
    """Those of a family, by its id."""
    assert family_id in SMALL, f"{family_id} has no small models in tests/families.py, which tests of all families need"
    return SMALL[family_id](checkpoints)


def all_small(checkpoints: Any) -> list[Small]:
    """Those of all families that this ComfyUI can run: where a family's own tests are skipped, it is left out."""
    able = []
    for family in FAMILIES:
        with suppress(pytest.skip.Exception):
            able.append(small(family.id, checkpoints))
    return able


def load_encoder(kind: str, checkpoints: Any) -> Any:
    """The host's AUDIO_ENCODER of an ``EncodedAudio.kind``."""
    import comfy.audio_encoders.audio_encoders
    import comfy.utils

    weights = comfy.utils.load_torch_file(str(checkpoints.path(ENCODERS[kind])), safe_load=True)
    return comfy.audio_encoders.audio_encoders.load_audio_encoder_from_sd(weights)


def _of_wan(file: str, **needed: Any) -> Callable[[Any], Small]:
    def load(checkpoints: Any) -> Small:
        import comfy.sd

        model = comfy.sd.load_diffusion_model(str(checkpoints.path(file)))
        return Small(file, model, ltx.load_vae(checkpoints.path("wan_vae")), **needed)

    return load


def _infinitetalk(checkpoints: Any) -> Small:
    patch = load_patch(checkpoints.path("infinitetalk"))
    return _of_wan("wan_i2v", options={"model_patch": patch}, needs_picture=True, is_slow=True)(checkpoints)


def _ltx_av(checkpoints: Any) -> Small:
    models = ltx.Models(checkpoints)
    return Small("ltx_av", models.model, models.vae, models.audio_vae)


def _minimax_h3(checkpoints: Any) -> Small:
    models = minimax.Models(checkpoints)
    return Small("minimax_h3", models.model, models.vae, models.audio_vae, is_slow=True, prompt=minimax.text)


SMALL: dict[str, Callable[[Any], Small]] = {
    "wan_s2v": _of_wan("wan_s2v"),
    "humo": _of_wan("humo", is_slow=True),
    "infinitetalk": _infinitetalk,
    "ltx_av": _ltx_av,
    "minimax_h3": _minimax_h3,
}
