"""Clips in the output folder: whole or not at all, and known again."""

from pathlib import Path

import pytest

from farm.board import Board, in_words
from farm.errors import JobFailed
from farm.jobs import Job
from farm.results import Results


def job(name: str = "night/clip", digest: str = "d", line: int = 2) -> Job:
    return Job(line, name, Path("w.json"), {}, Path(), digest)


def test_a_clip_counts_as_long_as_it_is_what_was_made(tmp_path):
    results = Results(tmp_path)
    assert not results.is_done(job())
    (clip,) = results.keep(job(), [(".mp4", b"film")])
    assert clip == tmp_path / "night" / "clip.mp4"
    assert results.is_done(job())
    assert not results.is_done(job(digest="other"))
    clip.write_bytes(b"fil")
    assert not results.is_done(job())


def test_nothing_half_written_where_the_source_fails(tmp_path):
    results = Results(tmp_path)
    with pytest.raises(JobFailed, match="could not be kept"):
        results.keep(job(), [(".mp4", tmp_path / "gone.mp4")])
    assert not (tmp_path / "night" / "clip.mp4").exists()
    assert not results.is_done(job())
    assert not list((tmp_path / ".render" / "partial").iterdir())


def test_several_files_of_one_job(tmp_path):
    results = Results(tmp_path)
    kept = results.keep(job("a"), [(".mp4", b"one"), (".webm", b"two")])
    assert [path.name for path in kept] == ["a.mp4", "a_2.webm"]
    kept[1].unlink()
    assert not results.is_done(job("a"))


def test_a_damaged_mark_is_no_mark(tmp_path):
    results = Results(tmp_path)
    results.keep(job("a"), [(".mp4", b"one")])
    for content in ("", "[]", "{}", '{"digest": "d", "files": 1}'):
        (tmp_path / ".render" / "done" / "a.json").write_text(content)
        assert not results.is_done(job("a"))


def test_the_table_counts_every_row(tmp_path, capsys):
    jobs = [job(name, line=line) for line, name in enumerate(("a", "b", "c", "d"), 2)]
    board = Board(jobs)
    board.there_already(jobs[:1])
    board.under_way(jobs[1], "S2V Sampler 1/8")
    board.done(jobs[1], "here", resumed=2)
    assert not board.all_well
    board.failed(jobs[2], "Load Audio: it is no sound.")
    table = board.table()
    for part in ("4 clips", "1 there already", "1 resumed", "1 failed", "1 not done", "line 4, c: Load Audio: it is"):
        assert part in table
    assert "[2/4] resumed b" in capsys.readouterr().out


def test_times_in_words():
    assert [in_words(seconds) for seconds in (0.4, 59.6, 3599, 3600, 7500)] == [
        *("0 s", "1 min 00 s", "59 min 59 s", "1 h 00 min", "2 h 05 min")
    ]
