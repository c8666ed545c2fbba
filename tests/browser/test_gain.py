"""The gain of a cut, its level, the height that it is drawn with, and what the node's menu does with it."""

import re

import numpy as np
import pytest
from sound_to_video.core.audio import open_audio
from sound_to_video.core.audio.loudness import level_of
from sound_to_video.core.audio.trim import trim
from sound_to_video.tests.browser.comfy_page import load_audio, node, trim_audio
from sound_to_video.tests.browser.conftest import write_wav
from sound_to_video.tests.browser.test_trim import TRIM, fields, ready

CUT = [1, 6, 0.5, 1]
TO_TRIM = [[1, 0, TRIM, 0, "AUDIO"]]
# How far the waveform reaches from its middle within the selection, and whether any of it is drawn as cut off.
DRAWN = """() => { const canvas = document.querySelector(".stv-trim-area > canvas");
    const { width, height } = canvas;
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    const style = getComputedStyle(canvas.closest(".stv"));
    const rgb = (name) => style.getPropertyValue(name).match(/\\d+/g).map(Number);
    const [accent, error] = [rgb("--stv-accent"), rgb("--stv-error")];
    const near = (at, [r, g, b]) => data[at + 3] > 200
        && Math.abs(data[at] - r) + Math.abs(data[at + 1] - g) + Math.abs(data[at + 2] - b) < 60;
    let rows = new Set(), cut = 0;
    for (let y = Math.round(0.2 * height); y < height; y++)
        for (let x = Math.round(0.35 * width); x < 0.6 * width; x++) {
            const at = 4 * (y * width + x);
            if (near(at, accent)) rows.add(y);
            if (near(at, error)) cut++;
        }
    return [rows.size / height, cut] }"""


@pytest.fixture
def cutting(comfy):
    """A cut of five seconds with fades; its workflow is of a time when there was no gain."""
    comfy.load([load_audio(1, "speech.wav"), trim_audio(TRIM, CUT)], TO_TRIM)
    ready(comfy)
    comfy.measured()
    return comfy


def gain(comfy) -> float:
    return comfy.values(TRIM)["gain_db"]


def gain_field(comfy):
    return comfy.page.get_by_label("Gain", exact=True)


def level(comfy, gain_db: float):
    return level_of(trim(open_audio(comfy.server.input_directory / "speech.wav"), *CUT, gain_db))


def normalise(comfy, target: str) -> None:
    comfy.page.get_by_role("button", name="Normalise").click()
    comfy.page.get_by_role("menuitem", name=target).click()


def shows(comfy, gain_db: float, words: str) -> bool:
    """Whether the plain field says so, and the panel that an undo has built anew shows it."""
    return gain(comfy) == gain_db and gain_field(comfy).count() == 1 and gain_field(comfy).input_value() == words


def test_a_gain_is_typed_heard_seen_and_one_step_of_undo(cutting):
    comfy = cutting
    assert shows(comfy, 0, "0 dB"), "a workflow without a gain opens as it was"
    (usual, cut) = comfy.page.evaluate(DRAWN)
    assert cut == 0
    gain_field(comfy).fill("-12,5")
    gain_field(comfy).press("Enter")
    assert shows(comfy, -12.5, "-12.5 dB")
    comfy.until(lambda: comfy.page.evaluate(DRAWN)[0] < 0.4 * usual, "it is drawn quieter")
    gain_field(comfy).fill("loud")
    gain_field(comfy).press("Enter")
    assert shows(comfy, -12.5, "-12.5 dB"), "what is no number is put back"
    gain_field(comfy).fill("+20 dB")
    gain_field(comfy).press("Enter")
    comfy.until(lambda: comfy.page.evaluate(DRAWN)[1] > 20, "what is cut off is seen")
    comfy.screenshot("gain-cut-off")
    asked = []
    comfy.page.on("request", lambda request: asked.append(request.url))
    comfy.page.get_by_role("button", name="Play the selection (space)").click()
    comfy.until(lambda: any("gain_db=20" in url for url in asked), "it is heard as loud as it is")
    comfy.page.get_by_role("button", name="Pause (space)").click()
    comfy.undo()
    comfy.until(lambda: shows(comfy, -12.5, "-12.5 dB"), "undo")
    comfy.undo()
    comfy.until(lambda: shows(comfy, 0, "0 dB"), "undo")
    comfy.redo()
    comfy.until(lambda: shows(comfy, -12.5, "-12.5 dB"), "redo")
    assert fields(comfy) == CUT


def test_a_cut_is_normalised_by_peak_and_by_loudness_each_one_step_of_undo(cutting):
    comfy = cutting
    found = [0]
    for target in ("Peak at -1 dB", "As it is (0 dB)", "Loudness of -16 LUFS"):
        normalise(comfy, target)
        comfy.until(lambda: gain(comfy) != found[-1], target)
        found.append(gain(comfy))
    comfy.page.get_by_text("LUFS: any louder, its peaks would be cut off.").wait_for()
    comfy.screenshot("normalised")
    _, to_peak, none, to_loudness = found
    assert none == 0
    # The server was told of the cut as the fields have it: the same samples as the node gives out.
    assert level(comfy, to_peak).peak == pytest.approx(-1, abs=0.02)
    reached = level(comfy, to_loudness)
    assert reached.peak == pytest.approx(-1, abs=0.02) and reached.loudness < -16, "nothing is cut off for it"
    for before in reversed(found[:-1]):
        comfy.undo()
        comfy.until(lambda before=before: gain(comfy) == before and gain_field(comfy).count() == 1, f"undo to {before}")
    comfy.redo()
    comfy.until(lambda: gain(comfy) == to_peak, "redo")


def test_what_is_loud_is_brought_down_to_the_loudness(comfy):
    write_wav(comfy.server.input_directory / "loud.wav", np.random.default_rng(2).uniform(-0.5, 0.5, 96000), 24000)
    comfy.load([load_audio(1, "loud.wav"), trim_audio(TRIM, [1, 3, 0, 0])], TO_TRIM)
    comfy.page.locator(".stv-start").wait_for()
    normalise(comfy, "Loudness of -16 LUFS")
    comfy.until(lambda: gain(comfy) < -1, "it is quieter")
    loud = trim(open_audio(comfy.server.input_directory / "loud.wav"), 1, 3, 0, 0, gain(comfy))
    assert level_of(loud).loudness == pytest.approx(-16, abs=0.02)


def test_the_menu_of_levels_by_keys_and_a_cut_without_a_sound(comfy):
    silent = node(3, "EmptyAudio", (0, 0), [2.0, 44100, 2], outputs="AUDIO:AUDIO")
    comfy.load([silent, trim_audio(TRIM, CUT)], [[3, 0, TRIM, 0, "AUDIO"]])
    button = comfy.page.get_by_role("button", name="Normalise")
    comfy.until(lambda: button.is_disabled(), "nothing is known of a sound that has not been made")
    comfy.load([load_audio(1, "speech.wav"), trim_audio(TRIM, [0, 0.02, 0, 0])], TO_TRIM)
    ready(comfy)
    keys = comfy.page.keyboard
    written = lambda: comfy.page.evaluate("() => document.activeElement.textContent")  # noqa: E731
    button.focus()
    keys.press("ArrowDown")
    assert written() == "Peak at -1 dB"
    keys.press("ArrowUp")
    assert written() == "As it is (0 dB)"
    comfy.screenshot("levels")
    keys.press("Escape")
    assert comfy.page.get_by_role("menu", name="Normalise").count() == 0
    assert comfy.focused("aria-haspopup") == "menu"
    keys.press("Enter")
    keys.press("Enter")
    comfy.page.get_by_text("Nothing is heard in this cut").wait_for()
    assert gain(comfy) == 0


def test_what_is_quiet_is_drawn_higher_and_nothing_is_changed_by_it(cutting):
    comfy = cutting
    gain_field(comfy).fill("-30")
    gain_field(comfy).press("Enter")
    comfy.page.mouse.move(700, 930)
    before = comfy.saved()
    low = comfy.until(lambda: (drawn := comfy.page.evaluate(DRAWN)[0]) < 0.1 and drawn, "it is a hair")
    taller = comfy.page.locator("button[title*='Alt and wheel']")
    for _ in range(3):
        taller.click()
    comfy.until(lambda: comfy.page.evaluate(DRAWN)[0] > 3 * low, "eight times as high")
    assert "8 times as high" in (taller.get_attribute("title") or "")
    comfy.screenshot("taller")
    box = comfy.page.locator(".stv-trim-area").bounding_box()
    comfy.page.mouse.click(box["x"] + 100, box["y"] + 70)
    comfy.page.keyboard.down("Alt")
    comfy.page.mouse.wheel(0, 4000)
    comfy.page.keyboard.up("Alt")
    comfy.until(lambda: comfy.page.evaluate(DRAWN)[0] == pytest.approx(low, abs=0.02), "and as before")
    taller.click()
    comfy.undo()
    comfy.until(lambda: shows(comfy, 0, "0 dB"), "it is no step of undo")
    comfy.redo()
    comfy.until(lambda: shows(comfy, -30, "-30 dB"), "redo")
    comfy.until(lambda: "2 times as high" in (taller.get_attribute("title") or ""), "it stays over an undo")
    after = comfy.saved()
    assert [one["widgets_values"] for one in after["nodes"]] == [one["widgets_values"] for one in before["nodes"]]


def choose_in_menu(comfy, node_id: int, entry: str) -> None:
    comfy.page.mouse.click(*comfy.title(node_id), button="right")
    found = comfy.page.get_by_text(entry, exact=True).locator("visible=true").last
    found.wait_for()
    comfy.screenshot(f"menu-{node_id}")
    found.click()


def test_the_nodes_menu_saves_the_cut_copies_its_times_and_takes_all(cutting):
    comfy = cutting
    comfy.context.grant_permissions(["clipboard-read", "clipboard-write"])
    gain_field(comfy).fill("3")
    gain_field(comfy).press("Enter")
    with comfy.page.expect_download() as saving:
        choose_in_menu(comfy, TRIM, "Save this cut as WAV")
    assert saving.value.suggested_filename == "speech 1.00-6.00.wav"
    saved = open_audio(saving.value.path())
    meant = trim(open_audio(comfy.server.input_directory / "speech.wav"), *CUT, 3)
    assert saved.sample_count == meant.sample_count
    difference = np.abs(saved["waveform"].numpy() - meant["waveform"].numpy().clip(-1, 1))
    assert difference.max() < 2 / 32768
    choose_in_menu(comfy, TRIM, "Copy times")
    comfy.until(
        lambda: comfy.page.evaluate("() => navigator.clipboard.readText()") == "0:01.00 - 0:06.00", "the clipboard"
    )
    choose_in_menu(comfy, TRIM, "Use the whole sound")
    comfy.until(lambda: fields(comfy)[:2] == [0, 0], "all of it")
    comfy.undo()
    comfy.until(lambda: fields(comfy) == CUT, "one step of undo")
    with comfy.page.expect_download() as saving:
        choose_in_menu(comfy, 1, "Save this sound as WAV")
    assert saving.value.suggested_filename == "speech.wav"
    assert open_audio(saving.value.path()).sample_count == 8 * 24000


def test_times_are_copied_where_the_page_is_no_secure_one(open_comfy):
    """As when ComfyUI on another machine is opened by its address."""
    comfy = open_comfy("classic", host="comfy.example")
    comfy.load([load_audio(1, "speech.wav"), trim_audio(TRIM, CUT)], TO_TRIM)
    ready(comfy)
    assert comfy.page.evaluate("() => navigator.clipboard === undefined")
    choose_in_menu(comfy, TRIM, "Copy times")
    comfy.page.get_by_text("Copied", exact=True).wait_for()
    gain_field(comfy).click()
    comfy.page.keyboard.press("Control+a")
    comfy.page.keyboard.press("Control+v")
    assert re.sub(r"\s", "", gain_field(comfy).input_value()) == "0:01.00-0:06.00"
