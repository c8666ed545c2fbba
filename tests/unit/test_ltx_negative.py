"""The negative prompt of LTX-2 is for the picture alone, as in the official pipeline for a given sound."""

from dataclasses import replace

import pytest
import torch
from sound_to_video.core.families.ltx.negative import SoundOfPositive, joined, picture_width
from sound_to_video.core.sampling.model_key import model_key
from sound_to_video.tests.ltx import SETTINGS, inputs_of, our_latents, sound

WIDTH = 512  # what the small model's picture reads of a context of 1024
GUIDED = replace(SETTINGS, cfg=3.0, sigmas=torch.tensor([0.8, 0.0]))  # one step: the result is the prediction itself

pytestmark = pytest.mark.usefixtures("as_in_a_node")


def text(tokens: int, seed: int) -> torch.Tensor:
    return torch.randn([1, tokens, 2 * WIDTH], generator=torch.Generator().manual_seed(seed))


def prediction(models, positive: torch.Tensor, negative: torch.Tensor, settings=GUIDED, **values) -> torch.Tensor:
    inputs = inputs_of(
        models,
        sound(44100),
        reference_image=None,
        positive=[[positive, dict(values)]],
        negative=[[negative, dict(values)]],
    )
    (latents,), _ = our_latents(inputs, settings)
    return latents


@pytest.mark.slow
def test_what_the_negative_says_of_the_sound_counts_for_nothing(each_ltx):
    positive, negative, other = text(2, 1), text(2, 2), text(2, 3)
    of_picture = torch.cat([other[..., :WIDTH], negative[..., WIDTH:]], dim=-1)
    of_sound = torch.cat([negative[..., :WIDTH], other[..., WIDTH:]], dim=-1)
    plain = prediction(each_ltx, positive, negative)
    assert torch.equal(prediction(each_ltx, positive, of_sound), plain)
    assert not torch.equal(prediction(each_ltx, positive, of_picture), plain)


def test_texts_of_different_lengths(ltx_models, monkeypatch):
    """The network's own split of a context, with the sound's half taken from a text of another length."""
    positive, negative = text(2, 1), text(3, 2)
    ours = prediction(ltx_models, positive, negative)
    plain = prediction(ltx_models, positive, negative, replace(GUIDED, cfg=1.0))
    network = type(ltx_models.model.get_model_object("diffusion_model"))
    split = network._prepare_context

    def with_sound_of_positive(self, context, batch_size, x, attention_mask=None):
        (picture, _), attention_mask = split(self, context, batch_size, x, attention_mask)
        (_, heard), _ = split(self, positive, batch_size, x)
        return [picture, heard], attention_mask

    monkeypatch.setattr(network, "_prepare_context", with_sound_of_positive)
    without = prediction(ltx_models, negative, negative, replace(GUIDED, cfg=1.0))
    torch.testing.assert_close(ours, plain + 2.0 * (plain - without), rtol=0, atol=2e-5)


def test_texts_that_the_model_still_has_to_bring_into_its_form(ltx_models):
    """As text encoders give them: what picture and sound read is told apart after the model's own layers for it."""
    network = ltx_models.model.get_model_object("diffusion_model")
    raw = [text(2, seed)[..., :WIDTH] for seed in (1, 2)]
    with torch.inference_mode():
        positive, negative = (network.preprocess_text_embeds(context, unprocessed=True) for context in raw)
    assert positive.shape[-1] == 2 * WIDTH
    expected = prediction(ltx_models, positive, joined(negative, positive, picture_width(network)))
    assert torch.equal(prediction(ltx_models, *raw, unprocessed_ltxav_embeds=True), expected)


def test_without_guidance_nothing_is_different(ltx_models):
    settings = replace(GUIDED, cfg=1.0)
    one, other = (prediction(ltx_models, text(2, 1), text(2, seed), settings) for seed in (2, 3))
    assert torch.equal(one, other)


def test_segments_are_kept_under_its_name(ltx_models):
    from sound_to_video.core.families.ltx.negative import with_sound_of_positive

    model = ltx_models.model
    assert model_key(with_sound_of_positive(model), None) == model_key(with_sound_of_positive(model), None)
    assert model_key(with_sound_of_positive(model), None) != model_key(model, None)
    assert SoundOfPositive() == SoundOfPositive()
