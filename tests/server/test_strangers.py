"""What strangers send and plant, on a real server: it starts, serves on, and runs the next prompt."""

import os
import socket
import threading
import time
import urllib.parse
import urllib.request

import pytest
from sound_to_video.tests.server.graphs import node
from sound_to_video.tests.server.waiting import wait_until
from sound_to_video.tests.sound_files import chirp, write_sound

from farm.client import Client, PromptError

LINKS = {"self": ".", "again": ".", "takes/up": "..", "takes/above": "../..", "out.wav": "../secret.wav"}


@pytest.fixture(scope="module")
def server(start_server):
    """A server that was killed in the middle of an upload, its folders full of what nobody should put there."""
    server = start_server("test-strangers")
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(
            b"POST /sound_to_video/upload?filename=cut.wav&subfolder=takes HTTP/1.1\r\n"
            b"Host: localhost\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 300_000
        )
        wait_until(lambda: list(server.input_directory.glob("takes/.upload-*")))
        server.kill()
    base, takes = server.base_directory, server.input_directory / "takes"
    left = [*takes.glob(".upload-*.part"), server.output_directory / ".clip_00001_.0a1b2c3d.part"]
    left[-1].write_bytes(b"half a clip")
    for path in left:
        os.utime(path, (time.time() - 7200,) * 2)
    server.left = left
    for path in (base / "secret.wav", takes / "voice.wav"):
        write_sound(path, "pcm_s16le", chirp(2.0, 16000, 1), 16000)
    for name, target in LINKS.items():
        (server.input_directory / name).symlink_to(target, target_is_directory=not name.endswith("wav"))
    (server.input_directory / "list.m3u").write_text(f"#EXTM3U\n{base / 'secret.wav'}\n")
    for number, config in enumerate([b"", b"[]", b"null", b'{"_class', b"\xff\xfe{\0}\0"]):
        folder = server.models_directory / "diffusers" / f"broken {number}" / "transformer"
        folder.mkdir(parents=True)
        (folder / "config.json").write_bytes(config)
    if hasattr(os, "mkfifo"):
        os.mkfifo(takes / "pipe.wav")
        (takes / os.fsdecode(b"Bj\xf6rk.wav")).write_bytes((takes / "voice.wav").read_bytes())
        folder = server.models_directory / "diffusers" / "pipe" / "transformer"
        folder.mkdir(parents=True)
        os.mkfifo(folder / "config.json")
    server.start()
    return server


def test_it_starts_with_all_nodes_and_offers_what_it_accepts(server):
    with Client(server.url) as client:
        nodes = client.request("/object_info")
        names = {name for name in nodes if name.startswith("SoundToVideo_")}
        assert {"SoundToVideo_LoadDiffusersLTX", "SoundToVideo_MeasureSync", "SoundToVideo_LoadAudio"} <= names
        offered = nodes["SoundToVideo_LoadAudio"]["input"]["required"]["audio"]
        samples = {f"sound_to_video_{name}" for name in ("music.flac", "second_voice.wav", "speaker.mp4", "voice.wav")}
        options = offered[1]["options"] if offered[0] == "COMBO" else offered[0]
        assert set(options) == samples | {"takes/voice.wav"}
        for name in options:
            client.run({"1": node("SoundToVideo_LoadAudio", audio=name), "2": node("PreviewAny", source=["1", 0])})


def test_what_the_killed_server_left_is_swept(server):
    wait_until(lambda: not any(path.exists() for path in server.left))


@pytest.mark.parametrize(
    "name", ["Bj\udcf6rk.wav", "\ud800", "takes/Bj\udcf6rk.wav", "../secret.wav", "out.wav", "x" * 5000]
)
def test_a_name_that_a_log_cannot_take_ends_no_worker(server, name):
    graph = {
        "1": node("PrimitiveString", value=name),
        "2": node("SoundToVideo_RecordMic", take=["1", 0]),
        "3": node("PreviewAny", source=["2", 0]),
    }
    with Client(server.url) as client:
        with pytest.raises(PromptError, match=r"Record Mic: .*(is not UTF-8|is not in the input folder)"):
            client.run(graph)
        graph["1"]["inputs"]["value"] = "takes/voice.wav"
        client.run(graph)


def test_the_host_answers_while_the_worst_is_asked(server):
    """A minute of sound for each of many readers, numbers without end, files that are none."""
    sound = "filename=sound_to_video_music.flac"
    worst = [f"{route}?{sound}&start={number}" for route in ("sound", "plan") for number in ("1e999999999", "nan")]
    worst += ["plan?family=ltx_av&start=0&end=1e6&sample_rate=48000&segment_seconds=0.1"] * 4
    worst += [
        f"{route}?filename={name}" for route in ("peaks", "sound", "beats") for name in ("takes/pipe.wav", "list.m3u")
    ]
    worst += [f"{route}?filename={'a' * 300}.wav" for route in ("peaks", "sound", "beats")]
    worst += [f"peaks?{sound}"] * 10 + [f"sound?{sound}"] * 10
    statuses = []

    def ask(path: str) -> None:
        try:
            with urllib.request.urlopen(f"{server.url}/sound_to_video/{path}", timeout=60) as response:
                response.read()
                statuses.append(response.status)
        except urllib.error.HTTPError as error:
            statuses.append(error.code)

    threads = [threading.Thread(target=ask, args=(path,)) for path in worst]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert server.answers()
    assert len(statuses) == len(worst)
    assert set(statuses) <= {200, 400, 404, 415, 422}


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "POST", "BREW"])
def test_other_methods_change_nothing(server, method):
    before = sorted(server.input_directory.rglob("*"))
    for route in ("peaks", "sound", "beats", "plan", "families"):
        request = urllib.request.Request(
            f"{server.url}/sound_to_video/{route}?{urllib.parse.urlencode({'filename': 'takes/voice.wav'})}",
            b"x",
            method=method,
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=30)
        assert 400 <= refused.value.code < 500
    assert sorted(server.input_directory.rglob("*")) == before
