"""The routes of the browser's widgets, on a real server: what they tell, and what they refuse."""

import io
import json
import struct
import urllib.error
import urllib.parse
import urllib.request
import wave
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from sound_to_video.core.audio import open_audio
from sound_to_video.core.audio.trim import trim
from sound_to_video.tests.routes import FILE_ROUTES
from sound_to_video.tests.server.waiting import wait_until

RATE = 22050


def ask(server, path: str, query: dict | None = None, body: bytes | None = None, headers: dict | None = None):
    """(status, headers, body) of a request to one of our routes."""
    url = f"{server.url}/sound_to_video/{path}?{urllib.parse.urlencode(query or {})}"
    request = urllib.request.Request(url, body, headers or {})
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return response.status, dict(response.headers), response.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def messages(data: bytes) -> list[tuple[dict, np.ndarray]]:
    found = []
    while data:
        text, payload = struct.unpack_from("<II", data)
        about = json.loads(data[8 : 8 + text])
        found.append((about, np.frombuffer(data[8 + text : 8 + text + payload], np.int8).reshape(-1, 2)))
        data = data[8 + text + payload :]
    return found


def write_wav(path, samples: np.ndarray, rate: int = RATE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[0])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples.T * 32767).round().astype("<i2").tobytes())


@pytest.fixture(scope="module")
def samples():
    """Two channels of 3.5 s: half a second of silence, then bursts."""
    time = np.arange(int(3.5 * RATE)) / RATE
    left = 0.5 * np.sin(2 * np.pi * 200 * time) * (time >= 0.5)
    return np.stack([left, 0.25 * left])


@pytest.fixture(scope="module")
def server(comfy_server, samples):
    write_wav(comfy_server.input_directory / "routes" / "bursts.wav", samples)
    write_wav(comfy_server.input_directory / "top level.wav", samples)
    write_wav(comfy_server.output_directory / "made.wav", samples)
    (comfy_server.input_directory / "routes" / "words.txt").write_text("not for you")
    (comfy_server.input_directory / "routes" / "lie.mp3").write_text("these are words, not music\n" * 50)
    (comfy_server.base_directory / "secret.wav").write_bytes(
        (comfy_server.input_directory / "top level.wav").read_bytes()
    )
    for name, target in {"link.wav": "secret.wav", "linked": ""}.items():
        link = comfy_server.input_directory / "routes" / name
        if not link.is_symlink():
            link.symlink_to(comfy_server.base_directory / target, target_is_directory=not target)
    return comfy_server


def test_peaks_show_the_sound_and_its_silence(server, samples):
    status, _, body = ask(server, "peaks", {"filename": "bursts.wav", "subfolder": "routes", "type": "input"})
    assert status == 200
    found = messages(body)
    about = {message["kind"]: message for message, _ in found}
    assert about["sound"] == {
        "kind": "sound",
        "stamp": about["sound"]["stamp"],
        "duration": 3.5,
        "sample_rate": RATE,
        "channels": 2,
        "bins_per_second": 1000,
    }
    peaks = np.concatenate([payload for message, payload in found if message["kind"] == "peaks"])
    assert len(peaks) == 3500
    assert not peaks[:499].any()
    assert (peaks[600:].max(), peaks[600:].min()) == (64, -64)
    assert about["end"]["duration"] == 3.5
    assert about["end"]["silences"] == [[0.0, 0.5]]


def test_peaks_are_the_same_from_the_cache_and_for_a_copy(server):
    first = messages(ask(server, "peaks", {"filename": "routes/bursts.wav"})[2])
    again = messages(ask(server, "peaks", {"filename": "routes/bursts.wav"})[2])
    copy = messages(ask(server, "peaks", {"filename": "made.wav", "type": "output"})[2])

    def whole(found):
        return np.concatenate([payload for message, payload in found if message["kind"] == "peaks"])

    np.testing.assert_array_equal(whole(first), whole(again))
    np.testing.assert_array_equal(whole(first), whole(copy))
    kept = list((server.base_directory / "user" / "__sound_to_video" / "sounds").glob("*.peaks.npz"))
    assert kept, "nothing was kept"


def test_a_damaged_cache_file_is_made_anew(server):
    query = {"filename": "top level.wav"}
    before = ask(server, "peaks", query)[2]
    for kept in (server.base_directory / "user" / "__sound_to_video" / "sounds").glob("*.peaks.npz"):
        kept.write_bytes(kept.read_bytes()[:100])
    status, _, body = ask(server, "peaks", query)
    assert status == 200
    assert messages(body)[-1][0] == messages(before)[-1][0]


def test_a_file_that_changes_shows_its_new_sound(server, samples):
    path = server.input_directory / "routes" / "changing.wav"
    write_wav(path, samples)
    ask(server, "peaks", {"filename": "routes/changing.wav"})
    write_wav(path, samples[:, :RATE])
    found = messages(ask(server, "peaks", {"filename": "routes/changing.wav"})[2])
    assert found[-1][0]["duration"] == 1.0


def test_a_file_that_is_no_sound_says_so_in_the_stream(server):
    found = messages(ask(server, "peaks", {"filename": "routes/lie.mp3"})[2])
    assert found[-1][0]["kind"] == "error"
    assert "lie.mp3" in found[-1][0]["error"]


def test_the_heard_sound_is_the_file_to_the_sample(server, samples):
    status, headers, body = ask(server, "sound", {"filename": "routes/bursts.wav"})
    assert (status, headers["Content-Type"], headers["Accept-Ranges"]) == (200, "audio/wav", "bytes")
    original = (server.input_directory / "routes" / "bursts.wav").read_bytes()
    difference = np.frombuffer(body[44:], "<i2").astype(int) - np.frombuffer(original[44:], "<i2").astype(int)
    assert len(body) == len(original)
    assert np.abs(difference).max() <= 1


SPANS = ["0-0", "0-43", "10-99", "44-", "45-1000", "100001-100003", "-500", "150000-999999999"]


@pytest.mark.parametrize("span", SPANS)
def test_any_range_of_the_sound_is_that_part_of_the_whole(server, span):
    whole = ask(server, "sound", {"filename": "routes/bursts.wav"})[2]
    status, headers, part = ask(server, "sound", {"filename": "routes/bursts.wav"}, headers={"Range": f"bytes={span}"})
    first, last = span.split("-")
    start = len(whole) - int(last) if not first else int(first)
    end = min(int(last) + 1, len(whole)) if first and last else len(whole)
    assert status == 206
    assert headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(whole)}"
    assert part == whole[start:end]


def test_a_range_beyond_the_end_is_refused(server):
    status, headers, body = ask(
        server, "sound", {"filename": "routes/bursts.wav"}, headers={"Range": "bytes=999999999-"}
    )
    assert status == 416
    assert headers["Content-Range"].startswith("bytes */")
    assert "error" in json.loads(body)


def test_part_of_a_sound_is_cut_to_the_sample(server):
    whole = ask(server, "sound", {"filename": "routes/bursts.wav"})[2]
    part = ask(server, "sound", {"filename": "routes/bursts.wav", "start": "0.5", "end": "1.25"})[2]
    assert part[44:] == whole[44 + 4 * 11025 : 44 + 4 * 27563]


def test_beats_are_searched_for_without_loading_numba_into_the_host(server):
    """Python collects garbage while it loads: the host would stand still for half a second."""
    maps = Path(f"/proc/{server.process.pid}/maps")
    if not maps.exists():
        pytest.skip("this system does not tell which libraries a process has loaded")
    is_there = "llvmlite" in maps.read_text()
    status, _, body = ask(server, "beats", {"filename": "sound_to_video_music.flac"})
    assert (status, len(json.loads(body)["beats"])) == (200, 15)
    if is_there:
        pytest.skip("this ComfyUI has loaded numba itself, as 0.33 does where it is installed")
    assert "llvmlite" not in maps.read_text()


def test_a_cut_that_is_heard_is_what_trim_audio_gives(server):
    cut = {"filename": "routes/bursts.wav", "start": "0.5", "end": "1.25", "fade_in": "0.25", "gain_db": "-3.5"}
    heard = np.frombuffer(ask(server, "sound", cut)[2][44:], "<i2").reshape(-1, 2).T
    meant = trim(open_audio(server.input_directory / "routes" / "bursts.wav"), 0.5, 1.25, 0.25, 0, -3.5)
    assert np.abs(heard - meant["waveform"][0].numpy() * 32767).max() <= 1
    assert ask(server, "sound", {**cut, "gain_db": "61"})[0] == 422


def test_the_level_of_a_cut_is_measured(server):
    cut = {"filename": "routes/bursts.wav", "start": "0.5", "end": "1.25"}
    plain, louder = (json.loads(ask(server, "level", {**cut, "gain_db": gain})[2]) for gain in ("0", "6"))
    assert plain["peak"] < 0 and plain["loudness"] < 0
    assert {name: louder[name] - plain[name] for name in plain} == pytest.approx({"peak": 6, "loudness": 6}, abs=0.01)


@pytest.mark.parametrize("route", FILE_ROUTES)
@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"filename": "../secret.wav"}, 400),
        ({"filename": "routes/../../secret.wav"}, 400),
        ({"filename": "secret.wav", "subfolder": ".."}, 400),
        ({"filename": "secret.wav", "subfolder": "routes/../.."}, 400),
        ({"filename": "..\\secret.wav"}, 400),
        ({"filename": "/etc/passwd"}, 400),
        ({"filename": "{base}/secret.wav"}, 400),
        ({"filename": "C:/secret.wav"}, 400),
        ({"filename": "nul\0.wav"}, 400),
        ({"filename": ""}, 400),
        ({}, 400),
        ({"filename": "top level.wav", "type": "models"}, 400),
        ({"filename": "top level.wav", "type": "../"}, 400),
        ({"filename": "routes/link.wav"}, 404),
        ({"filename": "routes/linked/secret.wav"}, 404),
        ({"filename": "nothing.wav"}, 404),
        ({"filename": "routes"}, 415),
        ({"filename": "routes/words.txt"}, 415),
    ],
    ids=str,
)
def test_nothing_outside_is_read_and_every_refusal_is_a_sentence(server, route, query, status):
    query = {name: value.replace("{base}", str(server.base_directory)) for name, value in query.items()}
    query["times"] = "0"  # which frames must have, and the others do not look at
    found, headers, body = ask(server, route, query)
    assert found == status
    assert headers["Content-Type"].startswith("application/json")
    assert len(json.loads(body)["error"]) > 10


@pytest.mark.parametrize("route", [route for route in FILE_ROUTES if route != "peaks"])  # which tells it in its stream
def test_what_is_no_sound_is_refused_with_a_sentence(server, route):
    status, _, body = ask(server, route, {"filename": "routes/lie.mp3", "times": "0"})
    assert status == 422
    assert "lie.mp3" in json.loads(body)["error"]


def test_an_upload_may_have_what_the_hosts_limit_says_and_no_more(server):
    content = np.random.default_rng(1).integers(0, 256, 100 * 1024 * 1024 + 1, np.uint8).tobytes()
    status, _, body = ask(server, "upload", {"filename": "long recording.wav"}, content[:-1])
    assert (status, json.loads(body)) == (200, {"name": "long recording.wav"})
    kept = server.input_directory / "long recording.wav"
    assert kept.read_bytes() == content[:-1]
    kept.unlink()
    status, _, body = ask(server, "upload", {"filename": "long recording.wav"}, content)
    assert status == 413
    assert "larger than the 100 MB" in json.loads(body)["error"]
    assert not list(server.input_directory.glob("long*"))


def test_a_second_file_of_the_same_name_gets_a_number_and_the_same_file_its_own(server):
    names = [
        json.loads(ask(server, "upload", {"filename": "voice.wav", "subfolder": "routes/up"}, content)[2])["name"]
        for content in (b"one", b"two!", b"one", b"two!", b"three")
    ]
    expected = ["voice.wav", "voice (1).wav", "voice.wav", "voice (1).wav", "voice (2).wav"]
    assert names == [f"routes/up/{name}" for name in expected]
    assert not list((server.input_directory / "routes" / "up").glob("*.part"))


@pytest.mark.parametrize(
    ("query", "body", "status"),
    [
        ({"filename": "program.py"}, b"x", 415),
        ({"filename": "page.html"}, b"x", 415),
        ({"filename": ""}, b"x", 415),
        ({"filename": ".wav"}, b"x", 415),
        ({"filename": "a.wav", "subfolder": ".."}, b"x", 400),
        ({"filename": "a.wav", "subfolder": "/tmp"}, b"x", 400),
        ({"filename": "a.wav", "subfolder": "routes/linked"}, b"x", 400),
        ({"filename": "empty.wav"}, b"", 400),
    ],
    ids=str,
)
def test_what_may_not_be_uploaded_leaves_nothing(server, query, body, status):
    def there():
        return {*server.base_directory.glob("*"), *server.input_directory.rglob("*")}

    before = there()
    found, _, answer = ask(server, "upload", query, body)
    assert found == status
    assert json.loads(answer)["error"]
    assert there() == before


def test_a_path_in_an_uploads_name_is_only_a_name(server):
    status, _, body = ask(server, "upload", {"filename": "../../else where/voice.wav"}, b"words")
    assert (status, json.loads(body)["name"]) == (200, "voice.wav")
    assert (server.input_directory / "voice.wav").read_bytes() == b"words"


def test_an_interrupted_upload_leaves_nothing(server):
    import socket

    folder = server.input_directory / "routes" / "broken"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(
            b"POST /sound_to_video/upload?filename=cut.wav&subfolder=routes/broken HTTP/1.1\r\n"
            b"Host: localhost\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 300_000
        )
        wait_until(lambda: list(folder.glob(".upload-*")))
    wait_until(lambda: not list(folder.glob("*")) and not list(folder.glob(".*")))


def shade(number: int) -> int:
    return 20 + 4 * number


@pytest.fixture(scope="module")
def clip(server):
    """24 frames at 12 a second, each of another grey."""
    path = server.input_directory / "routes" / "greys.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=12)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(24):
            pixels = np.full((64, 96, 3), shade(number), np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        output.mux(stream.encode(None))
    return "routes/greys.mp4"


def test_pictures_of_a_clip_are_those_at_their_times(server, clip):
    about = json.loads(ask(server, "video", {"filename": clip})[2])
    assert about == {"duration": 2.0, "frame_rate": 12.0, "width": 96, "height": 64}
    status, headers, body = ask(server, "frames", {"filename": clip, "times": "0,1.04,0.5,99", "height": "32"})
    assert (status, headers["Content-Type"]) == (200, "image/jpeg")
    strip = np.asarray(Image.open(io.BytesIO(body)).convert("L"), np.float32)
    assert strip.shape == (32, 4 * 48)
    seen = [strip[:, 48 * index + 8 : 48 * index + 40].mean() for index in range(4)]
    assert seen == pytest.approx([shade(number) for number in (0, 12, 6, 23)], abs=2.5)
    one = Image.open(io.BytesIO(ask(server, "frame", {"filename": clip, "seconds": "1"})[2]))
    assert one.size == (96, 64) and np.asarray(one).mean() == pytest.approx(shade(12), abs=2.5)


@pytest.mark.parametrize(
    "query", [{"times": ""}, {"times": "0,soon"}, {"times": "0," * 25}, {"times": "0", "height": "9"}], ids=str
)
def test_pictures_that_cannot_be_asked_for(server, clip, query):
    status, _, body = ask(server, "frames", {"filename": clip, **query})
    assert status == 400 and json.loads(body)["error"]


def test_the_plan_is_told_in_the_planners_words(server):
    query = {"family": "wan_s2v", "start": "1.5", "end": "9.5", "sample_rate": "44100"}
    status, _, body = ask(server, "plan", query)
    assert status == 200
    plan = json.loads(body)
    assert plan["words"] == "8.00 s → 128 frames at 16 fps, 2 segments"
    assert (plan["frame_count"], plan["frame_rate"], plan["segments"]) == (128, 16, 2)
    assert (plan["starts"], plan["cuts"]) == ([0, 4.8125], [])
    timeline = {"prompts": "0,3", "cuts": "6.04", "preview_seconds": "7"}
    plan = json.loads(ask(server, "plan", {**query, **timeline})[2])
    assert plan["words"] == "7.00 s → 112 frames at 16 fps, 3 segments"
    assert (plan["starts"], plan["cuts"]) == ([0, 3.0625, 6.0625], [6.0625])


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"family": "nobody"}, 404),
        ({"start": "9.5", "end": "1.5"}, 400),
        ({"end": "soon"}, 400),
        ({"sample_rate": "0"}, 400),
        ({"end": "1/0"}, 400),
        ({"end": "nan"}, 400),
        ({"segment_seconds": "-1"}, 400),
        ({"frame_rate": "25"}, 422),
        ({"start": "1e999999999"}, 400),
        ({"end": "1e-999999999"}, 400),
        ({"frame_rate": "nan"}, 400),
        ({"segment_seconds": "inf"}, 400),
        ({"end": "1000000"}, 422),
    ],
    ids=str,
)
def test_a_plan_that_cannot_be_is_refused_with_a_sentence(server, change, status):
    query = {"family": "wan_s2v", "start": "1.5", "end": "9.5", "sample_rate": "44100", **change}
    found, _, body = ask(server, "plan", query)
    assert found == status
    assert json.loads(body)["error"]


def test_every_family_says_what_the_browser_needs(server):
    families = json.loads(ask(server, "families")[2])
    assert {family["id"]: family["audio_input"] for family in families}["wan_s2v"] == "audio_encoder"
    for family in families:
        assert family["audio_input"] in ("audio_encoder", "audio_vae")
        assert family["encoder"]
        assert family["frame_rate"] > 0
