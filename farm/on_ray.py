"""Jobs on a Ray cluster: an actor a GPU, with a ComfyUI of its own. Ray places, restarts and shows them."""

from __future__ import annotations

import importlib
import logging
import math
import os
import secrets
import shutil
import socket
import tempfile
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .board import WAITS, Board
from .comfyui import ComfyUI, OwnComfyUI, RemoteComfyUI
from .errors import FarmError, JobFailed, Lost
from .installation import Installation
from .jobs import Job, Prompts
from .results import OWN_FOLDER, Results
from .template import JobPrompt

IN_FLIGHT = 2  # jobs of one actor: the next one's files arrive while this one is sampled
MOST_LOSSES = 3  # of one actor's ComfyUI, without a job done in between
LOOK_SECONDS = 1.0
MOST_SHOWN = 3
PUT_AT_ONCE = 64  # files of jobs that stay in the object store for the jobs to come
PATIENCE_SECONDS = 60.0
CLOSE_SECONDS = 15.0


@dataclass(frozen=True)
class Cluster:
    """What is asked of a cluster.

    address: "auto", or the head's.  workers: actors; None: as many as there are GPUs for.
    gpus: of each, also a part of one.  cpus: of each.
    shared: a folder that every machine has under this path; None: files go through Ray's object store.
    servers: ComfyUIs that run already, instead of an own one for each actor.
    """

    address: str = "auto"
    workers: int | None = None
    gpus: float = 1.0
    cpus: float = 1.0
    shared: Path | None = None
    servers: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    fallback: Installation | None = None

    @contextmanager
    def workers_for(self, jobs: Sequence[Job], board: Board) -> Iterator[Workers]:
        """Actors for jobs, no more than there are of them; they end with the block."""
        ray = import_ray()
        ray.init(
            address=None if self.address == "auto" else self.address,
            runtime_env={"py_modules": [str(Path(__file__).parent)]},
            log_to_driver=False,
            logging_level=logging.WARNING,
        )
        workers = Workers(ray, self, board)
        try:
            workers.begin(min(_actor_count(ray, self), len(jobs)))
            yield workers
        finally:
            workers.end()
            ray.shutdown()


def import_ray() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise FarmError('Ray is not installed here: python -m pip install "ray[default]".') from None


class Worker:
    """What an actor does, in its own process: a ComfyUI, or one that runs already, and the jobs it is given.

    fallback: the installation to use where this machine names none of its own.
    """

    def __init__(self, server: str | None, fallback: Installation | None, arguments: Sequence[str], shared: str | None):
        self._progress: dict[str, str] = {}
        self._fallback = fallback
        self._arguments = arguments
        self._shared = Path(shared) if shared else None
        self._work = Path(tempfile.mkdtemp(prefix="sound_to_video_"))
        self._comfyui: ComfyUI | None = RemoteComfyUI(server) if server else None
        self._starting = threading.Lock()

    def comfyui(self) -> ComfyUI:
        """It, running. Raises FarmError where there is none."""
        with self._starting:
            if self._comfyui is None:
                self._comfyui = self._own_comfyui()
        self._comfyui.ensure()
        return self._comfyui

    def _own_comfyui(self) -> OwnComfyUI:
        installation = Installation.find(fallback=self._fallback)
        arguments = self._arguments
        if not arguments and not installation.has_accelerator():
            arguments = ["--cpu"]
        segments = self._shared / OWN_FOLDER / "segments" if self._shared else None
        return OwnComfyUI(installation, self._work, arguments, f"{socket.gethostname()} {os.getpid()}", segments)

    def ready(self) -> str:
        """Its name, once its ComfyUI answers."""
        return self.comfyui().name

    def close(self) -> None:
        if isinstance(self._comfyui, OwnComfyUI):
            self._comfyui.stop()
        elif self._comfyui is not None:
            self._comfyui.cancel()
        shutil.rmtree(self._work, ignore_errors=True)

    def object_info(self) -> dict[str, dict]:
        return self.comfyui().object_info()

    def progress(self) -> dict[str, str]:
        """By the names of the jobs under way."""
        return dict(self._progress)

    def do(self, name: str, job: JobPrompt, *contents: bytes) -> dict[str, Any]:
        """A job's end, in plain words: {"state": "done" | "failed" | "lost", ...}.

        contents: of ``job.files``, in order; none where they lie in the shared folder.
        """
        self._progress[name] = WAITS
        try:
            comfyui = self.comfyui()
            files: Mapping[str, Path | bytes] = dict(zip(job.files, contents, strict=True)) if contents else job.files
            done = comfyui.do(job, files, lambda text: self._progress.update({name: text}))
            return {
                "state": "done",
                "where": comfyui.name,
                "resumed": done.resumed,
                "files": [(ending, self._handed_over(source)) for ending, source in done.files],
            }
        except JobFailed as error:
            return {"state": "failed", "why": str(error)}
        except Lost as error:
            return {"state": "lost", "why": str(error), "began": error.began}
        except FarmError as error:
            return {"state": "lost", "why": str(error), "began": False}
        finally:
            self._progress.pop(name, None)

    def _handed_over(self, source: Path | bytes) -> Path | bytes:
        content = source if isinstance(source, bytes) else source.read_bytes()
        if not self._shared:
            return content
        target = self._shared / OWN_FOLDER / "arrived" / secrets.token_hex(8)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        return target


@dataclass
class _Actor:
    """The driver's view of an actor. in_flight: jobs by what Ray will answer, the oldest first."""

    handle: Any
    number: int
    is_ready: bool = False
    losses: int = 0
    in_flight: OrderedDict[Any, Job] = field(default_factory=OrderedDict)


def _actor_count(ray: Any, cluster: Cluster) -> int:
    if cluster.servers:
        return len(cluster.servers)
    if cluster.workers:
        return cluster.workers
    gpus = ray.cluster_resources().get("GPU", 0)
    count = math.floor(gpus / cluster.gpus) if cluster.gpus else 0
    if count < 1:
        raise FarmError(
            f"the cluster has {gpus:g} GPUs, and a worker needs {cluster.gpus:g}: say how many workers there should "
            "be without one: --workers 2 --gpus-per-worker 0."
        )
    return count


class Workers:
    """The actors of a cluster, and the jobs that they have."""

    def __init__(self, ray: Any, cluster: Cluster, board: Board):
        self.ray = ray
        self.cluster = cluster
        self.board = board
        self.actors: list[_Actor] = []
        self._readiness: dict[Any, _Actor] = {}
        self._looks: dict[Any, _Actor] = {}
        self._tries: dict[str, int] = {}
        self._put: OrderedDict[Path, Any] = OrderedDict()
        self._last_loss = "none was given"

    def begin(self, count: int) -> None:
        ray, cluster = self.ray, self.cluster
        kind = ray.remote(Worker).options(
            num_gpus=0 if cluster.servers else cluster.gpus,
            num_cpus=0 if cluster.servers else cluster.cpus,
            max_restarts=-1,
            max_concurrency=IN_FLIGHT + 2,
        )
        shared = str(cluster.shared) if cluster.shared else None
        for number in range(count):
            server = cluster.servers[number] if cluster.servers else None
            handle = kind.remote(server, cluster.fallback, list(cluster.arguments), shared)
            self.actors.append(_Actor(handle, number))
        for actor in self.actors:
            self._await_ready(actor)

    def end(self) -> None:
        closing = [actor.handle.close.remote() for actor in self.actors]
        if closing:
            self.ray.wait(closing, num_returns=len(closing), timeout=CLOSE_SECONDS)
        for actor in self.actors:
            self.ray.kill(actor.handle)

    def _await_ready(self, actor: _Actor) -> None:
        """Have Ray say when an actor is there again; a call that waits for restarts, as calls with jobs do not."""
        actor.is_ready = False
        self._readiness[actor.handle.ready.options(max_task_retries=-1).remote()] = actor

    def object_info(self) -> dict[str, dict]:
        began = time.monotonic()
        told = False
        while True:
            for actor in self._ready_ones(LOOK_SECONDS):
                return self.ray.get(actor.handle.object_info.remote())
            if not self.actors:
                raise FarmError(f"no worker of the cluster has a ComfyUI that runs: {self._last_loss}")
            if not told and time.monotonic() - began > PATIENCE_SECONDS:
                told = True
                needs = f"{self.cluster.gpus:g} GPU and {self.cluster.cpus:g} CPU"
                self.board.say(
                    f"Still waiting for a first worker; each needs {needs}: `ray status` shows what is free."
                )

    def _ready_ones(self, timeout: float) -> Iterator[_Actor]:
        """Actors that have just said that their ComfyUI answers."""
        done, _ = self.ray.wait(list(self._readiness), num_returns=1, timeout=timeout) if self._readiness else ([], [])
        for ref in done:
            actor = self._readiness.pop(ref)
            try:
                self.ray.get(ref)
                actor.is_ready = True
                yield actor
            except self.ray.exceptions.RayError as error:
                self._give_up(actor, _reason(error))

    def _give_up(self, actor: _Actor, why: str) -> None:
        self._last_loss = why
        self.board.say(f"worker {actor.number} takes no more jobs: {why}")
        self.actors.remove(actor)
        self.ray.kill(actor.handle)

    def do(self, jobs: Sequence[Job], prompts: Prompts, results: Results, tries: int) -> None:
        """Do jobs; one whose actor or ComfyUI dies is done on another.

        tries: how often a job may be under way when that happens; then it counts as the reason.
        """
        waiting = deque(jobs)
        looked = time.monotonic()
        while self.actors and (waiting or any(actor.in_flight for actor in self.actors)):
            for actor in self.actors:
                while waiting and actor.is_ready and len(actor.in_flight) < IN_FLIGHT:
                    self._give(actor, waiting.popleft(), prompts)
            pending = [ref for actor in self.actors for ref in actor.in_flight]
            done, _ = self.ray.wait([*pending, *self._readiness], num_returns=1, timeout=LOOK_SECONDS)
            for ref in done:
                if ref in self._readiness:
                    list(self._ready_ones(0))
                else:
                    self._take(ref, waiting, results, tries)
            if time.monotonic() - looked > LOOK_SECONDS:
                looked = time.monotonic()
                self._look()
        for job in waiting:
            self.board.failed(job, f"no worker is left: {self._last_loss}")

    def _give(self, actor: _Actor, job: Job, prompts: Prompts) -> None:
        prompt = prompts.of(job)
        shared = self.cluster.shared
        lies_there = shared is not None and all(path.is_relative_to(shared) for path in prompt.files.values())
        contents = [] if lies_there else [self._in_store(path) for path in prompt.files.values()]
        actor.in_flight[actor.handle.do.remote(job.name, prompt, *contents)] = job
        self.board.under_way(job, WAITS)

    def _in_store(self, path: Path) -> Any:
        """A file in Ray's object store: once for the jobs that take it one after another."""
        if path not in self._put:
            self._put[path] = self.ray.put(path.read_bytes())
        self._put.move_to_end(path)
        while len(self._put) > PUT_AT_ONCE:
            self._put.popitem(last=False)
        return self._put[path]

    def _take(self, ref: Any, waiting: deque[Job], results: Results, tries: int) -> None:
        """What came of a job."""
        actor = next(actor for actor in self.actors if ref in actor.in_flight)
        is_oldest = next(iter(actor.in_flight)) == ref
        job = actor.in_flight.pop(ref)
        try:
            end = self.ray.get(ref)
        except self.ray.exceptions.RayError as error:
            end = {"state": "lost", "why": f"worker {actor.number}: {_reason(error)}", "began": is_oldest}
            if actor.is_ready:
                self._await_ready(actor)
        if end["state"] == "done":
            actor.losses = 0
            results.keep(job, end["files"])
            for _, source in end["files"]:
                if isinstance(source, Path):
                    source.unlink(missing_ok=True)
            self.board.done(job, end["where"], end["resumed"])
        elif end["state"] == "failed":
            self.board.failed(job, end["why"])
        else:
            self._lost(actor, job, end, waiting, tries)

    def _lost(self, actor: _Actor, job: Job, end: dict[str, Any], waiting: deque[Job], tries: int) -> None:
        self._last_loss = end["why"]
        self._tries[job.name] = self._tries.get(job.name, 0) + bool(end["began"])
        actor.losses += 1
        if self._tries[job.name] >= tries:
            self.board.failed(job, end["why"])
        else:
            waiting.appendleft(job)
            self.board.again(job, end["why"])
        if actor.losses >= MOST_LOSSES * IN_FLIGHT and not actor.in_flight:
            self._give_up(actor, end["why"])

    def _look(self) -> None:
        """Ask some actors how far they are, and show what they said to the last question; never wait for it."""
        if self._looks:
            done, _ = self.ray.wait(list(self._looks), num_returns=len(self._looks), timeout=0)
            for ref in done:
                actor = self._looks.pop(ref)
                try:
                    said = self.ray.get(ref)
                except self.ray.exceptions.RayError:
                    continue
                for job in actor.in_flight.values():
                    self.board.under_way(job, said.get(job.name, WAITS))
        asked = list(self._looks.values())
        for actor in [actor for actor in self.actors if actor.in_flight and actor not in asked][:MOST_SHOWN]:
            self._looks[actor.handle.progress.remote()] = actor


def _reason(error: Exception) -> str:
    """Ray's errors are pages; what a person needs is their cause, or their first line."""
    cause = getattr(error, "cause", None)
    text = str(cause or error).strip()
    return text if cause else text.splitlines()[0] if text else type(error).__name__
