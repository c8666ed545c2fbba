"""Compare Clips in a browser: two clips that start together, stay in step, and a line between them."""

import av
import numpy as np
import pytest
from sound_to_video.tests.browser.comfy_page import SILENT, node

COMPARE = 3
RATE, FRAMES = 24, 144

LOOK = """() => [...document.querySelectorAll(".stv-compare-clip")].map((one) => ({
  time: one.currentTime, paused: one.paused, muted: one.muted, ready: one.readyState, width: one.videoWidth,
  seeking: one.seeking, error: one.error && one.error.message }))"""


def write_clip(path, colour: tuple[int, int, int]) -> None:
    """6 s of a bright bar that goes from left to right, on a colour; with a tone."""
    with av.open(str(path), "w") as output:
        picture, sound = output.add_stream("libx264", rate=RATE), output.add_stream("aac", rate=16000, layout="mono")
        picture.width, picture.height, picture.pix_fmt = 192, 128, "yuv420p"
        for number in range(FRAMES):
            pixels = np.full((128, 192, 3), colour, np.uint8)
            pixels[:, number % 48 * 4 : number % 48 * 4 + 4] = 255
            output.mux(picture.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        output.mux(picture.encode(None))
        samples = (0.2 * np.sin(np.arange(6 * 16000) * 0.1)).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="flt", layout="mono")
        frame.sample_rate = 16000
        output.mux(sound.encode(frame))
        output.mux(sound.encode(None))


@pytest.fixture
def comparing(comfy):
    for name, colour in (("compare red.mp4", (160, 40, 40)), ("compare blue.mp4", (40, 40, 160))):
        write_clip(comfy.server.input_directory / name, colour)
    comfy.load(
        [
            node(1, "LoadVideo", (0, 0), ["compare red.mp4", "image"], outputs="VIDEO:VIDEO"),
            node(2, "LoadVideo", (0, 420), ["compare blue.mp4", "image"], outputs="VIDEO:VIDEO"),
            node(
                COMPARE, "SoundToVideo_CompareClips", (360, 40), [], "first:VIDEO second:VIDEO audio:AUDIO", width=520
            ),
        ],
        [[1, 0, COMPARE, 0, "VIDEO"], [2, 0, COMPARE, 1, "VIDEO"]],
    )
    return comfy


def players(comfy) -> list[dict]:
    return comfy.page.evaluate(LOOK)


def apart(comfy) -> float:
    """Frames between the two."""
    one, other = players(comfy)
    return abs(one["time"] - other["time"]) * RATE


def seek(comfy, seconds: int) -> None:
    comfy.page.locator(".stv-compare-seek").evaluate(
        "(one, to) => { one.value = to; one.dispatchEvent(new Event('input', { bubbles: true })) }", seconds
    )
    comfy.until(lambda: not any(one["seeking"] for one in players(comfy)), "they are there")


def run(comfy) -> None:
    assert "Run the workflow" in comfy.page.locator(".stv-compare-message").inner_text()
    comfy.run()
    comfy.until(lambda: all(one["ready"] >= 2 for one in players(comfy)), "both clips are there")
    assert [one["width"] for one in players(comfy)] == [192, 192]


def test_both_play_together_and_stop_on_the_same_frame(comparing):
    comfy = comparing
    run(comfy)
    assert [one["muted"] for one in players(comfy)] == [False, True]
    comfy.page.get_by_role("button", name="Play", exact=True).click()
    comfy.until(lambda: all(one["time"] > 0.2 for one in players(comfy)), "both play")
    distances = [apart(comfy) for _ in range(8) if comfy.page.wait_for_timeout(60) is None]
    assert sorted(distances)[len(distances) // 2] < 1.5, distances
    comfy.page.get_by_role("button", name="Pause", exact=True).click()
    comfy.until(lambda: not any(one["seeking"] for one in players(comfy)), "they stand")
    assert apart(comfy) < 0.01
    comfy.page.keyboard.press("ArrowRight")
    before = players(comfy)[0]["time"]
    comfy.page.keyboard.press("ArrowRight")
    comfy.until(lambda: not any(one["seeking"] for one in players(comfy)), "one frame on")
    assert players(comfy)[0]["time"] - before == pytest.approx(1 / RATE, abs=1e-4) and apart(comfy) < 0.01
    seek(comfy, 5)
    comfy.page.keyboard.press(" ")
    comfy.until(lambda: not any(one["paused"] for one in players(comfy)), "space plays")
    comfy.until(lambda: comfy.sounding() == SILENT, "they end")
    comfy.page.evaluate(f"() => window.app.graph.remove(window.app.graph.getNodeById({COMPARE}))")
    comfy.until(lambda: comfy.sounding() == SILENT, "nothing plays on")


@pytest.mark.any_front_end
def test_the_line_and_side_by_side(comparing):
    comfy = comparing
    run(comfy)
    line, stage = comfy.page.locator(".stv-compare-line"), comfy.page.locator(".stv-compare")
    box = stage.bounding_box()
    comfy.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    comfy.page.mouse.down()
    comfy.page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2, steps=4)
    comfy.page.mouse.up()
    assert int(line.get_attribute("aria-valuenow")) == pytest.approx(25, abs=2)
    assert comfy.node_ids() == [1, 2, COMPARE]
    line.focus()
    comfy.page.keyboard.press("ArrowRight")
    assert int(line.get_attribute("aria-valuenow")) == pytest.approx(27, abs=2)
    seek(comfy, 1)
    assert apart(comfy) < 0.01 and players(comfy)[0]["time"] == pytest.approx(24.5 / RATE, abs=1e-3)
    comfy.screenshot("compare-line")
    comfy.page.get_by_role("button", name="Show the clips side by side").click()
    boxes = [comfy.page.locator(".stv-compare-clip").nth(index).bounding_box() for index in range(2)]
    assert boxes[0]["x"] + boxes[0]["width"] == pytest.approx(boxes[1]["x"], abs=1)
    assert not line.is_visible()
    comfy.screenshot("compare-halves")
