"""Sound files as a source of samples: reopened for every reading, which fails if the file has changed."""

import hashlib
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from av.error import FFmpegError

from ..errors import SoundToVideoError
from .lazy import Audio
from .probe import probe
from .spool import Spool
from .tracks import track_of

RECENT_FILES = 16
SPOTS, SPOT_BYTES, END_BYTES = 16, 4096, 65536


def open_audio(path: str | Path) -> Audio:
    """The sound of an audio or video file, lazy. Only its first packets are read.

    Raises SoundToVideoError, naming the file, when it is missing, empty, not media, without sound or of 0 samples.
    What was found out about a file is kept for the next call, until the file changes.
    """
    return Audio(_source_of(Path(path)))


def _source_of(path: Path) -> "FileSource":
    key = (str(path), file_stamp(path))
    with _lock:
        source = _recent.get(key) or FileSource(path)
        _recent[key] = source
        _recent.move_to_end(key)
        while len(_recent) > RECENT_FILES:
            _recent.popitem(last=False)
    return source


_recent: "OrderedDict[tuple, FileSource]" = OrderedDict()
_lock = threading.Lock()


def file_stamp(path: Path) -> tuple[int, ...] | None:
    """What changes when a file is written or replaced: size, times of change, inode. None: it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def looks_of(path: Path) -> str | None:
    """Digest of a file's ends and of spots between, as cheap for an hour as for a minute. None: it cannot be read."""
    state = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            spots = [(number * size // SPOTS, SPOT_BYTES) for number in range(1, SPOTS)]
            for offset, length in [(0, END_BYTES), *spots, (max(0, size - END_BYTES), END_BYTES)]:
                file.seek(offset)
                state.update(file.read(length))
    except OSError:
        return None
    return state.hexdigest()


class FileSource:
    """A file, and of it what has been secured against changes."""

    def __init__(self, path: Path):
        self._path = path
        self._stamp = file_stamp(path)
        self._probe = probe(path)  # no pipe or device gets past it
        self._looks = looks_of(path)
        self._track = track_of(self._probe)
        self._lock = threading.RLock()
        self._fingerprint: str | None = None
        self._count: int | None = None
        self._spools: weakref.WeakSet[Spool] = weakref.WeakSet()
        self.sample_rate = self._probe.rate
        self.channels = self._probe.channels

    @property
    def sample_count(self) -> int:
        if self._count is None:
            with self._found_unchanged():
                self._count = self._track.sample_count()
        return self._count

    def reaches(self, sample: int) -> bool:
        if self._count is not None:
            return sample <= self._count
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

    def secure(self, start: int, stop: int, folder: str | Path, on_piece: Callable[[], None]) -> Spool:
        """Decode ``start`` to ``stop`` into ``folder``: while the answer lives, they are read from there."""
        with self._lock:
            spools = list(self._spools)
        for spool in spools:
            if spool.start <= start and stop <= spool.stop:
                return spool
        _ = self.sample_count  # what is asked of the whole is known then
        spool = Spool(folder, start, self.read(start, stop), on_piece)
        with self._lock:
            self._spools.add(spool)
        return spool

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        while start < stop:
            with self._lock:
                spools = list(self._spools)
            spool = next((spool for spool in spools if spool.holds(start)), None)
            if spool is not None:
                end = min(stop, spool.stop)
                yield from spool.read(start, end)
            else:
                end = min([stop, *(spool.start for spool in spools if start < spool.start)])
                yield from self._read_file(start, end)
            start = end

    def _read_file(self, start: int, stop: int) -> Iterator[np.ndarray]:
        with self._found_unchanged():
            self._track.prepare(stop)
        with self._named_errors():
            yield from self._track.read(start, stop)

    @contextmanager
    def _found_unchanged(self) -> Iterator[None]:
        with self._lock, self._named_errors():
            stamp = file_stamp(self._path)
            if stamp != self._stamp and self._is_the_same(stamp):
                self._stamp = stamp
            if stamp != self._stamp:
                what = "has changed since it was loaded" if self._path.exists() else "is no longer there"
                raise SoundToVideoError(f"{self._path.name} {what}. Queue the workflow again.")
            yield

    def _is_the_same(self, stamp: tuple[int, ...] | None) -> bool:
        """Whether it holds what it held: touched by a backup or a sync client, or the same file copied there again."""
        if stamp is None or self._stamp is None or stamp[0] != self._stamp[0] or looks_of(self._path) != self._looks:
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
