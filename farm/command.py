"""The command line of ``render.py``."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .board import Board
from .comfyui import ComfyUI, Installation, OwnComfyUI, RemoteComfyUI
from .errors import BadRows, FarmError
from .jobs import Job, Prompts, make_jobs
from .on_ray import Cluster
from .results import Results
from .rows import read_rows
from .threads import run_in_threads

DESCRIPTION = """Many clips: a job file (.csv or .jsonl) with a row a clip, done on this machine, on ComfyUIs that run
already, or on a Ray cluster. Run again, it does only what is missing."""
COLUMNS = """columns: workflow (a .json file, or a name of workflows/), out (the clip's name), picture, sound, video,
prompt, negative, size (832x480), and any input of any node: seed, or S2V Sampler.seed where several nodes have one.
Files are looked for beside the job file. What stands behind -- goes to ComfyUI: render.py jobs.csv -- --lowvram"""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("render.py", description=DESCRIPTION, epilog=COLUMNS)
    parser.add_argument("jobs", type=Path, help="the job file")
    parser.add_argument("--out", type=Path, default=Path("clips"), help="folder for the clips (default: clips)")
    parser.add_argument("--workflow", help="for rows that name none")
    parser.add_argument("--check", action="store_true", help="check every row and stop")
    parser.add_argument("--tries", type=int, default=3, help="how often a job may lose its ComfyUI (default: 3)")
    parser.add_argument("--server", nargs="+", metavar="URL", help="ComfyUIs that run already")
    on_ray = parser.add_argument_group("on a Ray cluster")
    on_ray.add_argument(
        "--ray", metavar="auto|ADDRESS", help="the cluster that runs here, else a new one; or a head's address"
    )
    on_ray.add_argument("--workers", type=int, help="how many (default: as many as there are GPUs for)")
    on_ray.add_argument(
        "--gpus-per-worker", type=float, default=1.0, metavar="N", help="also a part of one (default: 1)"
    )
    on_ray.add_argument("--cpus-per-worker", type=float, default=1.0, metavar="N", help="default: 1")
    on_ray.add_argument("--shared", type=Path, help="a folder that all machines have under this path; files go there")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Returns 0 where every clip is there, 1 where some failed, 2 where nothing was begun, 130 where it was stopped."""
    border = list(arguments).index("--") if "--" in arguments else len(arguments)
    asked = parser().parse_args(arguments[:border])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of any script, into a file of any encoding
            stream.reconfigure(errors="replace")
    comfyui_arguments = list(arguments[border + 1 :])
    try:
        return render(asked, comfyui_arguments)
    except BadRows as error:
        print(f"{asked.jobs}: nothing was begun; {len(error.problems)} rows cannot be done.\n{error}", file=sys.stderr)
        return 2
    except FarmError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped. Run it again for the rest.", file=sys.stderr)
        return 130


def render(asked: argparse.Namespace, comfyui_arguments: list[str]) -> int:
    installation = _installation(asked)
    input_folder = installation and installation.host / "input"
    jobs = make_jobs(read_rows(asked.jobs), asked.jobs.resolve().parent, asked.out, asked.workflow, input_folder)
    results = Results(asked.out)
    board = Board(jobs)
    board.there_already([job for job in jobs if results.is_done(job)])
    todo = [job for job in jobs if job.name not in board.ended]
    run = _Run(asked, todo, results, board, input_folder)
    try:
        if todo and asked.ray:
            run.on_ray(installation, comfyui_arguments)
        elif todo and asked.server:
            run.on_servers([RemoteComfyUI(url) for url in asked.server])
        elif todo:
            run.here(installation or Installation.find(), comfyui_arguments)
    except KeyboardInterrupt:
        board.say(board.table())
        raise
    if asked.check:
        board.say(f"{len(jobs)} rows can be done.")
        return 0
    board.say(board.table())
    return 0 if board.all_well else 1


def _installation(asked: argparse.Namespace) -> Installation | None:
    """The ComfyUI of this machine; None where none is needed and none is found."""
    try:
        return Installation.find()
    except FarmError:
        if asked.ray or asked.server:
            return None
        raise


@dataclass(frozen=True)
class _Run:
    asked: argparse.Namespace
    jobs: list[Job]
    results: Results
    board: Board
    input_folder: Path | None

    def here(self, installation: Installation, comfyui_arguments: list[str]) -> None:
        if not comfyui_arguments and not installation.has_accelerator():
            comfyui_arguments = ["--cpu"]
        with OwnComfyUI(installation, self.results.own_folder / "comfyui", comfyui_arguments) as server:
            self.board.say(f"Starting ComfyUI ({installation.host})")
            self.on_servers([server])

    def on_servers(self, servers: Sequence[ComfyUI]) -> None:
        for server in servers:
            server.ensure()
        prompts = self._checked(servers[0].object_info())
        if not self.asked.check:
            run_in_threads(self.jobs, prompts, servers, self.results, self.board, self.asked.tries)

    def on_ray(self, installation: Installation | None, comfyui_arguments: list[str]) -> None:
        cluster = Cluster(
            address=self.asked.ray,
            workers=self.asked.workers,
            gpus=self.asked.gpus_per_worker,
            cpus=self.asked.cpus_per_worker,
            shared=self.asked.shared and self.asked.shared.absolute(),  # as other machines have it, links and all
            servers=tuple(self.asked.server or ()),
            arguments=tuple(comfyui_arguments),
            fallback=installation,
        )
        with cluster.workers_for(self.jobs, self.board) as workers:
            prompts = self._checked(workers.object_info())
            if not self.asked.check:
                workers.do(self.jobs, prompts, self.results, self.asked.tries)

    def _checked(self, object_info: dict[str, dict]) -> Prompts:
        prompts = Prompts(object_info, self.input_folder)
        prompts.check(self.jobs)
        return prompts
