"""Many clips from a job file: `python render.py jobs.csv`; `python render.py --help` says more.

Runs with the Python of ComfyUI, or hands itself over to it where this one lacks a package that ComfyUI's has.
"""

import importlib.util
import subprocess
import sys

from farm.errors import FarmError

if __name__ == "__main__":
    if importlib.util.find_spec("aiohttp") is None:
        from farm.installation import Installation

        try:
            python = Installation.find().python
        except FarmError as error:
            sys.exit(str(error))
        sys.exit(subprocess.run([python, *sys.argv]).returncode)
    from farm.command import main

    sys.exit(main(sys.argv[1:]))
