"""Trim Audio, as a person works with it, in both renderers."""

import pytest
from sound_to_video.tests.browser.comfy_page import SILENT, load_audio, node, sampler_graph, trim_audio

TRIM = 2
SECONDS = 8.0


@pytest.fixture
def trimming(comfy):
    """Load Audio with eight seconds of speech into Trim Audio."""
    comfy.load([load_audio(1, "speech.wav"), trim_audio(TRIM)], [[1, 0, TRIM, 0, "AUDIO"]])
    ready(comfy)
    return comfy


def ready(comfy) -> None:
    """Wait until the sound is known."""
    comfy.page.locator(".stv-start").first.wait_for()
    comfy.page.locator("button[title^='Snap to where']:not([disabled])").first.wait_for()


def fields(comfy, trim=TRIM) -> list[float]:
    values = comfy.values(trim)
    return [values[f"{name}_seconds"] for name in ("start", "end", "fade_in", "fade_out")]


def pixels_per_second(comfy, seconds=SECONDS) -> float:
    return comfy.page.locator(".stv-trim-area").bounding_box()["width"] / seconds


def handle(comfy, name):
    return comfy.page.locator(f".stv-{name}")


def test_dragging_the_ends_the_range_and_the_fades_each_one_step_of_undo(trimming):
    comfy = trimming
    comfy.measured()
    unit = pixels_per_second(comfy)
    done = [fields(comfy)]
    for name, seconds, expected in [
        ("start", 1.5, [1.5, 0, 0, 0]),
        ("end", -2.0, [1.5, 6, 0, 0]),
        ("range", 0.75, [2.25, 6.75, 0, 0]),
        ("fadeIn", 0.5, [2.25, 6.75, 0.5, 0]),
        ("fadeOut", -1.0, [2.25, 6.75, 0.5, 1.0]),
    ]:
        comfy.drag(handle(comfy, name), seconds * unit)
        assert fields(comfy) == pytest.approx(expected, abs=0.03), name
        done.append(fields(comfy))
    comfy.screenshot("trim")
    for before in reversed(done[:-1]):
        comfy.undo()
        comfy.until(lambda before=before: stands_at(comfy, before), f"undo to {before}")
    for after in done[1:]:
        comfy.redo()
        comfy.until(lambda after=after: stands_at(comfy, after), f"redo to {after}")
    # The widget that undo has built anew works.
    comfy.drag(handle(comfy, "start"), -1 * unit)
    assert fields(comfy)[0] == pytest.approx(1.25, abs=0.03)


def stands_at(comfy, expected) -> bool:
    """Whether the fields say so, and the widget that an undo has built anew shows it."""
    if fields(comfy) != expected or handle(comfy, "start").count() != 1:
        return False
    shown = [handle(comfy, name).get_attribute("aria-valuenow") for name in ("start", "fadeIn", "fadeOut")]
    return shown == [f"{expected[index]:.3f}" for index in (0, 2, 3)]


def test_a_drag_that_follows_at_once_is_a_step_of_its_own(trimming):
    """It begins before the front end has looked again at what the last one did, and goes on while it looks."""
    comfy = trimming
    send = """([name, kinds, share]) => {
        const area = document.querySelector(".stv-trim-area");
        const box = area.getBoundingClientRect();
        area.setPointerCapture = () => {};
        for (const kind of kinds)
            document.querySelector(`.stv-${name}`).dispatchEvent(new PointerEvent(kind, { pointerId: 71, button: 0,
                bubbles: true, cancelable: true, clientX: box.x + (kind === "pointerdown" ? 0 : share) * box.width,
                clientY: box.y + 70 }));
    }"""
    down, move, up = "pointerdown", "pointermove", "pointerup"
    comfy.page.evaluate(
        f"""() => {{ const send = {send};
            send(["start", ["{down}", "{move}", "{up}"], 0.25]); send(["fadeIn", ["{down}", "{move}"], 0.125]) }}"""
    )
    comfy.page.wait_for_timeout(150)
    comfy.page.evaluate(send, ["fadeIn", [up], 0.125])
    start, end, fade, _ = fields(comfy)
    assert start == pytest.approx(2, abs=0.03) and fade > 0.5
    comfy.undo()
    comfy.until(lambda: stands_at(comfy, [start, end, 0, 0]), "the second drag is undone")
    comfy.undo()
    comfy.until(lambda: stands_at(comfy, [0, 0, 0, 0]), "then the first")


def test_a_range_is_drawn_beside_the_old_one_and_a_click_moves_the_cursor(trimming):
    comfy = trimming
    area = comfy.page.locator(".stv-trim-area")
    box = area.bounding_box()
    y = box["y"] + 70
    comfy.page.mouse.move(box["x"] + box["width"] * 0.25, y)
    comfy.page.mouse.down()
    comfy.page.mouse.move(box["x"] + box["width"] * 0.75, y, steps=6)
    comfy.page.mouse.up()
    assert fields(comfy)[:2] == pytest.approx([2, 6], abs=0.03)
    comfy.page.mouse.click(box["x"] + box["width"] * 0.5, y)
    assert comfy.page.locator(".stv-clock").last.text_content() == "0:04.00"
    assert fields(comfy)[:2] == pytest.approx([2, 6], abs=0.03)
    comfy.page.mouse.move(box["x"] + box["width"] * 0.9, y)
    comfy.page.mouse.down()
    comfy.page.mouse.move(box["x"] + box["width"] * 0.8, y, steps=6)
    comfy.page.mouse.up()
    assert fields(comfy)[:2] == pytest.approx([6.4, 7.2], abs=0.03)


def test_the_node_stays_where_it_is_while_its_waveform_is_dragged(trimming):
    comfy = trimming
    places = "() => Object.fromEntries(window.app.graph.nodes.map((node) => [node.id, [...node.pos]]))"
    before = comfy.page.evaluate(places)
    for name in ("start", "end", "range", "fadeIn"):
        comfy.drag(handle(comfy, name), 30)
    assert comfy.page.evaluate(places) == before


@pytest.mark.parametrize("scale", [0.55, 1.6])
def test_handles_follow_the_pointer_at_any_zoom_of_the_graph(comfy, scale):
    comfy.load(
        [load_audio(1, "speech.wav", (0, 320)), trim_audio(TRIM, position=(0, 0))], [[1, 0, TRIM, 0, "AUDIO"]], scale
    )
    ready(comfy)
    comfy.drag(handle(comfy, "start"), 2 * pixels_per_second(comfy))
    assert fields(comfy)[0] == pytest.approx(2, abs=0.04)


def test_the_wheel_zooms_the_waveform_only_after_a_click_into_it(trimming):
    comfy = trimming
    area = comfy.page.locator(".stv-trim-area")
    scale = "() => window.app.canvas.ds.scale"
    x, y = comfy.centre(area, 0.75)
    comfy.page.mouse.move(x, y)
    comfy.page.mouse.wheel(0, -240)
    comfy.settle()
    assert shown_part(comfy) == "from 0 seconds to 8 seconds"
    comfy.look()
    x, y = comfy.centre(area, 0.75)
    comfy.page.mouse.click(x, y)
    for _ in range(4):
        comfy.page.mouse.wheel(0, -300)
    comfy.settle()
    assert comfy.page.evaluate(scale) == 1
    comfy.until(lambda: "from 0 seconds to" not in shown_part(comfy), "the waveform zoomed")
    comfy.screenshot("trim-zoomed")
    comfy.page.get_by_role("button", name="Show the whole sound").click()
    comfy.until(lambda: shown_part(comfy) == "from 0 seconds to 8 seconds", "the whole sound")
    comfy.page.get_by_role("button", name="Zoom in").click()
    comfy.until(lambda: shown_part(comfy) != "from 0 seconds to 8 seconds", "zoomed by the button")
    comfy.page.locator(".stv-minimap").click(position={"x": 5, "y": 7})
    comfy.until(lambda: shown_part(comfy).startswith("from 0 seconds"), "scrolled by the strip")


def shown_part(comfy) -> str:
    return comfy.page.locator(".stv-minimap").get_attribute("aria-valuetext") or ""


def test_two_fingers_zoom_and_one_drags(trimming):
    comfy = trimming
    session = comfy.context.new_cdp_session(comfy.page)
    x, y = comfy.centre(comfy.page.locator(".stv-trim-area"))

    def touch(kind, *places):
        points = [{"x": place, "y": y, "id": index} for index, place in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", x - 20, x + 20)
    for step in range(1, 6):
        touch("touchMove", x - 20 - 16 * step, x + 20 + 16 * step)
    touch("touchEnd")
    comfy.until(lambda: not shown_part(comfy).startswith("from 0 seconds"), "zoomed in around the fingers")
    assert fields(comfy) == [0, 0, 0, 0], "a pinch selects nothing"
    comfy.page.get_by_role("button", name="Show the whole sound").click()
    grip, _ = comfy.centre(handle(comfy, "start"))
    touch("touchStart", grip)
    for step in range(1, 6):
        touch("touchMove", grip + step * 20)
    touch("touchEnd")
    assert fields(comfy)[0] == pytest.approx(100 / pixels_per_second(comfy), abs=0.03)
    session.detach()


def test_the_keyboard_alone_can_trim(trimming):
    comfy = trimming
    keys = comfy.page.keyboard
    comfy.page.get_by_role("button", name="Show the whole sound").focus()
    names = []
    for _ in range(5):
        keys.press("Tab")
        names.append(comfy.focused())
    assert names == [
        "Position of the selection",
        "Start of the selection",
        "End of the selection",
        "Length of the fade in",
        "Length of the fade out",
    ]
    handle(comfy, "start").focus()
    for press, expected in [
        ("ArrowRight", 0.01),
        ("Shift+ArrowRight", 1.01),
        ("ArrowLeft", 1.0),
        ("PageUp", 6.0),
        ("Home", 0),
    ]:
        keys.press(press)
        assert fields(comfy)[0] == pytest.approx(expected, abs=1e-6), press
    keys.press("Shift+ArrowRight")
    handle(comfy, "end").focus()
    keys.press("Shift+ArrowLeft")
    assert fields(comfy) == [1, 7, 0, 0]
    keys.press("End")
    assert fields(comfy) == [1, 0, 0, 0]
    assert handle(comfy, "end").get_attribute("aria-valuetext") == "8 seconds"
    handle(comfy, "fadeIn").focus()
    keys.press("Shift+ArrowRight")
    assert fields(comfy) == [1, 0, 1, 0]
    for key in ("Delete", "Backspace", "w", "q", "."):
        keys.press(key)
    assert comfy.node_ids() == [1, 2]
    comfy.screenshot("trim-keyboard")


@pytest.mark.parametrize("width", [300, 380, 520])
def test_controls_neither_overlap_nor_stick_out_however_narrow_the_node(comfy, width):
    comfy.load([load_audio(1, "speech.wav"), trim_audio(TRIM, (1, 6, 0.5, 1), width=width)], [[1, 0, TRIM, 0, "AUDIO"]])
    ready(comfy)
    boxes = comfy.page.evaluate(
        """() => { const panel = document.querySelector(".stv-trim-area").closest(".stv");
            const of = (one) => { const box = one.getBoundingClientRect();
                return [box.left, box.right, box.top, box.bottom] };
            const shown = (one) => one.offsetWidth > 0;
            return [panel, ...[...panel.querySelectorAll("button, input, .stv-label")].filter(shown)].map(of) }"""
    )
    comfy.screenshot(f"trim-{width}")
    panel, *controls = boxes
    for index, (left, right, top, bottom) in enumerate(controls):
        assert panel[0] <= left and right <= panel[1] + 1 and bottom <= panel[3] + 1
        for other in controls[index + 1 :]:
            apart = right <= other[0] + 1 or other[1] <= left + 1 or bottom <= other[2] + 1 or other[3] <= top + 1
            assert apart, "two controls overlap"


def test_every_control_has_a_name_for_screen_readers(trimming):
    unnamed = trimming.page.evaluate(
        """() => ["button", "select", "input:not([type=file])", "[role=slider]"]
            .flatMap((kind) => [...document.querySelectorAll(`.stv ${kind}`)])
            .filter((one) => !one.getAttribute("aria-label") && !one.labels?.[0]?.textContent)
            .map((one) => one.outerHTML)"""
    )
    assert unnamed == []


def test_times_are_typed_as_people_write_them(trimming):
    comfy = trimming
    start = comfy.page.get_by_label("Start", exact=True)
    start.fill("0:02.5")
    start.press("Enter")
    assert fields(comfy)[0] == 2.5
    length = comfy.page.get_by_label("Length", exact=True)
    length.fill("3")
    length.press("Enter")
    assert fields(comfy)[:2] == [2.5, 5.5]
    end = comfy.page.get_by_label("End", exact=True)
    end.fill("soon")
    end.press("Enter")
    assert fields(comfy)[:2] == [2.5, 5.5]
    comfy.until(lambda: end.input_value() == "0:05.50", "what cannot be read is put back")
    comfy.undo()
    comfy.until(lambda: fields(comfy)[:2] == [2.5, 0], "one step of undo")


def test_a_number_put_into_the_nodes_own_field_moves_the_handle(trimming):
    comfy = trimming
    if comfy.renderer == "nodes2":
        comfy.page.mouse.click(*comfy.centre(comfy.page.locator("[data-node-id='2'] input[inputmode=decimal]").first))
        comfy.settle()
        comfy.page.keyboard.press("Control+a")
        comfy.page.keyboard.type("3.25")
        comfy.page.keyboard.press("Enter")
    else:
        # What the classic field's dialog does with a number; the dialog itself closes whenever the pointer stirs.
        comfy.page.evaluate(
            """(id) => {
                const node = window.app.graph.getNodeById(id);
                const field = node.widgets.find((widget) => widget.name === "start_seconds");
                field.setValue(3.25, { e: new PointerEvent("pointerup"), node, canvas: window.app.canvas });
            }""",
            TRIM,
        )
    comfy.until(lambda: fields(comfy)[0] == 3.25, "the field took the number")
    comfy.until(lambda: handle(comfy, "start").get_attribute("aria-valuenow") == "3.250", "the handle followed")


def test_a_range_that_is_empty_is_said_in_words(comfy):
    comfy.load([load_audio(1, "speech.wav"), trim_audio(TRIM, (7, 5, 0, 0))], [[1, 0, TRIM, 0, "AUDIO"]])
    comfy.until(
        lambda: "is empty; the sound lasts 8.00 s" in (comfy.page.locator(".stv-line").last.text_content() or "")
    )
    assert not handle(comfy, "start").is_visible()


def test_the_end_snaps_to_a_silence_and_alt_drags_freely(trimming, sounds):
    comfy = trimming
    comfy.page.get_by_role("button", name="Snap to where the sound falls silent or sets in").click()
    borders = comfy.page.evaluate(
        """async () => (await import("/extensions/comfyui-sound-to-video/ui/sounds.js"))
            .soundIn({ filename: "speech.wav", subfolder: "", type: "input" }).silenceBorders"""
    )
    target = next(border for border in borders if 4 < border < 7.9)
    unit = pixels_per_second(comfy)
    comfy.drag(handle(comfy, "end"), (target - SECONDS) * unit + 5)
    assert fields(comfy)[1] == pytest.approx(target, abs=0.0006)
    comfy.screenshot("trim-silences")
    comfy.drag(handle(comfy, "end"), 4, key="Alt")
    assert abs(fields(comfy)[1] - target) > 0.02


def test_the_start_snaps_to_a_beat(comfy):
    comfy.load([load_audio(1, "drums.wav"), trim_audio(TRIM)], [[1, 0, TRIM, 0, "AUDIO"]])
    ready(comfy)
    button = comfy.page.get_by_role("button", name="Snap to beats")
    button.click()
    comfy.page.locator("button[title='Snap to beats'][aria-pressed=true]:not(.stv-busy)").wait_for(timeout=120_000)
    comfy.drag(handle(comfy, "start"), 3.2 * pixels_per_second(comfy, 12))
    assert fields(comfy)[0] == pytest.approx(3.25, abs=0.02)
    comfy.screenshot("trim-beats")


def test_the_words_say_what_the_sampler_will_make_and_frames_snap(comfy):
    nodes, links = sampler_graph(10)
    links += [[1, 0, TRIM, 0, "AUDIO"], [TRIM, 0, 10, 0, "AUDIO"]]
    comfy.load([load_audio(1, "speech.wav"), trim_audio(TRIM), *nodes], links)
    ready(comfy)
    line = comfy.page.locator(".stv-line").last
    comfy.until(lambda: line.text_content() == "8.00 s → 128 frames at 16 fps, 2 segments", "the plan in words")
    comfy.page.get_by_role("button", name="Snap to whole frames of the clip").click()
    comfy.drag(handle(comfy, "end"), -137)
    frames = fields(comfy)[1] * 16
    assert frames == pytest.approx(round(frames), abs=0.01)
    words = f"{fields(comfy)[1]:.2f} s → {round(frames)} frames at 16 fps"
    comfy.until(lambda: (line.text_content() or "").startswith(words), words)
    comfy.screenshot("trim-frames")
    segments = segments_in(line)
    comfy.page.evaluate(
        """() => { const { widgets } = window.app.graph.getNodeById(12);
            widgets.find((one) => one.name === "segment_seconds").value = 1 }"""
    )
    comfy.until(lambda: segments_in(line) > segments, "shorter segments")


def segments_in(line) -> int:
    return int(line.text_content().split()[-2])


def test_it_follows_the_file_upstream(comfy):
    """Through Load Audio, core's Load Audio, a reroute node and a bypassed node."""
    reroute = node(3, "Reroute", (360, 420), [], "value:*", "value:*")
    core = node(4, "LoadAudio", (0, 420), ["other.wav"], outputs="AUDIO:AUDIO")
    comfy.load(
        [load_audio(1, "speech.wav"), trim_audio(TRIM), trim_audio(5, position=(460, 420)), reroute, core],
        [[1, 0, TRIM, 0, "AUDIO"], [4, 0, 3, 0, "AUDIO"], [3, 0, 5, 0, "AUDIO"]],
    )
    ends = comfy.page.locator(".stv-end")
    texts = lambda: sorted(ends.nth(i).get_attribute("aria-valuetext") or "" for i in range(ends.count()))  # noqa: E731
    comfy.until(lambda: texts() == ["3 seconds", "8 seconds"], "both sounds")
    comfy.page.evaluate("() => { window.app.graph.getNodeById(1).widgets[0].value = 'drums.wav' }")
    comfy.until(lambda: texts() == ["12 seconds", "3 seconds"], "the other file")


def test_it_follows_into_and_out_of_a_subgraph(comfy):
    comfy.load([load_audio(1, "speech.wav"), trim_audio(TRIM)], [[1, 0, TRIM, 0, "AUDIO"]])
    ready(comfy)
    comfy.page.evaluate(
        """() => { const { graph, canvas } = window.app; const load = graph.getNodeById(1);
            graph.convertToSubgraph(new Set([load])); canvas.setDirty(true, true) }"""
    )
    comfy.until(lambda: handle(comfy, "end").last.get_attribute("aria-valuetext") == "8 seconds", "into the subgraph")
    comfy.drag(handle(comfy, "start"), 60)
    assert fields(comfy)[0] > 0.5


def test_sound_made_in_the_graph_is_shown_after_the_run(comfy):
    core = node(1, "LoadAudio", (0, 0), ["speech.wav"], outputs="AUDIO:AUDIO")
    shorter = node(3, "TrimAudioDuration", (0, 160), [1.0, 5.0], "audio:AUDIO", "AUDIO:AUDIO")
    save = node(4, "SaveAudio", (920, 0), ["audio/made"], "audio:AUDIO")
    comfy.load(
        [core, shorter, trim_audio(TRIM), save],
        [[1, 0, 3, 0, "AUDIO"], [3, 0, TRIM, 0, "AUDIO"], [TRIM, 0, 4, 0, "AUDIO"]],
    )
    comfy.page.get_by_text("Made in the graph: run the workflow once").wait_for()
    comfy.run()
    comfy.until(lambda: handle(comfy, "end").get_attribute("aria-valuetext") == "5 seconds", "the sound of the run")
    comfy.screenshot("trim-after-run")
    comfy.drag(handle(comfy, "start"), 2 * pixels_per_second(comfy, 5))
    assert fields(comfy)[0] == pytest.approx(2, abs=0.03)
    comfy.undo()
    comfy.until(lambda: fields(comfy)[0] == 0)
    shown = lambda: handle(comfy, "end").count() and handle(comfy, "end").get_attribute("aria-valuetext")  # noqa: E731
    comfy.until(lambda: shown() == "5 seconds", "still there after undo")
    saved = comfy.saved()
    comfy.open_workflow(saved)
    comfy.until(lambda: shown() == "5 seconds", "still there when it is opened again")
    comfy.run()
    comfy.until(lambda: shown() == "5 seconds", "and after a run in which all was cached")
    trim = next(one for one in saved["nodes"] if int(one["id"]) == TRIM)
    trim["properties"]["sound_to_video_source"]["filename"] = "sound_to_video_0123456789abcdef.wav"
    comfy.open_workflow(saved)
    comfy.page.get_by_text("Made in the graph: run the workflow once").wait_for()  # from another machine
    comfy.page.evaluate("() => { window.app.graph.getNodeById(3).widgets[1].value = 4 }")
    comfy.run()
    comfy.until(lambda: shown() == "4 seconds", "made anew")
    comfy._said[:] = [one for one in comfy._said if "404" not in one]  # the browser itself reports the answer 404


def test_what_is_saved_are_the_numbers_and_a_reload_and_a_run_keep_them(comfy, client):
    save = node(4, "SaveAudio", (920, 0), ["audio/kept"], "audio:AUDIO")
    comfy.load(
        [load_audio(1, "speech.wav"), trim_audio(TRIM), save], [[1, 0, TRIM, 0, "AUDIO"], [TRIM, 0, 4, 0, "AUDIO"]]
    )
    ready(comfy)
    unit = pixels_per_second(comfy)
    comfy.drag(handle(comfy, "start"), 1.5 * unit)
    comfy.drag(handle(comfy, "end"), -2.25 * unit)
    chosen = fields(comfy)
    workflow = comfy.saved()
    trim = next(one for one in workflow["nodes"] if one["id"] in (TRIM, str(TRIM)))
    assert trim["widgets_values"] == [*chosen, 0]
    comfy.open()
    comfy.page.evaluate("(workflow) => window.app.loadGraphData(workflow, true)", workflow)
    comfy.look()
    ready(comfy)
    assert fields(comfy) == chosen
    comfy.until(
        lambda: handle(comfy, "start").get_attribute("aria-valuenow") == f"{chosen[0]:.3f}", "the handle is back"
    )
    comfy.run()
    newest = max((comfy.server.output_directory / "audio").glob("kept*.flac"), key=lambda path: path.stat().st_mtime)
    assert duration_of(newest) == pytest.approx(chosen[1] - chosen[0], abs=1 / 24000)


def duration_of(path) -> float:
    from sound_to_video.core.audio import open_audio

    return float(open_audio(path).duration)


def test_playing_the_selection_stops_at_its_end_and_a_deleted_node_is_silent(trimming):
    comfy = trimming
    comfy.drag(handle(comfy, "end"), -7.2 * pixels_per_second(comfy))
    comfy.page.get_by_role("button", name="Play the selection (space)").click()
    comfy.until(lambda: comfy.sounding()["playing"] == 1, "it plays")
    comfy.until(lambda: comfy.sounding()["playing"] == 0, "it stops by itself")
    assert comfy.page.locator(".stv-clock").last.text_content() == "0:00.80"
    handle(comfy, "start").focus()
    comfy.page.keyboard.press("Home")
    comfy.page.get_by_role("button", name="Play the selection round and round").click()
    handle(comfy, "range").focus()
    comfy.page.keyboard.press(" ")
    comfy.until(lambda: comfy.sounding()["contexts"] == 1, "it plays round and round")
    turns = 0
    before = now = 0.0
    for _ in range(400):
        before, now = now, clock_seconds(comfy)
        assert 0 <= now <= 0.8
        turns += now < before
        if turns == 3:
            break
        comfy.page.wait_for_timeout(10)
    assert turns == 3, "it comes round"
    comfy.page.evaluate("() => window.app.graph.remove(window.app.graph.getNodeById(2))")
    comfy.until(lambda: comfy.sounding() == SILENT, "silence after the node is gone")


def clock_seconds(comfy) -> float:
    minutes, rest = comfy.page.locator(".stv-clock").last.text_content().split(":")
    return int(minutes) * 60 + float(rest)


def test_only_one_sound_plays_at_a_time_and_a_switch_of_workflows_ends_it(trimming):
    comfy = trimming
    comfy.page.get_by_role("button", name="Play", exact=True).first.click()
    comfy.until(lambda: comfy.sounding()["playing"] == 1)
    comfy.page.get_by_role("button", name="Play from the cursor").click()
    comfy.page.wait_for_timeout(300)
    assert comfy.sounding()["playing"] == 1
    comfy.page.evaluate("() => window.app.extensionManager.command.execute('Comfy.NewBlankWorkflow')")
    comfy.until(lambda: comfy.sounding() == SILENT, "silence in another workflow")


def test_a_copy_has_a_waveform_of_its_own(trimming):
    comfy = trimming
    comfy.drag(handle(comfy, "start"), 60)
    original = fields(comfy)
    comfy.page.mouse.click(*comfy.title(TRIM))
    comfy.page.keyboard.press("Control+c")
    comfy.page.mouse.move(500, 600)
    comfy.page.keyboard.press("Control+Shift+v")  # with its links
    copy = comfy.until(lambda: next((one for one in comfy.node_ids() if one not in (1, 2)), None), "pasted")
    assert fields(comfy, copy) == original
    comfy.until(lambda: handle(comfy, "start").count() == 2, "two waveforms")
    comfy.page.evaluate(
        f"() => {{ window.app.graph.getNodeById({copy}).pos = [360, 420]; window.app.canvas.setDirty(true, true) }}"
    )
    comfy.settle()

    def shown():  # the classic renderer hides an element until it has been drawn at its new place
        boxes = [handle(comfy, "start").nth(i).bounding_box() for i in range(2)]
        return boxes if all(boxes) else None

    heights = [box["y"] for box in comfy.until(shown, "both waveforms are on the page")]
    comfy.drag(handle(comfy, "start").nth(heights.index(max(heights))), 60)
    assert fields(comfy) == original
    assert fields(comfy, copy)[0] > original[0]


def test_in_a_light_palette(comfy):
    comfy.page.evaluate("() => window.app.extensionManager.setting.set('Comfy.ColorPalette', 'light')")
    comfy.load([load_audio(1, "speech.wav"), trim_audio(TRIM, (1, 6, 0.8, 1.2))], [[1, 0, TRIM, 0, "AUDIO"]])
    ready(comfy)
    comfy.page.wait_for_timeout(300)
    light = comfy.screenshot("trim-light")
    comfy.page.evaluate("() => window.app.extensionManager.setting.set('Comfy.ColorPalette', 'dark')")
    comfy.page.wait_for_timeout(300)
    dark = comfy.screenshot("trim-dark")
    assert brightness(light, comfy) > brightness(dark, comfy) + 60


def brightness(path, comfy) -> float:
    """Mean of what the waveform's canvas shows between the peaks: it is drawn anew when the palette changes."""
    import numpy as np
    from PIL import Image

    box = comfy.page.locator(".stv-trim-area").bounding_box()
    area = (box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"])
    return float(np.asarray(Image.open(path).convert("L").crop(area)).mean())
