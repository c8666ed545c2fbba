"""The bundled workflows of LTX and MiniMax H3 run as a user opens them.

Sound and picture are there, and every model file is named.
"""

import json
import urllib.parse
from pathlib import Path

import pytest
from sound_to_video.dev_support.small_models import adapt, missing_models, needed_checkpoints
from sound_to_video.tests.ltx import skip_without_ltx_2_5
from sound_to_video.tests.minimax import skip_without_masks_by_token

from farm.workflow import to_prompt

FOLDER = Path(__file__).resolve().parents[2] / "workflows"
FILES = {  # how many model files each names
    "image_and_song_ltx": 4,
    "abstract_clip_ltx": 4,
    "record_your_voice_ltx": 4,
    "image_and_song_ltx25": 5,
    "abstract_clip_ltx25": 5,
    "long_song_ltx25": 5,
    "image_and_song_h3": 4,
    "abstract_clip_h3": 4,
    "long_song_h3": 4,
}


def workflow_of(name: str) -> dict:
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


@pytest.mark.parametrize("name", FILES)
def test_runs_as_opened(client, checkpoints, name):
    object_info = client.object_info()
    prompt = to_prompt(workflow_of(name), object_info)
    missing = missing_models(prompt, object_info)
    needed = needed_checkpoints(prompt, missing)
    if "ltx_2_5" in needed.values():
        skip_without_ltx_2_5()
    if "minimax_h3" in needed.values():
        skip_without_masks_by_token()
    prompt = adapt(prompt, missing, {node: checkpoints.name(kind) for node, kind in needed.items()})
    for node in prompt.values():
        for side in ("width", "height"):
            if side in node["inputs"]:
                node["inputs"][side] = 64
        if "TrimAudio" in node["class_type"] and "minimax_h3" in needed.values():
            node["inputs"]["end_seconds"] = 1.0  # its audio VAE is as wide as the real one
    result = client.run(prompt)
    (clip,) = [output for node, output in result.outputs.items() if "Mux" in prompt[node]["class_type"]]
    assert clip


@pytest.mark.parametrize("name", FILES)
def test_every_model_file_has_a_link_and_a_folder(client, name):
    """What the browser offers to download when a file is missing; the note says the same."""
    workflow = workflow_of(name)
    object_info = client.object_info()
    wanted = set(missing_models(to_prompt(workflow, object_info), object_info).values())
    linked = {model["name"]: model for node in workflow["nodes"] for model in node["properties"].get("models", [])}
    assert len(wanted) == FILES[name] and wanted == set(linked)
    (note,) = [node["widgets_values"][0] for node in workflow["nodes"] if node["type"] == "MarkdownNote"]
    for model in linked.values():
        assert urllib.parse.urlparse(model["url"]).path.endswith(model["name"])
        assert model["url"] in note and f"- {model['directory']}: " in note


@pytest.mark.parametrize("name", FILES)
def test_the_picture_beside_it_is_a_thumbnail(name):
    from PIL import Image

    with Image.open(FOLDER / f"{name}.jpg") as picture:
        assert picture.size == (512, 512)
