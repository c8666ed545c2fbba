"""What is done every minute at a waveform, by mouse, by keys alone and by those who see or hear little."""

import json
from itertools import pairwise

import pytest
from sound_to_video.tests.browser.comfy_page import load_audio, node, trim_audio
from sound_to_video.tests.browser.test_trim import (
    TRIM,
    fields,
    handle,
    pixels_per_second,
    ready,
    stands_at,
)
from sound_to_video.tests.npm import node_modules

TO_TRIM = [[1, 0, TRIM, 0, "AUDIO"]]


@pytest.fixture
def trimming(comfy):
    comfy.load([load_audio(1, "speech.wav"), trim_audio(TRIM)], TO_TRIM)
    ready(comfy)
    return comfy


def click_at(comfy, seconds: float, **more) -> None:
    box = comfy.page.locator(".stv-trim-area").bounding_box()
    comfy.page.mouse.click(box["x"] + seconds * pixels_per_second(comfy), box["y"] + 70, **more)


def test_the_ends_are_set_at_the_cursor(trimming):
    comfy = trimming
    keys = comfy.page.keyboard
    click_at(comfy, 2)
    keys.press("[")
    assert fields(comfy) == pytest.approx([2, 0, 0, 0], abs=0.03)
    click_at(comfy, 5)
    keys.press("o")
    two_to_five = fields(comfy)
    assert two_to_five == pytest.approx([2, 5, 0, 0], abs=0.03)
    click_at(comfy, 6)
    keys.press("i")
    assert fields(comfy) == pytest.approx([6, 0, 0, 0], abs=0.03), "behind the end it takes all that follows"
    comfy.undo()
    comfy.until(lambda: stands_at(comfy, two_to_five), "each is one step of undo")
    comfy.page.get_by_role("button", name="Play the selection (space)").click()
    comfy.until(lambda: comfy.sounding()["playing"] == 1, "it plays")
    comfy.until(lambda: (comfy.page.locator(".stv-clock").last.text_content() or "") > "0:02.2", "a little")
    keys.press("]")  # while it plays, with the focus on the button
    start, end, *_ = fields(comfy)
    assert start == two_to_five[0] and 2.19 <= end < 5, "as the clock, which rounds, showed it"
    keys.press("Escape")
    field = comfy.page.get_by_label("Start", exact=True)
    field.click()
    keys.type("[oi]")
    keys.press("Escape")
    assert fields(comfy)[:2] == [start, end], "letters that are typed are letters"


def test_a_double_click_takes_the_phrase_and_then_all(trimming):
    comfy = trimming
    silences = comfy.page.evaluate(
        """async () => (await import("/extensions/comfyui-sound-to-video/ui/sounds.js"))
            .soundIn({ filename: "speech.wav", subfolder: "", type: "input" }).silences"""
    )
    start, end = next((a[1], b[0]) for a, b in pairwise(silences) if b[0] - a[1] > 0.3)
    click_at(comfy, (start + end) / 2, click_count=2)
    comfy.until(lambda: fields(comfy)[:2] == pytest.approx([start, end], abs=0.002), "the phrase")
    comfy.screenshot("phrase")
    click_at(comfy, (start + end) / 2, click_count=2)
    comfy.until(lambda: fields(comfy) == [0, 0, 0, 0], "all of it")


def test_volume_and_speed_are_those_of_every_player(trimming):
    comfy = trimming
    playing = """() => [...window.spied.media].filter((one) => !one.paused)
        .map((one) => [one.playbackRate, Math.round(one.volume * 100)])"""
    comfy.page.get_by_label("Speed", exact=True).select_option("2")
    comfy.page.get_by_label("Volume", exact=True).fill("0.5")
    for name in ("Play from the cursor", "Play"):
        comfy.page.get_by_role("button", name=name, exact=True).first.click()
        comfy.until(lambda: comfy.page.evaluate(playing) == [[2, 50]], name)
    comfy.page.get_by_label("Speed", exact=True).select_option("1")
    comfy.until(lambda: comfy.page.evaluate(playing) == [[1, 50]], "while it plays")
    comfy.page.get_by_label("Volume", exact=True).fill("1")
    comfy.until(lambda: comfy.page.evaluate(playing) == [[1, 100]], "louder while it plays")
    comfy.page.get_by_role("button", name="Pause", exact=True).click()


def test_a_range_that_is_narrow_on_screen_can_be_moved_and_shows_its_ends(comfy):
    comfy.load([load_audio(1, "speech.wav"), trim_audio(TRIM, (4, 4.5, 0.1, 0.1))], TO_TRIM)
    ready(comfy)
    assert not handle(comfy, "fadeIn").is_visible()
    comfy.screenshot("narrow-range")
    comfy.drag(handle(comfy, "range"), pixels_per_second(comfy))
    assert fields(comfy) == pytest.approx([5, 5.5, 0.1, 0.1], abs=0.03)
    comfy.drag(handle(comfy, "end"), pixels_per_second(comfy))
    assert fields(comfy)[:2] == pytest.approx([5, 6.5], abs=0.03)
    comfy.until(lambda: handle(comfy, "fadeIn").is_visible(), "there is room for the fades")


def test_the_buttons_are_one_stop_of_tab_and_arrows_go_along_them(trimming):
    comfy = trimming
    keys = comfy.page.keyboard
    comfy.page.get_by_role("button", name="Play from the cursor").focus()
    keys.press("ArrowRight")
    assert comfy.focused() == "Play the selection (space)"
    keys.press("End")
    assert comfy.focused() == "Show the whole sound"
    keys.press("ArrowRight")
    assert comfy.focused() == "Play from the cursor"
    keys.press("Tab")
    assert comfy.focused() == "Position of the selection"
    keys.press("Shift+Tab")
    assert comfy.focused() == "Play from the cursor"
    comfy.page.evaluate("() => { document.activeElement.disabled = true }")
    comfy.page.get_by_label("Position of the selection").focus()
    keys.press("Shift+Tab")
    assert comfy.focused() == "Play the selection (space)", "a button that cannot be used is no stop"
    comfy.page.evaluate("() => { document.querySelector('[aria-label=\"Play from the cursor\"]').disabled = false }")
    assert fields(comfy) == [0, 0, 0, 0]


# -- for everybody ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("palette", ["dark", "light"])
def test_axe_finds_nothing_in_the_panels(comfy, palette):
    comfy.page.evaluate("(palette) => window.app.extensionManager.setting.set('Comfy.ColorPalette', palette)", palette)
    record = node(3, "SoundToVideo_RecordMic", (0, 300), [""], outputs="AUDIO:AUDIO", width=360)
    comfy.load([load_audio(1, "speech.wav"), trim_audio(TRIM, (1, 6, 0.5, 0.5)), record], TO_TRIM)
    ready(comfy)
    comfy.page.evaluate((node_modules() / "axe-core" / "axe.min.js").read_text("utf-8"))
    found = comfy.page.evaluate(
        """async () => (await window.axe.run({ include: [[".stv"]] },
                { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
                  rules: { "label-content-name-mismatch": { enabled: true }, region: { enabled: false } } }))
            .violations.map(({ id, nodes }) => [id, nodes.map((one) => `${one.html} ${one.failureSummary}`)])"""
    )
    comfy.page.evaluate("() => window.app.extensionManager.setting.set('Comfy.ColorPalette', 'dark')")
    assert found == [], json.dumps(found, indent=1)


def test_in_a_contrast_theme_handles_are_seen_and_what_is_pressed_looks_so(trimming):
    comfy = trimming
    silences = comfy.page.locator("button[title^='Snap to where']")
    beats = comfy.page.locator("button[title='Snap to beats']")
    silences.click()
    comfy.page.emulate_media(forced_colors="active")
    comfy.settle()
    style = lambda one, name: one.evaluate("(one, name) => getComputedStyle(one)[name]", name)  # noqa: E731
    bar = comfy.page.evaluate(
        """() => { const { backgroundColor, backgroundImage } =
            getComputedStyle(document.querySelector(".stv-start"), "::before");
            return [backgroundColor, backgroundImage] }"""
    )
    comfy.screenshot("forced-colours")
    field = style(comfy.page.locator(".stv-trim-area"), "backgroundColor")
    pressed = [style(one, "backgroundColor") for one in (silences, beats)]
    comfy.page.emulate_media(forced_colors="none")
    assert bar[0] != field and "gradient" in bar[1]
    assert pressed[0] != pressed[1]


def test_a_bypassed_node_looks_so(trimming):
    comfy = trimming
    panel = comfy.page.locator(".stv", has=comfy.page.locator(".stv-trim-area"))
    opacity = """(one) => { let all = 1; for (; one; one = one.parentElement) all *= getComputedStyle(one).opacity;
        return all }"""
    assert panel.evaluate(opacity) == 1
    comfy.page.evaluate("() => { window.app.graph.getNodeById(2).mode = 4; window.app.canvas.setDirty(true, true) }")
    comfy.until(lambda: panel.evaluate(opacity) < 0.7, "it is dimmed")


def test_at_rest_and_off_the_screen_nothing_is_done(comfy):
    """The panels look at the graph once, not each of them, and paint when they come to be seen."""
    trims = [trim_audio(10 + index, position=(360 + 560 * index, 0)) for index in range(4)]
    comfy.load([load_audio(1, "speech.wav"), *trims], [[1, 0, one["id"], 0, "AUDIO"] for one in trims])
    ready(comfy)
    comfy.page.wait_for_timeout(700)
    done = """async (change) => {
        const done = { draws: 0, changes: 0 };
        const { clearRect } = CanvasRenderingContext2D.prototype;
        CanvasRenderingContext2D.prototype.clearRect = function (...values) {
            done.draws += Boolean(this.canvas.closest?.(".stv-wave"));
            return clearRect.apply(this, values);
        };
        const watch = new MutationObserver((records) => (done.changes += records.length));
        for (const panel of document.querySelectorAll(".stv"))
            watch.observe(panel, { subtree: true, childList: true, attributes: true, characterData: true });
        if (change) window.app.graph.getNodeById(1).widgets[0].value = change;
        await new Promise((resolve) => setTimeout(resolve, 1000));
        watch.disconnect();
        CanvasRenderingContext2D.prototype.clearRect = clearRect;
        return done;
    }"""
    assert comfy.page.evaluate(done, "") == {"draws": 0, "changes": 0}
    comfy.page.evaluate("() => { window.app.canvas.ds.offset = [-6000, 0]; window.app.canvas.setDirty(true, true) }")
    comfy.page.wait_for_timeout(300)
    assert comfy.page.evaluate(done, "drums.wav")["draws"] == 0, "off the screen"
    comfy.look()
    ends = lambda: handle(comfy, "end").first.get_attribute("aria-valuetext")  # noqa: E731
    comfy.until(lambda: ends() == "12 seconds", "back on it")
    painted = """() => { const { canvas } = document.querySelector(".stv-trim-area > canvas").getContext("2d");
        return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean) }"""
    comfy.until(lambda: comfy.page.evaluate(painted), "it is painted")
