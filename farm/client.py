"""A client of ComfyUI's HTTP and WebSocket API; needs the host's aiohttp."""

import asyncio
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

Prompt = dict[str, dict[str, Any]]
CONNECT_SECONDS = 30


class PromptError(RuntimeError):
    """A prompt was refused or failed.

    Attributes:
        node_id, node_type: the node that raised it (None when the whole prompt was refused).
        error_type: the exception's class as the host names it, or the validation error's type.
        details: the host's message as it came.
    """

    def __init__(self, message: str, node_id=None, node_type=None, error_type=None, details: dict | None = None):
        super().__init__(message)
        self.node_id = node_id
        self.node_type = node_type
        self.error_type = error_type
        self.details = details or {}


@dataclass
class Result:
    """What a finished prompt left: ``outputs`` by node id (their ``ui`` dicts), and every message in order."""

    prompt_id: str
    outputs: dict[str, dict[str, Any]]
    messages: list[tuple[str, dict]] = field(default_factory=list)

    def executed_nodes(self) -> list[str]:
        """Ids of the nodes that ran (were not taken from the cache), in order."""
        return [data["node"] for kind, data in self.messages if kind == "executing" and data.get("node")]

    def progress(self, node_id: str) -> list[tuple[float, float]]:
        """(value, maximum) of each progress message of ``node_id``."""
        steps = [data for kind, data in self.messages if kind == "progress"]
        return [(data["value"], data["max"]) for data in steps if data.get("node") == node_id]


class Client:
    """One session with the server at ``url``; a context manager. Methods block; messages arrive in the background.

    heartbeat_seconds: how often the server must show that it lives; None: only the end of the connection counts.
    """

    def __init__(self, url: str, heartbeat_seconds: float | None = None):
        self.url = url.rstrip("/")
        self.id = uuid.uuid4().hex
        self.heartbeat_seconds = heartbeat_seconds
        self.previews: list[bytes] = []  # binary messages: live previews, as the browser gets them
        self._messages: list[tuple[str, dict]] = []
        self._news = threading.Condition()
        self._connected = threading.Event()
        self._closed: BaseException | None = None
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> "Client":
        self._loop = asyncio.new_event_loop()
        self._thread.start()
        deadline = time.monotonic() + CONNECT_SECONDS
        while not self._connected.wait(0.05):
            if self._closed or time.monotonic() > deadline:
                raise ConnectionError(f"no WebSocket at {self.url}: {self._closed or 'no answer'}")
        return self

    def __exit__(self, *exception) -> None:
        if not self._loop.is_closed():  # it is once the server went away
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(10)

    def _listen(self) -> None:
        self._task = self._loop.create_task(self._receive())
        try:
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        except Exception as error:
            self._closed = error
        finally:
            self._loop.close()
            with self._news:
                self._closed = self._closed or ConnectionError("the server closed the WebSocket")
                self._news.notify_all()

    async def _receive(self) -> None:
        socket_url = f"{self.url}/ws?clientId={self.id}"
        connect = {"max_msg_size": 0, "heartbeat": self.heartbeat_seconds}
        async with aiohttp.ClientSession() as session, session.ws_connect(socket_url, **connect) as socket:
            self._connected.set()
            async for message in socket:
                with self._news:
                    if message.type == aiohttp.WSMsgType.TEXT:
                        content = json.loads(message.data)
                        self._messages.append((content["type"], content.get("data") or {}))
                    elif message.type == aiohttp.WSMsgType.BINARY:
                        self.previews.append(message.data)
                    self._news.notify_all()

    def request(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """JSON (None when empty) of ``path``; ``body`` is sent as JSON.

        Raises:
            urllib.error.HTTPError: a status of 400 or more.
        """
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data else {}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as response:
            content = response.read()
        return json.loads(content) if content else None

    def object_info(self) -> dict[str, dict]:
        """Every node's definition by id."""
        return self.request("/object_info")

    def upload(self, file: Path, subfolder: str = "", name: str | None = None, overwrite: bool = True) -> str:
        """Put ``file`` into the server's input folder as the browser does; return the name to use in a node."""
        return self.upload_bytes(file.read_bytes(), name or file.name, subfolder, overwrite)

    def upload_bytes(self, content: bytes, name: str, subfolder: str = "", overwrite: bool = True) -> str:
        """`upload`, for a file that is in memory."""
        fields = {"subfolder": subfolder, "type": "input", "overwrite": "true" if overwrite else "false"}
        boundary = uuid.uuid4().hex
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()
        ]
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'
        body = ("".join(parts) + head).encode() + content + f"\r\n--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        request = urllib.request.Request(f"{self.url}/upload/image", body, headers)
        with urllib.request.urlopen(request, timeout=120) as response:
            saved = json.loads(response.read())
        return f"{saved['subfolder']}/{saved['name']}" if saved["subfolder"] else saved["name"]

    def queue(self, prompt: Prompt, workflow: dict | None = None, previews: bool = False) -> str:
        """Queue an API-format prompt (with the workflow that it came from, with live previews); return its id.

        Raises:
            PromptError: the host refused it (unknown node, bad value, missing input).
        """
        body: dict[str, Any] = {"prompt": prompt, "client_id": self.id}
        extra: dict[str, Any] = {"preview_method": "auto"} if previews else {}
        if workflow is not None:
            extra["extra_pnginfo"] = {"workflow": workflow}
        body["extra_data"] = extra
        try:
            return self.request("/prompt", body)["prompt_id"]
        except urllib.error.HTTPError as error:
            if error.code != 400:
                raise
            raise _refusal(json.loads(error.read()), prompt) from None

    def wait(
        self, prompt_id: str, timeout_seconds: float = 280, on_message: Callable[[str, dict], None] | None = None
    ) -> Result:
        """Follow ``prompt_id`` to its end. timeout_seconds: may be ``math.inf``.

        Raises:
            PromptError: a node failed or the prompt was interrupted (``error_type`` "interrupted").
            TimeoutError, ConnectionError: no end in time; the server went away.
        """
        mine: list[tuple[str, dict]] = []
        for kind, data in self._follow(time.monotonic() + timeout_seconds):
            if data.get("prompt_id", prompt_id) != prompt_id:
                continue
            mine.append((kind, data))
            if on_message:
                on_message(kind, data)
            if kind == "execution_success":
                return Result(prompt_id, self._outputs(prompt_id), mine)
            if kind == "execution_interrupted":
                raise PromptError("interrupted", data.get("node_id"), data.get("node_type"), "interrupted", data)
            if kind == "execution_error":
                message = data["exception_message"].strip()
                raise PromptError(message, data["node_id"], data["node_type"], data["exception_type"], data)
        raise AssertionError("unreachable")

    def _outputs(self, prompt_id: str) -> dict[str, dict[str, Any]]:
        # The host announces the end a moment before it writes the history (execution.py, main.py prompt_worker).
        for _ in range(200):
            history = self.request(f"/history/{prompt_id}")
            if prompt_id in history:
                return history[prompt_id]["outputs"]
            time.sleep(0.05)
        raise TimeoutError(f"prompt {prompt_id} ended, yet is not in the server's history")

    def _follow(self, deadline: float):
        position = 0
        while True:
            with self._news:
                while position >= len(self._messages):
                    if self._closed:
                        raise ConnectionError(f"the server went away: {self._closed}")
                    self._news.wait(min(max(0.0, deadline - time.monotonic()), CONNECT_SECONDS))
                    if position >= len(self._messages) and not self._closed and time.monotonic() >= deadline:
                        raise TimeoutError("the prompt did not end in time")
                message = self._messages[position]
            position += 1
            yield message

    def run(self, prompt: Prompt, timeout_seconds: float = 280, **more) -> Result:
        """`queue`, then `wait`."""
        return self.wait(self.queue(prompt), timeout_seconds, **more)

    def interrupt(self) -> None:
        """Stop the prompt that runs now."""
        self.request("/interrupt", {})

    def cancel(self, prompt_id: str) -> None:
        """Take a prompt out of the server's queue, or stop it where it runs; others are left alone."""
        self.request("/queue", {"delete": [prompt_id]})
        self.request("/interrupt", {"prompt_id": prompt_id})

    def free(self) -> None:
        """Let the server unload its models and forget its cached results before the next prompt."""
        self.request("/free", {"unload_models": True, "free_memory": True})

    def download(self, file: dict) -> bytes:
        """The content of a file that a node's ``ui`` names: {"filename", "subfolder", "type"}."""
        query = urllib.parse.urlencode({key: file[key] for key in ("filename", "subfolder", "type")})
        with urllib.request.urlopen(f"{self.url}/view?{query}", timeout=120) as response:
            return response.read()


def _refusal(answer: dict, prompt: Prompt) -> PromptError:
    for node_id, problems in (answer.get("node_errors") or {}).items():
        first = problems["errors"][0]
        message = f"{first['message']}: {first['details']}" if first.get("details") else first["message"]
        return PromptError(message, node_id, prompt.get(node_id, {}).get("class_type"), first["type"], answer)
    error = answer.get("error", answer)
    if isinstance(error, str):
        return PromptError(error, details=answer)
    return PromptError(f"{error['message']} {error.get('details', '')}".strip(), None, None, error["type"], answer)
