"""Guidance per modality: the official formula on the host's predictions, and nothing where it is off."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from sound_to_video.core.families.ltx.guidance import Guidance, guided, structure_block
from sound_to_video.core.sampling.model_key import model_key
from sound_to_video.tests.ltx import SETTINGS, inputs_of, our_latents, sound

ONE_STEP = replace(SETTINGS, sigmas=torch.tensor([0.8, 0.0]))  # its result is the prediction itself
SAMPLES = 44100


pytestmark = pytest.mark.usefixtures("as_in_a_node")


def prediction(ltx_models, model=None, **options) -> torch.Tensor:
    cfg = options.pop("cfg", 1.0)
    inputs = inputs_of(
        ltx_models, sound(SAMPLES), model=model or ltx_models.model, reference_image=None, options=options
    )
    (latents,), _ = our_latents(inputs, replace(ONE_STEP, cfg=cfg))
    return latents


def apart(model):
    """The MODEL with picture and sound kept apart, through the host's own switches."""
    patched = model.clone()
    patched.model_options["transformer_options"].update(a2v_cross_attn=False, v2a_cross_attn=False)
    return patched


def attention_passed_by(model):
    """The MODEL with the video self-attention of its last block giving out its values, written into the block."""
    patched = model.clone()
    name = f"diffusion_model.transformer_blocks.{structure_block(model)}.attn1"
    attention = model.get_model_object(name)
    patched.add_object_patch(f"{name}.forward", lambda x, **_: attention.to_out(attention.to_v(x)))
    return patched


def rescaled(guided_prediction: torch.Tensor, plain: torch.Tensor, rescale: float) -> torch.Tensor:
    return guided_prediction * (rescale * plain.std() / guided_prediction.std() + 1 - rescale)


def test_off_is_the_model_itself(ltx_models):
    assert guided(ltx_models.model, Guidance()) is ltx_models.model
    assert guided(ltx_models.model, Guidance(rescale=0.2)) is ltx_models.model


@pytest.mark.slow
@pytest.mark.parametrize("cfg", [1.0, 3.0])
def test_audio_guidance_is_the_official_formula(ltx_models, cfg):
    plain, without = prediction(ltx_models), prediction(ltx_models, apart(ltx_models.model))
    assert (plain - without).abs().max() > 0.01
    expected = prediction(ltx_models, cfg=cfg) + 2.0 * (plain - without)
    got = prediction(ltx_models, audio_guidance=3.0, cfg=cfg)
    torch.testing.assert_close(got, rescaled(expected, plain, 0.7), rtol=0, atol=2e-5)


def test_structure_guidance_is_the_official_formula(ltx_models):
    plain, without = prediction(ltx_models), prediction(ltx_models, attention_passed_by(ltx_models.model))
    assert (plain - without).abs().max() > 0.01
    got = prediction(ltx_models, structure_guidance=1.0, guidance_rescale=0.4)
    torch.testing.assert_close(got, rescaled(2 * plain - without, plain, 0.4), rtol=0, atol=2e-5)


@pytest.mark.slow
def test_both_add_up(ltx_models):
    plain = prediction(ltx_models)
    change = 2.0 * (plain - prediction(ltx_models, apart(ltx_models.model)))
    change += 1.5 * (plain - prediction(ltx_models, attention_passed_by(ltx_models.model)))
    got = prediction(ltx_models, audio_guidance=3.0, structure_guidance=1.5, guidance_rescale=0.0)
    torch.testing.assert_close(got, plain + change, rtol=0, atol=2e-5)


def test_patches_of_the_user_stay_in_force(ltx_models):
    """A block patch of another pack, on the very block that structure guidance takes, runs in every pass."""
    calls = []

    def counted(args, extra):
        calls.append(args["transformer_options"].get("a2v_cross_attn", True))
        return extra["original_block"](args)

    patched = ltx_models.model.clone()
    patched.set_model_patch_replace(counted, "dit", "double_block", structure_block(ltx_models.model))
    got = prediction(ltx_models, patched, audio_guidance=3.0, structure_guidance=1.0)
    assert calls == [True, True, False]
    assert torch.equal(got, prediction(ltx_models, audio_guidance=3.0, structure_guidance=1.0))


def test_kept_runs_tell_guidance_apart(ltx_models):
    keys = {model_key(guided(ltx_models.model, Guidance(audio=scale)), None) for scale in (1.0, 2.0, 3.0)}
    assert len(keys) == 3


@pytest.mark.parametrize(
    ("settings", "block"),
    [
        ({"cross_attention_adaln": False}, 29),  # LTX-2
        ({"cross_attention_adaln": True}, 28),  # LTX-2.3
        ({"cross_attention_adaln": True, "ff_bias": False, "use_keyframes_abs_pos_embedding": True}, 29),  # LTX-2.5
    ],
)
def test_block_of_each_version(settings, block):
    network = SimpleNamespace(transformer_blocks=range(48), **settings)
    model = SimpleNamespace(model=SimpleNamespace(), get_model_object=lambda name: network)
    assert structure_block(model) == block


def test_what_is_put_on_the_model_can_be_named_so_that_its_segments_are_kept(ltx_models):
    from sound_to_video.core.families.ltx.guidance import HeardAudio
    from sound_to_video.core.families.ltx.partial_noise import clean_by_token

    model = ltx_models.model
    scaled = [HeardAudio(scale).on(model) for scale in (0.5, 1.5)]
    models = [model, *scaled, clean_by_token(model), guided(scaled[0], Guidance(audio=3.0, structure=1.0))]
    assert len({model_key(model, None) for model in models}) == len(models)
