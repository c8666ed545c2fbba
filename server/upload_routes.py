"""POST /sound_to_video/upload: a file of any size into the input folder, written as it comes in."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
import re
import tempfile
from pathlib import Path

from aiohttp import web

from .files import checked_parts, folder_of, is_sound, refusal

routes = web.RouteTableDef()

CHUNK_BYTES = 1 << 20


@routes.post("/sound_to_video/upload")
async def upload(request: web.Request) -> web.Response:
    """The request's body is the file; ``?filename=voice.wav`` and optionally ``&subfolder=takes`` name it.

    Answers ``{"name": "takes/voice.wav"}``: what a file list shows. A name that is taken gets " (1)" at its end, and
    an interrupted upload leaves nothing. The host's own upload holds 100 MB at most.
    """
    query = request.rel_url.query
    filename = _plain_name(query.get("filename", ""))
    if not is_sound(filename):
        raise refusal(415, f"{filename or 'the file'} is neither audio nor video.")
    folder = folder_of("input")
    target = folder.joinpath(*(checked_parts(query["subfolder"]) if query.get("subfolder") else ()), filename)
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.parent.resolve().is_relative_to(folder.resolve()):
            raise refusal(400, f"{query['subfolder']!r} leads out of the input folder.")
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".upload-", suffix=".part", delete=False) as file:
            temporary = Path(file.name)
            async for chunk in request.content.iter_chunked(CHUNK_BYTES):
                await asyncio.to_thread(file.write, chunk)
        if temporary.stat().st_size == 0:
            raise refusal(400, f"{filename} is empty.")
        kept = await asyncio.to_thread(_settle, temporary, target)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise refusal(507, f"there is no room left for {filename}.") from error
        raise refusal(422, f"{filename} cannot be written: {error.strerror}.") from error
    finally:
        if temporary:
            with contextlib.suppress(OSError):
                temporary.unlink()
    return web.json_response({"name": kept.relative_to(folder).as_posix()})


def _plain_name(filename: str) -> str:
    """The last part of a name, with what no file system takes replaced."""
    name = re.sub(r'[<>:"|?*\x00-\x1f]', "_", re.split(r"[/\\]", filename)[-1]).strip(" .")
    stem, suffix = os.path.splitext(name)
    return stem[:120] + suffix[:10] if stem else ""


def _settle(temporary: Path, target: Path) -> Path:
    """Give the finished file its name, or the next free one; a file that is there already is used as it is."""
    for number in itertools.count(0):
        path = target if number == 0 else target.with_name(f"{target.stem} ({number}){target.suffix}")
        if path.exists():
            if _same(path, temporary):
                return path
            continue
        try:
            os.link(temporary, path)  # fails where somebody was faster, unlike a rename
        except FileExistsError:
            continue
        except OSError:  # a file system without links
            os.replace(temporary, path)
        os.chmod(path, 0o644)
        return path
    raise AssertionError("unreachable")


def _same(one: Path, other: Path) -> bool:
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as a, other.open("rb") as b:
        while chunk := a.read(CHUNK_BYTES):
            if chunk != b.read(CHUNK_BYTES):
                return False
    return True
