"""The newest front end beside the one that the host asks for, so that the browser tests run on both."""

import sys
from pathlib import Path

from .host import DEV_DIRECTORY
from .steps import run_logged

NEWEST = "1.58.1"


def newest_front_end() -> Path:
    """The folder that ``main.py --front-end-root`` takes; fetched from PyPI the first time.

    Raises StepFailed: it could not be fetched.
    """
    folder = DEV_DIRECTORY / "front-ends" / NEWEST
    static = folder / "comfyui_frontend_package" / "static"
    if not (static / "index.html").is_file():
        pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--disable-pip-version-check"]
        run_logged(
            f"Fetching the front end {NEWEST}",
            [*pip, "--target", folder, f"comfyui-frontend-package=={NEWEST}"],
            DEV_DIRECTORY / "logs" / "front-end.log",
            "check the connection to PyPI, then run this again",
        )
    return static
