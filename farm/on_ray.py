"""Jobs on a Ray cluster: an actor a GPU, with a ComfyUI of its own. Ray places, restarts and shows them."""

from __future__ import annotations

import importlib
import logging
import math
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .board import WAITS, Board
from .errors import FarmError, JobFailed
from .installation import Installation
from .jobs import Job, Prompts
from .limits import IN_FLIGHT, MOST_STARTS, most_losses
from .results import Results
from .worker import Worker

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
    arguments: of the actors' ComfyUIs.  fallback: the installation of machines that name none.
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
        """Actors for jobs, no more than there is to do; they end with the block."""
        ray = import_ray()
        try:
            ray.init(
                address=None if self.address == "auto" else self.address,
                runtime_env={"py_modules": [str(Path(__file__).parent)]},
                log_to_driver=False,
                logging_level=logging.WARNING,
            )
        except Exception as error:  # Ray raises many kinds, a bare Exception where a machine is too slow to start it
            raise FarmError(f"there is no Ray cluster at {self.address}: {_first_line(error)}") from None
        workers = Workers(ray, self, board)
        try:
            workers.begin(min(self._count(ray), sum(job.parts for job in jobs)))
            yield workers
        finally:
            workers.end()
            ray.shutdown()

    def _count(self, ray: Any) -> int:
        if self.servers or self.workers:
            return len(self.servers) or self.workers or 1
        gpus = ray.cluster_resources().get("GPU", 0)
        count = math.floor(gpus / self.gpus) if self.gpus else 0
        if count < 1:
            raise FarmError(
                f"the cluster has {gpus:g} GPUs, and a worker takes {self.gpus:g}: for workers without one say how "
                "many: --workers 2 --gpus-per-worker 0."
            )
        return count


def import_ray() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise FarmError('Ray is not installed here: python -m pip install "ray[default]".') from None


@dataclass(frozen=True)
class _Task:
    """A job, or one of its parts, from 1."""

    job: Job
    part: int | None = None

    @property
    def name(self) -> str:
        return self.job.name if self.part is None else f"{self.job.name}, part {self.part} of {self.job.parts}"


@dataclass
class _Actor:
    """The driver's view of an actor. in_flight: tasks by what Ray will answer, the oldest first."""

    handle: Any
    number: int
    is_ready: bool = False
    losses: int = 0
    failed_starts: int = 0
    in_flight: OrderedDict[Any, _Task] = field(default_factory=OrderedDict)


class Workers:
    """The actors of a cluster, and what they have to do."""

    def __init__(self, ray: Any, cluster: Cluster, board: Board):
        self.ray = ray
        self.cluster = cluster
        self.board = board
        self.actors: list[_Actor] = []
        self._readiness: dict[Any, _Actor] = {}
        self._looks: dict[Any, _Actor] = {}
        self._put: OrderedDict[str, Any] = OrderedDict()
        self._last_loss = "none was given"
        self._waits_since: float | None = None  # no worker is ready; inf: that was told
        self._work = _Work(board)

    def begin(self, count: int) -> None:
        cluster = self.cluster
        kind = self.ray.remote(Worker).options(
            num_gpus=0 if cluster.servers else cluster.gpus,
            num_cpus=0 if cluster.servers else cluster.cpus,
            max_restarts=-1,
            max_concurrency=IN_FLIGHT + 2,
        )
        for number in range(count):
            server = cluster.servers[number] if cluster.servers else None
            handle = kind.remote(server, cluster.fallback, cluster.arguments, cluster.shared)
            self.actors.append(_Actor(handle, number))
            self._await_ready(self.actors[-1])

    def end(self) -> None:
        closing = [actor.handle.close.remote() for actor in self.actors]
        if closing:
            self.ray.wait(closing, num_returns=len(closing), timeout=CLOSE_SECONDS)
        for actor in self.actors:
            self.ray.kill(actor.handle)

    def object_info(self) -> dict[str, dict]:
        """Of the first that answers."""
        while self.actors:
            for actor in self._ready_ones(LOOK_SECONDS):
                try:
                    return self.ray.get(actor.handle.object_info.remote())
                except self.ray.exceptions.RayError as error:
                    actor.losses += 1
                    if actor.losses < MOST_STARTS:
                        self._await_ready(actor)
                    else:
                        self._give_up(actor, _reason(error))
            self._tell_of_waiting()
        raise FarmError(f"no worker of the cluster has a ComfyUI that runs: {self._last_loss}")

    def do(self, jobs: Sequence[Job], prompts: Prompts, results: Results, tries: int) -> None:
        """Do jobs; one whose actor or ComfyUI dies is done on another.

        tries: how often a job may be under way when that happens; then it counts as the reason.
        """
        work = self._work = _Work(self.board, jobs, results, tries)
        looked = time.monotonic()
        while self.actors and (work.waiting or any(actor.in_flight for actor in self.actors)):
            for actor in self.actors:
                while work.waiting and actor.is_ready and len(actor.in_flight) < IN_FLIGHT:
                    self._give(actor, work.waiting.popleft(), prompts, work)
            pending = [ref for actor in self.actors for ref in actor.in_flight]
            done, _ = self.ray.wait([*pending, *self._readiness], num_returns=1, timeout=LOOK_SECONDS)
            for ref in done:
                if ref in self._readiness:
                    list(self._ready_ones(0))
                else:
                    self._take(ref, work)
            if time.monotonic() - looked > LOOK_SECONDS:
                looked = time.monotonic()
                self._look()
                self._tell_of_waiting()
        work.fail_the_rest(f"no worker is left: {self._last_loss}")

    def _await_ready(self, actor: _Actor) -> None:
        """Have Ray say when an actor is there again: this call outlives restarts, those with tasks do not."""
        actor.is_ready = False
        self._readiness[actor.handle.ready.options(max_task_retries=-1).remote()] = actor

    def _tell_of_waiting(self) -> None:
        """Say once that no worker is there, where that lasts."""
        if any(actor.is_ready for actor in self.actors):
            self._waits_since = None
        elif self._waits_since is None:
            self._waits_since = time.monotonic()
        elif time.monotonic() - self._waits_since > PATIENCE_SECONDS:
            self._waits_since = math.inf
            needs = f"{self.cluster.gpus:g} GPU and {self.cluster.cpus:g} CPU"
            self.board.say(f"Still waiting: a ComfyUI starts, or there is no room for one ({needs}): see `ray status`.")

    def _ready_ones(self, timeout: float) -> Iterator[_Actor]:
        """Actors that have just said that their ComfyUI answers."""
        if not self._readiness:
            return
        done, _ = self.ray.wait(list(self._readiness), num_returns=1, timeout=timeout)
        for ref in done:
            actor = self._readiness.pop(ref)
            try:
                self.ray.get(ref)
            except self.ray.exceptions.RayError as error:
                self._did_not_start(actor, _reason(error))
            else:
                actor.is_ready = True
                actor.failed_starts = 0
                yield actor

    def _did_not_start(self, actor: _Actor, why: str) -> None:
        actor.failed_starts += 1
        if actor.failed_starts >= MOST_STARTS:
            self._give_up(actor, why)
        else:
            self.board.say(f"worker {actor.number} starts again: {why.splitlines()[0]}")
            self._await_ready(actor)

    def _give_up(self, actor: _Actor, why: str) -> None:
        self._last_loss = why
        self.board.say(f"worker {actor.number} takes no more jobs: {why}")
        self.actors.remove(actor)
        for task in actor.in_flight.values():
            self._work.lost(task, why, False)
        self._readiness = {ref: other for ref, other in self._readiness.items() if other is not actor}
        self.ray.kill(actor.handle)

    def _give(self, actor: _Actor, task: _Task, prompts: Prompts, work: _Work) -> None:
        try:
            prompt = prompts.of(task.job) if task.part is None else prompts.part_of(task.job, task.part)
            come_along = not self._is_shared(prompt.files.values())
            contents = [self._in_store(name, path) for name, path in prompt.files.items()] if come_along else []
        except (FarmError, OSError) as error:  # a file that was there when the row was checked
            work.ended(task, {"state": "failed", "why": str(error)})
            return
        if task.part is None:
            contents += work.segments_of(task.job)
        actor.in_flight[actor.handle.do.remote(task.name, prompt, come_along, *contents)] = task
        self.board.under_way(task.job, WAITS)

    def _is_shared(self, paths: Iterable[Path]) -> bool:
        """Whether files lie in the shared folder, also where .. and symbolic links lead to."""
        shared = self.cluster.shared
        return shared is not None and all(path.resolve().is_relative_to(shared.resolve()) for path in paths)

    def _in_store(self, name: str, path: Path) -> Any:
        """A file in Ray's object store: once for the jobs that take it one after another. name: of its content."""
        if name not in self._put:
            self._put[name] = self.ray.put(path.read_bytes())
        self._put.move_to_end(name)
        while len(self._put) > PUT_AT_ONCE:
            self._put.popitem(last=False)
        return self._put[name]

    def _take(self, ref: Any, work: _Work) -> None:
        """What came of a task."""
        actor = next(actor for actor in self.actors if ref in actor.in_flight)
        is_oldest = next(iter(actor.in_flight)) == ref
        task = actor.in_flight.pop(ref)
        try:
            end = self.ray.get(ref)
        except self.ray.exceptions.RayError as error:
            end = {"state": "lost", "why": f"worker {actor.number}: {_reason(error)}", "began": is_oldest}
        if end["state"] != "lost":
            actor.losses = 0
            if task.part is not None and end["state"] == "done":
                work.part_done(task, self.ray.put(end["segments"]))
            else:
                work.ended(task, end)
            return
        self._last_loss = end["why"]
        work.lost(task, end["why"], end["began"])
        if actor.is_ready:  # the first task that tells of this loss; what it had is done by whoever is free meanwhile
            actor.losses += 1
            self._await_ready(actor)
        if actor.losses >= most_losses(work.tries):
            self._give_up(actor, end["why"])

    def _look(self) -> None:
        """Ask some actors how far they are, and show what they said to the last question; never wait for it."""
        done, _ = self.ray.wait(list(self._looks), num_returns=len(self._looks), timeout=0) if self._looks else ([], [])
        for ref in done:
            actor = self._looks.pop(ref)
            try:
                said = self.ray.get(ref)
            except self.ray.exceptions.RayError:
                continue
            for task in actor.in_flight.values():
                self.board.under_way(task.job, said.get(task.name, WAITS))
        asked = list(self._looks.values())
        for actor in [actor for actor in self.actors if actor.in_flight and actor not in asked][:MOST_SHOWN]:
            self._looks[actor.handle.progress.remote()] = actor


class _Work:
    """The tasks that wait, and what becomes of them."""

    def __init__(self, board: Board, jobs: Sequence[Job] = (), results: Results | None = None, tries: int = 1):
        self.waiting: deque[_Task] = deque()
        self._board = board
        self._results = results
        self.tries = tries
        self._times: dict[str, int] = {}
        self._parts_left: dict[str, int] = {}
        self._segments: dict[str, list[Any]] = {}
        for job in jobs:
            if job.parts > 1:
                self._parts_left[job.name] = job.parts
                self.waiting.extend(_Task(job, part) for part in range(1, job.parts + 1))
            else:
                self.waiting.append(_Task(job))

    def segments_of(self, job: Job) -> list[Any]:
        """What the parts of a job left, as objects of Ray."""
        return self._segments.get(job.name, [])

    def part_done(self, task: _Task, segments: Any) -> None:
        if task.job.name in self._board.ended:
            return
        self._segments.setdefault(task.job.name, []).append(segments)
        self._parts_left[task.job.name] -= 1
        if not self._parts_left[task.job.name]:
            self.waiting.appendleft(_Task(task.job))

    def ended(self, task: _Task, end: dict[str, Any]) -> None:
        self._segments.pop(task.job.name, None)
        if end["state"] == "failed":
            self._fail(task, end["why"])
            return
        assert self._results is not None
        try:
            self._results.keep(task.job, end["files"])
        except JobFailed as error:
            self._fail(task, str(error))
            return
        for _, source in end["files"]:
            if isinstance(source, Path):
                source.unlink(missing_ok=True)
        self._board.done(task.job, end["where"], end["resumed"])

    def lost(self, task: _Task, why: str, began: bool) -> None:
        if task.job.name in self._board.ended:
            return  # another of its parts has failed
        self._times[task.name] = self._times.get(task.name, 0) + began
        if self._times[task.name] >= self.tries:
            self._fail(task, why)
        else:
            self.waiting.appendleft(task)
            self._board.again(task.job, why)

    def fail_the_rest(self, why: str) -> None:
        while self.waiting:
            self._fail(self.waiting.popleft(), why)

    def _fail(self, task: _Task, why: str) -> None:
        """The job of a task has failed, once; the rest of its parts has no purpose."""
        self._segments.pop(task.job.name, None)
        if task.part is not None:
            self.waiting = deque(other for other in self.waiting if other.job is not task.job)
        if task.job.name not in self._board.ended:
            self._board.failed(task.job, why)


def _reason(error: Exception) -> str:
    """Ray's errors are pages; what a person needs is their cause, or their first line."""
    if type(error).__name__ == "ActorUnavailableError":
        return "its process or its machine went away."
    return str(getattr(error, "cause", None) or _first_line(error))


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
