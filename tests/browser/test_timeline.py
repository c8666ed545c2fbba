"""The prompts of a song as blocks over its sound: what a gesture writes into Prompt Timeline's text."""

import json

import pytest
from sound_to_video.tests.browser.comfy_page import load_audio, node, sampler_graph, trim_audio
from sound_to_video.tests.browser.test_trim import TRIM, ready
from sound_to_video.tests.npm import node_modules

PROMPTS = 20
TEXT = "0:00 verse,\n  a dim stage\n\n0:03 chorus, bright light\n0:05 end"


def prompt_timeline(text: str = TEXT, cuts: str = "no cuts", position=(360, 580), width: int = 520) -> dict:
    return node(
        PROMPTS, "SoundToVideo_PromptTimeline", position, [text, cuts], "clip:CLIP", "CONDITIONING:CONDITIONING", width
    )


def graph(text: str = TEXT, cuts: str = "no cuts", trim=(0, 0, 0, 0), sound="speech.wav", width=520) -> tuple:
    nodes, links = sampler_graph(10)
    links += [[1, 0, TRIM, 0, "AUDIO"], [TRIM, 0, 10, 0, "AUDIO"], [PROMPTS, 0, 12, 2, "CONDITIONING"]]
    return [
        load_audio(1, sound),
        trim_audio(TRIM, trim, width=width),
        *nodes,
        prompt_timeline(text, cuts, width=width),
    ], links


@pytest.fixture(params=["Trim", "Timeline"])
def lane(request, comfy):
    """The blocks in Trim Audio, or in Prompt Timeline: all of it works in both."""
    comfy.load(*graph(), scale=0.7)
    ready(comfy)
    return Lane(comfy, request.param)


class Lane:
    def __init__(self, comfy, panel: str = "Timeline"):
        self.comfy = comfy
        self.panel = comfy.page.locator(f".stv[aria-label='{panel}']")
        self.element = self.panel.locator(".stv-lane")
        self.element.wait_for()
        comfy.until(lambda: self.words() != [], "the blocks")
        comfy.until(lambda: self.seconds_shown() == 8, "the sound")

    def seconds_shown(self) -> float:
        """From the first block's left to the last one's right."""
        return 8 if self.panel.locator(".stv-border").count() and self.unit() > 40 else 0

    def unit(self) -> float:
        """Pixels of a second."""
        return self.element.bounding_box()["width"] / 8

    def words(self) -> list[str]:
        return [text.strip() for text in self.panel.locator(".stv-block").all_text_contents()]

    def border(self, index: int):
        return self.panel.locator(".stv-border").nth(index - 1)

    def times(self) -> list[float]:
        found = self.panel.locator(".stv-border").all()
        return [float(one.get_attribute("aria-valuenow") or -1) for one in found]

    def at(self, seconds: float, pixels: float = 50) -> tuple[float, float]:
        box = self.element.bounding_box()
        return box["x"] + seconds * self.unit(), box["y"] + pixels

    def double_click(self, seconds: float, pixels: float = 50) -> None:
        self.comfy.page.mouse.dblclick(*self.at(seconds, pixels))

    @property
    def typing(self):
        return self.panel.locator(".stv-typing")


def text(comfy) -> str:
    return comfy.values(PROMPTS)["timeline"]


def test_the_mouse_moves_edits_adds_and_removes_each_one_step_of_undo(lane):
    comfy = lane.comfy
    assert lane.words() == ["verse, a dim stage", "chorus, bright light", "end"]
    assert lane.times() == [3, 5]
    comfy.screenshot(f"timeline-{lane.panel.get_attribute('aria-label')}")
    done = [text(comfy)]
    comfy.measured()
    comfy.drag(lane.border(1), 0.75 * lane.unit(), key="Alt")
    assert lane.times()[0] == pytest.approx(3.75, abs=0.03)
    assert text(comfy).startswith("0:00 verse,\n  a dim stage\n\n0:03.7"), "the rest is as it was written"
    done.append(text(comfy))
    lane.double_click(1)
    lane.typing.fill("an empty\nstage")
    comfy.page.keyboard.press("Enter")
    assert lane.words()[0] == "an empty stage"
    done.append(text(comfy))
    lane.double_click(6.5, 6)  # in the strip over the blocks
    comfy.screenshot(f"timeline-typing-{lane.panel.get_attribute('aria-label')}")
    lane.typing.fill("lights out")
    comfy.page.keyboard.press("Enter")
    assert lane.words() == ["an empty stage", "chorus, bright light", "end", "lights out"]
    assert lane.times()[2] == pytest.approx(6.5, abs=0.15)
    done.append(text(comfy))
    comfy.page.mouse.click(*lane.at(5.5))
    comfy.page.keyboard.press("Delete")
    assert lane.words() == ["an empty stage", "chorus, bright light", "lights out"]
    done.append(text(comfy))
    assert sorted(comfy.node_ids()) == [1, TRIM, 10, 11, 12, PROMPTS]
    for before in reversed(done[:-1]):
        comfy.undo()
        comfy.until(lambda before=before: text(comfy) == before, f"undo to {before!r}")
    for after in done[1:]:
        comfy.redo()
        comfy.until(lambda after=after: text(comfy) == after, f"redo to {after!r}")
    comfy.until(lambda: lane.words() == ["an empty stage", "chorus, bright light", "lights out"], "the blocks follow")


@pytest.mark.any_front_end
def test_the_keyboard_alone_can_do_it(lane):
    comfy, keys = lane.comfy, lane.comfy.page.keyboard
    lane.panel.get_by_role("button", name="Add a prompt").focus()
    keys.press("Tab")
    assert comfy.focused() == "verse, a dim stage (prompt 1 of 3, from 0 seconds)"
    keys.press("ArrowRight")
    assert comfy.focused() == "chorus, bright light (prompt 2 of 3, from 3 seconds)"
    keys.press("Enter")
    assert comfy.focused() == "Words of prompt 2"
    keys.type("2 guitars, Del")
    keys.press("Backspace")
    keys.press("Enter")
    assert text(comfy).splitlines()[3] == "0:03 2 guitars, De"
    assert comfy.focused() == "2 guitars, De (prompt 2 of 3, from 3 seconds)"
    keys.press("Enter")
    keys.type("nothing of this")
    keys.press("Escape")
    assert text(comfy).splitlines()[3] == "0:03 2 guitars, De"
    lane.border(1).focus()
    for press, expected in [
        ("ArrowRight", 3.1),
        ("Shift+ArrowRight", 4.1),
        ("ArrowLeft", 4.0),
        ("Home", 0.1),
        ("End", 4.9),
    ]:
        keys.press(press)
        assert lane.times()[0] == pytest.approx(expected, abs=1e-6), press
    keys.press("Enter")
    keys.press("Escape")
    keys.press("Insert")
    said = lane.panel.locator(".stv-prompt-words")
    assert "There is no room here" in said.inner_text()
    comfy.page.evaluate(
        "() => { window.app.graph.getNodeById(12).widgets.find((one) => one.name === 'steps').value = 3 }"
    )
    comfy.page.wait_for_timeout(700)
    assert "There is no room here" in said.inner_text(), "also once the graph has been looked at again"
    keys.press("ArrowRight")
    keys.press("Insert")
    assert "There is no room here" not in said.inner_text()
    assert comfy.focused() == "Words of a new prompt at 6.5 seconds"
    keys.type("added")
    keys.press("Enter")
    assert "added" in lane.words() and len(lane.words()) == 4
    keys.press("Delete")
    assert "added" not in lane.words()
    for key in ("w", "q", "."):
        keys.press(key)
    assert sorted(comfy.node_ids()) == [1, TRIM, 10, 11, 12, PROMPTS]


@pytest.mark.any_front_end
def test_a_finger_moves_a_border_and_edits(open_comfy, page_of_renderer):
    comfy = open_comfy(page_of_renderer.renderer, page_of_renderer.front_end, has_touch=True)
    try:
        comfy.load(*graph())
        ready(comfy)
        lane = Lane(comfy, "Trim")
        session = comfy.context.new_cdp_session(comfy.page)
        x, y = lane.at(3, 40)

        def touch(kind: str, at: float | None = None) -> None:
            points = [] if at is None else [{"x": at, "y": y, "id": 0}]
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        touch("touchStart", x)
        for step in range(1, 11):
            touch("touchMove", x - step * lane.unit() / 10)
        touch("touchEnd")
        assert lane.times()[0] == pytest.approx(2, abs=0.15)
        comfy.page.touchscreen.tap(*lane.at(6))
        lane.panel.get_by_role("button", name="Edit the words").tap()
        lane.typing.fill("by finger")
        comfy.page.touchscreen.tap(*lane.at(1))
        assert lane.words()[2] == "by finger"
        assert comfy.complaints() == []
    finally:
        comfy.close()


@pytest.mark.any_front_end
def test_borders_snap_to_beats_and_to_the_segments_there_would_be_without_them(comfy):
    comfy.load(*graph(sound="drums.wav", text="0:00 verse\n0:03 chorus"), scale=0.7)
    ready(comfy)
    lane = Lane(comfy, "Timeline")
    unit = lane.element.bounding_box()["width"] / 12
    starts = comfy.page.evaluate(
        """async () => (await (await import("/extensions/comfyui-sound-to-video/host.js")).packJSON("plan",
            { family: "wan_s2v", start: 0, end: 12, sample_rate: 24000 })).starts"""
    )
    assert len(starts) == 3
    comfy.drag(lane.border(1), (starts[1] - 3 + 0.05) * unit)
    assert lane.times() == pytest.approx([starts[1]], abs=0.001), "a segment"
    comfy.drag(lane.border(1), (7 - starts[1]) * unit, key="Alt")
    lane.panel.get_by_role("button", name="Snap to beats").click()
    lane.panel.locator("button[title='Snap to beats'].stv-busy").wait_for(state="detached", timeout=120_000)
    beats = comfy.page.evaluate(
        """async () => (await import("/extensions/comfyui-sound-to-video/ui/sounds.js"))
            .soundIn({ filename: "drums.wav", subfolder: "", type: "input" }).beats()"""
    )
    beat = next(one for one in beats if one > 5)
    comfy.drag(lane.border(1), (beat - lane.times()[0] + 0.06) * unit)
    assert lane.times()[0] == pytest.approx(beat, abs=0.001), "a beat"


def test_blocks_and_plan_follow_the_trim_and_the_text(comfy):
    comfy.load(*graph(text="0:00 a\n0:02 b\n0:07 late", cuts="cut at every prompt", trim=(2, 7, 0, 0)))
    ready(comfy)
    trim = comfy.page.locator(".stv[aria-label='Trim']")
    own = comfy.page.locator(".stv[aria-label='Timeline']")
    comfy.until(lambda: "3 prompts, a cut at each" in (own.inner_text() or ""), "how it was read")
    comfy.until(lambda: "5.00 s" in (own.locator(".stv-said").inner_text() or ""), "the plan")
    box = trim.locator(".stv-lane").bounding_box()
    at = lambda one: one.bounding_box()["x"] + one.bounding_box()["width"] / 2  # noqa: E731
    assert at(trim.locator(".stv-border").first) == pytest.approx(box["x"] + 4 / 8 * box["width"], abs=2)
    assert "after the end of the clip" in trim.locator(".stv-block").last.get_attribute("aria-label")
    comfy.screenshot("timeline-trimmed")
    comfy.page.evaluate(
        """(id) => { const { widgets } = window.app.graph.getNodeById(id);
            widgets.find((one) => one.name === "timeline").value = "chorus" }""",
        PROMPTS,
    )
    words = lambda panel: panel.locator(".stv-prompt-words").inner_text()  # noqa: E731
    for panel in (trim, own):
        comfy.until(lambda panel=panel: "the first line needs a time" in words(panel), "an error")
        assert panel.locator(".stv-block").count() == 0
    comfy.page.evaluate("(id) => window.app.graph.remove(window.app.graph.getNodeById(id))", PROMPTS)
    comfy.until(lambda: not trim.locator(".stv-lane").is_visible(), "no prompts, no lane")


@pytest.mark.any_front_end
def test_a_timeline_without_a_sound_is_edited_too(comfy):
    comfy.load([prompt_timeline(position=(0, 0))])
    panel = comfy.page.locator(".stv[aria-label='Timeline']")
    comfy.until(lambda: panel.locator(".stv-block").count() == 3, "the blocks")
    assert "Connect a sampler" in panel.inner_text()
    box = panel.locator(".stv-lane").bounding_box()
    comfy.page.mouse.dblclick(box["x"] + box["width"] * 0.9, box["y"] + 50)
    panel.locator(".stv-typing").fill("the end")
    comfy.page.keyboard.press("Enter")
    assert text(comfy).endswith("0:05 the end")
    comfy.screenshot("timeline-alone")


@pytest.mark.parametrize("palette", ["dark", "light"])
def test_axe_finds_nothing_in_the_timeline(comfy, palette):
    comfy.page.evaluate("(palette) => window.app.extensionManager.setting.set('Comfy.ColorPalette', palette)", palette)
    comfy.load(*graph(cuts="cut at every prompt"))
    ready(comfy)
    Lane(comfy)
    comfy.page.evaluate((node_modules() / "axe-core" / "axe.min.js").read_text("utf-8"))
    found = comfy.page.evaluate(
        """async () => (await window.axe.run({ include: [[".stv[aria-label=Trim]"], [".stv[aria-label=Timeline]"]] },
                { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
                  rules: { "label-content-name-mismatch": { enabled: true }, region: { enabled: false } } }))
            .violations.map(({ id, nodes }) => [id, nodes.map((one) => `${one.html} ${one.failureSummary}`)])"""
    )
    comfy.screenshot(f"timeline-{palette}")
    comfy.page.evaluate("() => window.app.extensionManager.setting.set('Comfy.ColorPalette', 'dark')")
    assert found == [], json.dumps(found, indent=1)
