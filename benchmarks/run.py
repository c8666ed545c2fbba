"""Our nodes against the host's and the ffmpeg command line, on this machine: a table in Markdown.

    python dev.py benchmark              everything (about half an hour on two cores)
    python dev.py benchmark sound clips  some parts: sound, clips, memory, footage, sampling, drift, operations
    python dev.py benchmark --runs 1     a quick look: one run where it else takes the median of three

Every measure runs in a fresh process. The table also goes to .dev/benchmarks/table.md.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import os
import platform
import shutil
import sys
import types
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
package = types.ModuleType("sound_to_video")
package.__path__ = [str(ROOT)]
sys.modules.setdefault("sound_to_video", package)

from sound_to_video.benchmarks.device.pack import pack  # noqa: E402
from sound_to_video.benchmarks.operations import PEAKS  # noqa: E402
from sound_to_video.benchmarks.process import RESULT, in_a_fresh_process  # noqa: E402

Row = tuple[str, str, str, str]  # what, ours, theirs, ratio
MEGABYTE = 1e6


def middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def times(factor: float) -> str:
    return f"{factor:.2f}" if factor < 10 else f"{factor:.0f}"


def sound(runs: int) -> Iterator[Row]:
    found = {who: [in_a_fresh_process("audio.load_and_trim", who=who) for _ in range(runs)] for who in ("ours", "core")}
    for key, what in (("first_seconds", "never opened before"), ("again_seconds", "opened before")):
        ours, core = (middle([run[key] for run in found[who]]) for who in ("ours", "core"))
        yield f"10 s out of a one-hour MP3, {what}", f"{ours:.2f} s", f"core {core:.1f} s", f"1/{times(core / ours)}"
    ours, core = (middle([run["bytes"] for run in found[who]]) / MEGABYTE for who in ("ours", "core"))
    yield "the same, peak memory", f"{ours:.0f} MB", f"core {core:.0f} MB", f"1/{times(core / ours)}"
    found = {who: [in_a_fresh_process("audio.encode", who=who, seconds=6) for _ in range(runs)] for who in found}
    ours, core = (middle([run["cpu_seconds"] for run in found[who]]) for who in ("ours", "core"))
    yield "wav2vec2 large over 6 s, CPU seconds", f"{ours:.1f} s", f"core {core:.1f} s", times(ours / core)
    ours, core = (found[who][0]["kept_bytes"] / 6 / MEGABYTE for who in ("ours", "core"))
    yield "features kept, a second of sound", f"{ours:.1f} MB", f"core {core:.1f} MB", f"1/{times(core / ours)}"


def clips(runs: int) -> Iterator[Row]:
    found = in_a_fresh_process("clips.speed", frame_count=48, runs=runs)
    names = {"mux": "frames that lie ready", "decode": "the VIDEO decoded on the way"}
    for pair in ("mux ffmpeg", "mux core", "decode ffmpeg"):
        if pair not in found:
            yield f"832x480 to H.264: {pair}", "", "skipped: no ffmpeg on this machine", ""
            continue
        part, other = pair.split()
        rounds = list(zip(found[f"{part} ours"], found[pair], strict=True))
        for clock, unit in (("fps", "frames/s"), ("cpu_fps", "frames per CPU second")):
            ours, theirs = (middle([turn[who][clock] for turn in rounds]) for who in (0, 1))
            ratio = middle([turn[0][clock] / turn[1][clock] for turn in rounds])
            what = f"832x480 to H.264, {names[part]}, {unit}"
            yield (
                what,
                f"{ours:.1f}",
                f"{'Save Video, its own quality,' if other == 'core' else 'ffmpeg'} {theirs:.1f}",
                times(ratio),
            )


def memory(runs: int) -> Iterator[Row]:
    first = None
    for seconds in (10, 60, 600):
        found = in_a_fresh_process("clips.memory", seconds=seconds)
        peak, raw = found["bytes"] / MEGABYTE, found["raw_bytes"] / MEGABYTE
        first = peak if first is None else first
        what = f"{seconds} s of 832x480 from VIDEO to file, peak memory"
        yield what, f"{peak:.0f} MB ({peak - first:+.0f})", f"all frames {raw:.0f} MB", f"1/{times(raw / peak)}"


def sampling(runs: int) -> Iterator[Row]:
    found = in_a_fresh_process("sampling.overhead", width=832, height=480, runs=runs)
    what = "Wan2.2-S2V segment of 832x480x80 without its network"
    for key, kept in (("", "segments not kept"), ("kept_", "segments kept on disk")):
        ours = f"+{found[f'{key}ms']:.0f} ms ({found[f'{key}cpu_ms']:.0f} ms of CPU)"
        yield f"{what}, {kept}", ours, "core's KSampler +0", ""
    yield "once a clip: the small model's key", f"{found['model_key_ms']:.0f} ms", "", ""
    found = in_a_fresh_process("sampling.key_of_a_large_model")
    yield f"once a clip: the key of a model with {found['entries']} entries", f"{found['ms']:.0f} ms", "", ""
    found = in_a_fresh_process("sampling.resumed", size=64)
    equal = "equal to the bit" if found["equal"] else "NOT EQUAL"
    what = f"six segments, stopped in the last: run again ({found['found']} found, {equal})"
    yield (
        what,
        f"{found['again']:.2f} s",
        f"from the start {found['whole']:.2f} s",
        times(found["again"] / found["whole"]),
    )


def drift(runs: int) -> Iterator[Row]:
    for model, correction in itertools.product(("ltx", "wan"), (0, 1)):
        name = f"small random {model.upper()}, 3 min, drift_correction {correction}"
        found = in_a_fresh_process("sampling.drift", model=model, seconds=180, size=64, correction=correction)
        for part in ("first", "last"):
            colour = f"colour off by {found[f'{part}_colour']:.1f} of 255"
            contrast = f"contrast {found[f'{part}_contrast']:.3f} of the picture's"
            yield f"{name}, {part} 5 s", colour, contrast, ""
        wander = f"colour {found['wander']:.2f} of 255, contrast {100 * found['contrast_wander']:.1f} %"
        yield f"{name}, segments from the first, on average", wander, "", ""


def operations(runs: int) -> Iterator[Row]:
    """What can be told without a GPU; what a GPU tells: benchmarks/device."""
    for counted in in_a_fresh_process("operations.least_operations")["steps"]:
        bounds = [f"{name} {counted['operations'] / peak:.1f} s" for name, peak in PEAKS.items()]
        least = f"{counted['operations'] / 1e15:.2f} P operations"
        yield f"{counted['what']}: a step at its shortest (computed, not measured)", least, ", ".join(bounds), ""


def footage(runs: int) -> Iterator[Row]:
    first = None
    for seconds, length in ((10, "10 s"), (600, "10 min")):
        peak = in_a_fresh_process("footage.memory", seconds=seconds)["bytes"] / MEGABYTE
        first = peak if first is None else first
        what = f"{length} of 1080p footage, its mouth by a stub of the network, to the file: peak memory"
        yield what, f"{peak:.0f} MB ({peak - first:+.0f})", "", ""
    if shutil.which("ffmpeg") is None:
        yield "1080p footage to the file", "", "skipped: no ffmpeg on this machine", ""
        return
    rounds = in_a_fresh_process("footage.speed", seconds=20, runs=runs)["rounds"]
    for ours, theirs, what in (
        ("ours", "ffmpeg", "20 s of the same, looked through, read, set in and written, frames/s"),
        ("writing", "ffmpeg", "the same, set in and written alone, frames/s"),
        ("ours_cpu", "ffmpeg_cpu", "the same, all of it, frames per CPU second"),
    ):
        ratio = middle([turn[ours] / turn[theirs] for turn in rounds])
        mine, others = (middle([turn[key] for turn in rounds]) for key in (ours, theirs))
        yield what, f"{mine:.1f}", f"ffmpeg, decoding and encoding, {others:.1f}", times(ratio)


PARTS: dict[str, Callable[[int], Iterator[Row]]] = {
    part.__name__: part for part in (sound, clips, memory, footage, sampling, drift, operations)
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all where none is named")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--pack", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        module, function = arguments.measure.rsplit(".", 1)
        measure = getattr(importlib.import_module(f"sound_to_video.benchmarks.{module}"), function)
        print(RESULT + json.dumps(measure(**json.loads(arguments.parts[0]))))
        return 0
    if arguments.pack:
        for path in sorted(pack().glob("*.*")):
            print(f"{path.relative_to(ROOT)}: {path.stat().st_size / MEGABYTE:.1f} MB")
        return 0
    unknown = set(arguments.parts) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    table = ROOT / ".dev" / "benchmarks" / "table.md"
    table.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{date.today()}, {machine()}", "", "| | Ours | Theirs | Ours / theirs |", "|---|---|---|---|"]
    print("\n".join(lines), flush=True)
    failed = 0
    for name in arguments.parts or PARTS:
        try:
            for row in PARTS[name](arguments.runs):
                lines.append(f"| {' | '.join(row)} |")
                print(lines[-1], flush=True)
                table.write_text("\n".join(lines) + "\n", encoding="utf-8")
        except RuntimeError as error:
            print(error, file=sys.stderr)
            failed = 1
    return failed


def machine() -> str:
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{os.cpu_count()} CPU cores, {gpu}, Python {platform.python_version()}, torch {torch.__version__}"


if __name__ == "__main__":
    sys.exit(main())
