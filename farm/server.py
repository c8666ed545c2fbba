"""A ComfyUI in a process of its own (standard library only)."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

START_SECONDS = 300
TIED = Path(__file__).with_name("tied.py")


class ServerError(RuntimeError):
    """The server did not start or went away; the message ends with the last lines of its log."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def link_folder(target: Path, link: Path) -> None:
    """Make ``link`` point to the folder ``target``: a symbolic link, on Windows a junction (no rights needed)."""
    if link.is_symlink() or link.exists():
        if link.resolve() == target.resolve():
            return
        if not link.is_symlink():
            raise FileExistsError(f"{link} is there already and is not a link to {target}: move it away")
        link.unlink()
    link.parent.mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32":
        subprocess.run(["cmd", "/c", "mklink", "/J", str(link), str(target)], check=True, capture_output=True)
    else:
        link.symlink_to(target, target_is_directory=True)


class ComfyProcess:
    """ComfyUI in a process that ends with this one, whatever ends this one; a context manager.

    Args:
        host: the folder with ComfyUI's ``main.py``; nothing of it is changed.
        work_folder: where it runs, with its log.
        python: the interpreter that has the host's requirements.
        arguments: arguments of ``main.py``, such as ``("--cpu",)``.
        listen: address to listen on.
        environment: variables added to this process's own.
    """

    def __init__(
        self,
        host: Path,
        work_folder: Path,
        python: str = sys.executable,
        arguments: Sequence[str] = (),
        listen: str = "127.0.0.1",
        environment: dict[str, str] | None = None,
    ):
        self.host = host
        self.work_folder = work_folder
        self.python = python
        self.arguments = arguments
        self.listen = listen
        self.environment = environment or {}
        self.log_path = work_folder / "server.log"
        self.port = 0
        self.process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def place_arguments(self) -> list[str]:
        """The arguments of ``main.py`` that say where its folders are; written anew for each start."""
        return []

    def log(self, lines: int = 60) -> str:
        """The last ``lines`` lines that the server wrote."""
        if not self.log_path.exists():
            return ""
        text = re.sub(r"\x1b\[[0-9;]*m", "", self.log_path.read_text("utf-8", "replace"))
        return "\n".join(text.splitlines()[-lines:])

    def start(self, waiting: Callable[[float], None] = lambda seconds: None) -> "ComfyProcess":
        """Start and return when it answers; ``waiting(seconds so far)`` is called about twice a second.

        Raises:
            ServerError: it ended, or gave no answer in `START_SECONDS`.
        """
        self.work_folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        command = [
            *(self.python, "-u", str(TIED), str(self.host / "main.py")),
            *("--listen", self.listen, "--port", str(self.port), "--disable-auto-launch"),
            *self.place_arguments(),
            *self.arguments,
        ]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", **self.environment}
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.work_folder,
                env=environment,
                stdin=subprocess.PIPE,  # closed when this process ends: `tied.py` waits for that
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=sys.platform != "win32",
            )
        started = time.monotonic()
        while not self.answers():
            if self.process.poll() is not None:
                raise ServerError(f"ComfyUI ended with code {self.process.returncode} while starting:\n{self.log()}")
            if time.monotonic() - started > START_SECONDS:
                self.stop()
                raise ServerError(f"ComfyUI gave no answer within {START_SECONDS} s:\n{self.log()}")
            waiting(time.monotonic() - started)
            time.sleep(0.4)
        return self

    def database_argument(self, folder: Path) -> list[str]:
        return ["--database-url", f"sqlite:///{(folder / 'comfyui.db').as_posix()}"]

    def search_path_arguments(self, folders: dict[str, dict[str, str]]) -> list[str]:
        """More folders in which the host looks: {name: {"base_path": ..., "loras": "loras/", ...}}."""
        # JSON is YAML: no YAML library needed, and any path is quoted right.
        path = self.work_folder / "extra_model_paths.yaml"
        path.write_text(json.dumps(folders, indent=1), "utf-8")
        return ["--extra-model-paths-config", str(path)]

    def answers(self) -> bool:
        """Whether the server answers a request now."""
        try:
            with urllib.request.urlopen(f"{self.url}/system_stats", timeout=5) as response:
                return response.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """Ask the server to end, and end it after 10 s."""
        process, self.process = self.process, None
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """End the server as a crash would (``kill -9``), with no chance to clean up."""
        assert self.process is not None, "the server is not running"
        self.process.send_signal(signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
        self.process.wait()
        self.process = None

    def __enter__(self) -> "ComfyProcess":
        return self.start()

    def __exit__(self, *exception) -> None:
        self.stop()
