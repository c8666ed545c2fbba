"""Tiny jobs on the small model, and a ComfyUI of the farm's own to do them."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from sound_to_video.dev_support.host import DEV_DIRECTORY, find_host

from farm.comfyui import OwnComfyUI
from farm.installation import Installation
from farm.jobs import Job, Prompts, make_jobs
from farm.rows import Row

ROOT = Path(__file__).resolve().parents[2]
TINY = {
    "workflow": "quickstart_portrait_and_voice",
    "sound": "sound_to_video_voice.wav",
    "steps": 1,
    "S2V Sampler.preview_seconds": 1.2,
}

# A node that has a conditioning begin afresh at times: Prompt Timeline does, and needs a text encoder of gigabytes.
CUTS = """
from fractions import Fraction

class Cuts:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"conditioning": ("CONDITIONING",), "times": ("STRING", {})}})
    RETURN_TYPES = ("CONDITIONING",)
    FUNCTION = "cut"

    def cut(self, conditioning, times):
        keys = ("sound_to_video_start_seconds", "sound_to_video_cut")
        starts = [dict(zip(keys, (Fraction(time), True))) for time in times.split()]
        return ([[tensor, {**more, **start}] for start in starts for tensor, more in conditioning],)

NODE_CLASS_MAPPINGS = {"Cuts": Cuts}
"""


def clip_of_shots(prompt: dict, times: str) -> dict:
    """A quick start's prompt as a workflow of the API's format, with cuts; not measured, so that it may be short."""
    nodes = {node_id: node for node_id, node in prompt.items() if node["class_type"] != "SoundToVideo_MeasureSync"}
    (sampler,) = [node for node in nodes.values() if node["class_type"] == "SoundToVideo_S2VSampler"]
    nodes["cuts"] = {"class_type": "Cuts", "inputs": {"conditioning": sampler["inputs"]["positive"], "times": times}}
    sampler["inputs"]["positive"] = ["cuts", 0]
    return nodes


def tiny_rows(count: int, **values) -> list[Row]:
    return [Row(line, {**TINY, "seed": line, "out": f"clip_{line}", **values}) for line in range(1, count + 1)]


def jobs_of(rows: list[Row], folder: Path, out: Path) -> list[Job]:
    return make_jobs(rows, folder, out, None, None)


def job_file(path: Path, rows: list[Row]) -> Path:
    path.write_text("".join(json.dumps(row.values) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture(scope="module")
def own_server():
    """A ComfyUI as ``render.py`` starts it."""
    folder = DEV_DIRECTORY / "farm-server"
    shutil.rmtree(folder, ignore_errors=True)
    cuts = folder / "custom_nodes" / "cuts" / "__init__.py"
    cuts.parent.mkdir(parents=True)
    cuts.write_text(CUTS, "utf-8")
    installation = Installation(find_host(), sys.executable, ROOT)
    with OwnComfyUI(installation, folder, ["--cpu"], segments=folder / "segments") as server:
        server.ensure()
        yield server


@pytest.fixture(scope="module")
def prompts(own_server) -> Prompts:
    return Prompts(own_server.object_info())
