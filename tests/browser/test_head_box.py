"""The box around the head on Lip Sync Sampler: drawn with the mouse on the footage, kept as plain numbers."""

import shutil

import pytest
from sound_to_video.tests.browser.comfy_page import ROOT, node
from sound_to_video.tests.unit.test_footage import write_footage

LIP_SYNC = 2
EDGES = ("left", "top", "right", "bottom")
INPUTS = "model:MODEL vae:VAE positive:CONDITIONING negative:CONDITIONING encoded_audio:AUDIO_ENCODER_OUTPUT"
INPUTS += " source_video:VIDEO mask:MASK face_detection_model:FACE_DETECTION_MODEL"


def opened(comfy, file: str, scale: float = 0.8) -> None:
    """A sampler with footage, its panel in sight."""
    sampler = node(LIP_SYNC, "SoundToVideo_LipSyncSampler", (520, 0), [], INPUTS, "video:VIDEO latent:LATENT", 400)
    del sampler["widgets_values"]
    nodes = [node(1, "LoadVideo", (0, 200), [file, "image"], outputs="VIDEO:VIDEO"), sampler]
    comfy.load(nodes, [[1, 0, LIP_SYNC, 5, "VIDEO"]], scale)
    comfy.page.evaluate(
        """(id) => { const { ds } = window.app.canvas; const node = window.app.graph.getNodeById(id);
            ds.offset = [-300, 800 / ds.scale - node.size[1] - 60]; window.app.canvas.setDirty(true, true) }""",
        LIP_SYNC,
    )
    comfy.settle()
    comfy.page.locator(".stv-footage-box").wait_for()


@pytest.fixture
def footage(comfy):
    shutil.copy(ROOT / "media" / "sound_to_video_speaker.mp4", comfy.server.input_directory / "speaker.mp4")
    opened(comfy, "speaker.mp4")
    comfy.until(lambda: comfy.page.evaluate("() => document.querySelector('.stv-footage video').readyState >= 2"))
    return comfy


def box(comfy) -> list[float]:
    values = comfy.values(LIP_SYNC)
    return [values[f"head_{edge}"] for edge in EDGES]


def drag(comfy, start: tuple[float, float], stop: tuple[float, float]) -> None:
    """From one place of the picture to another, in parts of it."""
    place = comfy.page.locator(".stv-footage-picture").bounding_box()
    points = [(place["x"] + x * place["width"], place["y"] + y * place["height"]) for x, y in (start, stop)]
    comfy.page.mouse.move(*points[0])
    comfy.page.mouse.down()
    comfy.page.mouse.move(*[sum(pair) / 2 for pair in zip(*points, strict=True)], steps=4)
    comfy.page.mouse.move(*points[1], steps=4)
    comfy.page.mouse.up()
    comfy.settle()


def test_a_box_is_drawn_moved_and_sized_and_each_is_one_step_of_undo(footage):
    comfy = footage
    panels = comfy.panels()
    assert len(panels) > 1, "a node with several: after an undo each is put back, and none in another's place"
    where = comfy.page.evaluate("() => window.app.graph.nodes.map((one) => [...one.pos])")
    assert box(comfy) == [0.2, 0.1, 0.8, 0.9]
    drag(comfy, (0.05, 0.95), (0.15, 0.6))
    drawn = box(comfy)
    assert drawn == pytest.approx([0.05, 0.6, 0.15, 0.95], abs=0.01)
    drag(comfy, (0.1, 0.78), (0.4, 0.48))
    moved = box(comfy)
    assert moved == pytest.approx([0.35, 0.3, 0.45, 0.65], abs=0.015)
    drag(comfy, (0.45, 0.65), (0.7, 0.85))
    assert box(comfy) == pytest.approx([*moved[:2], 0.7, 0.85], abs=0.015)
    comfy.screenshot("head-box")
    shown = comfy.page.locator(".stv-footage-box").bounding_box()
    picture = comfy.page.locator(".stv-footage-picture").bounding_box()
    assert (shown["x"] - picture["x"]) / picture["width"] == pytest.approx(box(comfy)[0], abs=0.01)
    assert comfy.page.evaluate("() => window.app.graph.nodes.map((one) => [...one.pos])") == where, (
        "no node was dragged"
    )
    comfy.undo()
    comfy.until(lambda: box(comfy) == moved, "the corner is where it was")
    comfy.undo()
    comfy.until(lambda: box(comfy) == drawn, "so is the box")
    comfy.undo()
    comfy.until(lambda: box(comfy) == [0.2, 0.1, 0.8, 0.9], "as at first")
    comfy.measured()
    assert comfy.panels() == panels
    drag(comfy, (0.5, 0.5), (0.45, 0.5))
    assert box(comfy) == pytest.approx([0.15, 0.1, 0.75, 0.9], abs=0.01), "the panel of after the undo works"
    assert comfy.panels() == panels


def test_what_is_drawn_is_saved_as_plain_numbers_and_is_there_again(footage):
    comfy = footage
    drag(comfy, (0.02, 0.02), (0.5, 0.6))
    drawn = box(comfy)
    assert all(isinstance(edge, float) and edge == round(edge, 3) for edge in drawn)
    saved = comfy.saved()
    (sampler,) = [one for one in saved["nodes"] if one["id"] == LIP_SYNC]
    start = sampler["widgets_values"].index(drawn[0])
    assert sampler["widgets_values"][start : start + 4] == drawn
    prompt = comfy.page.evaluate("async () => (await window.app.graphToPrompt()).output")
    assert [prompt[str(LIP_SYNC)]["inputs"][f"head_{edge}"] for edge in EDGES] == drawn
    comfy.open_workflow(saved)
    comfy.until(lambda: box(comfy) == drawn, "it is loaded again")
    shown = comfy.page.locator(".stv-footage-box")
    comfy.until(lambda: f"left {100 * drawn[0]:g}%" in (shown.get_attribute("aria-label") or ""), "it is said")


@pytest.mark.any_front_end
def test_the_box_by_keys_and_what_is_said_of_it(footage):
    comfy = footage
    comfy.page.locator(".stv-footage-box").focus()
    keys = comfy.page.keyboard
    keys.press("ArrowRight")
    assert box(comfy) == pytest.approx([0.21, 0.1, 0.81, 0.9])
    keys.press("Shift+ArrowUp")
    assert box(comfy) == pytest.approx([0.21, 0.1, 0.81, 0.89])
    keys.press("Alt+ArrowDown")
    assert box(comfy) == pytest.approx([0.21, 0.101, 0.81, 0.891])
    line = comfy.page.locator(".stv-line", has_text="hair to chin")
    line.wait_for()
    comfy.page.get_by_role("button", name="Put the box around the middle again").click()
    assert box(comfy) == [0.2, 0.1, 0.8, 0.9]
    comfy.page.get_by_role("button", name="Play the footage").click()
    playing = "() => document.querySelector('.stv-footage video').currentTime > 0.1"
    comfy.until(lambda: comfy.page.evaluate(playing), "it plays")
    comfy.page.get_by_role("button", name="Pause").click()
    comfy.page.evaluate(
        """(id) => { const mask = LiteGraph.createNode("SolidMask"); window.app.graph.add(mask);
            mask.connect(0, window.app.graph.getNodeById(id), "mask") }""",
        LIP_SYNC,
    )
    comfy.page.get_by_text("The mask says where the mouth is").wait_for()


@pytest.mark.any_front_end
def test_footage_that_the_browser_cannot_play_is_seen_all_the_same(comfy):
    path = comfy.server.input_directory / "prores.mov"
    write_footage(path, size=(320, 180), codec="prores_ks", pixel_format="yuv422p10le")
    opened(comfy, path.name)
    still = comfy.page.locator(".stv-footage img")
    comfy.until(lambda: still.evaluate("(one) => one.naturalWidth") == 320, "a picture by the server")
    before = still.get_attribute("src")
    drag(comfy, (0.05, 0.05), (0.6, 0.7))
    assert box(comfy) == pytest.approx([0.05, 0.05, 0.6, 0.7], abs=0.01)
    comfy.page.locator(".stv-footage ~ .stv-row input").evaluate(
        "(one) => { one.value = 0.9; one.dispatchEvent(new Event('input', { bubbles: true })) }"
    )
    comfy.until(lambda: still.get_attribute("src") != before, "another picture")
    comfy.screenshot("head-box-still")


@pytest.mark.any_front_end
def test_without_footage_it_says_what_to_do(comfy):
    sampler = node(LIP_SYNC, "SoundToVideo_LipSyncSampler", (300, 0), [], INPUTS, "video:VIDEO latent:LATENT", 400)
    del sampler["widgets_values"]
    comfy.load([sampler], scale=0.7)
    comfy.page.get_by_text("Connect Load Video to see the footage here.").wait_for()
