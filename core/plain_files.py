"""Small files that somebody else may have put there: opened only where they are plain files, read only so far."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from .errors import SoundToVideoError


def open_plain(path: str | Path) -> BinaryIO:
    """A file opened for reading, at once: never a pipe that nobody writes to, a device or a folder.

    Raises OSError: It is not there, cannot be read, or is not a plain file.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{Path(path).name} is not a plain file")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_plain(path: str | Path, most_bytes: int) -> bytes:
    """All of a file that has no business to be larger than ``most_bytes``.

    Raises OSError: As ``open_plain``.
    Raises SoundToVideoError: It is larger.
    """
    with open_plain(path) as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise SoundToVideoError(f"{Path(path).name} has more than the {most_bytes} bytes that such a file may have.")
    return content
