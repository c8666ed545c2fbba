"""How far `render.py --ray` scales: a simulation of 1 to 1000 workers, with our own cost per job.

    python benchmarks/many_machines.py                          the table, with costs that are assumed
    python benchmarks/many_machines.py --measure http://HOST    measure them first, on a ComfyUI that runs (Ray)

The simulation knows four queues: the driver (one thread that hands out and takes in), the head's network (files in
Ray's object store pass through it), the shared disk, and each worker, with two jobs in flight. Nothing else is slow in
it; real networks are slower than their label.
"""

from __future__ import annotations

import argparse
import heapq
import io
import itertools
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

IN_FLIGHT = 2
WORKERS = (1, 10, 100, 1000)
JOBS_A_WORKER = 12


@dataclass(frozen=True)
class Costs:
    """Seconds of a job. driver: of the driver's thread.  around: between submit and start, finish and known, together,
    in the actor; hidden behind the job before where the worker has two."""

    driver: float = 0.004
    around: float = 0.022


@dataclass(frozen=True)
class Case:
    """sampling: seconds on the GPU.  files, clip: bytes of a job.  bandwidth: of the one way they go, bytes/s."""

    name: str
    sampling: float
    files: float
    clip: float
    bandwidth: float


FRAME = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}},
    "2": {
        "class_type": "SoundToVideo_MuxAudioVideo",
        "inputs": {
            "video": ["1", 0],
            "format": "mp4 (H.264)",
            "quality": "high",
            "filename_prefix": "frame",
            "frame_rate": 16.0,
        },
    },
}

CASES = (
    Case("5 s clip, 60 s of sampling, object store over 10 Gbit/s", 60, 2e6, 6e6, 1.1e9),
    Case("the same, shared disk of 300 MB/s", 60, 2e6, 6e6, 3e8),
    Case("preview, 3 s of sampling, object store over 10 Gbit/s", 3, 2e6, 1e6, 1.1e9),
    Case("the same, object store over 1 Gbit/s", 3, 2e6, 1e6, 1.1e8),
    Case("preview, 0.3 s of sampling, object store over 10 Gbit/s", 0.3, 2e6, 1e6, 1.1e9),
)


def throughput(case: Case, costs: Costs, workers: int) -> float:
    """Jobs a second, from the first submit to the last clip, by simulating each event."""
    total = workers * JOBS_A_WORKER
    driver_free = network_free = 0.0
    gpu_free = [0.0] * workers
    order = itertools.count()
    events: list[tuple[float, int, str, int]] = []
    given = done = 0
    now = 0.0
    ready = [worker for _ in range(IN_FLIGHT) for worker in range(workers)]

    def give(worker: int) -> None:
        nonlocal given, driver_free
        given += 1
        driver_free = max(driver_free, now) + costs.driver / 2
        heapq.heappush(events, (driver_free, next(order), "sent", worker))

    for worker in ready[:total]:
        give(worker)
    while done < total:
        now, _, what, worker = heapq.heappop(events)
        if what == "sent":
            network_free = max(network_free, now) + case.files / case.bandwidth
            heapq.heappush(events, (network_free + costs.around / 2, next(order), "arrived", worker))
        elif what == "arrived":
            gpu_free[worker] = max(gpu_free[worker], now) + case.sampling
            heapq.heappush(events, (gpu_free[worker], next(order), "sampled", worker))
        elif what == "sampled":
            network_free = max(network_free, now) + case.clip / case.bandwidth
            heapq.heappush(events, (network_free + costs.around / 2, next(order), "known", worker))
        else:
            driver_free = max(driver_free, now) + costs.driver / 2
            done += 1
            if given < total:
                give(worker)
    return total / max(now, driver_free)


def long_clip(shots: int, workers: int, seconds_a_shot: float, decoding: float, costs: Costs) -> float:
    """Speed-up of a clip of equal shots by parts on workers, decoded by one of them."""
    parts = min(shots, workers)
    alone = shots * seconds_a_shot + decoding + costs.around
    together = -(-shots // parts) * seconds_a_shot + decoding + 2 * costs.around + (parts + 1) * costs.driver
    return alone / together


def table(costs: Costs) -> str:
    head = " | ".join(f"{workers} worker{'s' if workers > 1 else ''}" for workers in WORKERS)
    lines = [f"| Clips an hour (share of the ideal) | {head} |", "|---" * (len(WORKERS) + 1) + "|"]
    for case in CASES:
        cells = []
        for workers in WORKERS:
            rate = throughput(case, costs, workers)
            cells.append(f"{rate * 3600:.0f} ({rate * case.sampling / workers:.0%})")
        lines.append(f"| {case.name} | {' | '.join(cells)} |")
    lines += ["", "| One clip of 40 shots of 60 s, decoded in 30 s | Speed-up |", "|---|---|"]
    for workers in (1, 2, 4, 10, 40):
        lines.append(f"| {workers} worker{'s' if workers > 1 else ''} | {long_clip(40, workers, 60, 30, costs):.1f} |")
    return "\n".join(lines)


def measure(url: str, runs: int, address: str) -> Costs:
    """Our cost on top of the same prompt sent by hand, both to one ComfyUI, in turns; medians.

    The prompt writes a clip of one grey frame, so that nearly all of its time is what is around the work.
    """
    import ray

    from farm.board import Board
    from farm.client import Client
    from farm.comfyui import RemoteComfyUI
    from farm.jobs import Prompts, make_jobs
    from farm.on_ray import Cluster
    from farm.results import Results
    from farm.rows import Row

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "frame.json").write_text(json.dumps(FRAME), "utf-8")
        values = {"workflow": "frame.json"}
        rows = [Row(line, {**values, "color": line, "out": f"c{line}"}) for line in range(1, 2 * runs + 3)]
        jobs = make_jobs(rows, Path(folder), Path(folder), None, None)
        results, board = Results(Path(folder)), Board(jobs, stream=io.StringIO())
        by_hand, by_ours = [], []
        server = RemoteComfyUI(url)
        with Cluster(address, gpus=0, servers=(url,)).workers_for(jobs, board) as workers:
            prompts = Prompts(workers.object_info())
            for index, job in enumerate(jobs):
                began = time.perf_counter()
                if index % 2:
                    workers.do([job], prompts, results, 1)
                    by_ours.append(time.perf_counter() - began)
                else:
                    prompt = prompts.of(job)
                    for name, path in prompt.files.items():
                        server.put(name, path)
                    began = time.perf_counter()
                    with Client(url) as client:
                        client.run(prompt.prompt)
                    by_hand.append(time.perf_counter() - began)
            if bad := [ended.why for ended in board.ended.values() if ended.state == "failed"]:
                raise SystemExit(f"{len(bad)} jobs failed: {bad[0]}")
            begun = time.perf_counter()
            for job in jobs:
                prompts.of(job)
            making = (time.perf_counter() - begun) / len(jobs)
        ray.shutdown()
    around = statistics.median(by_ours[1:]) - statistics.median(by_hand[1:])
    print(f"by hand {statistics.median(by_hand[1:]) * 1e3:.0f} ms, ours {statistics.median(by_ours[1:]) * 1e3:.0f} ms:")
    print(f"{around * 1e3:.0f} ms a job around it; {making * 1e3:.1f} ms of the driver to make a prompt\n")
    return Costs(driver=max(making * 2, 0.002), around=max(0.0, around))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", metavar="URL")
    parser.add_argument("--ray", metavar="ADDRESS", default="local", help="of a cluster that runs, to measure on")
    parser.add_argument("--runs", type=int, default=20)
    asked = parser.parse_args()
    costs = measure(asked.measure, asked.runs, asked.ray) if asked.measure else Costs()
    print(table(costs))


if __name__ == "__main__":
    main()
