"""What workflows of users depend on may grow at the end, never change.

`contract.json` records each node's id, inputs (order, type, default, options' order when fixed) and outputs.
`python dev.py contract` adds what is new to it and refuses to change what is there.
"""

import json
from pathlib import Path

import pytest

RECORD = Path(__file__).with_name("contract.json")


def describe(node) -> dict:
    """The part of a node's schema that a saved workflow or an API prompt relies on."""
    schema = node.GET_SCHEMA()
    inputs = []
    for entry in schema.inputs:
        described = {"name": entry.id, "type": entry.get_io_type()}
        options = entry.as_dict()
        if options.get("default") is not None:
            described["default"] = options["default"]
        if entry.optional:
            described["optional"] = True
        fixed = options.get("options")
        if fixed and described["type"] == "COMBO" and _is_fixed(entry.id):
            described["options"] = list(fixed)
        inputs.append(described)
    outputs = [{"type": output.get_io_type(), "name": output.display_name or output.id} for output in schema.outputs]
    return {"category": schema.category, "inputs": inputs, "outputs": outputs}


def _is_fixed(name: str) -> bool:
    """Whether a combo's choices are ours: not files of the user's folders, not the host's samplers."""
    return name not in ("audio", "sampler_name", "scheduler")


def breaks(recorded: dict, now: dict) -> list[str]:
    """What of ``recorded`` no longer holds in ``now``; both are {node id: description}."""
    problems = []
    for node_id, old in recorded.items():
        new = now.get(node_id)
        if new is None:
            problems.append(f"{node_id} is gone")
            continue
        if new["category"] != old["category"]:
            problems.append(f"{node_id} moved from {old['category']!r} to {new['category']!r}")
        for side in ("inputs", "outputs"):
            for position, before in enumerate(old[side]):
                after = new[side][position] if position < len(new[side]) else None
                if after is None or {k: after.get(k) for k in before if k != "options"} != {
                    k: v for k, v in before.items() if k != "options"
                }:
                    problems.append(f"{node_id}: {side} {position} was {before}, is {after}")
                elif after.get("options", [])[: len(before.get("options", []))] != before.get("options", []):
                    problems.append(f"{node_id}: options of {before['name']} were {before['options']}, are {after}")
            for added in new[side][len(old[side]) :]:
                if side == "inputs" and not added.get("optional") and "default" not in added:
                    problems.append(f"{node_id}: the added input {added['name']} is required: saved workflows lack it")
    return problems


def current() -> dict:
    from sound_to_video.nodes import NODES

    return {node.GET_SCHEMA().node_id: describe(node) for node in NODES}


@pytest.fixture(scope="module", autouse=True)
def extended(request):
    """With --extend-contract (``python dev.py contract``): add what is new to the record, unless something broke."""
    if request.config.getoption("--extend-contract"):
        now = current()
        recorded = json.loads(RECORD.read_text("utf-8"))
        if not breaks(recorded, now):
            RECORD.write_text(json.dumps(now, indent=2, ensure_ascii=False) + "\n", "utf-8")


def test_nothing_that_workflows_rely_on_has_changed():
    assert breaks(json.loads(RECORD.read_text("utf-8")), current()) == []


def test_everything_is_recorded():
    assert json.loads(RECORD.read_text("utf-8")) == current(), "run `python dev.py contract` to record what is new"


def test_ids_carry_the_prefix():
    assert [node_id for node_id in current() if not node_id.startswith("SoundToVideo_")] == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda node: node["inputs"].pop(0), "inputs 0"),
        (lambda node: node["inputs"].reverse(), "inputs 0"),
        (lambda node: node["inputs"][1].update(default=2), "inputs 1"),
        (lambda node: node["inputs"][2].update(options=["b", "a", "c"]), "options of mode"),
        (lambda node: node["outputs"].clear(), "outputs 0"),
        (lambda node: node["inputs"].append({"name": "late", "type": "INT"}), "required"),
    ],
)
def test_each_kind_of_change_is_seen(change, problem):
    def node():
        return {
            "category": "c",
            "inputs": [
                {"name": "a", "type": "AUDIO"},
                {"name": "b", "type": "INT", "default": 1},
                {"name": "mode", "type": "COMBO", "options": ["a", "b"]},
            ],
            "outputs": [{"type": "AUDIO", "name": "AUDIO"}],
        }

    changed = node()
    change(changed)
    assert [line for line in breaks({"N": node()}, {"N": changed}) if problem in line]


def test_growth_is_allowed():
    old = {"category": "c", "inputs": [{"name": "mode", "type": "COMBO", "options": ["a"]}], "outputs": []}
    new = {
        "category": "c",
        "inputs": [
            {"name": "mode", "type": "COMBO", "options": ["a", "b"]},
            {"name": "later", "type": "IMAGE", "optional": True},
        ],
        "outputs": [{"type": "LATENT", "name": "LATENT"}],
    }
    assert breaks({"N": old}, {"N": new, "M": new}) == []
