"""Jobs on real ComfyUIs: every clip is made once and whole, whatever ends; what cannot be done is told."""

import os
import subprocess
import sys
import threading
import time

import pytest
from sound_to_video.dev_support.host import find_host
from sound_to_video.tests.farm.conftest import ROOT, TINY, job_file, jobs_of, tiny_rows

from farm.board import Board
from farm.comfyui import RemoteComfyUI
from farm.command import main
from farm.errors import BadRows
from farm.jobs import Prompts
from farm.results import Results
from farm.threads import run_in_threads

pytestmark = pytest.mark.slow


class Watching(Board):
    """A board that does something when a job is under way."""

    def __init__(self, jobs, on_progress):
        super().__init__(jobs)
        self.on_progress = on_progress

    def under_way(self, job, text):
        super().under_way(job, text)
        self.on_progress(job, text)


def clips(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.mp4")}


def test_a_comfyui_that_is_killed_and_a_job_that_fails(own_server, prompts, tmp_path):
    """The killed job is done by the ComfyUI that takes its place; the poisoned one fails alone, with its sentence."""
    (tmp_path / "poison.wav").write_text("no sound")
    rows = [*tiny_rows(3), *tiny_rows(1, out="poisoned", sound="poison.wav")]
    jobs = jobs_of(rows, tmp_path, tmp_path / "out")
    killed = []

    def kill_once(job, text):
        if text.startswith("S2V Sampler") and not killed:
            killed.append(job.name)
            own_server.kill()

    board = Watching(jobs, kill_once)
    results = Results(tmp_path / "out")
    run_in_threads(jobs, prompts, [own_server], results, board, tries=2)
    states = {name: ended.state for name, ended in board.ended.items()}
    assert killed
    assert {states.pop(job.name) for job in jobs[:3]} <= {"done", "resumed"}
    assert states == {"poisoned": "failed"}
    assert "Load Audio" in board.ended["poisoned"].why
    assert [results.is_done(job) for job in jobs] == [True, True, True, False]
    assert len(clips(tmp_path / "out")) == 3

    # Over the routes of a server that runs, from the start, undisturbed: the same clips, to the bit.
    again = Results(tmp_path / "remote")
    remote_board = Board(jobs[:3])
    run_in_threads(jobs[:3], prompts, [RemoteComfyUI(own_server.url)], again, remote_board, tries=1)
    assert remote_board.all_well, remote_board.table()
    assert clips(tmp_path / "remote") == clips(tmp_path / "out")


def test_a_job_that_its_comfyui_never_survives_fails_alone(own_server, prompts, tmp_path):
    jobs = jobs_of(tiny_rows(4), tmp_path, tmp_path / "out")
    board = Watching(jobs, lambda job, text: text.startswith("S2V") and job is jobs[0] and own_server.kill())
    run_in_threads(jobs, prompts, [own_server], Results(tmp_path / "out"), board, tries=3)
    assert board.ended[jobs[0].name].state == "failed"
    assert "went away" in board.ended[jobs[0].name].why
    assert {board.ended[job.name].state for job in jobs[1:]} <= {"done", "resumed"}, board.table()


def test_a_comfyui_that_is_killed_while_it_starts_is_started_again(own_server, prompts, tmp_path):
    own_server.ensure()
    own_server.kill()
    process = own_server._process
    killed = []

    def kill_once():
        while not killed:
            if process.is_running():
                killed.append(process.process.pid)
                process.process.kill()
            time.sleep(0.05)

    jobs = jobs_of(tiny_rows(1), tmp_path, tmp_path / "out")
    board = Board(jobs)
    reaper = threading.Thread(target=kill_once)
    reaper.start()
    run_in_threads(jobs, prompts, [own_server], Results(tmp_path / "out"), board, tries=1)
    reaper.join()
    assert board.all_well, board.table()


def test_a_file_that_goes_away_after_the_check_fails_its_job_alone(own_server, tmp_path):
    (tmp_path / "mine.wav").write_bytes((ROOT / "media" / TINY["sound"]).read_bytes())
    rows = [*tiny_rows(1, out="gone", sound="mine.wav"), *tiny_rows(1)]
    jobs = jobs_of(rows, tmp_path, tmp_path / "out")
    own_server.ensure()
    prompts = Prompts(own_server.object_info())
    prompts.check(jobs)
    (tmp_path / "mine.wav").unlink()
    board = Board(jobs)
    run_in_threads(jobs, prompts, [own_server], Results(tmp_path / "out"), board, tries=1)
    assert board.ended["gone"].state == "failed"
    assert "no file 'mine.wav'" in board.ended["gone"].why
    assert board.ended["clip_1"].state in ("done", "resumed"), board.table()


def test_rows_that_do_not_fit_are_told_before_anything_runs(own_server, prompts, tmp_path, capsys):
    own_server.ensure()
    rows = [*tiny_rows(1), *tiny_rows(1, out="b", steps="many"), *tiny_rows(1, out="c", picture="gone.png")]
    with pytest.raises(BadRows) as refused:
        prompts.check(jobs_of(rows, tmp_path, tmp_path))
    assert len(refused.value.problems) == 2
    path = job_file(tmp_path / "jobs.jsonl", rows)
    assert main([str(path), "--out", str(tmp_path / "out"), "--server", own_server.url]) == 2
    said = capsys.readouterr()
    assert "line 2: steps is 'many': it must be a whole number." in said.err
    assert "line 3: there is no file 'gone.png' for Load Image.image." in said.err
    assert not clips(tmp_path / "out")


def test_the_command_does_only_what_is_missing(tmp_path):
    def render():
        command = [sys.executable, str(ROOT / "render.py"), str(path), "--out", str(tmp_path / "out"), "--", "--cpu"]
        variables = {**os.environ, "COMFYUI_PATH": str(find_host()), "COMFYUI_PYTHON": sys.executable}
        return subprocess.run(command, env=variables, capture_output=True, text=True, cwd=tmp_path, timeout=250)

    path = job_file(tmp_path / "jobs.jsonl", tiny_rows(1))
    first = render()
    assert first.returncode == 0, first.stdout + first.stderr
    (name, clip), *more = clips(tmp_path / "out").items()
    assert name == "clip_1.mp4"
    assert clip
    assert not more
    changed = (tmp_path / "out" / name).stat().st_mtime_ns
    second = render()
    assert second.returncode == 0
    assert "1 there already" in second.stdout
    assert "Starting" not in second.stdout
    assert (tmp_path / "out" / name).stat().st_mtime_ns == changed
