"""What an actor of a cluster does, in its own process: a ComfyUI, and the jobs it is given. Nothing of Ray."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .board import WAITS
from .comfyui import ComfyUI, Done, OwnComfyUI, RemoteComfyUI
from .errors import FarmError, JobFailed, Lost
from .installation import Installation
from .results import OWN_FOLDER
from .template import JobPrompt

Segments = dict[str, bytes]  # finished segments, by the names of their files


class Worker:
    """A ComfyUI of its own, or one that runs already.

    fallback: the installation to use where this machine names none of its own.
    shared: a folder that the driver has under the same path; clips and segments go there.
    """

    def __init__(
        self,
        server: str | None = None,
        fallback: Installation | None = None,
        arguments: Sequence[str] = (),
        shared: Path | None = None,
    ):
        self._progress: dict[str, str] = {}
        self._fallback = fallback
        self._arguments = arguments
        self._shared = shared
        self._work = Path(tempfile.mkdtemp(prefix="sound_to_video_"))
        self._segments = (shared / OWN_FOLDER if shared else self._work) / "segments"
        self._comfyui: ComfyUI | None = RemoteComfyUI(server) if server else None
        self._starting = threading.Lock()

    def ready(self) -> str:
        """Its name, once its ComfyUI answers."""
        return self.comfyui().name

    def comfyui(self) -> ComfyUI:
        """It, running. Raises FarmError where there is none."""
        with self._starting:
            if self._comfyui is None:
                self._comfyui = self._own_comfyui()
        self._comfyui.ensure()
        return self._comfyui

    def _own_comfyui(self) -> OwnComfyUI:
        installation = Installation.find(fallback=self._fallback)
        arguments = self._arguments
        if not arguments and not installation.has_accelerator():
            arguments = ["--cpu"]
        os.environ.pop("OMP_NUM_THREADS", None)  # Ray's, for this process; on a processor results depend on it
        name = f"{socket.gethostname()} {os.getpid()}"
        return OwnComfyUI(installation, self._work, arguments, name, self._segments)

    def object_info(self) -> dict[str, dict]:
        return self.comfyui().object_info()

    def progress(self) -> dict[str, str]:
        """By the names of the jobs under way."""
        return dict(self._progress)

    def close(self) -> None:
        if isinstance(self._comfyui, OwnComfyUI):
            self._comfyui.stop()
        elif self._comfyui is not None:
            self._comfyui.cancel()
        shutil.rmtree(self._work, ignore_errors=True)

    def do(self, name: str, job: JobPrompt, files_come_along: bool, *contents: Any) -> dict[str, Any]:
        """A job's end, in plain words: {"state": "done" | "failed" | "lost", ...}.

        contents: of ``job.files``, in order, where they come along; behind them, `Segments` to find.
        """
        self._progress[name] = WAITS
        count = len(job.files) if files_come_along else 0
        files: Mapping[str, Path | bytes] = dict(zip(job.files, contents, strict=False)) if count else job.files
        try:
            comfyui = self.comfyui()
            for segments in contents[count:]:
                self._find_later(segments)
            done = comfyui.do(job, files, lambda text: self._progress.update({name: text}))
            return self._end(comfyui, done)
        except JobFailed as error:
            return {"state": "failed", "why": str(error)}
        except Lost as error:
            return {"state": "lost", "why": str(error), "began": error.began}
        except FarmError as error:
            return {"state": "lost", "why": str(error), "began": False}
        finally:
            self._progress.pop(name, None)

    def _end(self, comfyui: ComfyUI, done: Done) -> dict[str, Any]:
        kept = () if self._shared else done.kept
        return {
            "state": "done",
            "where": comfyui.name,
            "resumed": done.resumed,
            "files": [(ending, self._handed_over(source)) for ending, source in done.files],
            "segments": {name: (self._segments / name).read_bytes() for name in kept},
        }

    def _find_later(self, segments: Segments) -> None:
        self._segments.mkdir(parents=True, exist_ok=True)
        for name, content in segments.items():
            partial = self._segments / f"{name}.{secrets.token_hex(8)}.partial"
            partial.write_bytes(content)
            os.replace(partial, self._segments / name)

    def _handed_over(self, source: Path | bytes) -> Path | bytes:
        content = source if isinstance(source, bytes) else source.read_bytes()
        if not self._shared:
            return content
        target = self._shared / OWN_FOLDER / "arrived" / secrets.token_hex(8)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        return target
