"""What a person meets on a fresh machine: damaged downloads, folders in the way, no browser, no models."""

import io
import sys
import tarfile
from pathlib import Path, PurePosixPath

import pytest
from sound_to_video.dev_support import chromium, environment, server, small_models, steps

HOST = PurePosixPath("package/vendor/ComfyUI")


def archive(path: Path, *members: tarfile.TarInfo, content: bytes = b"x") -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member in members:
            member.size = len(content) if member.isfile() else 0
            tar.addfile(member, io.BytesIO(content) if member.isfile() else None)
    return path


def link(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, "/etc"
    return member


def test_only_the_host_is_unpacked(tmp_path):
    names = ("package/setup.py", "package/vendor/ComfyUI/main.py", "package/vendor/ComfyUI/comfy/sd.py")
    file = archive(tmp_path / "a.tar.gz", *map(tarfile.TarInfo, names))
    environment._extract(file, HOST, tmp_path / "out")
    found = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.py")}
    assert found == {"main.py", "comfy/sd.py"}


@pytest.mark.parametrize(
    "member",
    [link("package/vendor/ComfyUI/models"), tarfile.TarInfo("package/vendor/ComfyUI/../../../escaped.py")],
    ids=["link", "parent"],
)
def test_an_archive_that_reaches_out_is_refused(tmp_path, member):
    with pytest.raises(steps.StepFailed, match="no plain file"):
        environment._extract(archive(tmp_path / "a.tar.gz", member), HOST, tmp_path / "in" / "out")
    assert not list(tmp_path.rglob("escaped.py"))


def test_a_stamp_holds_until_its_content_changes(tmp_path):
    environment._stamp(tmp_path, "torch==1")
    assert environment._stamped(tmp_path, "torch==1")
    assert not environment._stamped(tmp_path, "torch==2")
    assert not environment._stamped(tmp_path / "gone", "torch==1")


def test_a_failed_step_says_which_why_and_what_to_do(tmp_path):
    command = [sys.executable, "-c", "print('the disk is full'); raise SystemExit(3)"]
    with pytest.raises(steps.StepFailed) as failed:
        steps.run_logged("Unpacking", command, tmp_path / "log", "make room")
    page = failed.value.page()
    assert "Unpacking" in page
    assert "the disk is full" in page
    assert "make room" in page


def test_a_folder_of_the_user_is_not_replaced_by_our_link(tmp_path):
    mine = tmp_path / "custom_nodes" / "pack"
    mine.mkdir(parents=True)
    (mine / "mine.py").write_text("")
    with pytest.raises(FileExistsError, match="move it away"):
        server.link_folder(tmp_path / "checkout", mine)
    assert (mine / "mine.py").exists()


def test_a_link_is_made_once_and_follows_a_moved_checkout(tmp_path):
    for checkout in ("one", "one", "two"):
        (tmp_path / checkout).mkdir(exist_ok=True)
        server.link_folder(tmp_path / checkout, tmp_path / "nodes" / "pack")
        assert (tmp_path / "nodes" / "pack").resolve() == (tmp_path / checkout).resolve()


def test_a_named_browser_comes_first(tmp_path, monkeypatch):
    program = tmp_path / "my-chromium"
    program.write_text("")
    monkeypatch.setenv("CHROMIUM_PATH", str(program))
    assert chromium.find_chromium() == program


def test_no_browser_is_none_and_a_cure(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CHROMIUM_PATH", str(tmp_path / "none"))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    monkeypatch.setattr(chromium, "MAC_APPS", ())
    monkeypatch.setattr(chromium, "WINDOWS_PATHS", ())
    assert chromium.find_chromium() is None
    assert "CHROMIUM_PATH" in chromium.how_to_get_chromium()


@pytest.fixture
def graph():
    """A prompt for real models, and an object_info that offers the VAE alone."""
    prompt = {
        "1": {"class_type": "UNETLoader", "inputs": {"unet_name": "wan2.2_s2v_14B.safetensors"}},
        "2": {"class_type": "LoraLoaderModelOnly", "inputs": {"model": ["1", 0], "lora_name": "fast.safetensors"}},
        "3": {"class_type": "VAELoader", "inputs": {"vae_name": "wan_2.1_vae.safetensors"}},
        "4": {"class_type": "CLIPLoader", "inputs": {"clip_name": "umt5.safetensors"}},
        "5": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["4", 0], "text": "a singer"}},
        "6": {
            "class_type": "SoundToVideo_S2VSampler",
            "inputs": {"model": ["2", 0], "vae": ["3", 0], "positive": ["5", 0], "width": 832, "steps": 20},
        },
    }
    offers = {"UNETLoader": "unet_name", "LoraLoaderModelOnly": "lora_name", "CLIPLoader": "clip_name"}
    info = {kind: {"input": {"required": {name: [["other"], {}]}}} for kind, name in offers.items()}
    info["VAELoader"] = {"input": {"required": {"vae_name": ["COMBO", {"options": ["wan_2.1_vae.safetensors"]}]}}}
    return prompt, info


def test_missing_models_are_named_and_those_there_are_kept(graph):
    missing = small_models.missing_models(*graph)
    assert missing == {"1": "wan2.2_s2v_14B.safetensors", "2": "fast.safetensors", "4": "umt5.safetensors"}
    assert small_models.needed_checkpoints(graph[0], missing) == {"1": "wan_s2v"}


def test_adapted_workflow_runs_without_what_is_missing(graph):
    prompt, info = graph
    adapted = small_models.adapt(prompt, small_models.missing_models(prompt, info), {"1": "tiny.safetensors"})
    assert adapted["1"]["inputs"]["unet_name"] == "tiny.safetensors"
    assert adapted["3"] == prompt["3"]
    assert adapted["5"] == {"class_type": "LotusConditioning", "inputs": {}}
    sampler = adapted["6"]["inputs"]
    assert sampler["model"] == ["1", 0]
    assert (sampler["width"], sampler["steps"]) == (128, 4)
    assert {"2", "4"}.isdisjoint(adapted)
    assert prompt["6"]["inputs"]["model"] == ["2", 0]
