"""Many clips from a job file: `python render.py jobs.csv`; `python render.py --help` says more.

Runs with the Python of ComfyUI, or hands itself over to it where this one lacks a package that ComfyUI's has.
"""

import importlib.util
import os
import subprocess
import sys

from farm.errors import FarmError

HANDED_OVER = "SOUND_TO_VIDEO_RENDER_HANDED_OVER"


def hand_over() -> int:
    """Run the same command with ComfyUI's Python; its exit code."""
    from farm.installation import Installation

    python = Installation.find().python
    if HANDED_OVER in os.environ:
        raise FarmError(f"{sys.executable} has no aiohttp: set COMFYUI_PYTHON to the Python that runs ComfyUI.")
    with subprocess.Popen([python, *sys.argv], env={**os.environ, HANDED_OVER: "1"}) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue  # it has been told, too, and takes back what it queued


if __name__ == "__main__":
    if importlib.util.find_spec("aiohttp") is None:
        try:
            sys.exit(hand_over())
        except FarmError as error:
            sys.exit(str(error))
    from farm.command import main

    sys.exit(main(sys.argv[1:]))
