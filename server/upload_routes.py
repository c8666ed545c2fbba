"""/sound_to_video/upload: a file into the input folder, written as it comes in (POST), and whether it may be (GET)."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
import re
import tempfile
from pathlib import Path
from typing import BinaryIO

from aiohttp import web
from comfy.cli_args import args

from ..core.audio.sound_endings import may_hold_sound
from ..core.clip.names import DEVICES, shortened
from ..core.errors import encodable
from .answers import refusal, too_large
from .files import checked_parts, folder_of, is_within
from .workers import in_thread, quick

routes = web.RouteTableDef()

CHUNK_BYTES = 1 << 20
MOST_NAME_BYTES = 200  # of the 255 that file systems take: " (12)" comes behind it, and other packs' additions
MOST_AT_ONCE = 64
STALLED_SECONDS = 60.0
LIMIT_VARIABLE = "SOUND_TO_VIDEO_MAX_UPLOAD_MB"

_under_way = 0


def most_upload_bytes() -> int | None:
    """What one upload may have: the host's ``--max-upload-size``, or, where the administrator sets it, the variable
    ``LIMIT_VARIABLE`` of the server's environment in MB. None, for any size: 0 of either."""
    said = os.environ.get(LIMIT_VARIABLE, "").strip()
    megabytes = float(said if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", said) else args.max_upload_size)
    return round(megabytes * 1024 * 1024) or None


@routes.get("/sound_to_video/upload")
async def may_be_uploaded(request: web.Request) -> web.Response:
    """``{}`` where an upload of this ``filename``, ``subfolder`` and number of ``bytes`` is taken, else its refusal.

    For who is about to send a large file: an answer that comes while a body is still sent seldom arrives.
    """
    target = await _target(request)
    said = request.rel_url.query.get("bytes", "0")
    if not re.fullmatch(r"[0-9]{1,18}", said):
        raise refusal(400, f"bytes must be a whole number, not {said[:40]!r}.")
    _check_size(int(said), most_upload_bytes(), target.name)
    return web.json_response({})


@routes.post("/sound_to_video/upload")
async def upload(request: web.Request) -> web.Response:
    """The request's body is the file; ``?filename=voice.wav`` and optionally ``&subfolder=takes`` name it.

    Answers ``{"name": "takes/voice.wav"}``: what a file list shows. A name that is taken gets " (1)" at its end. What
    is refused, interrupted, empty, or sends nothing for ``STALLED_SECONDS`` leaves nothing, no folder either.
    """
    target = await _target(request)
    global _under_way
    if _under_way >= MOST_AT_ONCE:
        raise refusal(503, f"{MOST_AT_ONCE} uploads are under way already. Try again when one is done.")
    _under_way += 1
    try:
        kept = await _received(request, target)
    except ConnectionError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise refusal(507, f"there is no room left for {target.name}.") from error
        raise refusal(422, f"{target.name} cannot be written: {error.strerror}.") from error
    finally:
        _under_way -= 1
    return web.json_response({"name": kept.relative_to(folder_of("input")).as_posix()})


async def _target(request: web.Request) -> Path:
    """The file that an upload is to become; there may be one of that name.

    Raises web.HTTPException: 400 for a subfolder that leads out of the input folder, 415 for what holds no sound.
    """
    query = request.rel_url.query
    filename = plain_name(query.get("filename", ""))
    if not may_hold_sound(filename):
        raise refusal(415, f"{filename or 'the file'} is neither audio nor video.")
    folder = folder_of("input")
    subfolder = query.get("subfolder", "")
    target = folder.joinpath(*(checked_parts(subfolder) if subfolder else ()), filename)
    if not await in_thread(quick, is_within, folder, target.parent):
        raise refusal(400, f"{subfolder!r} leads out of the input folder.")
    return target


async def _received(request: web.Request, target: Path) -> Path:
    """The file that the body has become."""
    most = most_upload_bytes()
    _check_size(request.content_length or 0, most, target.name)
    chunk = await _next_chunk(request)
    if not chunk:
        raise refusal(400, f"{target.name} is empty.")
    partial = await in_thread(quick, _Partial, target)
    try:
        size = 0
        while chunk:
            size += len(chunk)
            _check_size(size, most, target.name)
            await in_thread(quick, partial.file.write, chunk)
            chunk = await _next_chunk(request)
        return await in_thread(quick, partial.settle)
    finally:
        await asyncio.shield(in_thread(quick, partial.close))


async def _next_chunk(request: web.Request) -> bytes:
    """What has come in; nothing at the end of the body."""
    try:
        return await asyncio.wait_for(request.content.read(CHUNK_BYTES), STALLED_SECONDS)
    except asyncio.TimeoutError as error:
        raise refusal(408, f"nothing came in for {STALLED_SECONDS:.0f} s: upload the file again.") from error


def _check_size(size: int, most: int | None, name: str) -> None:
    if most is not None and size > most:
        raise too_large(
            most,
            f"{name} is larger than the {most / 1024 / 1024:.0f} MB that this server takes in one upload. Copy it into "
            f"ComfyUI's input folder, or start ComfyUI with a larger --max-upload-size.",
        )


class _Partial:
    """A file on its way, under a name that nobody is offered, in a folder that is made for it where there is none."""

    def __init__(self, target: Path):
        self._target = target
        self._made = _make_folders(target.parent)
        try:
            self.file: BinaryIO = tempfile.NamedTemporaryFile(  # type: ignore[assignment]  # noqa: SIM115
                dir=target.parent, prefix=".upload-", suffix=".part", delete=False
            )
        except OSError:
            self._remove_folders()
            raise

    def settle(self) -> Path:
        """Give it its name, or the next free one."""
        self.file.close()
        self._made = []
        return _settle(Path(self.file.name), self._target)

    def close(self) -> None:
        """Remove it, and the folders made for it that are still empty; nothing after ``settle``."""
        self.file.close()
        with contextlib.suppress(OSError):
            os.unlink(self.file.name)
        self._remove_folders()

    def _remove_folders(self) -> None:
        for folder in reversed(self._made):
            with contextlib.suppress(OSError):
                folder.rmdir()


def _make_folders(folder: Path) -> list[Path]:
    """Make a folder and those above it; which ones were not there."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
    return missing[::-1]


def plain_name(filename: str) -> str:
    """The last part of a name, with what no file system takes replaced, and no longer than one takes; "" for none."""
    name = encodable(re.split(r"[/\\]", filename)[-1]) if filename else ""
    name = re.sub(r'[<>:"|?*\\\x00-\x1f\x7f]', "_", name).strip(" .")
    stem, ending = os.path.splitext(name)
    ending = shortened(ending, 20)
    stem = shortened(stem, MOST_NAME_BYTES - len(ending.encode("utf-8"))).rstrip(" .")
    if DEVICES.match(stem):
        stem = f"_{stem}"
    return stem + ending if stem else ""


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
            try:
                os.close(os.open(path, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                continue
            os.replace(temporary, path)
        with contextlib.suppress(OSError):  # a mounted disk of another owner's: its rights are as it is mounted
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
