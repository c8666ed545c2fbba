"""The key of a MODEL: the same for the same weights and patches, loaded or not; another for any other."""

from types import SimpleNamespace

import pytest
import torch
from sound_to_video.core.model_key import model_key, upstream_graph


@pytest.fixture(scope="module")
def load_model(checkpoints):
    import comfy.sd

    return lambda: comfy.sd.load_diffusion_model(str(checkpoints.path("wan_s2v")))


def with_lora(model, strength: float):
    patched = model.clone()
    name = "diffusion_model.blocks.0.self_attn.q.weight"
    weight = model.model.state_dict()[name]
    patched.add_patches({name: (torch.full_like(weight, 0.5),)}, strength)
    return patched


def test_loading_and_reloading_do_not_change_it(load_model):
    import comfy.model_management

    model = with_lora(load_model(), 0.7)
    before = model_key(model, None)
    comfy.model_management.load_models_gpu([model])
    loaded = model_key(model, None)
    comfy.model_management.unload_all_models()
    assert before == loaded == model_key(with_lora(load_model(), 0.7), None)


def test_another_patched_clone_of_it_in_memory_does_not_change_it(load_model):
    import comfy.model_management
    from comfy_extras.nodes_model_advanced import ModelSamplingSD3

    model = load_model()
    before = model_key(model, None)
    (shifted,) = ModelSamplingSD3().patch(model, shift=1.0)
    comfy.model_management.load_models_gpu([shifted])
    assert model_key(model, None) == before
    assert model_key(shifted, None) != before


def test_weights_patches_and_their_strength_change_it(load_model):
    model = load_model()
    other = load_model()
    with torch.no_grad():
        other.model.diffusion_model.blocks[1].norm3.weight.add_(1e-3)
    shifted = model.clone()
    shifted.add_object_patch("model_sampling", model.get_model_object("model_sampling"))
    variants = [model, other, shifted, with_lora(model, 0.7), with_lora(model, 0.71)]
    assert len({model_key(variant, None) for variant in variants}) == len(variants)


def prompt(nodes: dict):
    return SimpleNamespace(has_node=nodes.__contains__, get_node=nodes.__getitem__)


def graph_key(shift: float = 8, ids: tuple[str, str, str] = ("1", "2", "3"), seed: int = 0):
    loader, sampling, sampler = ids
    nodes = {
        loader: {"class_type": "UNETLoader", "inputs": {"unet_name": "wan.safetensors"}},
        sampling: {"class_type": "ModelSamplingSD3", "inputs": {"model": [loader, 0], "shift": shift}},
        sampler: {"class_type": "SoundToVideo_S2VSampler", "inputs": {"model": [sampling, 0], "seed": seed}},
    }
    return upstream_graph(prompt(nodes), sampler, ("model",))


def test_what_the_model_went_through_counts_and_node_ids_do_not():
    assert graph_key() == graph_key(ids=("7", "8:1", "9")) == graph_key(seed=5)
    assert graph_key() != graph_key(shift=3)
    assert upstream_graph(None, None, ("model",)) is None


def test_the_audio_scale_counts(load_model):
    from sound_to_video.core.families.wan_s2v import scaled_audio

    model = load_model()
    assert len({model_key(scaled_audio(model, scale), None) for scale in (0.5, 1.0, 1.5)}) == 3


def test_weights_that_the_host_casts_in_place_do_not_change_it(load_model):
    """Its dynamic memory casts parameters of some modules when it first loads them, without a copy of the old."""
    model = load_model()
    block = model.model.diffusion_model.blocks[0]
    block.modulation_comfy_model_dtype = torch.float16
    before = model_key(model, None)
    block.modulation.data = block.modulation.data.half()
    assert model_key(model, None) == before
