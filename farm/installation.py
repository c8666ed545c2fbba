"""Where a ComfyUI and its Python are on this machine (standard library only)."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .errors import FarmError

PACK = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Installation:
    """A ComfyUI on this machine. host: the folder of main.py.  python: what runs it.  pack: this pack's folder."""

    host: Path
    python: str
    pack: Path = PACK

    @classmethod
    def find(cls, pack: Path = PACK, fallback: Installation | None = None) -> Installation:
        """``COMFYUI_PATH``, the ComfyUI that the pack lies in, or the one of ``dev.py``; else ``fallback``."""
        given = os.environ.get("COMFYUI_PATH")
        places = [Path(given)] if given else [pack.parent.parent, pack / ".dev" / "ComfyUI"]
        if fallback is not None and not given:
            places.insert(0, fallback.host)
            pack = fallback.pack if fallback.pack.is_dir() else pack
        host = next((place for place in places if (place / "main.py").is_file() and (place / "comfy").is_dir()), None)
        if host is None:
            raise FarmError(
                f"there is no ComfyUI at {' or '.join(map(str, places))}: set COMFYUI_PATH to the folder of its "
                "main.py (`python dev.py setup` fetches one)."
            )
        beside_fallback = fallback.python if fallback is not None and host == fallback.host else None
        return cls(host.resolve(), os.environ.get("COMFYUI_PYTHON") or beside_fallback or _python_of(host, pack), pack)

    def has_accelerator(self) -> bool:
        """Whether PyTorch sees something faster than the processor."""
        code = (
            "import sys, torch; x = getattr(torch, 'xpu', None);"
            "sys.exit(not (torch.cuda.is_available() or torch.backends.mps.is_available() or (x and x.is_available())))"
        )
        return subprocess.run([self.python, "-c", code], capture_output=True).returncode == 0


def _python_of(host: Path, pack: Path) -> str:
    inner = Path("Scripts", "python.exe") if os.name == "nt" else Path("bin", "python")
    beside = [host / folder / inner for folder in ("venv", ".venv", "env")]
    beside += [place / "python_embeded" / "python.exe" for place in (host, host.parent)]
    beside += [pack / ".dev" / "venv" / inner] if host.parent == pack / ".dev" else []
    return str(next((python for python in beside if python.is_file()), sys.executable))
