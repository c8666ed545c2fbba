"""What is written down twice says the same, and users get the pack without what makes and tests it."""

import ast
import re
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def setting(name: str):
    """A value of pyproject.toml that stands on a line of its own."""
    found = re.search(rf"^{re.escape(name)} = (.+?)(?: #.*)?$", text("pyproject.toml"), re.MULTILINE)
    assert found, f"pyproject.toml has no {name}"
    return ast.literal_eval(found[1])


def patterns() -> list[str]:
    return [line for line in text(".comfyignore").splitlines() if line and not line.startswith("#")]


def test_pre_commit_has_the_ruff_of_the_tests():
    pinned = re.findall(r"^ruff==\S+", text("requirements-dev.txt"), re.MULTILINE)
    assert set(re.findall(r"ruff==[\d.]+", text(".pre-commit-config.yaml"))) == set(pinned)


def test_the_registry_reads_the_requirements_that_pip_reads():
    lines = [line.split("#")[0].strip() for line in text("requirements.txt").splitlines()]
    assert setting("dependencies") == [line for line in lines if line]


def test_the_changelog_has_a_chapter_for_the_version_and_one_for_what_comes():
    chapters = re.findall(r"^## \[(.+?)\]", text("CHANGELOG.md"), re.MULTILINE)
    assert chapters[:2] == ["Unreleased", setting("version")]


@pytest.mark.parametrize(("name", "width", "height"), [("Icon", 400, 400), ("Banner", 840, 360)])
def test_the_registry_has_pictures(name, width, height):
    with Image.open(ROOT / setting(name)) as image:
        assert image.size == (width, height)


def test_what_users_do_not_get_is_named_from_the_top():
    """A pattern without a leading slash takes folders of that name anywhere: ``docs/`` would take the help pages."""
    assert [pattern for pattern in patterns() if not pattern.startswith("/")] == []


def test_what_users_do_not_get_is_there():
    made = ("/.dev/",)
    assert [pattern for pattern in patterns() if pattern not in made and not list(ROOT.glob(pattern[1:]))] == []


def test_users_get_what_the_pack_runs_on():
    kept = [ROOT / name for name in ("core", "nodes", "server", "web", "workflows", "__init__.py", "requirements.txt")]
    kept += [*(ROOT / "models").glob("*.safetensors"), *(ROOT / "media").glob("sound_to_video_*")]
    left_out = {path for pattern in patterns() for path in ROOT.glob(pattern[1:].rstrip("/"))}
    assert left_out.intersection(kept) == set()
