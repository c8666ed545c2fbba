"""A folder in models/diffusers that is broken, or not to be trusted: no node goes, nothing outside is read."""

import json
import os

import folder_paths
import pytest
import torch
from safetensors.torch import save_file
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.families.ltx.diffusers import TRANSFORMER_CLASS, is_ltx2_folder, load_ltx2_folder
from sound_to_video.nodes.load_diffusers_ltx import LoadDiffusersLTX

GOOD = json.dumps({"_class_name": TRANSFORMER_CLASS})
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 20\n"
BROKEN = {
    "empty": b"",
    "cut": GOOD.encode()[:20],
    "utf-16": GOOD.encode("utf-16"),
    "latin-1": b'{"_class_name": "\xe9"}',
    "list": b"[]",
    "null": b"null",
    "number": b"1",
    "pointer": POINTER,
    "deep": b"[" * 100_000,
    "large": b" " * (1 << 20) + b"{}",
    "zeros": bytes(4096),
}


@pytest.fixture
def root(tmp_path, monkeypatch):
    folder = tmp_path / "diffusers"
    folder.mkdir()
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "diffusers", ([str(folder), str(tmp_path / "no")], set()))
    model(folder, "good", GOOD.encode())
    return folder


def model(root, name: str, config: bytes):
    folder = root / name
    (folder / "transformer").mkdir(parents=True)
    (folder / "transformer" / "config.json").write_bytes(config)
    return folder


def offered() -> list[str]:
    return LoadDiffusersLTX.define_schema().inputs[0].options


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_config_takes_only_its_folder_away(root, kind, caplog):
    model(root, f"broken {kind}", BROKEN[kind])
    assert offered() == ["good"]
    assert "broken" in caplog.text
    with pytest.raises(SoundToVideoError, match="no folder broken"):
        LoadDiffusersLTX.execute(f"broken {kind}")


def test_what_is_no_file_at_all_takes_only_its_folder_away(root):
    (root / "a" / "transformer" / "config.json").mkdir(parents=True)
    if hasattr(os, "mkfifo"):
        (root / "b" / "transformer").mkdir(parents=True)
        os.mkfifo(root / "b" / "transformer" / "config.json")
    (root / "c" / "transformer").mkdir(parents=True)
    (root / "c" / "transformer" / "config.json").symlink_to("config.json")
    (root / "d").write_text("a file")
    (root / "e").symlink_to(root / "nowhere")
    assert offered() == ["good"]


def test_a_mark_at_the_beginning_does_no_harm(root):
    model(root, "marked", b"\xef\xbb\xbf" + GOOD.encode())
    assert offered() == ["good", "marked"]


@pytest.mark.skipif(os.name == "nt" or os.uname().sysname == "Darwin", reason="names there are always Unicode")
def test_a_name_that_is_not_utf8_is_not_offered(root):
    model(root, os.fsdecode(b"m\xf6del"), GOOD.encode())
    assert offered() == ["good"]


def test_settings_that_lack_something_are_a_sentence(root):
    folder = model(root, "lacking", GOOD.encode())
    for part in ("transformer", "connectors"):
        (folder / part).mkdir(exist_ok=True)
        save_file({"x": torch.zeros(1)}, folder / part / "model.safetensors")
    (folder / "connectors" / "config.json").write_text("{}")
    assert is_ltx2_folder(folder)
    with pytest.raises(SoundToVideoError, match="are not those of LTX-2: KeyError"):
        load_ltx2_folder(folder)


@pytest.mark.parametrize(
    "shard",
    ["../../secret.safetensors", "..\\secret.safetensors", "/etc/passwd", "C:secret.safetensors", "x.ckpt", "x.pt", ""],
)
def test_a_shard_that_is_not_beside_its_index_is_refused(root, shard):
    folder = model(root, "planted", GOOD.encode())
    save_file({"x": torch.zeros(1)}, root / "secret.safetensors")
    index = folder / "transformer" / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"x": shard}}))
    with pytest.raises(SoundToVideoError, match="not a safetensors file beside it"):
        load_ltx2_folder(folder)


@pytest.mark.parametrize("index", [b"", b"[]", b"{}", b'{"weight_map": []}', b'{"weight_map": {"x": 5}}', POINTER])
def test_an_index_that_is_none_is_a_sentence(root, index):
    folder = model(root, "planted", GOOD.encode())
    (folder / "transformer" / "model.safetensors.index.json").write_bytes(index)
    with pytest.raises(SoundToVideoError, match=r"index\.json (cannot be read|holds list|does not say)"):
        load_ltx2_folder(folder)


@pytest.mark.parametrize("weights", [b"", POINTER, b"\xff" * 100, b"\x08" + bytes(7) + b"notjson!"])
def test_weights_that_are_none_are_a_sentence(root, weights):
    folder = model(root, "planted", GOOD.encode())
    (folder / "transformer" / "model.safetensors").write_bytes(weights)
    with pytest.raises(SoundToVideoError, match=r"planted/transformer/model\.safetensors cannot be read"):
        load_ltx2_folder(folder)
