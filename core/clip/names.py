"""Names of clips: what a prefix stands for, and names that a file system takes. Checked before a clip is made."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from datetime import datetime
from itertools import count
from pathlib import Path

from ..errors import SoundToVideoError

MOST_BYTES = 255  # of a name, in the file systems that people use
NUMBER_BYTES = len("_00001_.webm") + 4  # what comes after the prefix; some more digits
LEAST_FREE_BYTES = 16 * 1024 * 1024
DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)  # on Windows, whatever the ending
DATE = re.compile(r"%date:([^%]*)%")
DATE_PARTS = re.compile(r"yyyy|yy|MM?|dd?|hh?|mm?|ss?")


def with_dates(prefix: str, now: datetime) -> str:
    """``%date:yyyy-MM-dd%`` as the front end writes it out for core's nodes: yy, yyyy, M, d, h, m, s, twice for 00."""
    values = {"M": now.month, "d": now.day, "h": now.hour, "m": now.minute, "s": now.second}

    def part(match: re.Match) -> str:
        letters = match[0]
        if letters[0] == "y":
            return str(now.year)[-len(letters) :]
        return str(values[letters[0]]).zfill(len(letters))

    return DATE.sub(lambda match: DATE_PARTS.sub(part, match[1]), prefix)


def shortened(text: str, most_bytes: int) -> str:
    """The beginning of a text that has no more than so many bytes in UTF-8; no letter is cut."""
    return text.encode("utf-8")[:most_bytes].decode("utf-8", "ignore")


def fitting(prefix: str) -> str:
    """A prefix whose folders and name are no longer than a file system takes, the number and ending included."""
    *folders, name = os.path.normpath(prefix).split(os.sep)
    return os.path.join(
        *(shortened(folder, MOST_BYTES) or os.sep for folder in folders), shortened(name, MOST_BYTES - NUMBER_BYTES)
    )


def partial_name(path: Path, token: str) -> str:
    """The name of the file that grows while ``path`` is written."""
    ending = f".{token}.part"
    return f".{shortened(path.stem, MOST_BYTES - len(ending) - 1)}{ending}"


def numbered(folder: str | Path, name: str, number: int, suffix: str) -> Iterator[Path]:
    """``name_00001_.mp4`` and on, from ``number``, as core numbers its files."""
    return (Path(folder, f"{name}_{index:05}_{suffix}") for index in count(number))


def check_prefix(prefix: str, output_folder: str | Path) -> None:
    """Raise SoundToVideoError for a prefix under which no clip can be written; makes no folder."""
    output = Path(output_folder)
    problem = next((f"{character!r}" for character in prefix if not _may_stand_in_a_name(character)), None)
    if problem:
        raise SoundToVideoError(f"filename_prefix holds {problem}, which no file's name can: take it out.")
    if os.name == "nt":
        _check_for_windows(prefix)
    folder = Path(os.path.normpath(output / fitting(prefix))).parent
    if os.path.commonpath([os.path.realpath(output), os.path.realpath(folder)]) != os.path.realpath(output):
        raise SoundToVideoError(f"filename_prefix {prefix} leads out of the output folder: take .. and drives out.")
    existing = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
    if not existing.is_dir():
        raise SoundToVideoError(f"filename_prefix {prefix}: {existing.name} is a file, not a folder. Take another.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise SoundToVideoError(
            f"ComfyUI may not write into the folder {existing.name}: change its rights or take another filename_prefix."
        )
    free = shutil.disk_usage(existing).free
    if free < LEAST_FREE_BYTES:
        raise SoundToVideoError(f"the disk of the output folder is full ({free >> 20} MB free): make room first.")


def _check_for_windows(prefix: str) -> None:
    for part in re.split(r"[/\\]", prefix):
        wrong = next((character for character in part if character in '<>:"|?*'), None)
        if wrong or DEVICES.match(part) or (part.rstrip(" .") != part and part.strip(".")):
            why = f"holds {wrong}" if wrong else "is the name of a device, or ends in a dot or a space"
            raise SoundToVideoError(f"filename_prefix: {part!r} {why}, which Windows does not take. Change it.")


def _may_stand_in_a_name(character: str) -> bool:
    return character >= " " and not "\ud800" <= character <= "\udfff"
