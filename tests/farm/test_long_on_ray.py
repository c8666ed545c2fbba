"""What takes minutes on a Ray cluster of this machine: forty jobs while everything dies, a lost head, a clip in parts.

``python dev.py test --long -s tests/farm/test_long_on_ray.py``; each says what it measured.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import psutil
import pytest
from sound_to_video.dev_support.host import find_host
from sound_to_video.tests.farm.conftest import CUTS, ROOT, TINY, clip_of_shots, job_file, jobs_of, tiny_rows
from sound_to_video.tests.farm.test_render import clips

from farm.board import Board
from farm.command import main
from farm.installation import Installation
from farm.jobs import Prompts
from farm.results import Results
from farm.rows import Row
from farm.threads import run_in_threads
from farm.workflow import to_prompt

ray = pytest.importorskip("ray", reason='Ray is not installed: pip install "ray[default]"')

from ray.cluster_utils import Cluster as Machines  # noqa: E402

from farm.on_ray import Cluster  # noqa: E402

pytestmark = [pytest.mark.long, pytest.mark.slow, pytest.mark.timeout(3600)]
JOBS = int(os.environ.get("LONG_JOBS", "40"))
HERE = Installation(find_host(), sys.executable, ROOT)


@pytest.fixture
def machines():
    """A head that takes no work, and two machines that take one actor each, as raylets of their own."""
    cluster = Machines(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    cluster.wait_for_nodes()
    yield cluster, nodes
    cluster.shutdown()


def say(text: str) -> None:
    """What was measured: seen with ``-s``."""
    sys.stdout.write(f"{text}\n")


class Counting(Board):
    """A board that keeps how often each clip was made."""

    def __init__(self, jobs, on_done=lambda count: None):
        super().__init__(jobs)
        self.made: list[str] = []
        self.on_done = on_done

    def done(self, job, where, resumed=0):
        super().done(job, where, resumed)
        self.made.append(job.name)
        self.on_done(len(self.made))


def pictures(folder: Path) -> dict[str, list[bytes]]:
    """Every frame of every clip; the files also hold their prompts, with stamps of the machine that made them."""
    found = {}
    for path in folder.glob("*.mp4"):
        with av.open(str(path)) as container:
            found[path.name] = [frame.to_ndarray(format="rgb24").tobytes() for frame in container.decode(video=0)]
    return found


def actors() -> list[psutil.Process]:
    """The processes of our actors on this machine."""
    return [
        one for one in psutil.process_iter(["name", "cmdline"]) if "ray::Worker" in " ".join(one.info["cmdline"] or [])
    ]


def comfyuis() -> list[psutil.Process]:
    """The ComfyUIs that our actors started."""
    found = [child for actor in actors() for child in actor.children(recursive=True)]
    return [child for child in found if any(word.endswith("main.py") for word in child.cmdline())]


def test_forty_jobs_while_everything_dies(machines, own_server, prompts, tmp_path):
    cluster, nodes = machines
    rows = tiny_rows(JOBS)
    alone = jobs_of(rows, tmp_path, tmp_path / "alone")
    began = time.monotonic()
    run_in_threads(alone, prompts, [own_server], Results(tmp_path / "alone"), Board(alone), tries=1)
    own_server.kill()
    say(f"one server: {time.monotonic() - began:.0f} s")

    die = random.Random(18)
    killed: list[str] = []

    def kill(what: str) -> None:
        time.sleep(die.uniform(0, 4))
        if what == "a machine":
            lost = nodes.pop(die.randrange(len(nodes)))
            os.kill(lost.all_processes["raylet"][0].process.pid, signal.SIGKILL)
            cluster.remove_node(lost, allow_graceful=False)
            nodes.append(cluster.add_node(num_cpus=1))
        else:
            victims = actors() if what == "an actor" else comfyuis()
            die.choice(victims).kill()
        killed.append(what)

    steps = [JOBS * share // 8 for share in (1, 2, 3, 4, 5, 6)]
    plan = dict(zip(steps, ["a ComfyUI", "an actor", "a machine"] * 2, strict=True))

    def on_done(count: int) -> None:
        if count in plan:
            threading.Thread(target=kill, args=(plan.pop(count),), daemon=True).start()

    jobs = jobs_of(rows, tmp_path, tmp_path / "out")
    board = Counting(jobs, on_done)
    asked = Cluster(cluster.address, workers=2, gpus=0, cpus=1, arguments=("--cpu",), fallback=HERE)
    began = time.monotonic()
    with asked.workers_for(jobs, board) as workers:
        workers.do(jobs, Prompts(workers.object_info()), Results(tmp_path / "out"), tries=6)
    say(f"two actors: {time.monotonic() - began:.0f} s; killed: {', '.join(killed)}")
    say(board.table())
    assert board.all_well
    assert sorted(killed) == sorted(["a ComfyUI", "an actor", "a machine"] * 2)
    assert sorted(board.made) == sorted(job.name for job in jobs), "none twice"
    assert pictures(tmp_path / "out") == pictures(tmp_path / "alone"), "to the bit"
    assert not list((tmp_path / "out" / ".render" / "partial").iterdir()), "nothing half-written"


def test_a_lost_head_and_a_second_call(tmp_path):
    rows = tiny_rows(8)
    path = job_file(tmp_path / "jobs.jsonl", rows)
    out = tmp_path / "out"

    def started(address: str) -> subprocess.Popen:
        command = [sys.executable, str(ROOT / "render.py"), str(path), "--out", str(out), "--ray", address]
        command += ["--workers", "2", "--gpus-per-worker", "0", "--cpus-per-worker", "0.5", "--", "--cpu"]
        variables = {**os.environ, "COMFYUI_PATH": str(find_host()), "COMFYUI_PYTHON": sys.executable}
        return subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    cluster = Machines(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    first = started(cluster.address)
    while len(clips(out) if out.exists() else {}) < 3:
        assert first.poll() is None, first.stdout and first.stdout.read()
        time.sleep(0.2)
    for kind in ("gcs_server", "raylet"):
        for process in cluster.head_node.all_processes[kind]:
            os.kill(process.process.pid, signal.SIGKILL)
    said, _ = first.communicate(timeout=600)
    assert first.returncode not in (0, None), said
    kept = {one: one.stat().st_mtime_ns for one in out.glob("*.mp4")}
    say(f"the head was killed after {len(kept)} of {len(rows)} clips; render.py ended with {first.returncode}")
    cluster.shutdown()

    cluster = Machines(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    try:
        second = started(cluster.address)
        said, _ = second.communicate(timeout=1500)
    finally:
        cluster.shutdown()
    assert second.returncode == 0, said
    assert f"{len(kept)} there already" in said
    assert {one: one.stat().st_mtime_ns for one in kept} == kept, "they were left alone"
    assert len(clips(out)) == len(rows)


def test_files_by_a_shared_folder_and_servers_by_ray(own_server, tmp_path):
    own_server.ensure()
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "mine.wav").write_bytes((ROOT / "media" / TINY["sound"]).read_bytes())
    path = job_file(shared / "jobs.jsonl", tiny_rows(3, sound="mine.wav"))
    on_ray = [str(path), "--ray", "local", "--workers", "2", "--gpus-per-worker", "0", "--cpus-per-worker", "0.5"]
    ways = {
        "shared": ["--shared", str(shared), "--", "--cpu"],
        "store": ["--", "--cpu"],
        "servers": ["--server", own_server.url],
    }
    made = {}
    for way, more in ways.items():
        assert main([*on_ray, "--out", str(shared / way), *more]) == 0
        made[way] = pictures(shared / way)
        assert len(made[way]) == 3
    assert made["shared"] == made["store"] == made["servers"]
    assert list((shared / ".render" / "segments").iterdir()), "segments went through the folder"
    assert not list((shared / ".render" / "arrived").iterdir()), "clips were taken out of it"


def test_a_clip_of_twelve_shots_in_two_parts(own_server, tmp_path):
    """Equal to the bit to the run on one machine; how much faster is said."""
    own_server.ensure()
    (tmp_path / "packs" / "cuts").mkdir(parents=True)
    (tmp_path / "packs" / "cuts" / "__init__.py").write_text(CUTS, "utf-8")
    more_paths = tmp_path / "paths.yaml"
    more_paths.write_text(json.dumps({"cuts": {"custom_nodes": str(tmp_path / "packs")}}), "utf-8")
    quick_start = json.loads((ROOT / "workflows" / f"{TINY['workflow']}.json").read_text("utf-8"))
    base = to_prompt(quick_start, own_server.object_info())
    workflow = tmp_path / "shots.json"
    workflow.write_text(json.dumps(clip_of_shots(base, " ".join(str(index * 0.4) for index in range(12)))), "utf-8")
    values = {**TINY, "workflow": workflow.name, "steps": 20, "S2V Sampler.preview_seconds": 5}
    took, made = {}, {}
    for parts in (1, 2):
        out = tmp_path / f"in_{parts}"
        jobs = jobs_of([Row(1, {**values, "out": "clip", "parts": parts})], tmp_path, out)
        arguments = ("--cpu", "--extra-model-paths-config", str(more_paths))
        cluster = Cluster("local", workers=2, gpus=0, cpus=0.5, arguments=arguments, fallback=HERE)
        board = Board(jobs)
        with cluster.workers_for(jobs, board) as workers:
            prompts = Prompts(workers.object_info())
            while not all(actor.is_ready for actor in workers.actors):
                list(workers._ready_ones(1))
            began = time.monotonic()
            workers.do(jobs, prompts, Results(out), tries=1)
            took[parts] = time.monotonic() - began
        assert board.all_well, board.table()
        (made[parts],) = pictures(out).values()
    say(f"12 shots: alone {took[1]:.1f} s, in two parts {took[2]:.1f} s, {took[1] / took[2]:.2f} times as fast")
    assert made[1] == made[2]
