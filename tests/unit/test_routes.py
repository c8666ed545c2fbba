"""The routes in a loop of this process: what the event loop, the disk and the threads feel of them."""

import asyncio
import contextlib
import gc
import gzip
import io
import json
import os
import struct
import time
import wave
from urllib.parse import urljoin

import folder_paths
import numpy as np
import pytest
from aiohttp import ClientSession, web
from PIL import Image
from sound_to_video.core.families import FAMILIES
from sound_to_video.server import our_routes, upload_routes
from sound_to_video.tests.routes import FILE_ROUTES
from sound_to_video.tests.unit.test_footage import write_footage

RATE = 16000
MOST_STANDSTILL_SECONDS = 0.05
HUGE = ["1e999999999", "1e-999999999", "-1e999999999", "nan", "inf", "9" * 5000, "1/0", "", "\ud800", "1e3000000", "٣"]


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """Input, output, temp and user folders of this test alone."""
    for kind in ("input", "output", "temp", "user"):
        (tmp_path / kind).mkdir()
        monkeypatch.setattr(folder_paths, f"{kind}_directory", str(tmp_path / kind))
    write_wav(tmp_path / "input" / "voice.wav", 3.0)
    return tmp_path


def write_wav(path, seconds: float, rate: int = RATE) -> None:
    samples = np.random.default_rng(0).integers(-9000, 9000, int(seconds * rate), np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())


class Served:
    """Our routes on a port of this machine, and a client of them."""

    def __init__(self, session: ClientSession, url: str):
        self.session, self.url = session, url
        self.standstill = 0.0

    async def get(self, path: str, query=None, method: str = "GET", **options):
        """(status, headers, body); ``path``: below /sound_to_video/, or with a / in front the whole one."""
        url = urljoin(f"{self.url}/", path)
        async with self.session.request(method, url, params=query, **options) as response:
            return response.status, response.headers, await response.read()

    async def upload(self, filename: str, data, query=None, **options):
        options = {"params": {"filename": filename, **(query or {})}, "data": data, **options}
        async with self.session.post(f"{self.url}/upload", **options) as response:
            return response.status, json.loads(await response.read())

    @contextlib.asynccontextmanager
    async def heartbeat(self):
        """``standstill``: the most seconds that the loop's thread worked without coming round.

        Of the processor, not of the clock: what else this machine does says nothing.
        """

        async def beat():
            last = time.thread_time()
            while True:
                await asyncio.sleep(0.001)
                now = time.thread_time()
                self.standstill, last = max(self.standstill, now - last), now

        task = asyncio.ensure_future(beat())
        try:
            yield
        finally:
            task.cancel()


def served(check) -> None:
    """Run ``check(served)`` beside a server with our routes."""

    async def run():
        app = web.Application()
        app.add_routes(our_routes())
        runner = web.AppRunner(app, lingering_time=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        try:
            async with ClientSession() as session:
                await check(Served(session, f"http://127.0.0.1:{port}/sound_to_video"))
        finally:
            await runner.cleanup()

    asyncio.run(run())


def odd_queries() -> list[tuple[str, dict]]:
    plan = {"family": "wan_s2v", "start": "0", "end": "8", "sample_rate": "44100"}
    queries = [("sound", {"filename": "voice.wav", name: value}) for name in ("start", "end") for value in HUGE]
    queries += [("level", {"filename": "voice.wav", name: value}) for name in ("fade_in", "gain_db") for value in HUGE]
    queries += [("plan", {**plan, name: value}) for name in (*plan, "frame_rate", "segment_seconds") for value in HUGE]
    names = [
        "x" * 300 + ".wav",
        "あ" * 100 + ".wav",
        "a/" * 600 + "x.wav",
        "x.m3u",
        "x.m3u8",
        "x.pls",
        ".wav",
        "voice.wav/x.wav",
    ]
    names += ["\ud800.wav", "con:.wav", "voice.wav\n", "~", "%00.wav", "voice.wav/../../x.wav"]
    long = {"start": "0", "end": "1e6", "sample_rate": "10000000"}
    for family in (family.id for family in FAMILIES):
        for rate in ("0", "1000", "1e-300", "1e15"):
            queries += [
                ("plan", {**long, "family": family, "frame_rate": rate, "segment_seconds": s}) for s in ("0", "1e-9")
            ]
    queries += [("frame", {"filename": name, "seconds": value}) for name in ("x.mp4", "voice.wav") for value in HUGE]
    frames = {"filename": "x.mp4", "times": "0,1", "height": "90"}
    queries += [("frames", {**frames, name: value}) for name in ("times", "height") for value in HUGE]
    size = {"variant": FAMILIES[0].variants[0].name, "width": "640", "height": "480"}
    queries += [("size", {**size, name: value}) for name in size for value in HUGE]
    for route in FILE_ROUTES:
        queries += [(route, {"filename": name}) for name in names]
        queries += [(route, {"filename": "voice.wav", "type": kind}) for kind in ("models", "x" * 3_000, "\ud800")]
    return queries


def test_every_odd_query_is_a_4xx_with_a_sentence_and_the_loop_goes_on():
    async def check(server):
        async with server.heartbeat():
            for route, query in odd_queries():
                query = {name: value.encode("utf-8", "replace").decode() for name, value in query.items()}
                status, headers, body = await asyncio.wait_for(server.get(route, query), 20)
                if status != 200:
                    assert 400 <= status < 500, (route, query, status, body)
                    assert headers["Content-Type"].startswith("application/json"), (route, query, body)
                    assert len(json.loads(body)["error"]) > 10
        assert server.standstill < MOST_STANDSTILL_SECONDS

    served(check)


def test_a_picture_of_a_video(folders):
    """Of files that no browser plays too; past the end it is the last."""
    write_footage(folders / "input" / "clip.mov", codec="prores_ks", pixel_format="yuv422p10le")

    async def check(server):
        status, _, body = await server.get("video", {"filename": "clip.mov"})
        assert status == 200, body
        assert json.loads(body)["duration"] == pytest.approx(30 / 25, abs=0.02)
        levels = []
        for seconds in ("0", "1", "1e6"):
            status, headers, body = await server.get("frame", {"filename": "clip.mov", "seconds": seconds})
            assert status == 200, body
            assert headers["Content-Type"] == "image/jpeg"
            image = Image.open(io.BytesIO(body))
            assert image.size == (48, 32)
            levels.append(np.asarray(image).mean())
        assert levels[0] + 100 < levels[1] < levels[2] - 5, "a frame of another brightness each"
        for route in ("video", "frame"):
            assert (await server.get(route, {"filename": "voice.wav"}))[0] == 422

    served(check)


def test_every_answer_forbids_to_guess_its_type():
    async def check(server):
        for route, query in [*[(route.path.format(file="x.json"), {}) for route in our_routes()], *odd_queries()[:3]]:
            _, headers, _ = await server.get(route, query, "POST" if route.endswith("/upload") else "GET")
            assert headers["X-Content-Type-Options"] == "nosniff", route
        for route in ("peaks", "sound"):
            for method in ("GET", "HEAD"):
                _, headers, _ = await server.get(route, {"filename": "voice.wav"}, method)
                assert headers["X-Content-Type-Options"] == "nosniff", (route, method)

    served(check)


def test_an_error_nobody_thought_of_is_still_a_sentence(monkeypatch):
    from sound_to_video.server import sound_routes

    monkeypatch.setattr(sound_routes, "wav_response", None)

    async def check(server):
        status, headers, body = await server.get("sound", {"filename": "voice.wav"})
        assert (status, headers["X-Content-Type-Options"]) == (500, "nosniff")
        assert "log says more" in json.loads(body)["error"]

    served(check)


@pytest.mark.parametrize(
    ("span", "status", "length"),
    [
        ("bytes=0-" + "9" * 5000, 206, 96044),
        ("bytes=" + "0" * 5000 + "96000-", 206, 44),
        ("bytes=" + "9" * 5000 + "-", 416, None),
        ("bytes=-" + "9" * 5000, 206, 96044),
        ("bytes=-0", 416, None),
        ("bytes=5-2", 200, 96044),  # RFC 9110, 14.1.1: not a range, so not looked at
        ("bytes=0-1,5-6", 200, 96044),
        ("items=0-5", 200, 96044),
        ("bytes=٣-٥", 200, 96044),
        ("bytes=-", 200, 96044),
    ],
)
def test_odd_ranges(span, status, length):
    async def check(server):
        # A client of its own: aiohttp's limits the length of its headers.
        reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.split(":")[2].split("/")[0]))
        writer.write(
            b"GET /sound_to_video/sound?filename=voice.wav HTTP/1.1\r\nHost: x\r\nConnection: close\r\nRange: "
        )
        writer.write(span.encode() + b"\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        assert int(head.split()[1]) == status
        if length is not None:
            assert len(body) == length

    served(check)


def test_a_condition_that_no_answer_can_meet_gives_the_whole_sound():
    async def check(server):
        headers = {"Range": "bytes=0-9", "If-Range": '"abc"'}
        status, _, body = await server.get("sound", {"filename": "voice.wav"}, headers=headers)
        assert (status, len(body)) == (200, 96044)

    served(check)


def test_the_stamp_changes_with_the_file(folders):
    async def check(server):
        stamps = []
        for seconds in (3.0, 3.0, 2.0):
            if seconds != 3.0:
                write_wav(folders / "input" / "voice.wav", seconds)
            _, headers, body = await server.get("peaks", {"filename": "voice.wav"})
            (length,) = struct.unpack_from("<I", body)
            said = json.loads(body[8 : 8 + length])
            assert said["stamp"] == headers["Sound-Stamp"]
            _, headers, body = await server.get("peaks", {"filename": "voice.wav"}, "HEAD")
            assert (headers["Sound-Stamp"], body) == (said["stamp"], b"")
            query = {"filename": "voice.wav", "stamp": said["stamp"]}
            assert len((await server.get("sound", query))[2]) == 44 + seconds * RATE * 2
            stamps.append(said["stamp"])
        assert stamps[0] == stamps[1] != stamps[2]

    served(check)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files by /proc")
def test_files_are_closed_when_their_listeners_have_gone(folders):
    path = folders / "input" / "long.wav"
    write_wav(path, 600)

    def still_open() -> int:
        names = []
        for descriptor in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                names.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        return sum(name.endswith("long.wav") for name in names)

    async def check(server):
        for _ in range(20):
            async with server.session.get(f"{server.url}/sound", params={"filename": "long.wav"}) as response:
                await response.content.readexactly(100)
                response.close()
        for _ in range(200):
            if not still_open():
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"{still_open()} files are still open")

    gc.collect()
    gc.disable()
    try:
        served(check)
    finally:
        gc.enable()


def there(folder) -> set:
    return set(folder.rglob("*"))


@pytest.mark.parametrize("subfolder", ["link/new/deep", "new/../..", "a/" * 600 + "a", "x" * 300, "link"])
def test_a_subfolder_that_is_refused_is_not_made(folders, subfolder):
    outside = folders / "elsewhere"
    outside.mkdir()
    (folders / "input" / "link").symlink_to(outside, target_is_directory=True)
    before = there(folders)

    async def check(server):
        status, said = await server.upload("a.wav", b"x", {"subfolder": subfolder})
        assert status == 400
        assert said["error"]
        assert there(folders) == before

    served(check)


def test_an_empty_upload_leaves_no_folder(folders):
    before = there(folders)

    async def check(server):
        assert (await server.upload("a.wav", b"", {"subfolder": "new/deep"}))[0] == 400
        assert there(folders) == before
        assert (await server.upload("a.wav", b"x", {"subfolder": "new/deep"}))[1] == {"name": "new/deep/a.wav"}

    served(check)


def test_an_upload_that_stalls_is_dropped(folders, monkeypatch):
    monkeypatch.setattr(upload_routes, "STALLED_SECONDS", 0.1)
    before = there(folders)

    async def check(server):
        go_on = asyncio.Event()

        async def body():
            yield b"x" * 1000
            await go_on.wait()

        status, said = await server.upload("a.wav", body(), {"subfolder": "slow"})
        assert status == 408
        assert "upload the file again" in said["error"]
        assert there(folders) == before
        go_on.set()

    served(check)


@pytest.mark.parametrize(
    ("variable", "host_megabytes", "bytes_sent", "status"),
    [
        (None, 1, 1 << 20, 200),
        (None, 1, (1 << 20) + 1, 413),
        ("2", 1, 1 << 21, 200),
        ("0.5", 1, 1 << 20, 413),
        ("0", 1, 1 << 21, 200),
        ("nan", 1, 1 << 21, 413),
        ("much", 1, 1 << 21, 413),
        (None, 0, 1 << 21, 200),
    ],
)
@pytest.mark.parametrize("how", ["plain", "chunked", "gzip"])
def test_the_limit_is_the_hosts_unless_the_administrator_says_another(
    folders, monkeypatch, how, variable, host_megabytes, bytes_sent, status
):
    monkeypatch.setattr(upload_routes.args, "max_upload_size", host_megabytes)
    monkeypatch.delenv(upload_routes.LIMIT_VARIABLE, raising=False)
    if variable is not None:
        monkeypatch.setenv(upload_routes.LIMIT_VARIABLE, variable)
    content = bytes(bytes_sent)

    async def pieces():
        yield content[: 1 << 19]
        yield content[1 << 19 :]

    async def check(server):
        if how == "gzip":
            found, said = await server.upload("a.wav", gzip.compress(content), headers={"Content-Encoding": "gzip"})
        else:
            found, said = await server.upload("a.wav", pieces() if how == "chunked" else content)
        assert found == status, said
        kept = folders / "input" / "a.wav"
        assert (kept.read_bytes() == content) if status == 200 else not kept.exists()
        assert not list((folders / "input").glob(".upload*"))

    served(check)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"filename": "a.wav", "bytes": "1048576"}, 200),
        ({"filename": "a.wav"}, 200),
        ({"filename": "a.wav", "bytes": "1048577"}, 413),
        ({"filename": "a.wav", "bytes": "9" * 5000}, 400),
        ({"filename": "a.wav", "bytes": "-1"}, 400),
        ({"filename": "a.m3u"}, 415),
        ({"filename": "a.wav", "subfolder": "../x"}, 400),
    ],
)
def test_one_may_ask_before_a_large_file_is_sent(folders, monkeypatch, query, status):
    monkeypatch.setattr(upload_routes.args, "max_upload_size", 1)
    before = there(folders)

    async def check(server):
        found, _, body = await server.get("upload", query)
        assert found == status
        assert status == 200 or json.loads(body)["error"]
        assert there(folders) == before

    served(check)


def test_a_body_that_is_not_what_it_says_is_refused():
    async def check(server):
        status, said = await server.upload("a.wav", b"not gzip at all" * 99, headers={"Content-Encoding": "gzip"})
        assert status == 400
        assert said["error"]

    served(check)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("あ" * 100 + ".wav", "あ" * 65 + ".wav"),
        ("x" * 300 + ".m4a", "x" * 196 + ".m4a"),
        ("😀" * 60 + ".opus", "😀" * 48 + ".opus"),
        ("..\\..\\con.wav", "_con.wav"),
        ("NUL.tar.wav", "_NUL.tar.wav"),
        ("Aux.wav", "_Aux.wav"),
        ("console.wav", "console.wav"),
        ("a:b?.wav", "a_b_.wav"),
        ("half \ud800.wav", "half _ud800.wav"),
        ("   ..wav", "wav"),
    ],
)
def test_names_are_those_that_file_systems_take(given, kept):
    assert upload_routes.plain_name(given) == kept


def test_a_name_of_many_bytes_is_uploaded_and_played(folders):
    async def check(server):
        content = (folders / "input" / "voice.wav").read_bytes()
        status, said = await server.upload("あ" * 100 + ".wav", content)
        assert (status, said["name"]) == (200, "あ" * 65 + ".wav")
        assert (await server.get("sound", {"filename": said["name"]}))[2][44:] == content[44:]

    served(check)


@pytest.mark.parametrize(
    "ending", ["m3u", "m3u8", "pls", "cue", "xspf", "asx", "txt", "mid", "wav.exe", "ffconcat", "sdp"]
)
def test_what_names_other_files_is_not_taken(folders, ending):
    (folders / "input" / f"list.{ending}").write_text("#EXTM3U\nvoice.wav\n")

    async def check(server):
        assert (await server.upload(f"x.{ending}", b"x"))[0] == 415
        for route in ("peaks", "sound", "beats"):
            assert (await server.get(route, {"filename": f"list.{ending}"}))[0] == 415

    served(check)


@pytest.mark.slow
def test_two_hundred_readers_and_the_loop_comes_round(folders):
    write_wav(folders / "input" / "long.wav", 300)

    async def check(server):
        async with server.heartbeat():
            answers = [
                server.get("sound", {"filename": "long.wav", "start": str(n), "end": str(n + 1)}) for n in range(60)
            ]
            answers += [server.get("peaks", {"filename": "long.wav"}) for _ in range(60)]
            answers += [server.upload(f"{n}.wav", bytes(1 << 20)) for n in range(20)]
            found = await asyncio.gather(*answers)
        assert {answer[0] for answer in found} == {200}
        assert server.standstill < MOST_STANDSTILL_SECONDS

    served(check)
