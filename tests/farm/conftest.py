"""Tiny jobs on the small model, and a ComfyUI of the farm's own to do them."""

import json
import os
import shutil
import sys
from pathlib import Path

import psutil
import pytest
from sound_to_video.dev_support.host import DEV_DIRECTORY, find_host

from farm.comfyui import OwnComfyUI
from farm.installation import Installation
from farm.jobs import Job, Prompts, make_jobs
from farm.rows import Row
from farm.server import free_port

# Where tests share the cores, Ray's own patience is too short, and its niceness of 15 starves what it starts. Read when
# Ray is imported, and by what it starts.
START_SECONDS = 300
os.environ.setdefault("RAY_agent_register_timeout_ms", str(START_SECONDS * 1000))
os.environ.setdefault("RAY_worker_register_timeout_seconds", str(START_SECONDS))
os.environ.setdefault("RAY_worker_niceness", "0")

ROOT = Path(__file__).resolve().parents[2]
TINY = {
    "workflow": "quickstart_portrait_and_voice",
    "sound": "sound_to_video_voice.wav",
    "steps": 1,
    "S2V Sampler.preview_seconds": 1.2,
}

# A node that has a conditioning begin afresh at times: Prompt Timeline does, and needs a text encoder of gigabytes.
# At "die" it takes its ComfyUI with it.
CUTS = """
import os
from fractions import Fraction

class Cuts:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"conditioning": ("CONDITIONING",), "times": ("STRING", {})}})
    RETURN_TYPES = ("CONDITIONING",)
    FUNCTION = "cut"

    def cut(self, conditioning, times):
        if times == "die":
            os._exit(9)
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


def agent_ports() -> dict[str, int]:
    """Of a machine of Ray, by its names: a raylet that is told them waits for one agent less.

    It gives each 15 s to start, whatever is set, and ends where one takes longer (ray#65983).
    """
    names = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port", "runtime_env_agent_port")
    return {name: free_port() for name in names}


def start_head(cpus: int):
    """A Ray cluster of one machine; ``address``, ``head_node``, ``shutdown()``."""
    from ray.cluster_utils import Cluster

    arguments = {"num_cpus": cpus, "include_dashboard": False, **agent_ports()}
    return Cluster(initialize_head=True, head_node_args=arguments)


def actors() -> list[psutil.Process]:
    """The processes of our actors: other runs on this machine may have some too."""
    return [one for one in children_of(psutil.Process()) if "ray::Worker" in " ".join(command_of(one))]


def comfyuis() -> list[psutil.Process]:
    """The ComfyUIs that our actors started."""
    found = [child for actor in actors() for child in children_of(actor)]
    return [child for child in found if any(word.endswith("main.py") for word in command_of(child))]


def children_of(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it has just ended
        return []


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


@pytest.fixture
def head():
    """A Ray cluster of this machine, with room for two actors of one CPU."""
    cluster = start_head(cpus=2)
    yield cluster
    cluster.shutdown()
