"""ComfyUIs that do jobs: one that this process starts, and those that run already."""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import os
import shutil
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .client import Client, Prompt, PromptError, Result
from .errors import FarmError, JobFailed, Lost
from .installation import Installation
from .results import File
from .server import ComfyProcess, ServerError, link_folder
from .template import JobPrompt

PACK_FOLDER = "comfyui-sound-to-video"
HEARTBEAT_SECONDS = 120
CLIPS = (".mp4", ".webm", ".mov", ".mkv", ".avi", ".gif")
GONE = (OSError, http.client.HTTPException)  # of the first kind are urllib's errors, and those of sockets

OnProgress = Callable[[str], None]


@dataclass(frozen=True)
class Done:
    """files: of the clip.  resumed: segments that an earlier run had finished.

    kept: where a part was asked, the names of its segments.
    """

    files: list[File]
    resumed: int = 0
    kept: tuple[str, ...] = ()


class ComfyUI:
    """A running ComfyUI; several threads may give it jobs, which it does one after another."""

    name: str

    def __init__(self):
        self._under_way: set[str] = set()

    @property
    def url(self) -> str:
        raise NotImplementedError

    def ensure(self) -> None:
        """See that it runs. Raises FarmError where it does not and cannot be made to."""

    def put(self, name: str, source: Path | bytes) -> None:
        """Have a file in its input folder."""
        raise NotImplementedError

    def get(self, entry: Mapping[str, str]) -> Path | bytes:
        """A file that a node's ``ui`` names. Raises FileNotFoundError."""
        raise NotImplementedError

    def last_words(self) -> str:
        """What it said before it went away, where that is known."""
        return ""

    def object_info(self) -> dict[str, dict]:
        """The definitions of its nodes. Raises FarmError where it does not tell them."""
        try:
            with urllib.request.urlopen(f"{self.url}/object_info", timeout=300) as response:
                return json.loads(response.read())
        except GONE as error:
            raise FarmError(f"{self.name} does not say which nodes it has ({error}){self.last_words()}") from None

    def do(
        self, job: JobPrompt, files: Mapping[str, Path | bytes], on_progress: OnProgress = lambda text: None
    ) -> Done:
        """Do a job; ``on_progress("S2V Sampler 3/8")``.

        Raises:
            JobFailed: a node or the server refused it.
            Lost: the ComfyUI went away.
        """
        began = False

        def follow(kind: str, data: dict) -> None:
            nonlocal began
            began = began or kind == "execution_start"
            title = _title(job.prompt, data.get("node"))
            if title and kind in ("progress", "executing"):
                on_progress(f"{title} {data['value']}/{data['max']}" if kind == "progress" else title)

        try:
            for name, source in files.items():
                self.put(name, source)
            result = self._run(job.prompt, follow)
            kept = _said(result, "sound_to_video_kept")
            return Done([] if kept is not None else self._clips(result), _resumed(result), tuple(kept or ()))
        except PromptError as error:
            raise JobFailed(_sentence(error, job.prompt)) from None
        except FileNotFoundError as error:
            raise JobFailed(f"a file is not there any more: {error}.") from None
        except GONE as error:
            raise Lost(f"{self.name} went away ({error}){self.last_words()}", began) from error

    def _run(self, prompt: Prompt, follow: Callable[[str, dict], None]) -> Result:
        with Client(self.url, HEARTBEAT_SECONDS) as client:
            prompt_id = client.queue(prompt)
            self._under_way.add(prompt_id)
            try:
                return client.wait(prompt_id, math.inf, follow)
            finally:
                self._under_way.discard(prompt_id)

    def cancel(self) -> None:
        """Take what it was given out of its queue again, and stop what runs of it."""
        for prompt_id in list(self._under_way):
            with contextlib.suppress(*GONE):
                Client(self.url).cancel(prompt_id)

    def _clips(self, result: Result) -> list[File]:
        entries = [
            entry
            for output in result.outputs.values()
            for entries in output.values()
            if isinstance(entries, list)
            for entry in entries
            if isinstance(entry, dict) and entry.get("filename") and entry.get("type") == "output"
        ]
        clips = [entry for entry in entries if entry["filename"].lower().endswith(CLIPS)] or entries
        if not clips:
            raise JobFailed("it ended and saved nothing: the workflow has to end in a node that saves a clip.")
        return [(Path(entry["filename"]).suffix, self.get(entry)) for entry in clips]


class OwnComfyUI(ComfyUI):
    """A headless ComfyUI of an installation, with folders of its own: nothing of the installation is changed.

    segments: the folder where finished segments are kept and found; None: one in ``work_folder``.
    """

    def __init__(
        self,
        installation: Installation,
        work_folder: Path,
        arguments: Sequence[str] = (),
        name: str = "ComfyUI",
        segments: Path | None = None,
    ):
        super().__init__()
        self.name = name
        self.segments = segments or work_folder.resolve() / "segments"
        environment = {"SOUND_TO_VIDEO_SEGMENTS": str(self.segments)}
        self._process = _OwnProcess(installation, work_folder.resolve(), arguments, environment)
        self._starting = threading.Lock()
        self._ended = False

    @property
    def url(self) -> str:
        return self._process.url

    def ensure(self) -> None:
        with self._starting:
            if self._process.is_running():
                return
            if self._ended:
                raise FarmError("it was stopped.")
            try:
                self._process.start()
            except ServerError as error:
                raise FarmError(str(error)) from None

    def last_words(self) -> str:
        return "; its last words:\n" + self._process.log(4)

    def put(self, name: str, source: Path | bytes) -> None:
        target = self._process.work_folder / "input" / name
        if target.is_file():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.{threading.get_ident()}.partial")
        if isinstance(source, bytes):
            partial.write_bytes(source)
        else:
            shutil.copyfile(source, partial)
        os.replace(partial, target)

    def get(self, entry: Mapping[str, str]) -> Path | bytes:
        path = self._process.work_folder / entry["type"] / entry.get("subfolder", "") / entry["filename"]
        if not path.is_file():
            raise FileNotFoundError(path.name)
        return path

    def kill(self) -> None:
        self._process.kill()

    def stop(self) -> None:
        self._ended = True
        self._process.stop()

    def __enter__(self) -> OwnComfyUI:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()


class _OwnProcess(ComfyProcess):
    def __init__(self, installation: Installation, work_folder: Path, arguments: Sequence[str], environment: dict):
        super().__init__(installation.host, work_folder, installation.python, arguments, "127.0.0.1", environment)
        self.pack = installation.pack

    def place_arguments(self) -> list[str]:
        arguments = self.database_argument(self.work_folder / "user")
        for kind in ("input", "output", "temp", "user"):
            (self.work_folder / kind).mkdir(parents=True, exist_ok=True)
            arguments += [f"--{kind}-directory", str(self.work_folder / kind)]
        packs = self.host / "custom_nodes"
        if not any((pack / "nodes" / "s2v_sampler.py").is_file() for pack in packs.glob("*")):
            link_folder(self.pack, self.work_folder / "custom_nodes" / PACK_FOLDER)
            arguments += self.search_path_arguments({"pack": {"custom_nodes": str(self.work_folder / "custom_nodes")}})
        return arguments


class RemoteComfyUI(ComfyUI):
    """A ComfyUI that runs already; files go over its routes."""

    def __init__(self, url: str):
        super().__init__()
        self._url = url.rstrip("/") if "://" in url else f"http://{url.rstrip('/')}"
        self.name = self.url.partition("://")[2]
        self._there: set[str] = set()

    @property
    def url(self) -> str:
        return self._url

    def ensure(self) -> None:
        try:
            with urllib.request.urlopen(f"{self.url}/system_stats", timeout=30):
                return
        except GONE as error:
            raise FarmError(f"no ComfyUI answers at {self.url}: {getattr(error, 'reason', error)}.") from None

    def put(self, name: str, source: Path | bytes) -> None:
        if name in self._there:
            return
        content = source if isinstance(source, bytes) else source.read_bytes()
        folder, _, file_name = name.rpartition("/")
        if self._size_of({"filename": file_name, "subfolder": folder, "type": "input"}) != len(content):
            try:
                Client(self.url).upload_bytes(content, file_name, folder)
            except urllib.error.HTTPError as error:
                size = f"{len(content) / 1e6:.0f} MB"
                hint = f"{size} are more than its --max-upload-size" if error.code == 413 else f"it says {error}"
                raise JobFailed(f"{self.name} does not take {file_name}: {hint}.") from None
        self._there.add(name)

    def get(self, entry: Mapping[str, str]) -> Path | bytes:
        try:
            return Client(self.url).download(dict(entry))
        except urllib.error.HTTPError as error:
            if error.code == 404:
                raise FileNotFoundError(entry["filename"]) from None
            raise

    def _size_of(self, entry: dict[str, str]) -> int | None:
        request = urllib.request.Request(f"{self.url}/view?{urllib.parse.urlencode(entry)}", method="HEAD")
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return int(response.headers.get("Content-Length") or -1)
        except urllib.error.HTTPError:
            return None


def _title(prompt: Prompt, node_id: Any) -> str | None:
    node = prompt.get(str(node_id)) or {}
    return (node.get("_meta") or {}).get("title") or node.get("class_type")


def _sentence(error: PromptError, prompt: Prompt) -> str:
    title = _title(prompt, error.node_id)
    text = str(error).strip() or type(error).__name__
    return f"{title}: {text}" if title and not text.startswith(title) else text


def _said(result: Result, key: str) -> list | None:
    """What the nodes of a prompt said under a key of their ``ui``; None where none did."""
    said = [output[key] for output in result.outputs.values() if key in output]
    return [item for items in said for item in items] if said else None


def _resumed(result: Result) -> int:
    return sum(_said(result, "sound_to_video_resumed") or [])
