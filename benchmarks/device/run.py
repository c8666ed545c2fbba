"""The one command on the machine with the GPU (standard library only until a measure begins).

    python3 run.py --out FOLDER              everything that fits into --minutes
    python3 run.py --out FOLDER wan ltx      some measures, in this order
    python3 run.py --out FOLDER --tiny       the rehearsal: the same path at tiny sizes on the CPU

Every measure runs in a process of its own, prints as it goes, and each row is written to FOLDER/rows.jsonl and
FOLDER/table.md as soon as it is known: a run that is cut still tells.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import threading
import time
import types
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULT = "ROW "
# What ComfyUI's requirements bring, a machine with PyTorch alone lacks, and the measures do without.
LACKING = ("alembic", "sqlalchemy", "pydantic", "pydantic_settings", "simpleeval", "blake3", "kornia", "spandrel")
LACKING += ("comfyui_frontend_package", "comfyui_workflow_templates", "comfyui_embedded_docs", "OpenGL", "glfw")
LACKING += ("librosa", "soundfile", "playwright")
# name: (module.function of this folder, options, seconds after which it is stopped); in the order of their worth
MEASURES: dict[str, tuple[str, dict[str, Any], int]] = {
    "wan": ("sampling.wan", {}, 120),
    "resume-dynamic": ("sampling.resume", {"dynamic": True}, 90),
    "resume-legacy": ("sampling.resume", {"dynamic": False}, 90),
    "decode-wan": ("decoding.wan", {}, 90),
    "decode-ltx": ("decoding.ltx", {}, 120),
    "to-file": ("decoding.to_file", {}, 60),
    "ltx": ("sampling.ltx", {"frames": 121}, 120),
    "small": ("small.quick_start", {}, 90),
    "audio-encode": ("listening.crowded", {}, 90),
    "gguf": ("layers.gguf", {}, 60),
    "wan-fp8-lora": ("sampling.wan", {"weights": "fp8+lora"}, 120),
    "wan-fp8": ("sampling.wan", {"weights": "fp8"}, 120),
    "ltx-fp8": ("sampling.ltx", {"frames": 121, "weights": "fp8"}, 120),
    "ltx-20s": ("sampling.ltx", {"frames": 481}, 180),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help=f"of {', '.join(MEASURES)}")
    parser.add_argument("--out", type=Path, default=Path("device-results"))
    parser.add_argument("--minutes", type=float, default=9.0, help="no measure is begun or goes on after that")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        return run_one(arguments.one, arguments.tiny)
    unknown = set(arguments.measures) - set(MEASURES)
    if unknown:
        parser.error(f"there is no measure {', '.join(sorted(unknown))}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * arguments.minutes
    table = Table(arguments.out)
    failed = 0
    for name in arguments.measures or MEASURES:
        seconds = min(MEASURES[name][2], end - time.monotonic())
        if seconds < 5:
            table.add({"what": name, "ours": "no time left: not measured"})
            continue
        failed += not follow(name, seconds, arguments.tiny, table)
    print(table.path.read_text("utf-8"), flush=True)
    return 1 if failed or table.wrong else 0


class Table:
    """Rows as they come, in two files."""

    def __init__(self, folder: Path):
        self.path, self.rows_path = folder / "table.md", folder / "rows.jsonl"
        self.wrong = 0
        self._lines = [f"{date.today()}, {machine()}", "", "| | Ours | Theirs | Ours / theirs |", "|---|---|---|---|"]
        self.rows_path.write_text("", "utf-8")
        self._write()

    def add(self, row: dict[str, Any]) -> None:
        self.wrong += row.get("right") is False
        cells = [str(row.get(name, "")) for name in ("what", "ours", "theirs", "ratio")]
        self._lines.append(f"| {' | '.join(cells)} |")
        print(self._lines[-1], flush=True)
        with self.rows_path.open("a", encoding="utf-8") as rows:
            rows.write(json.dumps(row) + "\n")
        self._write()

    def _write(self) -> None:
        self.path.write_text("\n".join(self._lines) + "\n", "utf-8")


def follow(name: str, seconds: float, tiny: bool, table: Table) -> bool:
    """Run a measure in a process of its own, its rows into the table, all else that it prints to the console."""
    print(f"== {name}", flush=True)
    started = time.monotonic()
    command = [sys.executable, "-u", __file__, "--one", name, *(["--tiny"] if tiny else [])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    cut = threading.Timer(seconds, process.kill)
    cut.start()
    last = ""
    for line in process.stdout:
        if line.startswith(RESULT):
            table.add(json.loads(line.removeprefix(RESULT)))
        elif line.strip() and "\r" not in line:
            last = line.strip()
            print(f"   {last[:300]}", flush=True)
    code = process.wait()
    timed_out = not cut.is_alive()
    cut.cancel()
    if code:
        why = f"stopped after {seconds:.0f} s" if timed_out else f"failed: {last[:300]}"
        table.add({"what": name, "ours": why, "right": False})
    print(f"== {name}: {time.monotonic() - started:.0f} s", flush=True)
    return code == 0


def run_one(name: str, tiny: bool) -> int:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]
    package = types.ModuleType("sound_to_video")
    package.__path__ = [str(ROOT)]
    sys.modules["sound_to_video"] = package
    if os.environ.get("ONLY_WHAT_TRAVELS"):
        sys.meta_path.insert(0, OnlyWhatTravels())
    place, options, _ = MEASURES[name]
    module, function = place.rsplit(".", 1)
    measure = getattr(importlib.import_module(f"sound_to_video.benchmarks.device.{module}"), function)
    for row in measure(tiny=tiny, **options):
        print(RESULT + json.dumps(row.as_dict()), flush=True)
    return 0


class OnlyWhatTravels:
    """For the rehearsal: what the other machine lacks is not found, installed or not."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name in LACKING:
            raise ModuleNotFoundError(f"{name} is not on the machine that this is a rehearsal for", name=name)


def machine() -> str:
    """Card, driver, torch: ``NVIDIA H100 80GB HBM3, driver 580.159, torch 2.11.0, Python 3.12.3``."""
    code = (
        "import torch;"
        "print(torch.cuda.get_device_name() if torch.cuda.is_available() else 'no GPU', '|', torch.__version__)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip()
    card, _, torch_version = told.partition(" | ")
    try:
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        driver = f", driver {subprocess.run(query, capture_output=True, text=True).stdout.split()[0]}"
    except (OSError, IndexError):
        driver = ""
    return f"{card}{driver}, torch {torch_version}, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
