"""Ctrl+C ends the host at once, whatever our threads are doing; and what they raise arrives."""

import asyncio
import subprocess
import sys

import pytest
from sound_to_video.server.workers import DaemonThreads, in_thread

ENDLESS = """
import asyncio, sys, time, types
package = types.ModuleType("sound_to_video"); package.__path__ = [sys.argv[1]]; sys.modules["sound_to_video"] = package
server = types.ModuleType("sound_to_video.server"); server.__path__ = [sys.argv[1] + "/server"]
sys.modules["sound_to_video.server"] = server
from sound_to_video.server.workers import analysing, in_thread

async def main():
    task = asyncio.ensure_future(in_thread(analysing, time.sleep, 600))
    await asyncio.sleep(0.1)
    raise KeyboardInterrupt

try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("ended")
"""


@pytest.mark.slow
def test_the_end_of_the_process_does_not_wait_for_a_decode():
    from pathlib import Path

    from sound_to_video.server import workers

    root = str(Path(workers.__file__).parents[1])
    ended = subprocess.run([sys.executable, "-c", ENDLESS, root], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (0, "ended\n"), ended.stderr


def test_no_more_threads_than_said_and_errors_arrive():
    import threading

    pool = DaemonThreads(2, "test")
    names = set()

    def work(number: int) -> int:
        names.add(threading.current_thread().name)
        if number == 7:
            raise KeyError(number)
        return number * 2

    async def run():
        found = await asyncio.gather(*(in_thread(pool, work, number) for number in range(50) if number != 7))
        assert found == [number * 2 for number in range(50) if number != 7]
        with pytest.raises(KeyError):
            await in_thread(pool, work, 7)

    asyncio.run(run())
    assert len(names) <= 2
