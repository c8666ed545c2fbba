"""Pictures of a video on the nodes: Video Frame's scrubber, and the finished clip above the sound it was made from."""

import av
import numpy as np
import pytest
from sound_to_video.tests.browser.comfy_page import load_audio, node, sampler_graph, trim_audio
from sound_to_video.tests.browser.test_trim import TRIM, handle, pixels_per_second, ready

FRAME = 2
RATE, FRAMES = 12, 36

SEEN = """() => { const picture = document.querySelector(".stv-picture");
    if (!picture.complete || !picture.naturalWidth) return -1;
    const canvas = new OffscreenCanvas(8, 8); const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0, 8, 8);
    return context.getImageData(4, 4, 1, 1).data[0]; }"""


def shade(number: int) -> int:
    return min(20 + 5 * number, 235)


def write_greys(path, frames: int) -> None:
    """Frames of which each is of another grey."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(frames):
            pixels = np.full((64, 96, 3), shade(number), np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        output.mux(stream.encode(None))


@pytest.fixture
def scrubbing(comfy):
    write_greys(comfy.server.input_directory / "greys.mp4", FRAMES)
    loader = node(1, "LoadVideo", (0, 0), ["greys.mp4", "image"], outputs="VIDEO:VIDEO")
    frame = node(FRAME, "SoundToVideo_VideoFrame", (360, 0), ["last", 0], "video:VIDEO", "IMAGE:IMAGE", 360)
    comfy.load([loader, frame], [[1, 0, FRAME, 0, "VIDEO"]])
    comfy.page.locator(".stv-scrub[aria-disabled=false]").wait_for()
    return comfy


def shows(comfy, number: int) -> None:
    comfy.until(lambda: abs(comfy.page.evaluate(SEEN) - shade(number)) <= 3, f"frame {number}")


def test_keys_typing_and_the_strip_choose_a_picture_each_one_step_of_undo(scrubbing):
    comfy = scrubbing
    fields = lambda: list(comfy.values(FRAME).values())[:2]  # noqa: E731
    shows(comfy, FRAMES - 1)
    assert fields() == ["last", 0]
    comfy.page.locator(".stv-scrub").focus()
    comfy.page.keyboard.press("ArrowLeft")
    assert fields() == ["at seconds", pytest.approx(34 / RATE, abs=0.001)]
    shows(comfy, 34)
    comfy.page.keyboard.press("PageDown")
    shows(comfy, 22)
    comfy.page.keyboard.press("Home")
    shows(comfy, 0)
    time = comfy.page.get_by_label("Time", exact=True)
    time.fill("0:01.5")
    time.press("Enter")
    assert fields() == ["at seconds", 1.5]
    shows(comfy, 18)
    strip = comfy.page.locator(".stv-strip")
    comfy.until(lambda: strip.evaluate("(one) => one.complete && one.naturalWidth > 0"), "the strip")
    comfy.page.mouse.click(*comfy.centre(strip, 0.764))
    shows(comfy, 27)
    comfy.screenshot("video-frame")
    comfy.undo()
    comfy.until(lambda: fields() == ["at seconds", 1.5], "undo")
    assert comfy.node_ids() == [1, FRAME]


@pytest.mark.any_front_end
def test_a_video_that_is_not_there_is_told(comfy):
    frame = node(FRAME, "SoundToVideo_VideoFrame", (360, 0), ["last", 0], "video:VIDEO", "IMAGE:IMAGE", 360)
    comfy.load([frame])
    message = comfy.page.locator(".stv-stage .stv-message")
    comfy.until(lambda: "Connect Load Video" in message.inner_text(), "nothing connected")
    loader = node(1, "LoadVideo", (0, 0), ["gone.mp4", "image"], outputs="VIDEO:VIDEO")
    frame = node(FRAME, "SoundToVideo_VideoFrame", (360, 0), ["last", 0], "video:VIDEO", "IMAGE:IMAGE", 360)
    comfy.load([loader, frame], [[1, 0, FRAME, 0, "VIDEO"]])
    comfy.until(lambda: "gone.mp4 is not in the input folder" in message.inner_text(), "gone")
    comfy.complaints().clear()  # the browser's own word on a 404


def test_the_clip_is_seen_above_its_sound_and_its_player_moves_with_the_cursor(comfy):
    """A run is over that has written the clip of 2 to 5 s."""
    write_greys(comfy.server.output_directory / "greys.mp4", FRAMES)
    nodes, links = sampler_graph(10)
    mux = node(30, "SoundToVideo_MuxAudioVideo", (0, 300), [], "video:VIDEO audio:AUDIO", "VIDEO:VIDEO")
    del mux["widgets_values"]
    links += [[1, 0, TRIM, 0, "AUDIO"], [TRIM, 0, 10, 0, "AUDIO"], [12, 0, 30, 0, "VIDEO"]]
    comfy.load([load_audio(1, "speech.wav"), trim_audio(TRIM, (2, 5, 0, 0)), *nodes, mux], links, scale=0.8)
    ready(comfy)
    strip, frames = comfy.page.locator(".stv-clip-strip"), comfy.page.locator(".stv-clip-frames")
    assert not strip.is_visible()
    comfy.page.evaluate(
        """() => window.app.api.dispatchCustomEvent("executed", { node: "30", display_node: "30", prompt_id: "a run",
            output: { images: [{ filename: "greys.mp4", subfolder: "", type: "output" }], animated: [true] } })"""
    )
    comfy.until(lambda: frames.evaluate("(one) => one.complete && one.naturalWidth > 0"), "the frames")
    unit, area = pixels_per_second(comfy), comfy.page.locator(".stv-trim-area").bounding_box()
    comfy.until(
        lambda: (
            frames.bounding_box()["x"] == pytest.approx(area["x"] + 2 * unit, abs=2)
            and frames.bounding_box()["width"] == pytest.approx(3 * unit, abs=2)
        ),
        "over their stretch of the sound",
    )
    comfy.screenshot("clip-strip")
    player = comfy.page.locator("video[src*='greys.mp4'], video:has(source[src*='greys.mp4'])").first
    comfy.until(lambda: player.count() and player.evaluate("(one) => one.readyState >= 2"), "the front end's player")
    comfy.page.mouse.click(area["x"] + 4 * unit, area["y"] + area["height"] / 2)
    comfy.until(lambda: player.evaluate("(one) => one.currentTime") == pytest.approx(2, abs=0.1), "the player follows")
    player.evaluate("(one) => { one.pause(); one.currentTime = 1 }")
    clock = comfy.page.locator(".stv-clock").last
    comfy.until(lambda: clock.text_content() == "0:03.00", "the cursor follows")
    comfy.drag(handle(comfy, "start"), unit)
    assert frames.bounding_box()["width"] == pytest.approx(3 * unit, abs=2), "it stays with what it was made from"
    comfy.open_workflow(comfy.saved(), 0.8)
    comfy.until(lambda: strip.is_visible(), "after a reload")
