"""The key of a MODEL: the same for the same weights and patches, loaded or not; another for any other."""

import dataclasses
import functools
import json
import sys
import types
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from sound_to_video.core.sampling.content import Unnameable
from sound_to_video.core.sampling.model_key import model_key, upstream_graph


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
    return upstream_graph(prompt(nodes), sampler, "model")


def test_what_the_model_went_through_counts_and_node_ids_do_not():
    assert graph_key() == graph_key(ids=("7", "8:1", "9")) == graph_key(seed=5)
    assert graph_key() != graph_key(shift=3)
    assert upstream_graph(None, None, "model") is None


def test_the_audio_scale_counts(load_model):
    from sound_to_video.core.families.wan.s2v import InjectedAudio

    model = load_model()
    assert len({model_key(InjectedAudio(scale).on(model), None) for scale in (0.5, 1.0, 1.5)}) == 3


def test_weights_that_the_host_casts_in_place_do_not_change_it(load_model):
    """Its dynamic memory casts parameters of some modules when it first loads them, without a copy of the old."""
    model = load_model()
    block = model.model.diffusion_model.blocks[0]
    block.modulation_comfy_model_dtype = torch.float16
    before = model_key(model, None)
    block.modulation.data = block.modulation.data.half()
    assert model_key(model, None) == before


def test_a_name_that_begins_like_a_replaced_block_still_counts(load_model):
    """``blocks.1`` is replaced, ``blocks.10`` is not; and what replaces it counts with its weights."""

    def ten_blocks(changed: int | None = None, inside: float = 0.0):
        model = load_model()
        blocks = model.model.diffusion_model.blocks
        generator = torch.Generator().manual_seed(0)
        for _ in range(10):
            blocks.append(torch.nn.Linear(4, 4, bias=False))
            blocks[-1].weight.data = torch.randn([4, 4], generator=generator)
        if changed is not None:
            blocks[changed].weight.data += 1
        replacement = torch.nn.Sequential(torch.nn.Linear(4, 4, bias=False))
        replacement[0].weight.data = torch.full([4, 4], inside)
        model.add_object_patch("diffusion_model.blocks.1", replacement)
        return model_key(model, ["a node that replaces a block"])

    keys = {ten_blocks(), ten_blocks(changed=10), ten_blocks(inside=1.0)}
    assert len(keys) == 3
    assert ten_blocks() in keys


@pytest.mark.slow
def test_a_compiled_block_is_the_same_loaded_or_not_and_keeps_its_weights(load_model):
    """Nodes that compile block by block put torch.compile's wrapper in each one's place."""
    import comfy.model_management

    def compiled(strength: float, change: float = 0.0):
        model = load_model()
        model.model.diffusion_model.blocks[0].norm3.weight.data += change
        patched = with_lora(model, strength)
        patched.add_object_patch("diffusion_model.blocks.0", torch.compile(model.model.diffusion_model.blocks[0]))
        return patched

    graph = ["a node that compiles"]
    model = compiled(0.7)
    before = model_key(model, graph)
    comfy.model_management.load_models_gpu([model])
    loaded = model_key(model, graph)
    comfy.model_management.unload_all_models()
    assert before == loaded == model_key(model, graph) == model_key(compiled(0.7), graph)
    assert len({before, model_key(compiled(0.8), graph), model_key(compiled(0.7, change=1.0), graph)}) == 3


@dataclasses.dataclass(frozen=True)
class Wrapper:
    strength: float

    def __call__(self, executor, *args, **kwargs):
        return executor(*args, **kwargs)


def found_by_name(executor, *args, **kwargs):
    return executor(*args, **kwargs)


def closure(executor, *args, **kwargs):
    return lambda: executor


def wrapped(model, function):
    clone = model.clone()
    clone.add_wrapper_with_key("diffusion_model", "test", function)
    return clone


def test_wrappers_and_whatever_else_is_put_on_a_model_count(load_model):
    model = load_model()
    called_back, attached = model.clone(), model.clone()
    called_back.add_callback("on_load", found_by_name)
    attached.set_attachments("scale", [0.5])
    variants = [
        model,
        wrapped(model, Wrapper(0.5)),
        wrapped(model, Wrapper(0.6)),
        wrapped(model, found_by_name),
        wrapped(model, functools.partial(found_by_name, 1)),
        called_back,
        attached,
    ]
    assert len({model_key(variant, None) for variant in variants}) == len(variants)


def test_what_has_no_name_needs_the_nodes_that_made_it(load_model):
    from comfy.patcher_extension import PatcherInjection

    model = load_model()
    injected = model.clone()
    injected.set_injections("test", [PatcherInjection(lambda patcher: None, lambda patcher: None)])
    for nameless in (wrapped(model, closure(None)), wrapped(model, object()), injected):
        with pytest.raises(Unnameable):
            model_key(nameless, None)
        assert model_key(nameless, ["strength", 1]) == model_key(nameless, ["strength", 1])
        assert model_key(nameless, ["strength", 1]) != model_key(nameless, ["strength", 2])


def test_a_file_of_another_content_under_the_same_name_makes_another_graph():
    import folder_paths

    path = Path(folder_paths.get_input_directory()) / "pose of the test.png"
    nodes = {
        "1": {"class_type": "LoadImage", "inputs": {"image": path.name}},
        "2": {"class_type": "AnAdapter", "inputs": {"image": ["1", 0]}},
        "3": {"class_type": "SoundToVideo_S2VSampler", "inputs": {"model": ["2", 0]}},
    }
    graphs = []
    try:
        for content in (b"one", b"two", b"one"):
            path.write_bytes(content)
            graphs.append(upstream_graph(prompt(nodes), "3", "model"))
    finally:
        path.unlink()
    graphs.append(upstream_graph(prompt(nodes), "3", "model"))
    assert graphs[0] == graphs[2]
    assert len({str(graph) for graph in graphs}) == 3


@pytest.mark.parametrize(
    "text", ["../other.safetensors", "a/../../b.gguf", "/no/such/file.safetensors", "Hello. There."]
)
def test_a_text_that_is_no_file_of_the_host_is_a_text(text):
    nodes = {
        "2": {"class_type": "LoadByPath", "inputs": {"path": text}},
        "3": {"class_type": "SoundToVideo_S2VSampler", "inputs": {"model": ["2", 0]}},
    }
    assert upstream_graph(prompt(nodes), "3", "model")


def test_a_pack_that_is_mended_makes_another_graph(tmp_path, monkeypatch):
    import nodes as host_nodes

    code = tmp_path / "a_pack.py"
    module = types.ModuleType("a_pack_of_the_test")
    module.__file__ = str(code)
    patch = type("APatch", (), {"__module__": module.__name__})
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(host_nodes.NODE_CLASS_MAPPINGS, "APatch", patch)
    nodes = {
        "2": {"class_type": "APatch", "inputs": {}},
        "3": {"class_type": "SoundToVideo_S2VSampler", "inputs": {"model": ["2", 0]}},
    }
    graphs = []
    for text in ("strength = 1", "strength = 2 ", "strength = 1"):
        code.write_text(text)
        graphs.append(str(upstream_graph(prompt(nodes), "3", "model")))
    assert graphs[0] == graphs[2] != graphs[1]


def test_versions_and_flags_that_change_numbers_change_it(load_model, monkeypatch):
    import comfyui_version
    from comfy.cli_args import args

    model = load_model()
    keys = {model_key(model, None)}
    with monkeypatch.context() as other:
        other.setattr(comfyui_version, "__version__", "0.99.0")
        keys.add(model_key(model, None))
    for flag in ("force_upcast_attention", "fp16_intermediates", "deterministic"):
        with monkeypatch.context() as other:
            other.setattr(args, flag, True)
            keys.add(model_key(model, None))
    assert len(keys) == 5


def test_which_of_several_like_processors_does_not_change_it(load_model, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"card {device.index // 2}")
    model = load_model()
    keys = []
    for index in range(3):
        model.load_device = torch.device("cuda", index)
        keys.append(model_key(model, None))
    assert keys[0] == keys[1] != keys[2]


@pytest.fixture(scope="module")
def load_scaled(checkpoints):
    """The same model with weights of 8 bits with a scale, as files named fp8_scaled have, on the host's own layers."""
    import comfy.sd
    import comfy.utils

    def load():
        weights, metadata = comfy.utils.load_torch_file(str(checkpoints.path("wan_s2v")), return_metadata=True)
        for name in [name for name in weights if ".blocks." in f".{name}" and name.endswith("attn.q.weight")]:
            weight = weights[name].float()
            scale = weight.abs().max() / 448
            layer = name.removesuffix("weight")
            weights[name] = (weight / scale).to(torch.float8_e4m3fn)
            weights[f"{layer}weight_scale"] = scale
            conf = list(json.dumps({"format": "float8_e4m3fn"}).encode())
            weights[f"{layer}comfy_quant"] = torch.tensor(conf, dtype=torch.uint8)
        return comfy.sd.load_diffusion_model_state_dict(weights, metadata=metadata)

    return load


def test_scaled_weights_with_a_lora_are_the_same_loaded_or_not(load_scaled):
    """The host quantises a patched weight anew, with another scale, and keeps the old one aside."""
    import comfy.model_management
    from comfy.quant_ops import QuantizedTensor

    def with_full_lora(model, strength: float):
        patched = model.clone()
        name = "diffusion_model.blocks.0.self_attn.q.weight"
        patched.add_patches({name: (torch.full([48, 48], 0.5),)}, strength)
        return patched

    model = load_scaled()
    layer = model.model.diffusion_model.blocks[0].self_attn.q
    assert isinstance(layer.weight, QuantizedTensor)
    patched = with_full_lora(model, 0.7)
    before, plain = model_key(patched, None), model_key(model, None)
    scale = layer.weight.params.scale.clone()
    comfy.model_management.load_models_gpu([patched])
    assert not torch.equal(layer.weight.params.scale, scale)
    loaded = model_key(patched, None), model_key(model, None)
    comfy.model_management.unload_all_models()
    assert loaded == (before, plain) == (model_key(patched, None), model_key(model, None))
    assert before == model_key(with_full_lora(load_scaled(), 0.7), None)
    other = load_scaled()
    other.model.diffusion_model.blocks[0].self_attn.q.weight.params.scale.mul_(1.5)
    assert len({before, plain, model_key(with_full_lora(other, 0.7), None), model_key(other, None)}) == 4
