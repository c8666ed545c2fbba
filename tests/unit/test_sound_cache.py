"""The cache of waveforms takes nothing from its folder that it cannot have put there."""

import io
import json
import os
import zipfile

import numpy as np
import pytest
from sound_to_video.server import sound_cache
from sound_to_video.server.files import stat_key
from sound_to_video.server.sound_cache import SoundPicture

CONTENT = "0123456789abcdef" * 2 + "01234567"
PICTURE = SoundPicture(2.0, 16000, 1, 1000, np.arange(8, dtype=np.int8).reshape(-1, 2), [(0.5, 1.0)])


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "user" / "sounds"
    folder.mkdir(parents=True)
    monkeypatch.setattr(sound_cache, "directory", lambda: folder)
    monkeypatch.setattr(sound_cache, "_contents", {})
    monkeypatch.setattr(sound_cache, "_warned", set())
    return folder


@pytest.fixture
def sound(tmp_path):
    path = tmp_path / "voice.wav"
    path.write_bytes(b"sound")
    return path


def same(picture: SoundPicture | None) -> bool:
    if picture is None:
        return False
    np.testing.assert_array_equal(picture.peaks, PICTURE.peaks)
    return (picture.duration_seconds, picture.silences) == (PICTURE.duration_seconds, PICTURE.silences)


def planted(path, what) -> None:
    """Put something in a file's place."""
    path.unlink(missing_ok=True)
    if what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    elif what == "loop":
        path.symlink_to(path)
    else:
        path.write_bytes(what)


KINDS = ["folder", "loop", b"", b"x" * 100, "ü\ud800".encode("utf-8", "surrogatepass"), bytes(2000)]
if hasattr(os, "mkfifo"):
    KINDS.append("pipe")


@pytest.mark.parametrize(
    "what", [*KINDS, b"../../../output/x" + b"y" * 23, b"A" * 40, CONTENT.encode() + b"\n"], ids=str
)
def test_a_mark_that_is_none_is_looked_up_anew(cache, sound, what):
    digest = sound_cache.content_of(sound)
    sound_cache._contents.clear()
    mark = sound_cache._seen_file(stat_key(sound))
    assert mark.read_text() == digest
    planted(mark, what)
    assert sound_cache.known_content(sound) is None
    assert sound_cache.content_of(sound) == digest
    sound_cache._contents.clear()
    assert what == "folder" or sound_cache.known_content(sound) == digest


@pytest.mark.parametrize("what", KINDS, ids=str)
def test_a_picture_that_is_none_is_made_anew(cache, what):
    sound_cache.keep_picture(CONTENT, PICTURE)
    path = cache / f"{CONTENT}.peaks.npz"
    assert same(sound_cache.load_picture(CONTENT))
    planted(path, what)
    assert sound_cache.load_picture(CONTENT) is None
    sound_cache.keep_picture(CONTENT, PICTURE)
    assert what == "folder" or same(sound_cache.load_picture(CONTENT))


@pytest.mark.parametrize("what", [*KINDS, b"[" * 100_000, b'{"format": 1, "beats": [NaN]}', b'{"format": 1}'], ids=str)
def test_beats_that_are_none_are_found_anew(cache, what):
    sound_cache.keep_beats(CONTENT, [0.5, 1.0])
    assert sound_cache.load_beats(CONTENT) == [0.5, 1.0]
    planted(cache / f"{CONTENT}.beats.json", what)
    assert sound_cache.load_beats(CONTENT) is None


@pytest.mark.parametrize(
    "change",
    [
        {"peaks": np.zeros((4, 3), np.int8)},
        {"peaks": np.zeros(4, np.int8)},
        {"peaks": np.zeros((4, 2), np.float32)},
        {"silences": np.array([[0, np.nan]])},
        {"silences": np.zeros(3)},
        {"silences": np.array([["a", "b"]])},
        {"about": np.array("null")},
        {"about": np.array(json.dumps({"format": 1}))},
        {
            "about": np.array(
                json.dumps(
                    {
                        **dict.fromkeys(("sample_rate", "channels"), 1),
                        "format": 1,
                        "duration_seconds": 1e999,
                        "bins_per_second": 1,
                    }
                )
            )
        },
    ],
    ids=str,
)
def test_a_picture_of_other_shapes_is_made_anew(cache, change):
    about = {"format": 1, "duration_seconds": 2, "sample_rate": 1, "channels": 1, "bins_per_second": 1}
    arrays = {"peaks": PICTURE.peaks, "silences": np.zeros((0, 2)), "about": np.array(json.dumps(about))}
    path = cache / f"{CONTENT}.peaks.npz"
    np.savez(path, **arrays)
    assert sound_cache.load_picture(CONTENT) is not None
    np.savez(path, **{**arrays, **change})
    assert sound_cache.load_picture(CONTENT) is None


def test_a_picture_that_would_unfold_is_made_anew(cache):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|i1", "fortran_order": False, "shape": (1 << 30, 2)})
    with zipfile.ZipFile(cache / f"{CONTENT}.peaks.npz", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("peaks.npy", header.getvalue() + bytes(sound_cache.MOST_FILE_BYTES))
    assert sound_cache.load_picture(CONTENT) is None


def test_only_what_the_cache_keeps_is_dropped_for_room(cache, monkeypatch):
    monkeypatch.setattr(sound_cache, "MOST_BYTES", 1)
    foreign = cache / "my notes.txt"
    foreign.write_text("mine")
    os.utime(foreign, (1, 1))
    for content in (CONTENT, CONTENT[::-1]):
        sound_cache.keep_picture(content, PICTURE)
    assert list(cache.iterdir()) == [foreign]
