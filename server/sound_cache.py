"""What was found out about sounds, kept on disk by content: a copy, a rename or a restart costs nothing.

In the host's folder for internal data (``user/__sound_to_video/sounds``), which its routes never serve:
``<content>.peaks.npz``, ``<content>.beats.json``, and ``<path, size, time>.is``, which content a file was seen to have.
A cache that cannot be written is said once in the log and done without.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import folder_paths
import numpy as np

from .files import stat_key

MOST_BYTES = 512 * 1024 * 1024
FORMAT = 1

_contents: dict[tuple[str, int, int], str] = {}
_warned: set[str] = set()


@dataclass(frozen=True)
class SoundPicture:
    """Peaks [bins, 2] int8 (``core/peaks.py``) of a whole sound and what else one pass over it tells."""

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
        with contextlib.suppress(OSError):
            _contents[key] = _seen_file(key).read_text("ascii")
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
        with np.load(path, allow_pickle=False) as arrays:
            about = json.loads(str(arrays["about"]))
            if about.pop("format") != FORMAT:
                return None
            silences = [(float(start), float(end)) for start, end in arrays["silences"]]
            picture = SoundPicture(peaks=arrays["peaks"], silences=silences, **about)
        os.utime(path)
        return picture
    except FileNotFoundError:
        return None
    except Exception as error:  # numpy and zipfile raise many kinds on a damaged file
        logging.warning("Sound to Video: %s cannot be used and is made again: %s", path.name, error)
        return None


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
    path = directory() / f"{content}.beats.json"
    try:
        kept = json.loads(path.read_text("utf-8"))
        os.utime(path)
        return [float(beat) for beat in kept["beats"]] if kept["format"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError):
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
        _drop_oldest(path.parent)
    except OSError as error:
        if temporary:
            with contextlib.suppress(OSError):
                temporary.unlink()
        if str(path.parent) not in _warned:
            _warned.add(str(path.parent))
            logging.warning("Sound to Video: waveforms are not kept for next time: %s", error)


def _drop_oldest(folder: Path) -> None:
    files = [
        (entry.stat().st_mtime, entry.stat().st_size, Path(entry)) for entry in os.scandir(folder) if entry.is_file()
    ]
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files, key=lambda file: file[0]):
        if total <= MOST_BYTES:
            return
        path.unlink(missing_ok=True)
        total -= size
