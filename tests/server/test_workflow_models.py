"""Every model file that a bundled workflow wants has a link and a folder, in its nodes and in its note."""

import json
import urllib.parse

from PIL import Image
from sound_to_video.dev_support.small_models import missing_models
from sound_to_video.tests.server.test_workflows import BUNDLED_MODELS, all_nodes, bundled

from farm.workflow import to_prompt


@bundled
def test_every_model_file_has_a_link_and_a_folder(client, file):
    """What the browser offers to download when a file is missing; the note says the same."""
    workflow = json.loads(file.read_text("utf-8"))
    object_info = client.object_info()
    wanted = set(missing_models(to_prompt(workflow, object_info), object_info).values())
    wanted -= {path.name for path in BUNDLED_MODELS}
    nodes = all_nodes(workflow)
    linked = {model["name"]: model for node in nodes for model in node.get("properties", {}).get("models") or []}
    assert wanted <= set(linked)
    (note,) = [node["widgets_values"][0] for node in nodes if node["type"] == "MarkdownNote"]
    for model in linked.values():
        assert urllib.parse.urlparse(model["url"]).path.endswith(model["name"])
        assert model["url"] in note and f"- {model['directory']}" in note


@bundled
def test_the_picture_beside_it_is_a_thumbnail(file):
    with Image.open(file.with_suffix(".jpg")) as picture:
        assert picture.size == (512, 512)
