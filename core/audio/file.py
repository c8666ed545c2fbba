"""Sound files as a source of samples: opened for each reading and closed after it, found unchanged each time."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from av.error import FFmpegError

from ..errors import SoundToVideoError
from .lazy import Audio
from .probe import probe
from .tracks import track_of

RECENT_FILES = 16


def open_audio(path: str | Path) -> Audio:
    """The sound of an audio or video file, lazy. Only its first packets are read.

    Raises SoundToVideoError, naming the file, when it is missing, empty, not media, without sound or of 0 samples.
    What was found out about a file is kept for the next call, until the file changes.
    """
    path = Path(path)
    key = (str(path), file_stamp(path))
    with _lock:
        source = _recent.get(key) or FileSource(path)
        _recent[key] = source
        _recent.move_to_end(key)
        while len(_recent) > RECENT_FILES:
            _recent.popitem(last=False)
    return Audio(source)


_recent: "OrderedDict[tuple, FileSource]" = OrderedDict()
_lock = threading.Lock()


def file_stamp(path: Path) -> tuple[int, ...] | None:
    """What changes when a file is written or replaced: size, times of change, inode. None: it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


class FileSource:
    def __init__(self, path: Path):
        self._path = path
        self._stamp = file_stamp(path)
        self._probe = probe(path)
        self._track = track_of(self._probe)
        self._lock = threading.RLock()
        self._fingerprint: str | None = None
        self.sample_rate = self._probe.rate
        self.channels = self._probe.channels

    @property
    def sample_count(self) -> int:
        with self._found_unchanged():
            return self._track.sample_count()

    def reaches(self, sample: int) -> bool:
        with self._found_unchanged():
            return self._track.reaches(sample)

    @property
    def fingerprint(self) -> str:
        """BLAKE2b of the file's bytes, whatever its name: a copy has the same, any edit another. Read once."""
        with self._found_unchanged():
            if self._fingerprint is None:
                self._fingerprint = self._content_digest()
            return self._fingerprint

    def _content_digest(self) -> str:
        state = hashlib.blake2b(digest_size=16)
        with self._path.open("rb") as file:
            while chunk := file.read(1 << 20):
                state.update(chunk)
        return state.hexdigest()

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        with self._found_unchanged():
            self._track.prepare(stop)
        with self._named_errors():
            yield from self._track.read(start, stop)

    @contextmanager
    def _found_unchanged(self) -> Iterator[None]:
        with self._lock, self._named_errors():
            stamp = file_stamp(self._path)
            if stamp != self._stamp and self._is_only_touched(stamp):
                self._stamp = stamp
            if stamp != self._stamp:
                what = "has changed since it was loaded" if self._path.exists() else "is no longer there"
                raise SoundToVideoError(f"{self._path.name} {what}. Queue the workflow again.")
            yield

    def _is_only_touched(self, stamp: tuple[int, ...] | None) -> bool:
        """Whether only the file's attributes changed, as by a backup or a sync client."""
        if stamp is None or self._stamp is None or (*stamp[:2], stamp[3]) != (*self._stamp[:2], self._stamp[3]):
            return False
        return self._fingerprint is None or self._fingerprint == self._content_digest()

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except (FFmpegError, OSError) as error:
            raise SoundToVideoError(
                f"{self._path.name} cannot be decoded ({error.strerror}). Export it again with an audio editor."
            ) from error
