"""What travels to a machine with a GPU and without a network: one folder under 60 MB, and the one command in it.

    python dev.py device          makes .dev/device: bundle.tar.xz, start.py
    python3 start.py --out FOLDER there: unpacks beside itself and runs ``run.py`` with the same arguments

In the bundle: the host's Python files, the pack without its small model, and wheels of what a machine with PyTorch,
torchaudio, transformers and aiohttp still lacks (``MISSING``), for Python 3.12 on Linux.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import version
from pathlib import Path

from ...dev_support.host import DEV_DIRECTORY, ROOT, find_host

FOLDER = DEV_DIRECTORY / "device"
MISSING = ("av", "comfy-aimdo", "comfy-kitchen", "torchsde", "trampoline")
PYTHON = "3.12"
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in (28, 27, 24, 17, 12)] + ["manylinux2014_x86_64"]
OURS = ("__init__.py", "benchmarks", "core", "dev_support", "media", "nodes", "server", "tests/*.py", "pyproject.toml")
LEFT_OUT = (".hip.", "/hip/", "tests-unit", "/api_server/", "/web/")  # of wheels and host: other makers' kernels, pages

START = '''"""Unpack the bundle beside this file and run its measures; arguments as of benchmarks/device/run.py."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

here = Path(__file__).resolve().parent
place = Path(os.environ.get("DEVICE_PLACE", here / "unpacked"))
if not (place / "pack").is_dir():
    with tarfile.open(here / "bundle.tar.xz") as bundle:
        bundle.extractall(place, filter="data")
small = here / "small.safetensors"
model = place / "pack" / "models" / "sound_to_video_small.safetensors"
if small.exists() and not model.exists():
    model.parent.mkdir(exist_ok=True)
    model.symlink_to(small)
environment = {**os.environ, "COMFYUI_PATH": str(place / "ComfyUI"), "PYTHONPATH": str(place / "site")}
environment["PYTHONUNBUFFERED"] = "1"
command = [sys.executable, str(place / "pack" / "benchmarks" / "device" / "run.py"), *sys.argv[1:]]
sys.exit(subprocess.run(command, env=environment).returncode)
'''


def pack() -> Path:
    """Make the folder anew; return it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "start.py").write_text(START, "utf-8")
    with tarfile.open(FOLDER / "bundle.tar.xz", "w:xz") as bundle:
        host = find_host()
        for path in sorted(host.rglob("*.py")):
            relative = path.relative_to(host).as_posix()
            if not relative.startswith((".", "venv/", "custom_nodes/")) and not _left_out(f"/{relative}"):
                bundle.add(path, f"ComfyUI/{relative}")
        for extra in ("comfy/sd1_tokenizer",):
            if (host / extra).exists():
                bundle.add(host / extra, f"ComfyUI/{extra}")
        for pattern in OURS:
            for path in sorted(ROOT.glob(pattern)):
                bundle.add(path, f"pack/{path.relative_to(ROOT).as_posix()}", filter=_plain)
        for wheel in _wheels():
            _add_wheel(bundle, wheel)
    return FOLDER


def _left_out(name: str) -> bool:
    return any(part in name for part in LEFT_OUT)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in member.name else member


def _wheels() -> list[Path]:
    folder = FOLDER / "wheels"
    folder.mkdir(exist_ok=True)
    wheels = []
    for name in MISSING:
        wanted = f"{name.replace('-', '_')}-{version(name)}-*.whl"
        if not list(folder.glob(wanted)):
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
            command += ["--python-version", PYTHON, "--implementation", "cp"]
            command += [part for platform in PLATFORMS for part in ("--platform", platform)]
            subprocess.run([*command, "-d", str(folder), f"{name}=={version(name)}"], check=True)
        wheels += folder.glob(wanted)
    return wheels


def _add_wheel(bundle: tarfile.TarFile, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as members:
        for entry in members.infolist():
            if entry.is_dir() or _left_out(f"/{entry.filename}"):
                continue
            member = tarfile.TarInfo(f"site/{entry.filename}")
            member.size, member.mode = entry.file_size, 0o755 if ".so" in entry.filename else 0o644
            bundle.addfile(member, io.BytesIO(members.read(entry)))
