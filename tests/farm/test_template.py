"""Rows in workflows: which inputs a column sets, and what is refused."""

import json
from pathlib import Path

import pytest

from farm.errors import FarmError
from farm.template import Template

ROOT = Path(__file__).resolve().parents[2]


def text(**options):
    return ["STRING", options]


OBJECT_INFO = {
    "Load": {
        "display_name": "Load Image",
        "input": {"required": {"image": [["offered.png"], {"image_upload": True}]}},
    },
    "SoundToVideo_LoadAudio": {
        "display_name": "Load Audio",
        "input": {"required": {"audio": ["COMBO", {"options": ["voice.wav"]}]}},
    },
    "Text": {"display_name": "CLIP Text Encode", "input": {"required": {"text": text(multiline=True)}}},
    "Through": {"display_name": "Zero Out", "input": {"required": {"conditioning": ["CONDITIONING", {}]}}},
    "Sampler": {
        "display_name": "S2V Sampler",
        "input": {
            "required": {
                "positive": ["CONDITIONING", {}],
                "negative": ["CONDITIONING", {}],
                "image": ["IMAGE", {}],
                "width": ["INT", {"min": 16, "max": 4096}],
                "height": ["INT", {"min": 16, "max": 4096}],
                "seed": ["INT", {"min": 0, "max": 2**64 - 1}],
                "cfg": ["FLOAT", {"min": 0.0, "max": 100.0}],
                "fit": [["crop", "pad"], {}],
                "keep": ["BOOLEAN", {}],
            }
        },
    },
    "Save": {
        "display_name": "Save",
        "input": {"required": {"filename_prefix": text(), "seed": ["INT", {"min": 0, "max": 9}]}},
    },
}


def node(kind: str, title: str | None = None, **inputs) -> dict:
    return {"class_type": kind, "inputs": inputs, **({"_meta": {"title": title}} if title else {})}


def workflow() -> dict:
    return {
        "1": node("Load", image="offered.png"),
        "2": node("SoundToVideo_LoadAudio", audio="voice.wav"),
        "3": node("Text", "Good", text="a"),
        "4": node("Text", text="b"),
        "5": node("Through", conditioning=["4", 0]),
        "6": node(
            "Sampler",
            positive=["3", 0],
            negative=["5", 0],
            image=["1", 0],
            width=64,
            height=64,
            seed=1,
            cfg=1.0,
            fit="crop",
            keep=True,
        ),
        "7": node("Save", filename_prefix="x", seed=1),
    }


def prompt_of(folder: Path, **values) -> tuple[dict, dict]:
    made = Template(workflow(), OBJECT_INFO).prompt(values, folder, "out/name")
    return {node_id: entry["inputs"] for node_id, entry in made.prompt.items()}, made.files


def test_columns_find_their_inputs(tmp_path):
    (tmp_path / "me.PNG").write_bytes(b"picture")
    inputs, files = prompt_of(
        tmp_path,
        **{"picture": "me.PNG", "prompt": "new", "negative": "bad", "size": "832x480", "S2V Sampler.seed": "7"},
        **{"cfg": "2.5", "fit": "pad", "keep": "no", "7.seed": 3},
    )
    assert inputs["3"]["text"] == "new"
    assert inputs["4"]["text"] == "bad"
    assert {name: inputs["6"][name] for name in ("width", "height", "seed", "cfg", "fit", "keep")} == {
        "width": 832,
        "height": 480,
        "seed": 7,
        "cfg": 2.5,
        "fit": "pad",
        "keep": False,
    }
    assert inputs["7"] == {"filename_prefix": "out/name", "seed": 3}
    assert files == {inputs["1"]["image"]: tmp_path / "me.PNG"}
    assert inputs["1"]["image"].endswith(".png")
    assert inputs["2"]["audio"] == "voice.wav", "what the servers have already is left to them"


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("nothing", 1, "no node of the workflow has an input nothing"),
        ("seed", 1, r"2 nodes have an input seed: write S2V Sampler\.seed or Save\.seed"),
        ("text", "x", r"write Good\.text or CLIP Text Encode\.text"),
        ("S2V Sampler.image", "x.png", "no node of the workflow has an input"),
        ("cfg", "much", "must be a number"),
        ("width", "4.5", "must be a whole number"),
        ("width", 8, "must be 16 to 4096"),
        ("fit", "stretch", "none of: crop, pad"),
        ("keep", "maybe", "true or false"),
        ("size", "832", "write it as 832x480"),
        ("picture", "gone.png", r"no file 'gone\.png' for Load Image\.image"),
        ("video", "x.mp4", "the workflow loads no video"),
    ],
)
def test_what_does_not_fit_is_a_sentence(tmp_path, column, value, why):
    with pytest.raises(FarmError, match=why):
        prompt_of(tmp_path, **{column: value})


def test_two_columns_for_one_input(tmp_path):
    with pytest.raises(FarmError, match="another column sets too"):
        prompt_of(tmp_path, size="64x64", width=32)


def test_a_workflow_with_nodes_that_are_not_there():
    with pytest.raises(FarmError, match=r"nodes that ComfyUI does not: Other\."):
        Template({"1": node("Other")}, OBJECT_INFO)


@pytest.mark.parametrize("odd", [{}, {"1": {"inputs": {}}}, {"prompt": 1}])
def test_what_is_no_workflow(odd):
    with pytest.raises(FarmError, match="no workflow"):
        Template(json.loads(json.dumps(odd)), OBJECT_INFO)


def test_parts_are_for_our_samplers_only():
    made = Template(workflow(), OBJECT_INFO)
    with pytest.raises(FarmError, match="parts are for clips of S2V Sampler"):
        made.part_of(made.base, 1, 2)
