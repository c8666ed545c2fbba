"""Jobs on a Ray cluster of this machine: two actors, one of which is killed as well as a ComfyUI, a clip in parts."""

import sys
import time

import pytest
from sound_to_video.dev_support.host import find_host
from sound_to_video.tests.farm.conftest import ROOT, comfyuis, jobs_of, tiny_rows
from sound_to_video.tests.farm.test_render import Watching, clips

from farm.errors import BadRows
from farm.jobs import Prompts
from farm.results import Results

ray = pytest.importorskip("ray", reason='Ray is not installed: pip install "ray[default]"')

from farm.installation import Installation  # noqa: E402
from farm.on_ray import Cluster  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.mark.timeout(900)
def test_two_actors_one_of_which_is_killed(head, tmp_path):
    rows = [*tiny_rows(3), *tiny_rows(1, out="in_parts", parts=2), *tiny_rows(1, out="poisoned", sound="poison.wav")]
    (tmp_path / "poison.wav").write_text("no sound")
    jobs = jobs_of(rows, tmp_path, tmp_path / "out")
    killed = []

    def kill_once(job, text):
        if not killed and any(actor.in_flight for actor in workers.actors):
            killed.append(next(actor.number for actor in workers.actors if actor.in_flight))
            ray.kill(workers.actors[killed[0]].handle, no_restart=False)

    board = Watching(jobs, kill_once)
    installation = Installation(find_host(), sys.executable, ROOT)
    cluster = Cluster(head.address, workers=2, gpus=0, cpus=0.5, arguments=("--cpu",), fallback=installation)
    with cluster.workers_for(jobs, board) as workers:
        while not (starting := comfyuis()):
            time.sleep(0.05)
        starting[0].kill()  # while it starts: its worker begins again
        prompts = Prompts(workers.object_info())
        prompts.check(jobs)
        with pytest.raises(BadRows, match="line 1: steps is 'many'"):
            prompts.check(jobs_of(tiny_rows(1, steps="many"), tmp_path, tmp_path))
        workers.do(jobs, prompts, Results(tmp_path / "out"), tries=3)
        assert len(workers.actors) == 2, "both are still believed in"
    assert killed
    states = {name: ended.state for name, ended in board.ended.items()}
    assert states.pop("poisoned") == "failed"
    assert "Load Audio" in board.ended["poisoned"].why
    assert set(states.values()) <= {"done", "resumed"}, board.table()
    made = clips(tmp_path / "out")
    assert sorted(made) == ["clip_1.mp4", "clip_2.mp4", "clip_3.mp4", "in_parts.mp4"]
    assert board.ended["in_parts"].state == "resumed"
