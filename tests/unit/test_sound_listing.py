"""What the input folder offers: nothing that is then refused, and nobody waits for a folder that has no end."""

import asyncio
import os
import threading
import time

import folder_paths
import pytest
from sound_to_video.core.audio.sound_listing import SoundListing
from sound_to_video.nodes import _sounds
from sound_to_video.nodes.load_audio import LoadAudio


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An input folder with a sound at its top and one in a subfolder."""
    folder = tmp_path / "base" / "input"
    (folder / "takes").mkdir(parents=True)
    (folder / "voice.wav").touch()
    (folder / "takes" / "one.flac").touch()
    monkeypatch.setattr(folder_paths, "input_directory", str(folder))
    return folder


def link(path, target) -> None:
    path.symlink_to(target, target_is_directory=target.is_dir())


PLAIN = ["takes/one.flac", "voice.wav"]


@pytest.mark.parametrize(
    "links",
    [
        {"self": "."},
        {"self": ".", "self too": "."},
        {"takes/up": "."},
        {"takes/up": ".", "again": "takes"},
        {"a": "takes", "takes/b": "."},
        {"above": ".."},
        {"above": "..", "takes/above": "../.."},
        {"nowhere": "nothing", "round": "round"},
        {"out.wav": "../secret.wav", "gone.wav": "gone"},
    ],
    ids=str,
)
def test_links_neither_hang_nor_offer_what_is_refused(folder, links):
    (folder.parent / "secret.wav").touch()
    for name, target in links.items():
        (folder / name).symlink_to((folder / target), target_is_directory=True)
    started = time.process_time()
    assert SoundListing().names(folder) == PLAIN
    assert time.process_time() - started < 2
    assert LoadAudio.define_schema().inputs[0].options == PLAIN


def test_what_is_offered_is_accepted(folder):
    (folder / "linked.wav").symlink_to(folder / "voice.wav")
    (folder / "takes" / "deeper").symlink_to(folder.parent, target_is_directory=True)
    (folder / "pipe.wav").unlink(missing_ok=True)
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.wav")
    (folder / "folder.wav").mkdir()
    offered = _sounds.input_sounds()
    assert offered == ["linked.wav", *PLAIN]
    assert [LoadAudio.validate_inputs(name) for name in offered] == [True] * 3
    for name in ("pipe.wav", "folder.wav", "takes/deeper/secret.wav"):
        assert "is not in the input folder" in LoadAudio.validate_inputs(name)


@pytest.mark.skipif(os.name == "nt" or os.uname().sysname == "Darwin", reason="names there are always Unicode")
def test_a_name_that_is_not_utf8_is_not_offered_and_refused_in_words(folder):
    (folder / os.fsdecode(b"Bj\xf6rk.wav")).touch()
    (folder / os.fsdecode(b"b\xfccher")).mkdir()
    (folder / os.fsdecode(b"b\xfccher") / "x.wav").touch()
    assert _sounds.input_sounds() == PLAIN
    said = LoadAudio.validate_inputs(os.fsdecode(b"Bj\xf6rk.wav"))
    assert "is not UTF-8" in said
    said.encode("utf-8")


def test_a_new_file_is_seen_and_an_old_folder_not_read_again(folder, monkeypatch):
    listing = SoundListing()
    assert listing.names(folder) == PLAIN
    (folder / "takes" / "two.mp3").touch()  # at once: the folder's time may be the same
    assert listing.names(folder) == ["takes/one.flac", "takes/two.mp3", "voice.wav"]
    (folder / "takes" / "two.mp3").unlink()
    for place in (folder, folder / "takes"):
        os.utime(place, (1_000_000_000, 1_000_000_000))
    assert listing.names(folder) == PLAIN
    read = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda place: read.append(place) or scandir(place))
    assert listing.names(folder) == PLAIN
    assert read == []
    (folder / "takes" / "three.mp3").touch()
    assert listing.names(folder) == ["takes/one.flac", "takes/three.mp3", "voice.wav"]
    assert [os.path.basename(place) for place in read] == ["takes"]


def test_the_number_offered_is_bounded(folder, caplog):
    for number in range(50):
        (folder / f"{number:02}.wav").touch()
    assert len(SoundListing(most_names=10).names(folder)) == 10
    assert "holds too much to list" in caplog.text


def test_nobody_waits_for_a_slow_folder(folder):
    """On the event loop the list comes later, and is found out only once meanwhile."""
    go_on, looks = threading.Event(), []

    def slow(name: str) -> bool:
        looks.append(name)
        go_on.wait(20)
        return name.endswith(".wav")

    listing = SoundListing(may_hold=slow)

    async def ask() -> list[list[str]]:
        return [listing.names(folder) for _ in range(5)]

    assert asyncio.run(ask()) == [[]] * 5
    go_on.set()
    while listing._looking:
        time.sleep(0.01)
    assert listing._names[folder] == ["voice.wav"]
    assert sorted(looks) == ["one.flac", "voice.wav"]


@pytest.mark.parametrize(
    "name", [5, None.__class__, ["voice.wav"], {}, "", "x" * 5000, "a\0b.wav", "\ud800.wav"], ids=repr
)
def test_odd_names_are_refused_in_words(folder, name):
    said = LoadAudio.validate_inputs(name)
    assert isinstance(said, str)
    said.encode("utf-8")


def test_the_endings_of_the_page_are_those_of_the_server():
    import re
    from pathlib import Path

    from sound_to_video.core.audio.sound_endings import AUDIO_ENDINGS, VIDEO_ENDINGS

    script = Path(_sounds.__file__).parents[1] / "web" / "lib" / "endings.js"
    listed = re.search(r"ENDINGS = \[(.*?)\]", script.read_text("utf-8"), re.DOTALL)[1]
    assert re.findall(r'"(\w+)"', listed) == [*AUDIO_ENDINGS, *VIDEO_ENDINGS]
    assert not {"m3u", "m3u8", "pls", "cue", "xspf", "asx", "sdp", "ffconcat"} & {*AUDIO_ENDINGS, *VIDEO_ENDINGS}
