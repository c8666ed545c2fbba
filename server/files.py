"""Which files the routes may touch, and how a refusal reads: JSON with a sentence for the person at the browser."""

from __future__ import annotations

import json
import mimetypes
import os
from pathlib import Path, PurePosixPath

import folder_paths
from aiohttp import web

SOUND_SUFFIXES = frozenset(
    (".wav", ".mp3", ".m4a", ".flac", ".ogg", ".opus", ".aac", ".aif", ".aiff", ".webm", ".mp4", ".m4v", ".mov", ".mkv")
)
"""What LoadAudio offers and what may be uploaded. Other files of the folders are nobody's business here."""

FOLDERS = ("input", "output", "temp")

REFUSALS: dict[int, type[web.HTTPException]] = {
    400: web.HTTPBadRequest,
    404: web.HTTPNotFound,
    415: web.HTTPUnsupportedMediaType,
    422: web.HTTPUnprocessableEntity,
    501: web.HTTPNotImplemented,
    507: web.HTTPInsufficientStorage,
}


def refusal(status: int, message: str) -> web.HTTPException:
    """An exception to raise: the given status with ``{"error": message}`` as JSON."""
    error = REFUSALS[status]
    return error(text=json.dumps({"error": message}), content_type="application/json")


def is_sound(name: str) -> bool:
    """Whether a file's name says that sound may be in it: the audio and video types of the host, and ours."""
    if PurePosixPath(name).suffix.lower() in SOUND_SUFFIXES:
        return True
    kind, _ = mimetypes.guess_type(name, strict=False)
    return bool(kind) and kind.split("/")[0] in ("audio", "video")


def folder_of(kind: str) -> Path:
    """The host's input, output or temp folder.

    Raises:
        web.HTTPBadRequest: any other kind.
    """
    if kind not in FOLDERS:
        raise refusal(400, f"the folder must be one of {', '.join(FOLDERS)}, not {kind!r}.")
    directory = folder_paths.get_directory_by_type(kind)
    if directory is None:
        raise refusal(404, f"there is no {kind} folder.")
    return Path(directory)


def checked_parts(name: str) -> tuple[str, ...]:
    """The parts of a relative file name with ``/`` between folders.

    Raises:
        web.HTTPBadRequest: empty, absolute, with a drive, a backslash, a null byte or ``..`` in it.
    """
    parts = tuple(name.split("/"))
    dangerous = any(part in ("", ".", "..") or part.endswith((" ", ".")) or ":" in part for part in parts)
    if dangerous or "\\" in name or any(ord(letter) < 32 for letter in name):
        raise refusal(400, f"{name!r} is not the name of a file inside the folder.")
    return parts


def requested_file(request: web.Request) -> Path:
    """The sound file that ``?filename=…&type=input`` names; subfolders are part of the name, or in ``subfolder``.

    Raises:
        web.HTTPException: 400 for names that lead out of the folder, 404 for files that are not there (or are reached
            through a link out of the folder), 415 for types that hold no sound.
    """
    query = request.rel_url.query
    name = "/".join(part for part in (query.get("subfolder", ""), query.get("filename", "")) if part)
    folder = folder_of(query.get("type", "input"))
    path = folder.joinpath(*checked_parts(name))
    if not is_sound(name):
        raise refusal(415, f"{path.name} is neither audio nor video.")
    if not path.is_file() or not folder_paths.is_within_directory(str(folder), str(path)):
        raise refusal(404, f"{name} is not in the {query.get('type', 'input')} folder.")
    return path


def stat_key(path: Path) -> tuple[str, int, int]:
    """What tells whether a file is still the one that was looked at: its real path, size and time of change."""
    status = path.stat()
    return os.path.realpath(path), status.st_size, status.st_mtime_ns
