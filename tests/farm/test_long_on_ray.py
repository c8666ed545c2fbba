"""What takes minutes on a Ray cluster of this machine: forty jobs while everything dies, a lost head, a clip in parts.

``python dev.py test --long -s tests/farm/test_long_on_ray.py``; each says what it measured.
"""

import contextlib
import copy
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
from sound_to_video.tests.farm.conftest import (
    CUTS,
    ROOT,
    TINY,
    actors,
    agent_ports,
    children_of,
    clip_of_shots,
    comfyuis,
    command_of,
    job_file,
    jobs_of,
    start_head,
    tiny_rows,
)
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

from farm.on_ray import Cluster  # noqa: E402

pytestmark = [pytest.mark.long, pytest.mark.slow, pytest.mark.timeout(3600)]
JOBS = int(os.environ.get("LONG_JOBS", "40"))
KINDS = ("a ComfyUI", "an actor", "a machine")
HERE = Installation(find_host(), sys.executable, ROOT)


class Machine:
    """A machine of a cluster, as ``ray start`` makes it one: a raylet of its own, with room for an actor.

    It is there once this returns. Ray gives an agent 15 s to start, whatever is set, and ends the raylet where it takes
    longer (ray#65983): like whatever keeps services running, this begins again.
    """

    def __init__(self, cluster):
        self._cluster = cluster
        self._process = self._started()
        while not self._is_known():
            time.sleep(0.5)

    def _started(self) -> psutil.Popen:
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block"]
        command += ["--address", self._cluster.address, "--num-cpus", "1", "--num-gpus", "0"]
        command += ["--object-store-memory", "150000000", "--min-worker-port", "0", "--max-worker-port", "0"]
        for name, port in agent_ports().items():
            option = "dashboard_agent_grpc_port" if name == "metrics_agent_port" else name
            command += [f"--{option.replace('_', '-')}", str(port)]
        self._seen = False
        return psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _is_known(self) -> bool:
        raylet = self.raylet()
        if self._process.poll() is not None or (self._seen and raylet is None):
            self.stop()
            self._process = self._started()
            return False
        self._seen = raylet is not None
        words = " ".join(command_of(raylet)) if raylet else ""
        known = self._cluster.global_state.node_table()
        return any(one["Alive"] and one["RayletSocketName"] in words for one in known)

    def raylet(self) -> psutil.Process | None:
        found = [one for one in children_of(self._process) if "raylet/raylet" in " ".join(command_of(one)[:1])]
        return found[0] if found else None

    def stop(self) -> None:
        """End it with all that it started."""
        for one in [*children_of(self._process), self._process]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        self._process.wait()


@pytest.fixture
def machines():
    """A head that takes no work, and two machines that take one actor each."""
    cluster = start_head(cpus=0)
    nodes = [Machine(cluster) for _ in range(2)]
    yield cluster, nodes
    for node in nodes:
        node.stop()
    cluster.shutdown()


def say(text: str) -> None:
    """What was measured: seen with ``-s``."""
    sys.stdout.write(f"{text}\n")


class Counting(Board):
    """A board that keeps how often each clip was made, and how often one was begun again."""

    def __init__(self, jobs, on_done=lambda count: None):
        super().__init__(jobs)
        self.made: list[str] = []
        self.retries = 0
        self.on_done = on_done

    def done(self, job, where, resumed=0):
        super().done(job, where, resumed)
        self.made.append(job.name)
        self.on_done(len(self.made))

    def again(self, job, why):
        super().again(job, why)
        self.retries += 1


Packets = list[tuple[int, int | None, bytes]]


def streams(folder: Path) -> dict[str, Packets]:
    """Every picture and sound of every clip as they are encoded, in order.

    The files also hold their prompts, with stamps of the machine that made them.
    """
    found = {}
    for path in folder.rglob("*.mp4"):
        if ".render" not in path.parts:
            with av.open(str(path)) as container:
                packets = [(packet.stream_index, packet.pts, bytes(packet)) for packet in container.demux()]
            found[path.relative_to(folder).as_posix()] = packets
    return found


class Reaper:
    """Kills, as ``kill -9`` does, a ComfyUI, an actor or a machine's raylet, some seconds after clips were made.

    plan: what dies, by how many clips were made before.
    """

    def __init__(self, cluster, nodes: list[Machine], plan: dict[int, str]):
        self.cluster = cluster
        self.nodes = nodes
        self.plan = dict(plan)
        self.killed: list[tuple[str, int]] = []  # and how many clips were there
        self.failures: list[BaseException] = []
        self.made = 0
        self._random = random.Random(18)
        self._threads: list[threading.Thread] = []

    def on_done(self, made: int) -> None:
        self.made = made
        if made in self.plan:
            seconds = self._random.uniform(0, 4)
            thread = threading.Thread(target=self._kill, args=(self.plan.pop(made), seconds), daemon=True)
            self._threads.append(thread)
            thread.start()

    def wait(self) -> None:
        for thread in self._threads:
            thread.join()
        if self.failures:
            raise self.failures[0]

    def _kill(self, what: str, seconds: float) -> None:
        time.sleep(seconds)
        find = {"a ComfyUI": comfyuis, "an actor": actors, "a machine": self._raylets}[what]
        try:
            while not (victims := find()):
                time.sleep(0.2)  # what was killed before is being started again
            self._random.choice(victims).kill()
            self._note(what)
            if what == "a machine":
                self.nodes.append(Machine(self.cluster))
        except BaseException as error:
            self.failures.append(error)

    def _raylets(self) -> list[psutil.Process]:
        """Of the machines that take actors."""
        return [raylet for raylet in (node.raylet() for node in self.nodes) if raylet]

    def _note(self, what: str) -> None:
        self.killed.append((what, self.made))
        say(f"        killed {what} after {self.made} clips")


def test_forty_jobs_while_everything_dies(machines, own_server, prompts, tmp_path):
    cluster, nodes = machines
    rows = tiny_rows(JOBS)
    alone = jobs_of(rows, tmp_path, tmp_path / "alone")
    began = time.monotonic()
    alone_board = Board(alone)
    run_in_threads(alone, prompts, [own_server], Results(tmp_path / "alone"), alone_board, tries=1)
    assert alone_board.all_well, alone_board.table()
    own_server.kill()
    say(f"one server: {time.monotonic() - began:.0f} s")

    steps = [JOBS * share // 8 for share in (1, 2, 3, 4, 5, 6)]
    reaper = Reaper(cluster, nodes, dict(zip(steps, KINDS * 2, strict=True)))
    jobs = jobs_of(rows, tmp_path, tmp_path / "out")
    board = Counting(jobs, reaper.on_done)
    asked = Cluster(cluster.address, workers=2, gpus=0, cpus=1, arguments=("--cpu",), fallback=HERE)
    began = time.monotonic()
    with asked.workers_for(jobs, board) as workers:
        workers.do(jobs, Prompts(workers.object_info()), Results(tmp_path / "out"), tries=6)
        took = time.monotonic() - began
        reaper.wait()
    say(f"two actors: {took:.0f} s; killed: {reaper.killed}; begun again: {board.retries}")
    say(board.table())
    assert board.all_well
    assert sorted(what for what, _ in reaper.killed) == sorted(KINDS * 2)
    assert all(made < JOBS for _, made in reaper.killed), "each while there was work"
    assert sorted(board.made) == sorted(job.name for job in jobs), "none twice"
    made = streams(tmp_path / "out")
    assert sorted(made) == sorted(f"{job.name}.mp4" for job in jobs)
    assert made == streams(tmp_path / "alone"), "to the bit"
    assert not list((tmp_path / "out" / ".render" / "partial").iterdir()), "nothing half-written"


def render(jobs: Path, out: Path, address: str) -> subprocess.Popen:
    """The command, under way on two actors."""
    command = [sys.executable, str(ROOT / "render.py"), str(jobs), "--out", str(out), "--ray", address]
    command += ["--workers", "2", "--gpus-per-worker", "0", "--cpus-per-worker", "0.5", "--", "--cpu"]
    variables = {**os.environ, "COMFYUI_PATH": str(find_host()), "COMFYUI_PYTHON": sys.executable}
    return subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def clips_there(running: subprocess.Popen, out: Path, count: int) -> None:
    """Wait until a command has made so many."""
    while len(clips(out) if out.exists() else {}) < count:
        assert running.poll() is None, running.stdout and running.stdout.read()
        time.sleep(0.2)


def test_ten_thousand_rows_are_small(head, tmp_path):
    """On the driver, which has them all in its queue; Ctrl+C ends it."""
    path = job_file(tmp_path / "jobs.jsonl", tiny_rows(10_000))
    running = render(path, tmp_path / "out", head.address)
    clips_there(running, tmp_path / "out", 3)
    resident = psutil.Process(running.pid).memory_info().rss / 1e6
    running.send_signal(signal.SIGINT)
    said, _ = running.communicate(timeout=300)
    say(f"10,000 rows: {resident:.0f} MB on the driver")
    assert running.returncode == 130, said[-2000:]
    assert resident < 200


def test_a_lost_head_and_a_second_call(tmp_path):
    rows = tiny_rows(8)
    path = job_file(tmp_path / "jobs.jsonl", rows)
    out = tmp_path / "out"

    cluster = start_head(cpus=2)
    first = render(path, out, cluster.address)
    clips_there(first, out, 3)
    for kind in ("gcs_server", "raylet"):
        for process in cluster.head_node.all_processes[kind]:
            os.kill(process.process.pid, signal.SIGKILL)
    said, _ = first.communicate(timeout=600)
    assert first.returncode not in (0, None), said
    kept = {one: one.stat().st_mtime_ns for one in out.glob("*.mp4")}
    say(f"the head was killed after {len(kept)} of {len(rows)} clips; render.py ended with {first.returncode}")
    cluster.shutdown()

    cluster = start_head(cpus=2)
    try:
        second = render(path, out, cluster.address)
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
        made[way] = streams(shared / way)
        assert len(made[way]) == 3
    assert made["shared"] == made["store"] == made["servers"]
    assert list((shared / ".render" / "segments").iterdir()), "segments went through the folder"
    assert not list((shared / ".render" / "arrived").iterdir()), "clips were taken out of it"


@pytest.fixture
def cuts(own_server, tmp_path):
    """``cuts(times)``: the name of a workflow in tmp_path; and what an actor's ComfyUI needs for it."""
    own_server.ensure()
    (tmp_path / "packs" / "cuts").mkdir(parents=True)
    (tmp_path / "packs" / "cuts" / "__init__.py").write_text(CUTS, "utf-8")
    more_paths = tmp_path / "paths.yaml"
    more_paths.write_text(json.dumps({"cuts": {"custom_nodes": str(tmp_path / "packs")}}), "utf-8")
    quick_start = json.loads((ROOT / "workflows" / f"{TINY['workflow']}.json").read_text("utf-8"))
    base = to_prompt(quick_start, own_server.object_info())

    def workflow(times: str) -> str:
        path = tmp_path / "shots.json"
        path.write_text(json.dumps(clip_of_shots(copy.deepcopy(base), times)), "utf-8")
        return path.name

    return workflow, ("--cpu", "--extra-model-paths-config", str(more_paths))


def test_a_job_that_no_comfyui_survives_fails_alone(cuts, head, tmp_path):
    """On one actor, which had the others' jobs with it each time that its ComfyUI ended."""
    workflow, arguments = cuts
    rows = [*tiny_rows(1, out="poisoned", workflow=workflow("die")), *tiny_rows(3)]
    jobs = jobs_of(rows, tmp_path, tmp_path / "out")
    board = Counting(jobs)
    asked = Cluster(head.address, workers=1, gpus=0, cpus=1, arguments=arguments, fallback=HERE)
    with asked.workers_for(jobs, board) as workers:
        workers.do(jobs, Prompts(workers.object_info()), Results(tmp_path / "out"), tries=3)
    assert board.ended.pop("poisoned").state == "failed"
    assert {ended.state for ended in board.ended.values()} <= {"done", "resumed"}, board.table()
    assert len(clips(tmp_path / "out")) == 3


def test_a_clip_of_twelve_shots_in_two_parts(cuts, head, tmp_path):
    """Equal to the bit to the run on one machine; how much faster is said."""
    workflow, arguments = cuts
    name = workflow(" ".join(str(index * 0.4) for index in range(12)))
    values = {**TINY, "workflow": name, "steps": 20, "S2V Sampler.preview_seconds": 5}
    took, made = {}, {}
    for parts in (1, 2):
        out = tmp_path / f"in_{parts}"
        jobs = jobs_of([Row(1, {**values, "out": "clip", "parts": parts})], tmp_path, out)
        cluster = Cluster(head.address, workers=2, gpus=0, cpus=0.5, arguments=arguments, fallback=HERE)
        board = Board(jobs)
        with cluster.workers_for(jobs, board) as workers:
            prompts = Prompts(workers.object_info())
            while not all(actor.is_ready for actor in workers.actors):
                list(workers._ready_ones(1))
            began = time.monotonic()
            workers.do(jobs, prompts, Results(out), tries=1)
            took[parts] = time.monotonic() - began
        assert board.all_well, board.table()
        (made[parts],) = streams(out).values()
    say(f"12 shots: alone {took[1]:.1f} s, in two parts {took[2]:.1f} s, {took[1] / took[2]:.2f} times as fast")
    assert made[1] == made[2]
