"""One clip by several workers: parts are sampled apart, and the clip made of them is that of one run, to the bit."""

import json

import pytest
from sound_to_video.tests.farm.conftest import ROOT, TINY, clip_of_shots

from farm.client import Client
from farm.jobs import Prompts, make_jobs
from farm.rows import Row
from farm.worker import Worker
from farm.workflow import to_prompt

pytestmark = pytest.mark.slow
SHOTS = 5
PARTS = 3


@pytest.fixture
def worker(own_server):
    own_server.ensure()
    worker = Worker()
    worker._comfyui = own_server
    worker._segments = own_server.segments
    for path in worker._segments.glob("*"):
        path.unlink()
    return worker


def test_a_clip_of_parts_equals_that_of_one_run(own_server, worker, tmp_path):
    quick_start = json.loads((ROOT / "workflows" / f"{TINY['workflow']}.json").read_text("utf-8"))
    base = to_prompt(quick_start, own_server.object_info())
    times = " ".join(str(round(index * 0.64, 2)) for index in range(SHOTS))
    workflow = tmp_path / "shots.json"
    workflow.write_text(json.dumps(clip_of_shots(base, times)), "utf-8")
    row = Row(1, {**TINY, "S2V Sampler.preview_seconds": 3, "workflow": "shots.json", "parts": PARTS})
    (job,) = make_jobs([row], tmp_path, tmp_path, None, None)
    of_shots = Prompts(own_server.object_info())
    kept = []
    for part in range(1, PARTS + 1):
        prompt = of_shots.part_of(job, part)
        end = worker.do(f"part {part}", prompt, False)
        assert (end["state"], end["files"]) == ("done", []), end
        kept.append(end["segments"])
        for name in end["segments"]:  # as on another machine: no part finds what the others sampled
            (worker._segments / name).unlink()
    names = [name for segments in kept for name in segments]
    assert len(names) == len(set(names)) == SHOTS
    together = worker.do("whole", of_shots.of(job), False, *kept)
    assert (together["state"], together["resumed"]) == ("done", SHOTS), together
    ((_, clip),) = together["files"]

    for name in names:
        (worker._segments / name).unlink()
    with Client(own_server.url) as client:
        client.free()
    alone = worker.do("alone", of_shots.of(job), False)
    assert (alone["state"], alone["resumed"]) == ("done", 0), alone
    assert alone["files"] == [(".mp4", clip)]


def test_a_part_that_cannot_be_kept_is_told(own_server, worker, tmp_path):
    (job,) = make_jobs([Row(1, {**TINY, "keep_segments": False, "parts": 2})], tmp_path, tmp_path, None, None)
    end = worker.do("part", Prompts(own_server.object_info()).part_of(job, 1), False)
    assert end["state"] == "failed"
    assert "turn keep_segments on" in end["why"]
