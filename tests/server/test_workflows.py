"""Every bundled workflow runs as opened, on the small checkpoints; and says where the real models are had."""

import io
import json
from pathlib import Path

import av
import pytest
from PIL import Image
from sound_to_video.dev_support.small_models import LORAS, adapt, missing_models, needed_checkpoints
from sound_to_video.tests.checkpoints import CHECKPOINTS
from sound_to_video.tests.ltx import skip_without_ltx_2_5
from sound_to_video.tests.minimax import skip_without_masks_by_token

from farm.workflow import WorkflowError, to_prompt

WORKFLOWS = sorted((Path(__file__).resolve().parents[2] / "workflows").glob("*.json"))
BUNDLED_MODELS = list((Path(__file__).resolve().parents[2] / "models").glob("*.safetensors"))
MODEL_FILES = (".safetensors", ".pt", ".ckpt", ".gguf")

BYPASSED = 4
NOTES = ("Note", "MarkdownNote")
ANY = {"*", "COMFY_MATCHTYPE_V3"}  # what takes or gives any type

bundled = pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)


def all_nodes(workflow: dict) -> list[dict]:
    subgraphs = (workflow.get("definitions") or {}).get("subgraphs") or []
    return [*workflow["nodes"], *(node for subgraph in subgraphs for node in subgraph["nodes"])]


def clip_of(result) -> dict:
    """The one file in the output folder that a run has left."""
    (clip,) = [
        entry
        for output in result.outputs.values()
        for entries in output.values()
        if isinstance(entries, list)
        for entry in entries
        if isinstance(entry, dict) and entry.get("type") == "output"
    ]
    return clip


# in test_humo.py: Whisper is too large to run twice; below: the clip is as long as the one from the cloud
RUN_ELSEWHERE = {"text_image_and_sound_humo", "wan27_cloud"}


@pytest.mark.parametrize(
    "file", [file for file in WORKFLOWS if file.stem not in RUN_ELSEWHERE], ids=lambda file: file.stem
)
def test_runs_as_opened(client, checkpoints, file):
    object_info = client.object_info()
    prompt = to_prompt(json.loads(file.read_text("utf-8")), object_info)
    missing = missing_models(prompt, object_info)
    needed = needed_checkpoints(prompt, missing)
    if "ltx_2_5" in needed.values():
        skip_without_ltx_2_5()
    if "minimax_h3" in needed.values():
        skip_without_masks_by_token()
    for name in set(needed.values()):
        checkpoints.path(name)
    prompt = adapt(prompt, missing, {node: Path(CHECKPOINTS[kind][0]).name for node, kind in needed.items()})
    for node in prompt.values():  # a second of the sound is as good as all of it, and quick
        if node["class_type"] == "SoundToVideo_TrimAudio":
            node["inputs"].update(start_seconds=0.2, end_seconds=1.2)
        for side in ("width", "height", "crop_size"):
            if isinstance(node["inputs"].get(side), int):
                node["inputs"][side] = 64
    result = client.run(prompt)
    with av.open(io.BytesIO(client.download(clip_of(result)))) as container:
        picture, sound = container.streams.video[0], container.streams.audio[0]
        frames = sum(1 for _ in container.decode(picture))
        container.seek(0)
        samples = sum(frame.samples for frame in container.decode(sound))
        assert abs(frames / picture.average_rate - 1) <= 0.5 / picture.average_rate
        assert abs(samples / sound.rate - 1) < 0.05  # what the codec pads at the end; the edit list cuts it


def test_a_clip_from_the_cloud_gets_the_sound_as_it_was_cut(client):
    """A file stands in for what the partner node sends back; what it would be sent is in test_partner_nodes.py."""
    file = next(file for file in WORKFLOWS if file.stem == "wan27_cloud")
    prompt = adapt(to_prompt(json.loads(file.read_text("utf-8")), client.object_info()), {}, {})
    assert [node["class_type"] for node in prompt.values()].count("LoadVideo") == 1
    result = client.run(prompt)
    with av.open(io.BytesIO(client.download(clip_of(result)))) as container:
        sound = container.streams.audio[0]
        samples = sum(frame.samples for frame in container.decode(sound))
        assert sound.rate == 44100 and samples / sound.rate > 2


@bundled
def test_every_link_fits(client, file):
    """Each node is one of the host's or ours, and takes what it is given; those of other packs are bypassed."""
    object_info = client.object_info()
    workflow = json.loads(file.read_text("utf-8"))
    try:
        to_prompt(workflow, object_info)
    except WorkflowError as error:
        pytest.skip(str(error))  # a node of newer hosts
    kinds = {node["id"]: node["type"] for node in workflow["nodes"]}
    strangers = {node["id"]: node for node in workflow["nodes"] if node["type"] not in {*object_info, *NOTES}}
    assert all(node.get("mode") == BYPASSED for node in strangers.values())
    for _, origin, slot, target, target_slot, _ in workflow["links"]:
        (node,) = [node for node in workflow["nodes"] if node["id"] == target]
        if {origin, target} & set(strangers):
            continue
        given = object_info[kinds[origin]]["output"][slot]
        name = node["inputs"][target_slot]["name"]
        groups = object_info[kinds[target]]["input"]
        wanted = {**groups.get("required", {}), **groups.get("optional", {})}[name][0]
        accepted = ["COMBO"] if isinstance(wanted, list) else str(wanted).split(",")
        assert given in accepted or ANY & {given, *accepted}, f"{kinds[target]}.{name} is given {given}"


@bundled
def test_names_the_real_models_and_where_they_are_had(file):
    for node in all_nodes(json.loads(file.read_text("utf-8"))):
        wanted = {value for value in node.get("widgets_values") or [] if str(value).endswith(MODEL_FILES)}
        wanted -= {path.name for path in BUNDLED_MODELS}
        given = {model["name"]: model for model in node.get("properties", {}).get("models") or []}
        assert wanted <= set(given), f"node {node['id']} {node['type']}"
        for model in given.values():
            assert model["url"].startswith("https://")
            assert model["directory"]


@bundled
def test_has_a_note_and_a_picture(file):
    nodes = all_nodes(json.loads(file.read_text("utf-8")))
    assert any(node["type"] in NOTES and node["widgets_values"][0].strip() for node in nodes)
    with Image.open(file.with_suffix(".jpg")) as picture:
        assert min(picture.size) >= 256


def test_the_four_step_lora_is_in_use_where_a_workflow_has_it():
    for file in WORKFLOWS:
        for node in all_nodes(json.loads(file.read_text("utf-8"))):
            if node["type"] in LORAS:
                assert node.get("mode", 0) == 0, f"{file.stem}: {node['type']} is muted or bypassed"


@bundled
def test_sizes_are_whole_patches_and_the_note_says_what_it_takes(file):
    """Official sizes are multiples of 64: at 832x480 Wan2.2-S2V does not see the lowest rows of what came before."""
    nodes = all_nodes(json.loads(file.read_text("utf-8")))
    for node in nodes:
        if node["type"] == "SoundToVideo_LipSyncSampler":
            assert node["widgets_values"][0] % 64 == 0, "crop_size"
        elif node["type"].startswith("SoundToVideo_") and node["type"].endswith("Sampler"):
            assert [side % 64 for side in node["widgets_values"][:2]] == [0, 0], node["widgets_values"][:2]
    if any(node.get("properties", {}).get("models") for node in nodes):
        (note,) = [node["widgets_values"][0] for node in nodes if node["type"] == "MarkdownNote"]
        assert "### Memory and disk (computed)" in note
