"""Our conversion of a saved workflow gives the prompt that the front end itself would send."""

import importlib.util
import json
from pathlib import Path

import pytest

from farm.workflow import to_prompt

ROOT = Path(__file__).resolve().parents[2]
OWN = sorted((ROOT / "workflows").glob("*.json"))
# Templates that come with the host: subgraphs, reroutes, primitives, notes, bypassed nodes.
TEMPLATES = ["video_wan2_2_14B_s2v", "video_ltx2_3_ia2v", "video_ltx2_i2v", "video_wan2_2_14B_i2v"]

PLAYERS = {"video-preview"}  # Load Video's player, which the front end sends along; the node has no such input


def template(name: str) -> Path:
    spec = importlib.util.find_spec("comfyui_workflow_templates_json")
    assert spec is not None and spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / "templates" / f"{name}.json"


@pytest.fixture(scope="module")
def page(comfy_server, chromium):
    page = chromium.new_page()
    page.goto(comfy_server.url)
    page.wait_for_function("() => window.app?.graph && window.app.extensionManager", timeout=120_000)
    yield page
    page.close()


@pytest.mark.parametrize("file", [*(template(name) for name in TEMPLATES), *OWN], ids=lambda file: file.stem)
def test_same_prompt_as_the_front_end(page, client, file):
    workflow = json.loads(file.read_text("utf-8"))
    expected = page.evaluate(
        """async (workflow) => {
            await window.app.loadGraphData(workflow)
            return (await window.app.graphToPrompt()).output
        }""",
        workflow,
    )
    prompt = to_prompt(workflow, client.object_info())
    assert meaning(prompt) == meaning(expected)


def meaning(prompt: dict) -> list[str]:
    """Each node with all that feeds it, without ids: the front end renumbers the insides of repeated subgraphs."""

    def tell(node_id: str) -> str:
        node = prompt[node_id]
        inputs = {
            name: [tell(value[0]), value[1]] if isinstance(value, list) and value[0] in prompt else value
            for name, value in node["inputs"].items()
            if name not in PLAYERS
        }
        return f"{node['class_type']} {json.dumps(inputs, sort_keys=True)}"

    return sorted(tell(node_id) for node_id in prompt)
