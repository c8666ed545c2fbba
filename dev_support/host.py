"""The host in this process: where it is, and importing it on the CPU."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DEV_DIRECTORY = ROOT / ".dev"
PACK_FOLDER = "comfyui-sound-to-video"


def find_host() -> Path:
    """Return the folder of ComfyUI: ``COMFYUI_PATH``, or the one that ``dev.py`` unpacked.

    Raises FileNotFoundError: neither holds a ``main.py`` and a ``comfy`` folder.
    """
    given = os.environ.get("COMFYUI_PATH")
    host = Path(given).expanduser().resolve() if given else DEV_DIRECTORY / "ComfyUI"
    if not (host / "main.py").is_file() or not (host / "comfy").is_dir():
        where = f"COMFYUI_PATH={given}" if given else str(host)
        raise FileNotFoundError(
            f"no ComfyUI at {where}: run `python dev.py setup`, or set COMFYUI_PATH to the folder of ComfyUI's main.py"
        )
    return host


def import_host(base_directory: Path) -> Path:
    """Make ``comfy``, ``folder_paths``, ``comfy_api`` … importable: on the CPU, its folders under ``base_directory``.

    The host reads its settings once, when ``comfy.cli_args`` is first imported; outside ``main.py`` it takes the
    defaults (``comfy.options.args_parsing`` is false), which are changed here before anything else of it is imported.
    """
    host = find_host()
    # `python -m pytest` puts the checkout on sys.path, where `nodes` and `server` would be the pack's folders.
    sys.path[:] = [str(host)] + [entry for entry in sys.path if Path(entry or ".").resolve() not in (ROOT, host)]
    for folder in ("input", "output", "temp", "user", "models", "custom_nodes"):
        (base_directory / folder).mkdir(parents=True, exist_ok=True)

    from comfy.cli_args import args

    args.cpu = True
    args.base_directory = str(base_directory)
    return host
