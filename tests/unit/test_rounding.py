"""Python rounds as the table says, and milliseconds as the browser (tests/js/lib.test.js reads the same file)."""

import json
from pathlib import Path

import pytest
from sound_to_video.core.timeline import clip_frame_count, exact, rounded

CASES = json.loads((Path(__file__).parents[1] / "data" / "rounding.json").read_text("utf-8"))


@pytest.mark.parametrize("case", CASES["frame_counts"], ids=lambda case: f"{case['seconds']}s@{case['frame_rate']}")
def test_frames_of_a_clip(case):
    assert clip_frame_count(exact(case["seconds"]), exact(case["frame_rate"])) == case["frames"]
    assert clip_frame_count(float(case["seconds"]), float(case["frame_rate"])) == case["frames"]


@pytest.mark.parametrize("case", CASES["milliseconds"], ids=lambda case: case["seconds"])
def test_milliseconds_of_a_field(case):
    assert rounded(exact(case["seconds"]) * 1000) == case["milliseconds"]
