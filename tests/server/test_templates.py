"""The bundled workflows in the host's list of templates: titles that people read, each an app as well as a graph."""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from sound_to_video.dev_support.apps import as_app, written

from farm.workflow import WorkflowError, to_prompt

WORKFLOWS = sorted((Path(__file__).resolve().parents[2] / "workflows").glob("*.json"))
PROMPTS = {
    "CLIPTextEncode",
    "SoundToVideo_SceneWithoutText",
    "PrimitiveStringMultiline",
    "MiniMaxH3ImageToVideo",
    "Wan2ImageToVideoApi",
}
each = pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)


def extra_of(file: Path) -> dict:
    return json.loads(file.read_text("utf-8"))["extra"]


def answered(server, path: str):
    return urllib.request.urlopen(server.url + urllib.parse.quote(path), timeout=60)


@each
def test_says_what_it_is(file):
    about = extra_of(file)["sound_to_video"]
    assert re.fullmatch(r"[A-Z][\w ,.()-]{8,31}", about["title"]), "for an address and for a file's name, on a card"
    assert 30 < len(about["description"]) < 160
    assert not re.search(r"[-_]", about["description"]), "front ends show these as spaces"
    assert about["models"]


def test_titles_and_places_are_each_ones_own():
    abouts = [extra_of(file)["sound_to_video"] for file in WORKFLOWS]
    for name in ("title", "place", "description"):
        assert len({about[name] for about in abouts}) == len(abouts), name
    assert len({file.with_suffix(".jpg").read_bytes() for file in WORKFLOWS}) == len(WORKFLOWS)


@each
def test_is_an_app_as_dev_support_makes_it(file):
    """Run ``python -m dev_support.apps`` where this fails."""
    workflow = json.loads(file.read_text("utf-8"))
    assert written(as_app(workflow)) == file.read_text("utf-8")
    kinds = {node["id"]: node["type"] for node in workflow["nodes"]}
    data = workflow["extra"]["linearData"]
    assert workflow["extra"]["linearMode"] is True
    assert [kinds[node] for node in data["outputs"]] == ["SoundToVideo_MuxAudioVideo"]
    shown = [kinds[entry[0]] for entry in data["inputs"]]
    for kind in (
        "LoadImage",
        "LoadVideo",
        "SoundToVideo_LoadAudio",
        "SoundToVideo_RecordMic",
        "SoundToVideo_TrimAudio",
    ):
        assert shown.count(kind) == list(kinds.values()).count(kind), kind
    assert shown.count("CLIPTextEncode") + shown.count("SoundToVideo_SceneWithoutText") <= 1, "what is seen, only"
    assert set(shown) & PROMPTS


def test_are_listed_quick_starts_first_and_had_by_their_titles(comfy_server):
    with answered(comfy_server, "/sound_to_video/templates") as response:
        listed = json.load(response)
    assert sorted(entry["file"] for entry in listed) == [file.stem for file in WORKFLOWS]
    quick = [entry["file"].startswith("quickstart") for entry in listed]
    assert quick == sorted(quick, reverse=True) and quick[0]
    assert all(entry["isApp"] for entry in listed)
    for entry in listed:
        for ending, kind in ((".json", "application/json"), (".jpg", "image/jpeg")):
            with answered(comfy_server, f"/api/workflow_templates/sound_to_video/{entry['name']}{ending}") as response:
                assert response.headers["Content-Type"].startswith(kind)
                assert response.headers["X-Content-Type-Options"] == "nosniff"
                assert response.read() == (WORKFLOWS[0].parent / f"{entry['file']}{ending}").read_bytes()


@pytest.mark.parametrize("name", ["../../dev.py", "talking_portrait.json", "A whole song (LTX-2.5).app.py", "x" * 300])
def test_nothing_else_is_given_out(comfy_server, name):
    with pytest.raises(urllib.error.HTTPError) as error:
        answered(comfy_server, f"/workflow_templates/sound_to_video/{name}")
    assert error.value.code == 404


@each
def test_opens_with_the_first_of_its_models_settings(client, comfy_server, file):
    with answered(comfy_server, "/sound_to_video/families") as response:
        variants = [variant for family in json.load(response) for variant in family["variants"]]
    try:
        prompt = to_prompt(json.loads(file.read_text("utf-8")), client.object_info())
    except WorkflowError as error:
        pytest.skip(str(error))  # a node of newer hosts
    names = [str(value).lower() for node in prompt.values() for value in node["inputs"].values()]
    samplers = [node["inputs"] for node in prompt.values() if {"encoded_audio", "seed"} <= set(node["inputs"])]
    assert samplers or file.stem == "wan27_cloud", "only what a model in the cloud makes has no sampler"
    if not samplers:
        return
    fits = [one for one in variants if any(all(word in name for word in one["files"]) for name in names)]
    values = max(fits, key=lambda one: len("".join(one["files"])))["settings"][0]["values"]
    assert len(samplers) == 1
    given = {name: value for name, value in samplers[0].items() if name in values}
    assert given == {name: values[name] for name in given} and len(given) >= 4
