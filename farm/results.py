"""Clips in the output folder: each whole or not at all, with a mark beside that says of what it was made."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from .errors import JobFailed
from .jobs import Job

File = tuple[str, "Path | bytes"]  # its ending, and where it lies or itself
OWN_FOLDER = ".render"
STALE_SECONDS = 3600


class Results:
    """The output folder of a run, and of the runs before."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.own_folder = folder / OWN_FOLDER
        self._partial = self.own_folder / "partial"
        self._partial.mkdir(parents=True, exist_ok=True)
        for path in self._partial.iterdir():  # of a run that was killed
            if time.time() - path.stat().st_mtime > STALE_SECONDS:
                path.unlink(missing_ok=True)

    def is_done(self, job: Job) -> bool:
        """Whether the job's clip is there, made of the same as it would be now."""
        try:
            mark = json.loads(self._mark(job).read_text("utf-8"))
            return mark["digest"] == job.digest and all(
                (self.folder / name).stat().st_size == size for name, size in mark["files"].items()
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return False

    def keep(self, job: Job, files: Sequence[File]) -> list[Path]:
        """Put the files of a job in their places, then the mark.

        Raises JobFailed: the folder cannot be written, or a file is not there.
        """
        try:
            return self._kept(job, files)
        except OSError as error:
            raise JobFailed(f"its clip could not be kept: {error}. Make room, and run it again.") from error

    def _kept(self, job: Job, files: Sequence[File]) -> list[Path]:
        kept = []
        for index, (ending, source) in enumerate(files):
            path = self.folder / f"{job.name}{f'_{index + 1}' if index else ''}{ending}"
            self._write(path, source)
            kept.append(path)
        self.mark(job, kept)
        return kept

    def mark(self, job: Job, kept: Sequence[Path]) -> None:
        files = {path.relative_to(self.folder).as_posix(): path.stat().st_size for path in kept}
        self._write(self._mark(job), json.dumps({"digest": job.digest, "files": files}).encode())

    def _mark(self, job: Job) -> Path:
        return self.own_folder / "done" / f"{job.name}.json"

    def _write(self, path: Path, source: Path | bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._partial / secrets.token_hex(8)
        try:
            if isinstance(source, bytes):
                partial.write_bytes(source)
            else:
                shutil.copyfile(source, partial)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
