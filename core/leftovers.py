"""Files of ours that may go: what a killed process left half-written, and the oldest of what is kept for speed."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import stat
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

LEFT_AFTER_SECONDS = 3600
MOST_ENTRIES = 500_000
PARTIAL = re.compile(
    r"\.upload-[a-z0-9_]{8}\.part"  # server/upload_routes.py
    r"|\..+\.[0-9a-f]{8}\.part",  # core/clip/mux.py, core/samples.py, core/audio/trim.py
    re.DOTALL,
)


class Kind(NamedTuple):
    """Left-overs to look for: files of ``folder`` whose whole name ``names`` matches."""

    folder: Path
    names: re.Pattern[str]
    deep: bool = True  # in its subfolders too


def sweep_in_background(kinds: Iterable[Kind]) -> threading.Thread:
    """Sweep now, and once more when what was too young now is old enough; in a thread that nothing waits for."""
    kinds = list(kinds)

    def sweep_twice() -> None:
        sweep(kinds)
        time.sleep(LEFT_AFTER_SECONDS + 60)
        sweep(kinds)

    thread = threading.Thread(target=sweep_twice, name="sound_to_video_sweep", daemon=True)
    thread.start()
    return thread


def sweep(kinds: Iterable[Kind], now: float | None = None) -> list[Path]:
    """Remove left-overs that nobody has written to for an hour; the files removed.

    Links are neither followed nor removed. What cannot be removed stays.
    """
    oldest_kept = (time.time() if now is None else now) - LEFT_AFTER_SECONDS
    removed = []
    for kind in kinds:
        for entry in _entries(kind.folder, kind.deep):
            if not kind.names.fullmatch(entry.name):
                continue
            with contextlib.suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode) and status.st_mtime < oldest_kept:
                    os.unlink(entry.path)
                    removed.append(Path(entry.path))
    if removed:
        logging.info("Sound to Video: removed %d unfinished files of a run that was ended.", len(removed))
    return removed


def _entries(folder: Path, deep: bool) -> Iterator[os.DirEntry[str]]:
    """The entries of a folder that are no folders; at most ``MOST_ENTRIES`` are looked at."""
    waiting, seen = [str(folder)], 0
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    seen += 1
                    if seen > MOST_ENTRIES:
                        return
                    if not entry.is_dir(follow_symlinks=False):
                        yield entry
                    elif deep and not getattr(entry, "is_junction", bool)():
                        waiting.append(entry.path)
        except OSError:  # it is not there, or not ours to look into
            continue


def drop_oldest(folder: Path, names: re.Pattern[str], most_bytes: int, keep: Collection[Path] = ()) -> None:
    """Remove the plain files of ``folder`` named so that were used longest ago, until the rest fit ``most_bytes``.

    Those of ``keep`` stay. Raises OSError where the folder cannot be read; what goes away meanwhile, or cannot be
    removed, is passed over.
    """
    files = []
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if names.fullmatch(entry.name) and stat.S_ISREG(status.st_mode):
                    files.append((status.st_mtime, status.st_size, Path(entry.path)))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= most_bytes:
            return
        if path not in keep:
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size
