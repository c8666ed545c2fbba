"""Scenes without a text: fixed embeddings for models that were trained with them instead of with a text encoder."""

from __future__ import annotations

from itertools import chain
from typing import Any

import torch

from ..errors import SoundToVideoError

SCENES = ("any", "face", "shapes")
# Of the embedding's two halves: one for the picture, one for the sound, as LTX-2's text embeddings are laid out.
SCENE_CHANNELS = 64
# Key in the CONDITIONING by which the samplers know that it is no text.
MARK = "sound_to_video_scene"
_CHANNELS_OF_A_SCENE = 16


def scene_embedding(scene: str) -> torch.Tensor:
    """The embedding of one of ``SCENES``, ``[1, 1, 2 * SCENE_CHANNELS]``: zeros for "any", ones in its own channels."""
    embedding = torch.zeros(1, 1, 2, SCENE_CHANNELS)
    number = SCENES.index(scene) - 1
    if number >= 0:
        embedding[..., number * _CHANNELS_OF_A_SCENE : (number + 1) * _CHANNELS_OF_A_SCENE] = 1
    return embedding.flatten(2)


def scene_conditioning(scene: str) -> list:
    """The host's CONDITIONING of a scene; raises ``SoundToVideoError`` for one that is none of ``SCENES``."""
    if scene not in SCENES:
        raise SoundToVideoError(f"there is no scene {scene!r}: choose one of {', '.join(SCENES)}.")
    return [[scene_embedding(scene), {MARK: scene}]]


def check_scenes(model: Any, *conditionings: list) -> None:
    """Raise for a scene in front of a model that knows texts, and for a text in front of one that knows scenes.

    model: the host's MODEL.  conditionings: the host's CONDITIONING of a sampler's inputs.
    """
    knows_scenes = getattr(model.get_model_object("diffusion_model"), "caption_channels", None) == SCENE_CHANNELS
    for entry in chain.from_iterable(conditionings):
        if MARK in entry[1] and not knows_scenes:
            raise SoundToVideoError(
                "Scene Without Text is for the small model of this pack, which knows no text: connect a prompt encoded "
                "by the text encoder of the connected model."
            )
        if MARK not in entry[1] and knows_scenes:
            raise SoundToVideoError(
                "the small model knows no text: connect Scene Without Text to positive and negative."
            )
