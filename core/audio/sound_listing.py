"""The sounds in a folder and its subfolders, found without holding anybody up."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..errors import is_encodable
from .sound_endings import may_hold_sound

MOST_NAMES = 20_000
MOST_FOLDERS = 10_000
MOST_ENTRIES = 1_000_000
WAIT_SECONDS = 2.0
WAIT_SECONDS_ON_A_LOOP = 0.04
SETTLED_SECONDS = 3.0  # FAT notes changes to 2 s


class _Folder(NamedTuple):
    """What one folder held when it was looked at."""

    changed_ns: int
    looked_at: float
    sounds: list[str]
    folders: list[str]
    entries: int


class SoundListing:
    """The names of a folder's sounds as ``folder/name``, sorted; asked for at each validation of a prompt.

    Offered are plain files that ``core/audio/sound_endings.py`` names, whose own name is UTF-8 (others could be neither
    shown nor saved in a workflow), and links to such files inside the folder. Left out are hidden ones, and folders
    behind links: what they hold is listed where it really is, or is outside and would be refused.

    A folder is read again only when its time of change says so. The looking is done in a thread of its own. Who asks
    waits for it only a moment, and less on an event loop; a slow disk or a million files make the list come later.
    """

    def __init__(self, most_names: int = MOST_NAMES, may_hold: Callable[[str], bool] = may_hold_sound):
        self._most_names = most_names
        self._may_hold = may_hold
        self._known: dict[Path, dict[str, _Folder]] = {}
        self._names: dict[Path, list[str]] = {}
        self._looking: dict[Path, threading.Event] = {}
        self._lock = threading.Lock()
        self._warned: set[str] = set()

    def names(self, folder: Path) -> list[str]:
        with self._lock:
            done = self._looking.get(folder)
            begun = done is None
            if done is None:
                done = self._looking[folder] = threading.Event()
        if begun:
            threading.Thread(target=self._look, args=(folder, done), name="sound_to_video_list", daemon=True).start()
            done.wait(WAIT_SECONDS_ON_A_LOOP if _is_on_a_loop() else WAIT_SECONDS)
        return list(self._names.get(folder, []))

    def _look(self, folder: Path, done: threading.Event) -> None:
        try:
            self._names[folder] = self._walked(folder)
        except Exception:
            logging.exception("Sound to Video: the sounds of %s cannot be listed", ascii(str(folder)))
        finally:
            with self._lock:
                self._looking.pop(folder, None)
            done.set()

    def _walked(self, folder: Path) -> list[str]:
        before, now_known = self._known.get(folder, {}), {}
        root = os.path.realpath(folder)
        waiting, names, seen, entries = [""], [], set(), 0
        while waiting:
            inner = waiting.pop()
            place = os.path.join(root, inner)
            try:
                status = os.stat(place)
                if (status.st_dev, status.st_ino) in seen or (sys.platform == "win32" and not _is_inside(root, place)):
                    continue  # a junction to where we were, or to outside
                seen.add((status.st_dev, status.st_ino))
                known = before.get(inner)
                if known is None or known.changed_ns != status.st_mtime_ns or not _is_settled(known):
                    known = self._read(root, place, status.st_mtime_ns)
            except OSError:  # it has gone, or is not ours to look into
                continue
            now_known[inner] = known
            entries += known.entries
            names += [os.path.join(inner, name) for name in known.sounds]
            waiting += [os.path.join(inner, name) for name in known.folders]
            if len(names) > self._most_names or len(seen) >= MOST_FOLDERS or entries > MOST_ENTRIES:
                self._say_once(f"the input folder holds too much to list all of it: {len(names)} sounds were found")
                break
        self._known[folder] = now_known
        return sorted(name.replace(os.sep, "/") for name in names[: self._most_names])

    def _read(self, root: str, place: str, changed_ns: int) -> _Folder:
        looked_at, sounds, folders, count, odd = time.time(), [], [], 0, 0
        with os.scandir(place) as entries:
            for entry in entries:
                count += 1
                if count > MOST_ENTRIES:
                    break
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                elif self._may_hold(entry.name) and entry.is_file() and self._is_ours(root, entry):
                    sounds.append(entry.name)
        for names in (sounds, folders):
            odd += len(names)
            names[:] = [name for name in names if is_encodable(name)]
            odd -= len(names)
        if odd:
            self._say_once(
                f"{odd} names in {os.path.basename(place)!a} are not UTF-8 and not offered. Rename the files"
            )
        return _Folder(changed_ns, looked_at, sounds, sorted(folders, reverse=True), count)

    def _is_ours(self, root: str, entry: os.DirEntry[str]) -> bool:
        return not entry.is_symlink() or _is_inside(root, entry.path)

    def _say_once(self, sentence: str) -> None:
        if sentence not in self._warned:
            self._warned.add(sentence)
            logging.warning("Sound to Video: %s.", sentence)


def _is_inside(root: str, place: str) -> bool:
    try:
        return os.path.commonpath((root, os.path.realpath(place))) == root
    except ValueError:  # another drive
        return False


def _is_settled(known: _Folder) -> bool:
    """Whether a change after the look would show in the folder's time: not if that time was still running."""
    return known.looked_at - known.changed_ns / 1e9 > SETTLED_SECONDS


def _is_on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
