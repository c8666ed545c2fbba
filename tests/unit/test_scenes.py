"""Scenes without a text, and the models that they are for."""

import pytest
import torch
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.scene.no_text import SCENE_CHANNELS, SCENES, check_scenes, scene_conditioning, scene_embedding


class Model:
    """The part of the host's MODEL that is asked."""

    def __init__(self, caption_channels: int):
        self.caption_channels = caption_channels

    def get_model_object(self, name: str) -> "Model":
        assert name == "diffusion_model"
        return self


SMALL, LARGE = Model(SCENE_CHANNELS), Model(3840)
TEXT = [[torch.zeros(1, 4, 7680), {}]]


def test_every_scene_has_an_embedding_of_its_own_for_picture_and_sound():
    embeddings = [scene_embedding(scene) for scene in SCENES]
    assert not embeddings[0].any()
    for embedding in embeddings:
        assert embedding.shape == (1, 1, 2 * SCENE_CHANNELS)
        picture, sound = embedding.chunk(2, dim=-1)
        assert torch.equal(picture, sound)
    assert len({tuple(embedding.flatten().tolist()) for embedding in embeddings}) == len(SCENES)


def test_a_scene_is_refused_by_a_model_that_knows_texts():
    check_scenes(SMALL, scene_conditioning("face"), scene_conditioning("any"))
    with pytest.raises(SoundToVideoError, match="Scene Without Text is for the small model"):
        check_scenes(LARGE, scene_conditioning("face"), TEXT)


def test_a_text_is_refused_by_the_small_model():
    check_scenes(LARGE, TEXT, TEXT)
    with pytest.raises(SoundToVideoError, match="the small model knows no text"):
        check_scenes(SMALL, scene_conditioning("face"), TEXT)
