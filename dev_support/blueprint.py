"""Makes the blueprint *Sound to Video*, one node for the graph of a workflow: ``python -m dev_support.blueprint``.

ComfyUI lists the files of ``subgraphs/`` beside its own blueprints: found by name where nodes are searched, added as
one node with the graph within. Picture and sound come in, the clip goes out; the rest are fields of the node.
"""

from __future__ import annotations

import json
import uuid
from copy import deepcopy
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WORKFLOW = ROOT / "workflows" / "image_and_song_ltx.json"
BLUEPRINT = ROOT / "subgraphs" / "Sound to Video.json"
NAME = "Sound to Video"
DESCRIPTION = (
    "A picture and a sound become a clip as long as the sound, by LTX-2.3. Trim Audio before it, Mux Audio Video after."
)
OUTSIDE = (
    "LoadImage",
    "SoundToVideo_LoadAudio",
    "SoundToVideo_TrimAudio",
    "SoundToVideo_MuxAudioVideo",
    "MarkdownNote",
)
INPUT, OUTPUT = -10, -20
SAMPLER = "SoundToVideo_S2VSampler"

# What comes in: its name; the class, the input and perhaps the title of the node that takes it.
INPUTS = (
    ("picture", SAMPLER, "reference_image", None),
    ("sound", "SoundToVideo_AudioEncode", "audio", None),
    ("prompt", "CLIPTextEncode", "text", "What is seen and heard"),
    ("width", SAMPLER, "width", None),
    ("height", SAMPLER, "height", None),
    ("seed", SAMPLER, "seed", None),
    ("segment_seconds", SAMPLER, "segment_seconds", None),
    ("preview_seconds", SAMPLER, "preview_seconds", None),
)
RESULTS = (("video", SAMPLER, 0), ("latent", SAMPLER, 1))


def blueprint(workflow: dict[str, Any]) -> dict[str, Any]:
    """The file of a blueprint with the graph of a workflow, but for what is outside."""
    inner = deepcopy([node for node in workflow["nodes"] if node["type"] not in OUTSIDE])
    kept = {node["id"] for node in inner}
    links = [_link(*link) for link in workflow["links"] if link[1] in kept and link[3] in kept]
    alive = {link["id"] for link in links}
    for node in inner:
        for entry in node["inputs"]:
            entry["link"] = entry.get("link") if entry.get("link") in alive else None
        for entry in node.get("outputs", []):
            entry["links"] = [number for number in entry.get("links") or [] if number in alive]
    number = max(link[0] for link in workflow["links"])
    ports: dict[str, list[dict[str, Any]]] = {"inputs": [], "outputs": []}
    for slot, (name, kind, field, title) in enumerate(INPUTS):
        node = next(one for one in inner if one["type"] == kind and title in (None, one.get("title")))
        target = [entry["name"] for entry in node["inputs"]].index(field)
        number += 1
        node["inputs"][target]["link"] = number
        links.append(_link(number, INPUT, slot, node["id"], target, node["inputs"][target]["type"]))
        ports["inputs"].append(_port(name, node["inputs"][target]["type"], number, slot, 40))
    for slot, (name, kind, source) in enumerate(RESULTS):
        node = next(one for one in inner if one["type"] == kind)
        number += 1
        node["outputs"][source]["links"].append(number)
        links.append(_link(number, node["id"], source, OUTPUT, slot, node["outputs"][source]["type"]))
        ports["outputs"].append(_port(name, node["outputs"][source]["type"], number, slot, 1760))
    identity = _id("graph")
    last = {"lastGroupId": 0, "lastNodeId": max(kept), "lastLinkId": number, "lastRerouteId": 0}
    subgraph = {
        "id": identity,
        "version": 1,
        "state": last,
        "revision": 0,
        "config": {},
        "name": NAME,
        "description": DESCRIPTION,
        "category": "sound to video",
        "inputNode": {"id": INPUT, "bounding": [-60, 120, 140, 220]},
        "outputNode": {"id": OUTPUT, "bounding": [1740, 120, 120, 100]},
        **ports,
        "widgets": [],
        "nodes": inner,
        "groups": [],
        "links": links,
        "extra": {},
    }
    return {
        "revision": 0,
        "last_node_id": max(kept) + 1,
        "last_link_id": number,
        "nodes": [_instance(identity, max(kept) + 1, subgraph)],
        "links": [],
        "version": 0.4,
        "definitions": {"subgraphs": [subgraph]},
        "extra": {},
    }


def _instance(identity: str, node_id: int, subgraph: dict[str, Any]) -> dict[str, Any]:
    """The one node that people see."""
    inputs = []
    for name, kind, _, _ in INPUTS:
        port = next(entry for entry in subgraph["inputs"] if entry["name"] == name)
        is_field = kind == "CLIPTextEncode" or port["type"] in ("INT", "FLOAT")
        inputs.append(
            {"name": name, "type": port["type"], **({"widget": {"name": name}} if is_field else {}), "link": None}
        )
    proxies = [
        [str(node["id"]), field]
        for _, kind, field, title in INPUTS
        for node in subgraph["nodes"]
        if node["type"] == kind
        and title in (None, node.get("title"))
        and any(entry["name"] == field and "widget" in entry for entry in node["inputs"])
    ]
    outputs = [{"name": entry["name"], "type": entry["type"], "links": []} for entry in subgraph["outputs"]]
    return {
        "id": node_id,
        "type": identity,
        "pos": [0, 0],
        "size": [400, 420],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": inputs,
        "outputs": outputs,
        "title": NAME,
        "properties": {"proxyWidgets": proxies},
        "widgets_values": [],
    }


def _link(number: int, origin: int, origin_slot: int, target: int, target_slot: int, kind: str) -> dict[str, Any]:
    return {
        "id": number,
        "origin_id": origin,
        "origin_slot": origin_slot,
        "target_id": target,
        "target_slot": target_slot,
        "type": kind,
    }


def _port(name: str, kind: str, link: int, slot: int, x: int) -> dict[str, Any]:
    return {"id": _id(name), "name": name, "type": kind, "linkIds": [link], "pos": [x, 140 + 20 * slot]}


def _id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"sound-to-video/{name}"))


def written() -> str:
    return json.dumps(blueprint(json.loads(WORKFLOW.read_text("utf-8"))), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    BLUEPRINT.parent.mkdir(exist_ok=True)
    BLUEPRINT.write_text(written(), "utf-8", newline="\n")
