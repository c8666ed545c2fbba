"""How long a server's event loop keeps anyone waiting: told apart from how long the machine does.

``Heartbeat(server)`` runs this file as a program of its own, so that nothing in the tests' process keeps it waiting,
and beside it a server that does nothing. Standard library only.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

PAUSE_SECONDS = 0.03
CLEANER = """
import gc, os, time

noted_in = os.environ.pop("SOUND_TO_VIDEO_COLLECTIONS", None)  # programs that it starts collect for themselves

def noted(phase, about):
    global began
    if phase == "start":
        began = time.time(), time.thread_time()
    elif time.thread_time() - began[1] > 0.005:
        with open(noted_in, "a") as file:
            file.write(f"{began[0]} {time.time()} {time.thread_time() - began[1]}\\n")

if noted_in:
    gc.callbacks.append(noted)
"""
NOTED_SECONDS = 0.02  # beats that the loop itself took longer for are told
NANO = 1e-9


@dataclass(frozen=True)
class Beat:
    """One small request of many to a server, in seconds but for ``at``.

    at: when it began, by ``time.time()``.
    waited: for its answer, by the clock. On a busy machine others have most of that.
    worked: the loop's thread had a processor.
    held: no longer than that the loop was held by the server itself, see ``held_by_itself``.
    control: the wait for the server that does nothing, asked right after.
    """

    at: float
    waited: float
    worked: float
    held: float
    control: float


@dataclass(frozen=True)
class Threads:
    """Seconds so far for which the threads of a process had a processor, and waited for one; by thread."""

    worked: dict[str, float]
    queued: dict[str, float]

    @classmethod
    def of(cls, pid: int | str) -> Threads:
        """From Linux's ``/proc/PID/task/*/schedstat``: nanoseconds on a processor, then in its queue (proc(5))."""
        worked, queued = {}, {}
        for task in Path(f"/proc/{pid}/task").glob("*"):  # none where the system does not tell
            try:
                on, waiting = (task / "schedstat").read_text().split()[:2]
            except OSError:
                continue  # it has ended
            worked[task.name], queued[task.name] = int(on) * NANO, int(waiting) * NANO
        return cls(worked, queued)

    def since(self, before: Threads) -> Threads:
        return Threads(
            {name: value - before.worked.get(name, 0.0) for name, value in self.worked.items()},
            {name: value - before.queued.get(name, 0.0) for name, value in self.queued.items()},
        )


def held_by_itself(waited: float, queued_here: float, loop: str, threads: Threads) -> float:
    """Seconds of a wait that the server itself held its loop, at most; the rest is a busy machine's.

    What is left of the wait without the times in which the loop's thread, and the one that waits here, were ready and
    had no processor, the loop worked, or slept until another thread let it on (Python's lock, say). That thread worked
    then, or was itself kept waiting for a processor: so it is no more than all work of the process, but for what none
    of its threads' waiting for a processor explains either, such as a lock that is held while a disk is read.

    waited: by the clock.  queued_here: that the asking thread waited for a processor.  loop: the loop's thread.
    threads: those of the server, over the wait.
    """
    awake = max(0.0, waited - queued_here - threads.queued.get(loop, 0.0))
    others = sum(value for name, value in threads.queued.items() if name != loop)
    return min(awake, max(sum(threads.worked.values()), awake - others))


class Collections:
    """When Python collected garbage in a server: all of its threads stand still then, for a third of a second in a host
    with its libraries, whatever is asked of it.

    environment: to be added to the server's, in which Python runs what it finds as ``sitecustomize``.
    """

    def __init__(self, folder: Path):
        (folder / "sitecustomize.py").write_text(CLEANER)
        self._noted = folder / "collections.txt"
        self.environment = {"PYTHONPATH": str(folder), "SOUND_TO_VIDEO_COLLECTIONS": str(self._noted)}

    def worked(self, beat: Beat) -> float:
        """Seconds of a processor that collections took which were under way during a beat."""
        lines = self._noted.read_text().splitlines() if self._noted.exists() else []
        found = [tuple(map(float, line.split())) for line in lines]
        return sum(work for start, end, work in found if start < beat.at + beat.waited and end > beat.at)


class Heartbeat:
    """Beats from ``start()`` to ``stop()``; ``beats`` are then those of note, ``count`` how many there were.

    longest: of all beats, each of its numbers for itself.
    is_told: False where the system does not tell what threads do; ``held`` is then the whole wait.
    """

    def __init__(self, port: int, pid: int):
        self._command = [sys.executable, __file__, str(port), str(pid)]
        self.beats: list[Beat] = []
        self.count = 0
        self.longest = Beat(0, 0, 0, 0, 0)
        self.is_told = Path("/proc/self/schedstat").exists()

    def start(self) -> Heartbeat:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "beating\n"
        return self

    def stop(self) -> None:
        said, _ = self._process.communicate("")
        *beats, (self.count, longest) = map(json.loads, said.splitlines())
        self.beats = [Beat(**beat) for beat in beats]
        self.longest = Beat(**longest)

    def words(self) -> str:
        longest = {name: f"{1000 * value:.0f} ms" for name, value in asdict(self.longest).items() if name != "at"}
        return (
            f"{self.count} beats beside them: the host's longest answer {longest['waited']} (an idle server's on this "
            f"machine {longest['control']}), of which its loop worked {longest['worked']} at most and was held by "
            f"itself for {longest['held']} at most"
        )


def beat(port: int, pid: str, control_port: int) -> Beat:
    at = time.time()
    before, here = Threads.of(pid), _queued_here()
    started = time.perf_counter()
    _ask(port)
    waited = time.perf_counter() - started
    queued, threads = _queued_here() - here, Threads.of(pid).since(before)
    started = time.perf_counter()
    _ask(control_port)
    control = time.perf_counter() - started
    held = held_by_itself(waited, queued, pid, threads)
    return Beat(at, waited, threads.worked.get(pid, 0.0), held, control)


def _queued_here() -> float:
    path = Path("/proc/thread-self/schedstat")
    return int(path.read_text().split()[1]) * NANO if path.exists() else 0.0


def _ask(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    try:
        connection.request("GET", "/features")
        connection.getresponse().read()
    except OSError:
        pass  # the server has ended: its test says so
    finally:
        connection.close()


def serve_nothing() -> None:
    """Answer every request at once, on the port that is printed."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        _say(str(server.sockets[0].getsockname()[1]))
        await server.serve_forever()

    asyncio.run(serve())


def main(port: int, pid: str) -> None:
    """Beat until standard input ends; say the beats of note, then how many there were and the longest of each kind."""
    control = subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True)
    assert control.stdout is not None
    control_port = int(control.stdout.readline())
    _say("beating")
    count, longest = 0, dict.fromkeys(asdict(Beat(0, 0, 0, 0, 0)), 0.0)
    over = threading.Thread(target=sys.stdin.read, daemon=True)
    over.start()
    try:
        while over.is_alive():
            time.sleep(PAUSE_SECONDS)
            now = beat(port, pid, control_port)
            count += 1
            longest = {name: max(value, longest[name]) for name, value in asdict(now).items()}
            if now.held > NOTED_SECONDS:
                _say(json.dumps(asdict(now)))
    finally:
        control.kill()
    _say(json.dumps([count, longest]))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve_nothing() if sys.argv[1:] == ["serve"] else main(int(sys.argv[1]), sys.argv[2])
