"""What training shows: a line that moves, a log that stays, pictures to look at."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed
from PIL import Image

from .processes import PROCESS, PROCESSES


class Clock:
    """How far a run is. ``hours``: when it stops by itself; ``total``: the steps of the whole training."""

    def __init__(self, hours: float, total: int, done: int):
        self.started, self.hours, self.total, self.first = time.monotonic(), hours, total, done

    def minutes(self) -> float:
        return (time.monotonic() - self.started) / 60

    def going(self) -> bool:
        """Whether there is time left; of several processes the first one's clock counts."""
        left = torch.tensor(60 * self.hours - self.minutes())
        if PROCESSES > 1:
            torch.distributed.broadcast(left, 0)
        return bool(left > 0)

    def tick(self, step: int, text: str) -> None:
        if PROCESS or not sys.stderr.isatty():
            return
        share = step / self.total
        each = self.minutes() * 60 / max(1, step - self.first)
        bar = "#" * int(30 * share)
        left = each * (self.total - step) / 60
        print(
            f"\r[{bar:30}] {step}/{self.total} {each:.2f} s/step, {left:.0f} min left, {text}  ",
            end="",
            file=sys.stderr,
        )

    def say(self, text: str) -> None:
        if not PROCESS:
            print(f"\r{self.minutes():6.1f} min  {text}", flush=True)


def sheet(path: Path, clips: torch.Tensor) -> None:
    """Write clips ``[n, 3, frames, height, width]`` in -1..1 as a picture, a clip to a row."""
    rows = ((clips.clamp(-1, 1) + 1) * 127.5).byte().permute(0, 3, 2, 4, 1).cpu().numpy()
    Image.fromarray(np.concatenate([row.reshape(row.shape[0], -1, 3) for row in rows])).save(path)


def curve_picture(path: Path, images: torch.Tensor) -> None:
    """Write images ``[n, height, width]`` of any range, one below the other, low rows at the bottom."""
    flat = images.flip(1).reshape(-1, images.shape[2]).float()
    scaled = (flat - flat.min()) / (flat.max() - flat.min() + 1e-9)
    Image.fromarray((scaled * 255).byte().cpu().numpy()).save(path)


def save(path: Path, **state: Any) -> None:
    """Write ``state`` whole or not at all."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)
