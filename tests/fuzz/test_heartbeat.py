"""What the fuzzer of routes measures with: whether it tells a server that holds its loop from a busy machine."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from sound_to_video.tests.fuzz.heartbeat import Heartbeat, Threads, held_by_itself

LOOP = "1"
HOLDS = {  # what holds the loop for a third of a second, again and again
    "it waits": "time.sleep(0.3)",
    "it works": "spin(0.3)",
    "another thread has Python's lock": "numbers.submit(lambda: 7 ** 2_000_000).result()",
}
SERVER = """
import asyncio, concurrent.futures, time
numbers = concurrent.futures.ThreadPoolExecutor()

def spin(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass

async def answer(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    {hold}
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\n{{}}")
    await writer.drain()
    writer.close()

async def serve():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(serve())
"""


def threads(**seconds: tuple[float, float]) -> Threads:
    """By name: seconds with a processor, and without one."""
    names = {name.strip("_"): pair for name, pair in seconds.items()}
    return Threads({name: pair[0] for name, pair in names.items()}, {name: pair[1] for name, pair in names.items()})


@pytest.mark.parametrize(
    ("waited", "here", "of", "held"),
    [
        (1.0, 0.0, threads(_1=(0.3, 0.7), _2=(0.0, 0.0)), 0.3),  # it worked, and was not let on by the machine
        (1.0, 0.6, threads(_1=(0.0, 0.4), _2=(0.0, 0.0)), 0.0),  # nobody was let on
        (1.0, 0.0, threads(_1=(0.0, 0.0), _2=(1.0, 0.0)), 1.0),  # another thread worked, under Python's lock
        (1.0, 0.0, threads(_1=(0.0, 0.0), _2=(0.1, 0.9)), 0.1),  # that one was not let on
        (1.0, 0.0, threads(_1=(0.0, 0.0), _2=(0.0, 0.0)), 1.0),  # all slept, as on a disk
        (0.1, 0.0, threads(_1=(0.01, 0.0), _2=(0.1, 0.0), _3=(0.1, 0.0)), 0.1),  # never more than the wait
    ],
)
def test_what_of_a_wait_is_the_servers_own(waited, here, of, held):
    assert held_by_itself(waited, here, LOOP, of) == pytest.approx(held)


@pytest.mark.slow
@pytest.mark.parametrize("hold", HOLDS.values(), ids=HOLDS)
def test_a_loop_that_is_held_is_found(hold):
    server = subprocess.Popen([sys.executable, "-c", SERVER.format(hold=hold)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        heartbeat = Heartbeat(int(server.stdout.readline()), server.pid).start()
        time.sleep(3)
        heartbeat.stop()
    finally:
        server.kill()
    assert heartbeat.beats and heartbeat.longest.held > 0.05, heartbeat.words()
