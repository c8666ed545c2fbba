"""Which model is of which family, and what is said of those that are of none; a family that fails takes no other."""

import importlib
import json
import sys
import types
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import comfy.model_base
import comfy.model_patcher
import comfy.sd
import pytest
import sound_to_video
import torch
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.families import FAMILIES, SamplerInputs, recognise
from sound_to_video.core.families.ltx import versions
from sound_to_video.core.families.ltx.av import LTXAV
from sound_to_video.core.families.ltx.versions import LTX_2_5, host_knows, version_of
from sound_to_video.core.families.minimax.h3 import MiniMaxH3, freezes_sound
from sound_to_video.core.families.options import OPTIONS
from sound_to_video.nodes._sampler import sampler_inputs
from sound_to_video.tests.checkpoints import LTX_2_5_TRANSFORMER, make_ltx_av

AGAIN = "sound_to_video_again"  # the same files under another name: imported anew
CONTRACT = Path(__file__).parents[1] / "nodes" / "contract.json"
ALL = [node_id.removeprefix("SoundToVideo_") for node_id in json.loads(CONTRACT.read_text("utf-8"))]


def describe(entry) -> dict:
    """What a workflow relies on of an input."""
    return {name: value for name, value in entry.as_dict().items() if name != "tooltip"} | {"id": entry.id}


class Model:
    """The part of the host's MODEL that is asked."""

    def __init__(self, kind: str, wrappers=(), network=None, header=None):
        self.model = type(kind, (getattr(comfy.model_base, kind, object),), {"__init__": lambda self: None})()
        vars(self.model)["model_config"] = SimpleNamespace(unet_config=header or {})
        self.wrappers = {"outer_sample": {"key": list(wrappers)}}
        self._network = network or SimpleNamespace()

    def get_model_object(self, name: str) -> object:
        assert name == "diffusion_model"
        return self._network


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Model("WAN22_WanDancer"), "is Wan-Dancer, which this version of the pack does not know yet"),
        (Model("WAN21"), r"\(WAN21\) takes no audio that this node could give it"),
        (Model("Flux"), r"\(Flux\) takes no audio that this node could give it"),
    ],
)
def test_a_model_of_no_family_is_named_and_so_is_what_does(model, said):
    with pytest.raises(
        SoundToVideoError,
        match=f"the connected model {said}.* Load one .*: Wan2.2-S2V, LTX-2, HuMo, InfiniteTalk, MiniMax H3.$",
    ):
        recognise({"model": model})


@pytest.mark.parametrize("given", [None, 3, "ltx.safetensors", [], torch.zeros(2)])
def test_what_is_no_model_at_all(given):
    with pytest.raises(SoundToVideoError, match=r"model is an? \w+, not a MODEL: connect a model loader"):
        recognise({"model": given})


LTX_2_5_HAS = [  # by LTXVModel of host 0.33, or by the file's header, which older hosts keep unread
    {"ff_bias": False},
    {"audio_ff_bias": False},
    {"use_prompt_adaln_single": False},
    {"use_keyframes_abs_pos_embedding": True},
]


@pytest.mark.parametrize("told", LTX_2_5_HAS)
@pytest.mark.parametrize("where", ["network", "header"])
def test_ltx_2_5_is_known_by_each_of_its_marks(told, where):
    known = {
        "ff_bias": True,
        "audio_ff_bias": True,
        "use_prompt_adaln_single": True,
        "use_keyframes_abs_pos_embedding": False,
    }
    for adaln, name in ((False, "LTX-2"), (True, "LTX-2.3")):
        settings = {**known, "cross_attention_adaln": adaln}
        assert version_of(Model("LTXAV", network=SimpleNamespace(**settings))).name == name
    assert version_of(Model("LTXAV")).name == "LTX-2"
    newer = Model("LTXAV", network=SimpleNamespace(**told)) if where == "network" else Model("LTXAV", header=told)
    assert version_of(newer).name == "LTX-2.5"


def test_a_host_too_old_for_ltx_2_5_says_which_is_not(monkeypatch):
    class LTXVModel:
        """An older host's, which puts no mark on latents of a single frame."""

    monkeypatch.setattr(versions, "LTXVModel", LTXVModel)
    with pytest.raises(SoundToVideoError, match=r"is LTX-2.5, which ComfyUI knows from 0.32 on; this is \d+\.\d+"):
        recognise({"model": Model("LTXAV", header={"ff_bias": False})})
    assert isinstance(recognise({"model": Model("LTXAV")}), LTXAV)


@pytest.mark.parametrize("settings", [LTX_2_5_TRANSFORMER, {"ff_bias": False}], ids=["all", "no bias"])
def test_ltx_2_5_from_its_own_file(tmp_path, settings):
    """As the host's loader makes it of a checkpoint, whether or not the host knows what is new in it."""
    path = make_ltx_av(tmp_path / "ltx-2.5.safetensors", **settings)
    model, *_ = comfy.sd.load_checkpoint_guess_config(str(path), output_vae=False, output_clip=False)
    assert isinstance(model.model, comfy.model_base.LTXAV)
    assert version_of(model).name == "LTX-2.5"
    if host_knows(LTX_2_5):
        assert isinstance(recognise({"model": model}), LTXAV)
    else:
        with pytest.raises(SoundToVideoError, match=r"is LTX-2.5, which ComfyUI knows from 0.32 on"):
            recognise({"model": model})


def test_the_hosts_own_minimax_h3():
    import comfy.supported_models

    sizes = {"num_layers": 1, "token_refiner_num_layers": 1, "hidden_size": 32, "num_attention_heads": 2}
    sizes |= {"attention_head_dim": 16, "ffn_hidden_size": 32, "text_dim": 16, "rope_inv_freq_len": 8}
    settings = comfy.supported_models.MiniMaxH3({"image_model": "minimax_h3", "dtype": torch.float32, **sizes})
    settings.set_inference_dtype(torch.float32, None)
    device = torch.device("meta")
    model = comfy.model_patcher.ModelPatcher(settings.get_model({}, device=device), device, device)
    if freezes_sound():
        assert isinstance(recognise({"model": model}), MiniMaxH3)
    else:
        with pytest.raises(SoundToVideoError, match=r"model is MiniMax H3, which ComfyUI drives .* 0\.34"):
            recognise({"model": model})


def test_the_small_models_are_recognised(ltx_models):
    assert isinstance(recognise({"model": ltx_models.model}), LTXAV)


@pytest.fixture
def imported_again():
    """The pack's nodes, imported anew with the host as it is then: ``(names of nodes, families module)``."""
    package = types.ModuleType(AGAIN)
    package.__path__ = [str(Path(sound_to_video.__path__[0]))]
    sys.modules[AGAIN] = package

    def nodes() -> tuple[list[str], types.ModuleType]:
        loaded = importlib.import_module(f"{AGAIN}.nodes").NODES
        return [node.__name__ for node in loaded], importlib.import_module(f"{AGAIN}.core.families")

    yield nodes
    for name in [name for name in sys.modules if name.partition(".")[0] == AGAIN]:
        del sys.modules[name]


def test_everything_loads(imported_again):
    names, families = imported_again()
    assert names == ALL and families.MISSING == {}


WAN = ["Wan2.2-S2V", "HuMo", "InfiniteTalk"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("host_module", "symbol", "lost"),
    [
        ("comfy_extras.nodes_lt", "preprocess", ["LTX-2"]),
        ("comfy_extras.nodes_lt_upsampler", None, ["LTX-2"]),
        ("comfy.ldm.lightricks.vae.audio_vae", None, ["LTX-2"]),
        ("comfy.ldm.lightricks.vae.causal_video_autoencoder", "mark_conv3d_ended", ["LTX-2"]),
        ("comfy.model_base", "LTXAV", ["LTX-2"]),
        ("comfy.ldm.wan.vae", "count_cache_layers", WAN),
        ("comfy_extras.nodes_wan", "linear_interpolation", WAN),
        ("comfy.model_base", "WAN22_S2V", ["Wan2.2-S2V"]),
        ("comfy.model_base", "WAN21_HuMo", ["HuMo"]),
        ("comfy.ldm.wan.model_multitalk", "project_audio_features", ["InfiniteTalk"]),
        ("comfy.model_base", "MiniMaxH3", ["MiniMax H3"]),
        ("comfy.ldm.minimax.audio_vae", None, ["MiniMax H3"]),
    ],
)
def test_what_a_host_lacks_takes_only_the_families_that_need_it(
    imported_again, monkeypatch, caplog, host_module, symbol, lost
):
    if symbol is None:
        monkeypatch.setitem(sys.modules, host_module, None)
    else:
        monkeypatch.delattr(importlib.import_module(host_module), symbol)
    names, families = imported_again()
    assert names == ALL
    again = importlib.import_module(f"{AGAIN}.nodes._sampler").sampler_inputs
    saved, without = ([describe(entry) for entry in inputs(of_picture=True)] for inputs in (sampler_inputs, again))
    assert without == saved, "workflows have saved its options"
    left = [family.name for family in families.FAMILIES]
    assert left == [family.name for family in FAMILIES if family.name not in lost] and list(families.MISSING) == lost
    for name in lost:
        assert [record.message for record in caplog.records if f"{name} cannot be used" in record.message]
    cannot = "".join(f" {name} cannot be used with this ComfyUI .*: update the pack" + r"\." for name in lost)
    with pytest.raises(ValueError, match=f"does: {', '.join(left)}.{cannot}"):
        families.recognise({"model": Model("Flux")})


def test_a_node_that_fails_takes_no_other(imported_again, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, f"{AGAIN}.core.sync.measure", None)
    names, _ = imported_again()
    assert names == [name for name in ALL if name != "MeasureSync"]
    assert "the node MeasureSync cannot be used" in caplog.text


def test_audio_encode_without_ltx(imported_again, monkeypatch):
    monkeypatch.setitem(sys.modules, "comfy.ldm.lightricks.vae.audio_vae", None)
    imported_again()
    node = importlib.import_module(f"{AGAIN}.nodes.audio_encode").AudioEncode
    audio = {"waveform": torch.zeros([1, 1, 1600]), "sample_rate": 16000}
    with pytest.raises(ValueError, match=r"Audio Encode: .* LTX-2 cannot be used with this ComfyUI"):
        node.execute(audio, audio_vae=object())


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.id)
def test_an_option_that_a_family_does_not_know_is_not_ignored_in_silence(family):
    def notes(options: dict) -> list[str]:
        sound: Any = None
        return family.unused_options(
            SamplerInputs(None, None, [], [], sound, 64, 64, family.frame_rate, options=options)
        )

    untouched = {name: option.default for name, option in OPTIONS.items() if option.default is not None}
    assert notes(untouched) == []
    changed = {name: object() if option.default is None else option.default + 1 for name, option in OPTIONS.items()}
    foreign = [name for name in OPTIONS if OPTIONS[name] not in family.options]
    assert notes(changed) == [f"{name} is not used: {family.name} does not know it." for name in foreign]
    assert foreign
