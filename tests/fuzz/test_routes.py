"""Odd requests for every route of the pack, on a real server: no 500, nothing from outside, the loop never held."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from urllib.parse import quote, quote_from_bytes, urlencode

import pytest
from sound_to_video.core.families import FAMILIES
from sound_to_video.server import queries
from sound_to_video.tests.fuzz.heartbeat import Beat, Collections, Heartbeat
from sound_to_video.tests.routes import FILE_ROUTES

MOST = 400
LONGEST_HOLD_SECONDS = 0.05  # of the host's event loop, by what it does itself: a long round finds more to be wrong
SLOWEST_SECONDS = 180  # that an answer may take before it counts as a hang: a busy machine is none
PART = re.compile(r"{\w+}")  # of a route's path: what varies
SECRET = b"SECRET-OUTSIDE"
MEDIA = Path(__file__).resolve().parents[2] / "media"

NUMBERS = (
    *("0", "-1", "1", "0.5", "nan", "inf", "-inf", "1e999999999", "1e-999999999", "1e400", "9" * 5000, "1/3", "1/0"),
    *("0x10", "１２", " 1", "1_000", "", "None", "true", "[1]", "1e3", "-0", "+5", "1e18", "16000", "44100"),
)
NAMES = (
    *("sound_to_video_voice.wav", "list.m3u", "list.wav", "link.wav", "missing.wav", "", ".", "..", "../outside.wav"),
    *("../../etc/passwd", "/etc/passwd", "C:\\x.wav", "\\\\host\\x.wav", "a/../b.wav", "a//b.wav", "x" * 300 + ".wav"),
    *("音" * 100 + ".wav", "a\0.wav", "a\n.wav", "con.wav", "nul", "%2e%2e/outside.wav", "a.wav ", "a.wav.", "folder"),
    *("a.txt", ".hidden.wav", "pipe.wav", "a" * 200 + "/" + "b" * 200 + ".wav", "/".join(["d"] * 1200) + "/a.wav"),
)
RANGES = (
    "bytes=0-",
    "bytes=0-99",
    "bytes=-1",
    "bytes=9-1",
    "bytes=" + "9" * 4400 + "-",
    "bytes=a-b",
    "items=0-1",
    "bytes=0-0,5-6",
)


@pytest.fixture(scope="module")
def collections(tmp_path_factory) -> Collections:
    return Collections(tmp_path_factory.mktemp("collections"))


@pytest.fixture(scope="module")
def server(start_server, collections):
    """A server with things in its input folder that strangers may have put there."""
    server = start_server("fuzz-server", environment=collections.environment)
    folder = server.input_directory
    outside = server.base_directory / "outside.wav"
    shutil.copy(MEDIA / "sound_to_video_voice.wav", outside)
    (server.base_directory / "secret.txt").write_bytes(SECRET)
    (folder / "list.m3u").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:5,\n{outside}\n#EXT-X-ENDLIST\n")
    shutil.copy(folder / "list.m3u", folder / "list.wav")
    (folder / "a.txt").write_text("not a sound")
    (folder / "folder").mkdir(exist_ok=True)
    link = folder / "link.wav"
    if not link.exists():
        link.symlink_to(outside)
    return server


def routes_of_the_pack() -> list[tuple[str, str]]:
    """``(method, path)`` of every route, from the pack's own table."""
    from sound_to_video.server import our_routes

    return [(route.method, route.path) for route in our_routes()]


def parameters() -> dict[str, tuple[str, ...]]:
    """Every query parameter that a route knows, with odd values for it."""
    numbers = ("start", "end", "sample_rate", "frame_rate", "segment_seconds", "bins", "peaks_per_second", "duration")
    numbers += ("preview_seconds", "cuts", "prompts", "fade_in", "fade_out", "stamp", "start_sample", "end_sample")
    numbers += ("gain_db", "seconds", "times", "height", "width", "timeline", "timeline_cuts", "bytes")
    named = ("", "x" * 3000, "nan")
    return {
        **dict.fromkeys(numbers, NUMBERS),
        "filename": NAMES,
        "subfolder": NAMES,
        "type": ("input", "output", "temp", "user", "", "../input", "input\0"),
        "family": (*(family.id for family in FAMILIES), *named),
        "variant": (*(variant.name for family in FAMILIES for variant in family.variants), *named),
    }


GOOD = {"filename": "sound_to_video_voice.wav", "family": "ltx_av", "start": "0", "end": "5", "sample_rate": "16000"}


def request_of(random: Random, routes: list[tuple[str, str]]) -> tuple[str, str, dict[str, str], bytes]:
    method, path = random.choice(routes)
    if random.random() < 0.1:
        method = random.choice(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
    known = parameters()
    query = dict(GOOD)
    for name in random.sample(sorted(known), random.choice([1, 1, 2, 4])):
        query[name] = random.choice(known[name])
    for name in random.sample(sorted(query), random.choice([0, 0, 0, 1, 3])):
        del query[name]
    text = urlencode(query, quote_via=quote)
    if random.random() < 0.05:
        text += "&filename=" + quote_from_bytes(random.randbytes(9))
    path = re.sub(PART, lambda _: quote(random.choice(NAMES), safe=random.choice(["/", ""])), path)
    headers = {"Range": random.choice(RANGES)} if random.random() < 0.3 else {}
    body = random.choice([b"", b"\0", random.randbytes(300), b"{}", SECRET[:0]]) if method in ("POST", "PUT") else b""
    return method, f"{path}?{text}", headers, body


def is_for(target: str, routes: list[tuple[str, str]]) -> bool:
    """Whether one of these routes answers: a slash, or dots that are steps between folders, leads elsewhere."""
    path = target.partition("?")[0]
    return path.rpartition("/")[2] not in (".", "..") and any(
        re.fullmatch("[^/]+".join(map(re.escape, PART.split(route))), path) for _, route in routes
    )


def test_what_a_route_does_not_take_is_the_hosts_to_answer():
    routes = [("GET", "/sound_to_video/peaks"), ("GET", "/files/{name}")]
    ours = ("/sound_to_video/peaks?filename=a/b", "/files/a%2Fb.wav", "/files/a.wav?x=/")
    others = ("/files/", "/files/a/b.wav", "/files/..", "/files/.?x", "/sound_to_video/peaks/more")
    assert [is_for(target, routes) for target in (*ours, *others)] == [True] * 3 + [False] * 5


def answer(port: int, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SLOWEST_SECONDS)
    try:
        connection.request(method, target, body or None, headers)
        response = connection.getresponse()
        return response.status, response.headers.get("Content-Type", ""), response.read(1 << 20)
    finally:
        connection.close()


class UnderWay:
    """Which requests were under way when."""

    def __init__(self) -> None:
        self._cases: list[tuple[float, float, str]] = []

    @contextlib.contextmanager
    def while_asking(self, case: str) -> Iterator[None]:
        started = time.time()
        try:
            yield
        finally:
            self._cases.append((started, time.time(), case))

    def during(self, beat: Beat) -> list[str]:
        """The first of those that a beat met, cut short."""
        met = [case for start, end, case in self._cases if start < beat.at + beat.waited and end > beat.at]
        return [case[:120] for case in met[:5]]


def test_every_parameter_is_tried():
    """Those that a route reads by name, in the code of the routes."""
    code = "".join(path.read_text("utf-8") for path in Path(queries.__file__).parent.glob("*.py"))
    read = set(re.findall(r"""query(?:\.get\(|\[)"(\w+)\"""", code)) | set(
        re.findall(r"""(?:seconds|number)_asked\(\w+, "(\w+)"\)""", code)
    )
    assert len(read) > 10
    assert sorted(read - set(parameters())) == []


def test_odd_requests(fuzz_round, server, collections):
    heartbeat, under_way = Heartbeat(server.port, server.process.pid).start(), UnderWay()
    routes, ran = routes_of_the_pack(), 0
    for number in fuzz_round.repeated(MOST):
        method, target, headers, body = request_of(Random(f"{fuzz_round.seed}-{number}"), routes)
        case = f"{number}: {method} {target[:160]} {headers}"
        ran += 1
        try:
            with under_way.while_asking(case):
                status, kind, content = answer(server.port, method, target, headers, body)
        except TimeoutError:
            fuzz_round.is_wrong(f"{case}: no answer in {SLOWEST_SECONDS} s")
            break
        except (http.client.HTTPException, ValueError, ConnectionError):
            continue  # not HTTP any more: the host's own parser has it
        if status >= 500 and status not in (501, 507):
            fuzz_round.is_wrong(f"{case}: {status} {content[:120]!r}")
        if SECRET in content:
            fuzz_round.is_wrong(f"{case}: read what lies outside")
        ours = "application/json" in kind
        if (
            400 <= status < 500
            and status not in (405, 413, 414)
            and method != "HEAD"
            and len(target) < 8000
            and is_for(target, routes)
            and not ours
        ):
            fuzz_round.is_wrong(f"{case}: {status} as {kind}: {content[:120]!r}")
        elif ours and status >= 400 and method != "HEAD":
            assert json.loads(content)["error"]
        for planted in ("list.m3u", "list.wav", "link.wav"):
            asked = f"filename={planted}" in target and target.count("filename=") == 1
            opened = (
                status in (200, 206) and method == "GET" and b'"error"' not in content
            )  # peaks tell it in the stream
            if asked and opened and any(f"/{route}?" in target for route in FILE_ROUTES):
                fuzz_round.is_wrong(f"{case}: opened {planted}, which leads outside")
    heartbeat.stop()
    outside = [path.name for path in server.base_directory.iterdir() if path.suffix == ".wav"]
    assert outside == ["outside.wav"], "nothing was written outside the folders"
    fuzz_round.tell(f"{ran} requests; {heartbeat.words()}")
    for beat in heartbeat.beats:
        collected = collections.worked(beat)
        if beat.held > LONGEST_HOLD_SECONDS:
            told = f"the host itself held its loop for {1000 * beat.held:.0f} ms, {1000 * collected:.0f} of them for "
            told += f"collecting garbage, beside {under_way.during(beat)}"
            is_ours = beat.held - collected > LONGEST_HOLD_SECONDS and heartbeat.is_told
            tell = fuzz_round.is_wrong if fuzz_round.minutes and is_ours else fuzz_round.tell
            tell(told)
    with contextlib.suppress(OSError):
        status, _, _ = answer(server.port, "GET", "/system_stats", {}, b"")
        if status != 200:
            fuzz_round.is_wrong("the host does not serve on")
    fuzz_round.assert_nothing_is_wrong(ran)
