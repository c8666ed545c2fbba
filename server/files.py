"""Which files the routes may touch."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

import folder_paths
from aiohttp import web

from ..core.audio.sound_endings import may_hold_sound
from ..core.audio.widget_sounds import write_offered
from ..core.errors import is_encodable
from .answers import refusal
from .workers import in_thread, opening, quick

FOLDERS = ("input", "output", "temp")
MOST_PART_BYTES = 255
MOST_DEPTH = 32

StatKey = tuple[str, int, int]


class SoundFile(NamedTuple):
    """A file that may be read, and as what it was found."""

    path: Path
    key: StatKey

    @property
    def stamp(self) -> str:
        """Changes when the file does; short and plain, for an address."""
        _, size, changed = self.key
        return f"{size:x}-{changed:x}"


def folder_of(kind: str) -> Path:
    """The host's input, output or temp folder.

    Raises web.HTTPBadRequest: any other kind.
    """
    if kind not in FOLDERS:
        raise refusal(400, f"the folder must be one of {', '.join(FOLDERS)}, not {kind[:40]!r}.")
    directory = folder_paths.get_directory_by_type(kind)
    if directory is None:
        raise refusal(404, f"there is no {kind} folder.")
    return Path(directory)


def checked_parts(name: str) -> tuple[str, ...]:
    """The parts of a relative file name with ``/`` between folders.

    Raises web.HTTPBadRequest: empty, absolute, with a drive, a backslash, a null byte or ``..`` in it, or longer than a
        file system takes (``MOST_PART_BYTES`` each, ``MOST_DEPTH`` of them).
    """
    parts = tuple(name.split("/"))
    dangerous = any(part in ("", ".", "..") or part.endswith((" ", ".")) or ":" in part for part in parts)
    if dangerous or "\\" in name or any(ord(letter) < 32 for letter in name) or not is_encodable(name):
        raise refusal(400, f"{name[:200]!r} is not the name of a file inside the folder.")
    if len(parts) > MOST_DEPTH:
        raise refusal(400, f"a name may be {MOST_DEPTH} folders deep, this one is {len(parts)}.")
    if any(len(part.encode("utf-8")) > MOST_PART_BYTES for part in parts):
        raise refusal(400, f"a name may have {MOST_PART_BYTES} bytes at most: shorten {max(parts, key=len)[:40]!r} ….")
    return parts


def is_within(folder: Path, path: Path) -> bool:
    """Whether ``path``, with all links followed, is inside ``folder``; it need not be there."""
    return folder_paths.is_within_directory(str(folder), str(path))


async def requested_file(request: web.Request) -> SoundFile:
    """The sound file that ``?filename=…&type=input`` names; subfolders are part of the name, or in ``subfolder``.

    Raises web.HTTPException: 400 for names that lead out of the folder, 404 for files that are not there (or are
        reached through a link out of the folder), 415 for types that hold no sound.
    """
    query = request.rel_url.query
    name = "/".join(part for part in (query.get("subfolder", ""), query.get("filename", "")) if part)
    kind = query.get("type", "input")
    folder = folder_of(kind)
    path = folder.joinpath(*checked_parts(name))
    if not may_hold_sound(name):
        raise refusal(415, f"{path.name} is neither audio nor video.")
    if kind == "temp":
        await in_thread(opening, write_offered, folder, name)
    found = await in_thread(quick, _found, folder, path)
    if found is None:
        raise refusal(404, f"{name} is not in the {kind} folder.")
    return found


def _found(folder: Path, path: Path) -> SoundFile | None:
    try:
        if not is_within(folder, path):
            return None
        status = path.stat()
    except OSError:
        return None
    return SoundFile(path, _key(path, status)) if stat.S_ISREG(status.st_mode) else None


def stat_key(path: Path) -> StatKey:
    """What tells whether a file is still the one that was looked at: its real path, size and time of change."""
    return _key(path, path.stat())


def _key(path: Path, status: os.stat_result) -> StatKey:
    return os.path.realpath(path), status.st_size, status.st_mtime_ns
