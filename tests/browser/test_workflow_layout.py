"""The bundled workflows on the screen: no node lies over another, as opened and after a run, in both renderers."""

import itertools
import json
from pathlib import Path

import pytest

WORKFLOWS = sorted((Path(__file__).resolve().parents[2] / "workflows").glob("*.json"))
QUICK_STARTS = [file for file in WORKFLOWS if file.stem.startswith("quickstart")]
ROOM_BELOW_SAMPLER = 200
"""A sampler grows by its words, 50 pixels, and by the host's previews, 150."""

# Boxes [left, top, width, height] in the graph's own pixels, title included: of the element, else as LiteGraph draws.
BOXES = """() => {
    const { ds, canvas } = window.app.canvas;
    const whole = canvas.getBoundingClientRect();
    return window.app.graph.nodes.map((node) => {
        const { id, type } = node;
        const element = document.querySelector(`[data-node-id="${id}"]`);
        node.updateArea?.();
        if (!element) return { id, type, box: [...node.boundingRect] };
        const { x, y, width, height } = element.getBoundingClientRect();
        const left = (x - whole.x) / ds.scale - ds.offset[0];
        const top = (y - whole.y) / ds.scale - ds.offset[1];
        return { id, type, box: [left, top, width / ds.scale, height / ds.scale] };
    });
}"""


def boxes(comfy) -> list[dict]:
    """Where the nodes are, once they have stopped growing."""
    seen: list[list[dict]] = []

    def rests() -> bool:
        seen.append(comfy.page.evaluate(BOXES))
        return len(seen) > 4 and seen[-1] == seen[-2] == seen[-3] == seen[-4]

    comfy.until(rests, "the nodes keep their size")
    return seen[-1]


def overlaps(nodes: list[dict], more_below_sampler: float = 0) -> list[str]:
    """Pairs of nodes that share some of the screen."""

    def reach(node: dict) -> tuple[float, float, float, float]:
        left, top, width, height = node["box"]
        return left, top, left + width, top + height + (more_below_sampler if node["type"].endswith("Sampler") else 0)

    found = []
    for one, other in itertools.combinations(nodes, 2):
        a, b = reach(one), reach(other)
        wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
        if wide > 0.5 and high > 0.5:
            found.append(f"{one['id']} {one['type']} and {other['id']} {other['type']} by {wide:.0f} x {high:.0f}")
    return found


def opened(comfy, file: Path) -> dict:
    workflow = json.loads(file.read_text("utf-8"))
    comfy.open_workflow(workflow, scale=0.38)
    return workflow


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_no_node_lies_over_another_as_opened(comfy, file):
    opened(comfy, file)
    nodes = boxes(comfy)
    comfy.screenshot(f"workflow-{file.stem}")
    assert overlaps(nodes, ROOM_BELOW_SAMPLER) == []


@pytest.mark.parametrize("file", QUICK_STARTS, ids=lambda file: file.stem)
def test_no_node_lies_over_another_after_a_run(comfy, file):
    opened(comfy, file)
    comfy.page.evaluate(
        """() => { const trim = window.app.graph.nodes.find((node) => node.type === "SoundToVideo_TrimAudio");
            trim.widgets.find((one) => one.name === "end_seconds").value = 1 }"""
    )
    comfy.run()
    nodes = boxes(comfy)
    comfy.screenshot(f"workflow-{file.stem}-after")
    assert overlaps(nodes) == []
