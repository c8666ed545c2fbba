"""The measures for a GPU, rehearsed at tiny size on the CPU, with nothing but what such a machine has."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN = ROOT / "benchmarks" / "device" / "run.py"
# One of each module, and both ways of the weights; `run.py --tiny` rehearses all of them.
REHEARSED = ("wan-fp8-lora", "resume-legacy", "ltx", "decode-wan", "to-file", "small")


@pytest.mark.slow
def test_the_rehearsal_measures_every_row(tmp_path):
    environment = {**os.environ, "ONLY_WHAT_TRAVELS": "1"}
    command = [sys.executable, str(RUN), "--tiny", "--out", str(tmp_path), "--minutes", "8", *REHEARSED]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:]
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text("utf-8").splitlines()]
    assert all(row["right"] is not False for row in rows)
    text = (tmp_path / "table.md").read_text("utf-8")
    for part in (
        "a step",
        "the model's key",
        "run again with all of it kept",
        "stopped in the third segment",
        "decoded",
    ):
        assert part in text
    assert "no CUDA device: not measured" in text, "what the CPU cannot tell is called so"


@pytest.mark.slow
def test_a_row_stands_in_the_table_before_the_next_is_measured(tmp_path):
    sys.path.insert(0, str(ROOT))
    try:
        from benchmarks.device.run import Table
    finally:
        sys.path.remove(str(ROOT))
    table = Table(tmp_path)
    table.add({"what": "a step", "ours": "1 s", "theirs": "core 1 s", "ratio": "1.0"})
    assert "| a step | 1 s | core 1 s | 1.0 |" in (tmp_path / "table.md").read_text("utf-8")
    assert json.loads((tmp_path / "rows.jsonl").read_text("utf-8"))["what"] == "a step"
