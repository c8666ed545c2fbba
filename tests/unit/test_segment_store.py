"""Finished runs on disk: found again when everything is the same, never when anything differs, never in the way."""

import hashlib
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from sound_to_video.core.sampling.content import content_key
from sound_to_video.core.sampling.store import SegmentStore

ROOT = Path(__file__).resolve().parents[2]


def tensors(seed: int = 0, size: int = 8) -> list[torch.Tensor]:
    return [torch.randn([2, size], generator=torch.Generator().manual_seed(seed))]


def test_a_kept_run_is_found_by_another_process_of_the_same_work(tmp_path):
    SegmentStore(tmp_path).save("key", tensors())
    (found,) = SegmentStore(tmp_path).load("key")
    assert torch.equal(found, tensors()[0])
    assert SegmentStore(tmp_path).load("other") is None


def test_anything_that_differs_makes_another_key():
    image = tensors()[0]
    base = {"positive": [[image, {"audio": image * 2, "scale": 1.0}]], "seed": 3, "sampler": "euler"}
    changed = [
        {**base, "seed": 4},
        {**base, "sampler": "uni_pc"},
        {**base, "positive": [[image, {"audio": image * 2, "scale": 1}]]},
        {**base, "positive": [[image + 1e-7, {"audio": image * 2, "scale": 1.0}]]},
        {**base, "positive": [[image.reshape(4, 4), {"audio": image * 2, "scale": 1.0}]]},
        {**base, "positive": [[image.double(), {"audio": image * 2, "scale": 1.0}]]},
        {**base, "positive": [[image, {"audio": image * 2, "scale": 1.0}], [image, {}]]},
        {**base, "mask": None},
    ]
    keys = [content_key(value) for value in (base, *changed)]
    assert len(set(keys)) == len(keys)
    assert content_key(base) == content_key({key: base[key] for key in reversed(base)})


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: b"", lambda data: data[:50] + b"x" + data[51:]]
)
def test_a_damaged_file_is_said_removed_and_sampled_anew(tmp_path, caplog, damage):
    store = SegmentStore(tmp_path)
    store.save("key", tensors())
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    with caplog.at_level(logging.WARNING):
        assert store.load("key") is None
    assert "is damaged and is sampled anew" in caplog.text
    assert not path.exists()


def test_the_store_stays_within_its_size_and_drops_what_was_not_used_for_longest(tmp_path):
    store = SegmentStore(tmp_path, limit_bytes=4000)
    for index in range(3):
        store.save(f"key{index}", tensors(index, 128))  # about 1.1 kB each
        os.utime(tmp_path / f"key{index}.segment", (index, index))
    store = SegmentStore(tmp_path, limit_bytes=4000)
    assert store.load("key0") is not None  # used: now the newest
    store.save("key3", tensors(3, 128))
    assert {path.stem for path in tmp_path.iterdir()} == {"key0", "key2", "key3"}
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 4000


def test_only_what_a_crash_left_half_written_an_hour_ago_is_cleared_away(tmp_path):
    left, under_way = tmp_path / "a.segment.1.partial", tmp_path / "b.segment.2.partial"
    for path in (left, under_way):
        path.write_bytes(b"half")
    os.utime(left, (time.time() - 3700,) * 2)
    SegmentStore(tmp_path).save("key", tensors())
    assert {path.name for path in tmp_path.iterdir()} == {"key.segment", under_way.name}


def test_a_clip_larger_than_the_store_finds_its_first_segments_again(tmp_path):
    """Dropping the oldest would leave the last ones, each of which goes before a second run comes to it."""

    def run() -> list[bool]:
        store = SegmentStore(tmp_path, limit_bytes=4000)
        found = []
        for index in range(6):
            found.append(store.load(f"key{index}") is not None)
            if not found[-1]:
                store.save(f"key{index}", tensors(index, 128))  # about 1.1 kB each
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 4000
        assert store.trouble is not None
        assert "this clip alone fills" in store.trouble
        return found

    assert run() == [False] * 6
    assert run() == [True] * 3 + [False] * 3
    other = SegmentStore(tmp_path, limit_bytes=4000)
    other.save("another", tensors(7, 128))
    assert other.load("another") is not None
    assert other.trouble is None


def planted(content: dict[str, torch.Tensor]) -> bytes:
    data = save(content)
    return hashlib.sha256(data).digest() + data


@pytest.mark.parametrize(
    "content",
    [
        planted({"latent": torch.zeros(2, 8)}),
        planted({"1": torch.zeros(2, 8)}),
        planted({}),
        planted({"0": torch.zeros(2, 9)}),
        planted({"0": torch.zeros(2, 8).half()}),
        planted({"0": torch.full([2, 8], float("nan"))}),
        planted({"0": torch.zeros(2, 8), "1": torch.zeros(2, 8)}),
        planted({"0": torch.zeros(2, 80000)}),
        b"x" * 40,
    ],
)
def test_a_planted_file_is_removed_and_sampled_anew(tmp_path, caplog, content):
    store = SegmentStore(tmp_path)
    path = tmp_path / "key.segment"
    path.write_bytes(content)
    assert store.load("key", like=tensors()) is None
    assert "is damaged and is sampled anew" in caplog.text
    assert not path.exists()
    store.save("key", tensors())
    assert store.load("key", like=tensors()) is not None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such pipes in folders")
@pytest.mark.timeout(20)
def test_a_pipe_in_place_of_a_file_stops_nothing(tmp_path):
    os.mkfifo(tmp_path / "key.segment")
    store = SegmentStore(tmp_path)
    assert store.load("key", like=tensors()) is None
    store.save("key", tensors())
    assert store.load("key", like=tensors()) is not None


SERVER = """
import sys
sys.path[:0] = sys.argv[1:3]
import tests.conftest
import torch
from sound_to_video.core.sampling.store import SegmentStore
for index in range(150):
    store = SegmentStore(sys.argv[3])
    wanted = torch.full([2, 2000], float(index))
    store.save(f"key{index}", [wanted])
    assert store.trouble is None, store.trouble
    (found,) = store.load(f"key{index}", like=[wanted])
    assert found.equal(wanted)
"""


@pytest.mark.slow
def test_two_servers_on_one_folder_disturb_nothing(tmp_path):
    """Each keeps what the other does, at the same moment."""
    command = [sys.executable, "-c", SERVER, str(ROOT), str(ROOT / "tests"), str(tmp_path)]
    servers = [subprocess.Popen(command, stderr=subprocess.PIPE, cwd=tmp_path) for _ in range(2)]
    errors = [server.communicate()[1].decode() for server in servers]
    assert [server.returncode for server in servers] == [0, 0], errors
    assert len(list(tmp_path.glob("*.segment"))) == 150
    assert not list(tmp_path.glob("*.partial"))


def test_a_folder_that_cannot_be_written_is_said_once_and_stops_nothing(tmp_path, caplog):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    store = SegmentStore(in_the_way / "segments")
    with caplog.at_level(logging.WARNING):
        store.save("a", tensors())
        store.save("b", tensors())
    assert store.trouble is not None
    assert store.trouble.startswith("finished segments are not kept: Not a directory")
    assert caplog.text.count("finished segments are not kept") == 1
    assert store.load("a") is None


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    store = SegmentStore(tmp_path)

    def full(path, data):
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(tmp_path), "write_bytes", full)
    store.save("key", tensors())
    assert store.trouble is not None
    assert "No space left on device" in store.trouble
    assert list(tmp_path.iterdir()) == []
