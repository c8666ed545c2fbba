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
    with OwnComfyUI(Installation(find_host(), sys.executable, ROOT), folder, ["--cpu"]) as server:
        server.ensure()
        yield server


@pytest.fixture(scope="module")
def prompts(own_server) -> Prompts:
    return Prompts(own_server.object_info())
