"""Jobs on a few ComfyUIs, by threads of this process."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from functools import partial

from .board import WAITS, Board
from .comfyui import ComfyUI
from .errors import FarmError, JobFailed, Lost
from .jobs import Job, Prompts
from .limits import IN_FLIGHT, MOST_STARTS, most_losses
from .results import Results


class _Todo:
    """The jobs that wait. `take` returns None when none waits and none can come back."""

    def __init__(self, jobs: Sequence[Job]):
        self._waiting = deque(jobs)
        self._taken = 0
        self._news = threading.Condition()
        self._stopped = False
        self.tries: dict[str, int] = {}

    def take(self) -> Job | None:
        with self._news:
            while not self._waiting and self._taken and not self._stopped:
                self._news.wait(1)
            if self._stopped or not self._waiting:
                return None
            self._taken += 1
            return self._waiting.popleft()

    def ended(self, job: Job, again: bool) -> None:
        with self._news:
            self._taken -= 1
            if again:
                self._waiting.appendleft(job)
            self._news.notify_all()

    def stop(self) -> None:
        with self._news:
            self._stopped = True
            self._news.notify_all()

    def left(self) -> list[Job]:
        return list(self._waiting)


def run_in_threads(
    jobs: Sequence[Job], prompts: Prompts, servers: Sequence[ComfyUI], results: Results, board: Board, tries: int
) -> None:
    """Do jobs, each on the ComfyUI that is free first; one whose ComfyUI goes away is done on another.

    tries: how often a job may be under way when its ComfyUI goes away; then it counts as the reason.
    """
    run = _Run(_Todo(jobs), prompts, results, board, tries)
    threads = [
        threading.Thread(target=run.serve, args=(server,), daemon=True)
        for server in servers
        for _ in range(min(IN_FLIGHT, -(-len(jobs) // len(servers))))
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.5)
    except BaseException:
        run.todo.stop()
        for server in servers:
            server.cancel()
        raise
    for job in run.todo.left():
        board.failed(job, f"no ComfyUI is left: {run.last_loss}")


class _Run:
    def __init__(self, todo: _Todo, prompts: Prompts, results: Results, board: Board, tries: int):
        self.todo = todo
        self.prompts = prompts
        self.results = results
        self.board = board
        self.tries = tries
        self.last_loss = "none answered"

    def serve(self, server: ComfyUI) -> None:
        """Do jobs on a ComfyUI until there are none, or it is beyond help."""
        losses = failed_starts = 0
        while (job := self.todo.take()) is not None:
            again = True
            try:
                server.ensure()
                failed_starts = 0
                self._do(job, server)
                again = False
                losses = 0
            except JobFailed as error:
                again = False
                losses = 0
                self.board.failed(job, str(error))
            except Lost as error:
                losses += 1
                again = self._lost(job, error)
            except FarmError as error:  # it does not start, or does not answer
                failed_starts += 1
                self.last_loss = f"{server.name}: {error}"
            finally:
                self.todo.ended(job, again)
            if losses >= most_losses(self.tries) or failed_starts >= MOST_STARTS:
                self.board.say(f"{server.name} takes no more jobs: {self.last_loss}")
                return

    def _do(self, job: Job, server: ComfyUI) -> None:
        try:
            prompt = self.prompts.of(job)
        except (FarmError, OSError) as error:  # a file that was there when the row was checked
            raise JobFailed(str(error)) from None
        self.board.under_way(job, WAITS)
        done = server.do(prompt, prompt.files, partial(self.board.under_way, job))
        self.results.keep(job, done.files)
        self.board.done(job, server.name, done.resumed)

    def _lost(self, job: Job, error: Lost) -> bool:
        """Whether a job is tried again."""
        self.last_loss = str(error)
        self.todo.tries[job.name] = self.todo.tries.get(job.name, 0) + error.began
        again = self.todo.tries[job.name] < self.tries
        told = self.board.again if again else self.board.failed
        told(job, str(error))
        return again
