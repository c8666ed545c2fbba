"""Threads for what would hold the host's event loop up. None of them holds up the end of the host."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

from aiohttp import web

LOOKS_EVERY_SECONDS = 0.5

Result = TypeVar("Result")


class DaemonThreads(Executor):
    """At most ``most`` threads that are left behind where the process ends; ThreadPoolExecutor's are waited for."""

    def __init__(self, most: int, name: str):
        self._most = most
        self._name = name
        self._count = 0
        self._lock = threading.Lock()
        self._work: queue.SimpleQueue[tuple[Future, Callable[[], Any]]] = queue.SimpleQueue()

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        future: Future[Result] = Future()
        self._work.put((future, lambda: fn(*args, **kwargs)))
        with self._lock:
            if self._count < self._most:
                self._count += 1
                threading.Thread(target=self._run, name=f"{self._name}_{self._count}", daemon=True).start()
        return future

    def _run(self) -> None:
        while True:
            future, call = self._work.get()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:
                    future.set_exception(error)
            del future, call  # nothing is kept alive while waiting for more


analysing = DaemonThreads(2, "sound_to_video_analysing")
"""Whole sounds: seconds to minutes. Two, so that a host that is sampling keeps its processors."""

opening = DaemonThreads(4, "sound_to_video_opening")
"""Opening a sound and counting its samples: some formats are read to their end for it."""

quick = DaemonThreads(4, "sound_to_video_quick")
"""Looks at the disk, a piece of an upload."""

looking = DaemonThreads(2, "sound_to_video_looking")
"""Pictures of a video: up to a stretch between two of its key frames is decoded for each."""

playing = DaemonThreads(4, "sound_to_video_playing")
"""Blocks of a sound for a player: after a jump in some formats, all before it is decoded first."""


async def in_thread(pool: DaemonThreads, call: Callable[..., Result], *args: Any) -> Result:
    """What ``call(*args)`` returns or raises in a thread of ``pool``."""
    return await asyncio.get_running_loop().run_in_executor(pool, call, *args)


async def while_waited_for(
    request: web.Request, pool: DaemonThreads, call: Callable[..., Result], *args: Any
) -> Result:
    """What ``call(*args, is_over)`` returns; ``is_over()`` becomes true once the one who asked has gone."""
    gone = threading.Event()
    work = asyncio.ensure_future(in_thread(pool, call, *args, gone.is_set))
    try:
        while not (await asyncio.wait([work], timeout=LOOKS_EVERY_SECONDS))[0]:
            if request.transport is None or request.transport.is_closing():
                gone.set()
        return work.result()
    finally:
        gone.set()
