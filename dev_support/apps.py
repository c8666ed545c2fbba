"""Makes the bundled workflows apps as well: ``python -m dev_support.apps``, after one was added or its nodes changed.

An app is what ComfyUI's App mode shows of a workflow: ``extra.linearData`` names its inputs, as node and widget, and
the nodes whose results it shows. What it is called and what is said of it, ``extra.sound_to_video``, is the author's to
write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WORKFLOWS = Path(__file__).resolve().parents[1] / "workflows"
PROMPT_PIXELS = 130

# Class of node, its widget, what the app calls it: in the order in which a person goes through them. Titles of nodes go
# before that, if TITLED; panels have names for people.
INPUTS = (
    ("LoadImage", "image", "Picture"),
    ("LoadVideo", "file", "Footage"),
    ("SoundToVideo_KeyFrames", "times", "When they are seen"),
    ("TextEncodeAceStepAudio1.5", "tags", "Style of the song"),
    ("TextEncodeAceStepAudio1.5", "lyrics", "Words of the song"),
    ("PrimitiveFloat", "value", "Seconds"),
    ("SoundToVideo_LoadAudio", "Sound", ""),
    ("SoundToVideo_RecordMic", "Recording", ""),
    ("SoundToVideo_TrimAudio", "Trim", ""),
    ("PrimitiveStringMultiline", "value", "Text"),
    ("ComfySwitchNode", "switch", "Switch"),
    ("CLIPTextEncode", "text", "What is seen"),
    ("SoundToVideo_SceneWithoutText", "scene", "What is seen"),
    ("SoundToVideo_PromptTimeline", "timeline", "What is seen, and when"),
    ("MiniMaxH3ImageToVideo", "prompt", "What is seen and heard"),
    ("Wan2ImageToVideoApi", "model.prompt", "What is seen"),
    ("Wan2ImageToVideoApi", "model.duration", "Seconds"),
)
TITLED = ("LoadImage", "PrimitiveFloat", "PrimitiveStringMultiline", "ComfySwitchNode", "CLIPTextEncode")
TEXTS = ("text", "value", "lyrics", "tags", "prompt", "model.prompt")
SAMPLER = re.compile(r"SoundToVideo_.*Sampler")
RESULT = "SoundToVideo_MuxAudioVideo"
BYPASSED = 4


def as_app(workflow: dict[str, Any]) -> dict[str, Any]:
    """The workflow with what App mode shows of it; its widgets bear names for people there."""
    nodes = [node for node in workflow["nodes"] if node.get("mode", 0) != BYPASSED]
    negative = set(_feeding(workflow, "negative")).difference(_feeding(workflow, "positive"))
    inputs = []
    for kind, widget, label in INPUTS:
        for node in nodes:
            if node["type"] != kind or node["id"] in negative or _is_fed(node, widget):
                continue
            if label:
                _call(node, widget, node.get("title", label) if kind in TITLED else label)
            is_text = widget in TEXTS and kind != "PrimitiveFloat"
            inputs.append([node["id"], widget, *([{"height": PROMPT_PIXELS}] if is_text else [])])
    inputs += [[node["id"], "Model"] for node in nodes if SAMPLER.fullmatch(node["type"])]
    outputs = [node["id"] for node in nodes if node["type"] == RESULT]
    extra = {**workflow.get("extra", {}), "linearMode": True, "linearData": {"inputs": inputs, "outputs": outputs}}
    return {**workflow, "extra": extra}


def _feeding(workflow: dict[str, Any], name: str) -> Iterator[int]:
    """The nodes that are connected to an input of that name."""
    links = {link[0]: link[1] for link in workflow["links"]}
    for node in workflow["nodes"]:
        for entry in node.get("inputs", []):
            if entry["name"] == name and entry.get("link") is not None:
                yield links[entry["link"]]


def _is_fed(node: dict[str, Any], widget: str) -> bool:
    """Whether the field's value comes from another node."""
    return any(entry["name"] == widget and entry.get("link") is not None for entry in node.get("inputs", []))


def _call(node: dict[str, Any], widget: str, label: str) -> None:
    """Name a field for people, as the front end keeps such names: at its input."""
    entry = next((entry for entry in node["inputs"] if entry["name"] == widget), None)
    if entry is None and "." not in widget:  # what a choice brings along has no input until it is chosen
        entry = {"localized_name": widget, "name": widget, "type": "STRING", "widget": {"name": widget}, "link": None}
        node["inputs"].append(entry)
    if entry is not None:
        entry["label"] = label


def written(workflow: dict[str, Any]) -> str:
    """As the files are laid out."""
    return json.dumps(workflow, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    for file in sorted(WORKFLOWS.glob("*.json")):
        file.write_text(written(as_app(json.loads(file.read_text("utf-8")))), "utf-8", newline="\n")
