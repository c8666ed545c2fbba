"""What was found out about sounds, kept on disk by content: a copy, a rename or a restart costs nothing.

In the host's folder for internal data (``user/__sound_to_video/sounds``), which its routes never serve:
``<content>.peaks.npz``, ``<content>.beats.json``, and ``<path, size, time>.is``, which content a file was seen to have.
A cache that cannot be written is said once in the log and done without. What is in the folder may have been put there
by somebody else: a file is used only if it is a plain one of a sane size and content, else it is made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

import folder_paths
import numpy as np

from ..core.leftovers import drop_oldest
from ..core.plain_files import open_plain, read_plain
from .files import stat_key

MOST_BYTES = 512 * 1024 * 1024
MOST_FILE_BYTES = 64 * 1024 * 1024
FORMAT = 1
CONTENT = re.compile(r"[0-9a-f]{40}")
KEPT = re.compile(r"[0-9a-f]{40}\.(peaks\.npz|beats\.json|is)")
PARTIAL = re.compile(r"tmp[a-z0-9_]{8}\.part")

_contents: dict[tuple[str, int, int], str] = {}
_warned: set[str] = set()


@dataclass(frozen=True)
class SoundPicture:
    """Peaks [bins, 2] int8 (``core/audio/peaks.py``) of a whole sound and what else one pass over it tells."""

    duration_seconds: float
    sample_rate: int
    channels: int
    bins_per_second: int
    peaks: np.ndarray
    silences: list[tuple[float, float]]


def directory() -> Path:
    """Where the cache is; made when something is kept."""
    return Path(folder_paths.get_system_user_directory("sound_to_video")) / "sounds"


def known_content(path: Path) -> str | None:
    """The content's name, if this file was seen before and has not changed since."""
    key = stat_key(path)
    if key not in _contents:
        with contextlib.suppress(OSError, ValueError):
            content = read_plain(_seen_file(key), 40).decode("ascii")
            if CONTENT.fullmatch(content):
                _contents[key] = content
    return _contents.get(key)


def content_of(path: Path) -> str:
    """The content's name: a hash of all bytes, remembered. Reads the whole file the first time."""
    known = known_content(path)
    if known:
        return known
    key = stat_key(path)
    digest = hashlib.blake2b(digest_size=20)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    _contents[key] = digest.hexdigest()
    _keep(_seen_file(key), lambda file: file.write(_contents[key].encode("ascii")))
    return _contents[key]


def load_picture(content: str) -> SoundPicture | None:
    """The kept picture of a content; None if there is none, or it is damaged or of another version."""
    path = directory() / f"{content}.peaks.npz"
    try:
        with open_plain(path) as file:
            picture = _picture_in(file)
        os.utime(path)
        return picture
    except FileNotFoundError:
        return None
    except Exception as error:  # numpy and zipfile raise many kinds on a damaged file
        logging.warning("Sound to Video: %s cannot be used and is made again: %s", path.name, error)
        return None


def _picture_in(file: BinaryIO) -> SoundPicture | None:
    with zipfile.ZipFile(file) as members:
        if sum(member.file_size for member in members.infolist()) > MOST_FILE_BYTES:
            raise ValueError("it is too large")
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        about = json.loads(str(arrays["about"]))
        if about["format"] != FORMAT:
            return None
        peaks, silences = arrays["peaks"], arrays["silences"].astype(np.float64)
    duration, bins_per_second = float(about["duration_seconds"]), int(about["bins_per_second"])
    if peaks.dtype != np.int8 or peaks.ndim != 2 or peaks.shape[1] != 2 or bins_per_second < 1:
        raise ValueError("it holds no peaks")
    if not (np.isfinite(silences).all() and 0 <= duration < float("inf")):
        raise ValueError("its times are no numbers")
    return SoundPicture(
        duration_seconds=duration,
        sample_rate=int(about["sample_rate"]),
        channels=int(about["channels"]),
        bins_per_second=bins_per_second,
        peaks=peaks,
        silences=[(float(start), float(end)) for start, end in silences.reshape(-1, 2)],
    )


def keep_picture(content: str, picture: SoundPicture) -> None:
    about = {
        "format": FORMAT,
        "duration_seconds": picture.duration_seconds,
        "sample_rate": picture.sample_rate,
        "channels": picture.channels,
        "bins_per_second": picture.bins_per_second,
    }
    silences = np.array(picture.silences, np.float64).reshape(-1, 2)
    _keep(
        directory() / f"{content}.peaks.npz",
        lambda file: np.savez(file, peaks=picture.peaks, silences=silences, about=np.array(json.dumps(about))),
    )


def load_beats(content: str) -> list[float] | None:
    """The kept beats of a content in seconds; None if there are none, or they are damaged or of another version."""
    path = directory() / f"{content}.beats.json"
    try:
        kept = json.loads(read_plain(path, MOST_FILE_BYTES))
        beats = [float(beat) for beat in kept["beats"]] if kept["format"] == FORMAT else None
        if beats is not None and not np.isfinite(beats).all():
            return None
        os.utime(path)
        return beats
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def keep_beats(content: str, beats: list[float]) -> None:
    text = json.dumps({"format": FORMAT, "beats": beats})
    _keep(directory() / f"{content}.beats.json", lambda file: file.write(text.encode("utf-8")))


def _seen_file(key: tuple[str, int, int]) -> Path:
    return directory() / f"{hashlib.blake2b(repr(key).encode('utf-8'), digest_size=20).hexdigest()}.is"


def _keep(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            temporary = Path(file.name)
            write(file)
        temporary.replace(path)
        drop_oldest(path.parent, KEPT, MOST_BYTES)
    except OSError as error:
        if temporary:
            with contextlib.suppress(OSError):
                temporary.unlink()
        if str(path.parent) not in _warned:
            _warned.add(str(path.parent))
            logging.warning("Sound to Video: waveforms are not kept for next time: %s", error)
