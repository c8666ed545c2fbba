"""What the panels see of the graph around them, and what the graph sees of the panels, in both renderers."""

import json
import os
from pathlib import Path

import pytest
from sound_to_video.tests.browser.comfy_page import RENDERERS, load_audio, node, sampler_graph, trim_audio
from sound_to_video.tests.browser.conftest import spoken, write_wav
from sound_to_video.tests.browser.test_trim import TRIM, fields, handle, pixels_per_second, ready, shown_part

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"
TO_TRIM = [[1, 0, TRIM, 0, "AUDIO"]]


@pytest.fixture
def trimming(comfy):
    comfy.load([load_audio(1, "speech.wav"), trim_audio(TRIM)], TO_TRIM)
    ready(comfy)
    return comfy


def line(comfy) -> str:
    return comfy.page.locator(".stv-line").last.text_content() or ""


# -- what comes in --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("again", [False, True], ids=["converted", "reloaded"])
def test_a_trim_inside_a_subgraph_hears_what_comes_from_outside(comfy, again):
    nodes, links = sampler_graph(10)
    links += [*TO_TRIM, [TRIM, 0, 10, 0, "AUDIO"]]
    comfy.load([load_audio(1, "speech.wav"), trim_audio(TRIM), *nodes], links)
    ready(comfy)
    comfy.page.evaluate(
        """() => { const { graph } = window.app; graph.convertToSubgraph(new Set([graph.getNodeById(2)])) }"""
    )
    if again:
        comfy.open_workflow(comfy.saved())
    comfy.page.evaluate(
        """() => { const { graph, canvas } = window.app; const inside = graph.nodes.find((one) => one.subgraph);
            canvas.openSubgraph(inside.subgraph, inside) }"""
    )
    comfy.look()
    comfy.until(lambda: handle(comfy, "end").last.get_attribute("aria-valuetext") == "8 seconds", "the sound outside")
    comfy.until(lambda: line(comfy).endswith("2 segments"), "the sampler outside")
    comfy.page.evaluate("() => window.app.canvas.setGraph(window.app.rootGraph ?? window.app.graph.rootGraph)")


def test_a_number_from_another_node_is_the_one_that_counts(comfy):
    number = node(3, "PrimitiveFloat", (0, 420), [5.0], outputs="FLOAT:FLOAT")
    trim = trim_audio(TRIM)
    trim["inputs"].append({"name": "start_seconds", "type": "FLOAT", "link": None, "widget": {"name": "start_seconds"}})
    comfy.load([load_audio(1, "speech.wav"), trim, number], [*TO_TRIM, [3, 0, TRIM, 1, "FLOAT"]])
    ready(comfy)
    comfy.until(lambda: handle(comfy, "start").get_attribute("aria-valuenow") == "5.000", "the start is the number")
    comfy.drag(handle(comfy, "start"), 60)
    assert handle(comfy, "start").get_attribute("aria-valuenow") == "5.000", "and cannot be dragged"


def test_the_plan_knows_the_samplers_preview_and_the_times_of_its_prompts(comfy):
    nodes, links = sampler_graph(10)
    text = "0:00 a long description of the verse, with lamps and rain\n0:03 chorus\n0:05 end"
    prompts = node(20, "SoundToVideo_PromptTimeline", (360, 420), [text, "cut at every prompt"])
    prompts["inputs"] = [{"name": "clip", "type": "CLIP", "link": None}]
    prompts["outputs"] = [{"name": "CONDITIONING", "type": "CONDITIONING", "links": []}]
    links += [*TO_TRIM, [TRIM, 0, 10, 0, "AUDIO"], [20, 0, 12, 2, "CONDITIONING"]]
    comfy.load([load_audio(1, "speech.wav"), trim_audio(TRIM), *nodes, prompts], links)
    ready(comfy)
    comfy.until(lambda: line(comfy).startswith("8.00 s → 128 frames at 16 fps"), "the plan")

    def planned(**more) -> str:
        return comfy.page.evaluate(
            """async (more) => {
                const { packJSON } = await import("/extensions/comfyui-sound-to-video/host.js");
                return (await packJSON("plan",
                    { family: "wan_s2v", start: 0, end: 8, sample_rate: 24000, ...more })).words }""",
            more,
        )

    cut = planned(cuts="0,3,5")
    assert cut != planned(), "a cut makes another plan"
    comfy.until(lambda: line(comfy) == cut, "the cut is in the plan")
    comfy.page.evaluate(
        """() => { const { widgets } = window.app.graph.getNodeById(12);
            widgets.find((one) => one.name === "preview_seconds").value = 2 }"""
    )
    comfy.until(lambda: line(comfy) == planned(cuts="0,3,5", preview_seconds=2), "the preview is in the plan")


def test_a_range_beyond_a_shorter_sound_can_be_drawn_typed_or_given_up(comfy):
    """The dead end of a trim at 20 s when a sound of 8 s was chosen."""
    past = [load_audio(1, "speech.wav"), trim_audio(TRIM, (20, 28, 0.5, 0.25))]
    area = comfy.page.locator(".stv-trim-area")
    start = comfy.page.get_by_label("Start", exact=True)

    def open_empty():
        comfy.load([dict(one) for one in json.loads(json.dumps(past))], TO_TRIM)
        comfy.until(lambda: "is empty; the sound lasts 8.00 s" in line(comfy), "the range is empty")

    open_empty()
    unit = pixels_per_second(comfy)
    box = area.bounding_box()
    comfy.page.mouse.move(box["x"] + 2 * unit, box["y"] + 70)
    comfy.page.mouse.down()
    comfy.page.mouse.move(box["x"] + 6 * unit, box["y"] + 70, steps=6)
    comfy.page.mouse.up()
    assert fields(comfy) == pytest.approx([2, 6, 0.5, 0.25], abs=0.03)
    open_empty()
    start.fill("3")
    start.press("Enter")
    assert fields(comfy) == [3, 0, 0.5, 0.25]
    open_empty()
    comfy.page.get_by_role("button", name="Use the whole sound").click()
    assert fields(comfy) == [0, 0, 0.5, 0.25]
    comfy.until(lambda: handle(comfy, "start").is_visible(), "the handles are back")
    assert not comfy.page.get_by_role("button", name="Use the whole sound").is_visible()


def test_a_file_made_anew_under_its_name_is_read_anew(comfy):
    """The sound is exported again while the page is out of sight; then it is looked at."""
    path = comfy.server.input_directory / f"again {comfy.renderer}.wav"
    write_wav(path, spoken(2.0, 16000, seed=5), 16000)
    comfy.load([load_audio(1, path.name), trim_audio(TRIM)], TO_TRIM)
    ready(comfy)
    heard = []
    comfy.page.on("request", lambda request: heard.append(request.url) if "/sound?" in request.url else None)
    end = lambda: handle(comfy, "end").get_attribute("aria-valuetext")  # noqa: E731
    assert end() == "2 seconds"
    write_wav(path, spoken(3.5, 16000, seed=6), 16000)
    os.utime(path, (1_900_000_000, 1_900_000_000))
    comfy.page.evaluate("() => window.dispatchEvent(new Event('focus'))")
    comfy.until(lambda: end() == "3.5 seconds", "the new length")
    clock = comfy.page.locator(".stv-clock").first
    comfy.until(lambda: clock.text_content() == "0:00.00 / 0:03.50", "in the other node too")
    write_wav(path, spoken(1.5, 16000, seed=8), 16000)
    os.utime(path, (1_900_000_100, 1_900_000_100))
    comfy.page.evaluate("() => window.app.refreshComboInNodes()")
    comfy.until(lambda: end() == "1.5 seconds", "after the lists were refreshed")
    comfy.page.get_by_role("button", name="Play the selection (space)").click()
    comfy.until(lambda: heard, "it is asked for")
    bytes_played = comfy.page.evaluate("async (url) => (await (await fetch(url)).arrayBuffer()).byteLength", heard[-1])
    assert bytes_played == 44 + 2 * 16000 * 1.5, "what is played is the new sound"


def test_media_of_the_host_are_dropped_on_load_audio(comfy):
    output = comfy.server.output_directory / "made"
    write_wav(output / "take.wav", spoken(2.5, 16000, seed=9), 16000)
    comfy.load([load_audio(1, "speech.wav", (60, 40))])
    clock = comfy.page.locator(".stv-clock").first
    comfy.until(lambda: clock.text_content() == "0:00.00 / 0:08.00", "the file's length")
    drop = """([selector, type, text]) => {
        const data = new DataTransfer();
        data.setData(type, text);
        const target = document.querySelector(selector);
        for (const kind of ["dragenter", "dragover", "drop"])
            target.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
    }"""
    asset = json.dumps({"filename": "take.wav", "subfolder": "made", "type": "output"})
    comfy.page.evaluate(drop, [".stv-wave", "application/x-comfy-asset-info", asset])
    comfy.until(lambda: comfy.values(1)["audio"] == "made/take.wav [output]", "the file is chosen")
    comfy.until(lambda: clock.text_content() == "0:00.00 / 0:02.50", "its sound is shown")
    assert comfy.page.evaluate("() => window.app.graph.getNodeById(1).widgets[0].options.values").count(
        "made/take.wav [output]"
    )
    preview = f"{comfy.url}/api/view?filename=other.wav&type=input&subfolder="
    comfy.page.evaluate(drop, [".stv-wave", "text/uri-list", preview])
    comfy.until(lambda: comfy.values(1)["audio"] == "other.wav", "a preview of another node")
    picture = json.dumps({"filename": "picture.png", "subfolder": "", "type": "output"})
    comfy.page.evaluate(drop, [".stv-wave", "application/x-comfy-asset-info", picture])
    comfy.page.get_by_text("picture.png is neither audio nor video.").first.wait_for()
    assert comfy.node_ids() == [1]


@pytest.mark.any_front_end
def test_what_another_extension_does_with_a_drop_goes_on(comfy):
    comfy.load([load_audio(1, "speech.wav")])
    answers = comfy.page.evaluate(
        """async () => {
            const { LoadWidget } = await import("/extensions/comfyui-sound-to-video/ui/load.js");
            const asked = [];
            const node = window.app.graph.getNodeById(1);
            node.onDragOver = () => asked.push("over") > 0;
            node.onDragDrop = () => asked.push("drop") > 0;
            const widget = new LoadWidget(node);
            const event = { dataTransfer: new DataTransfer() };
            const answers = [node.onDragOver(event), await node.onDragDrop(event)];
            widget.scope.end();
            return [...answers, ...asked];
        }"""
    )
    assert answers == [True, True, "over", "drop"]


# -- pointer, wheel and keys ----------------------------------------------------------------------------------------


def test_after_a_click_beside_the_range_the_keys_and_the_wheel_are_the_waveforms(comfy):
    comfy.load([load_audio(1, "speech.wav"), trim_audio(TRIM, (1, 3, 0, 0))], TO_TRIM)
    ready(comfy)
    unit = pixels_per_second(comfy)
    box = comfy.page.locator(".stv-trim-area").bounding_box()
    comfy.page.mouse.click(box["x"] + 6 * unit, box["y"] + 70)
    assert comfy.page.evaluate("() => document.activeElement.dataset.handle") == "range"
    comfy.page.keyboard.press("ArrowRight")
    assert fields(comfy)[:2] == [1.01, 3.01]
    comfy.page.mouse.wheel(0, -400)
    comfy.until(lambda: shown_part(comfy) != "from 0 seconds to 8 seconds", "the waveform zooms")
    assert comfy.page.evaluate("() => window.app.canvas.ds.scale") == 1
    comfy.page.keyboard.press(" ")
    comfy.until(lambda: comfy.sounding()["playing"] == 1, "the selection plays")
    comfy.page.keyboard.press(" ")


@pytest.mark.any_front_end
def test_a_release_that_is_lost_ends_the_drag_and_other_pointers_do_not_drag(trimming):
    comfy = trimming
    comfy.page.evaluate(
        """() => {
            const area = document.querySelector(".stv-trim-area");
            const box = area.getBoundingClientRect();
            const send = (type, pointerId, share) => area.dispatchEvent(new PointerEvent(type, {
                pointerId, button: 0, bubbles: true, cancelable: true, clientX: box.x + share * box.width,
                clientY: box.y + 70 }));
            area.setPointerCapture = () => {};
            send("pointerdown", 71, 0.25);
            send("pointermove", 72, 0.9); // a mouse that moves beside the finger
            send("pointermove", 71, 0.5);
            send("lostpointercapture", 71, 0.5);
            send("pointermove", 71, 0.75);
        }"""
    )
    assert fields(comfy)[:2] == pytest.approx([2, 4], abs=0.03)
    comfy.drag(handle(comfy, "end"), pixels_per_second(comfy))
    assert fields(comfy)[:2] == pytest.approx([2, 5], abs=0.03), "no finger is thought to be down"


def test_beside_the_waveform_the_canvas_has_the_wheel_and_the_other_buttons(trimming):
    comfy = trimming
    view = lambda: comfy.page.evaluate("() => [window.app.canvas.ds.scale, ...window.app.canvas.ds.offset]")  # noqa: E731
    x, y = comfy.centre(comfy.page.locator(".stv-trim-area"))
    before = view()
    comfy.page.mouse.move(x, y)
    comfy.page.mouse.wheel(0, -240)
    comfy.until(lambda: view()[0] > before[0], "the wheel zooms the graph")
    comfy.look()
    before = view()
    x, y = comfy.centre(comfy.page.locator(".stv-trim-area"))
    comfy.page.mouse.move(x, y)
    comfy.page.mouse.down(button="middle")
    comfy.page.mouse.move(x + 60, y + 20, steps=5)
    comfy.page.mouse.up(button="middle")
    comfy.until(lambda: view()[1] > before[1] + 30, "the middle button moves the graph")
    comfy.look()
    comfy.page.mouse.click(*comfy.centre(comfy.page.locator(".stv-trim-area")), button="right")
    comfy.page.get_by_text("Bypass", exact=True).first.wait_for()
    comfy.page.keyboard.press("Escape")
    assert fields(comfy) == [0, 0, 0, 0]


def test_the_properties_panel_leaves_the_waveform_in_the_node(trimming):
    comfy = trimming
    width = lambda: comfy.page.locator(".stv-trim-area").last.bounding_box()["width"]  # noqa: E731
    before = width()
    comfy.page.mouse.click(*comfy.title(TRIM))
    toggle = "() => window.app.extensionManager.command.execute('Comfy.ToggleRightSidePanel')"
    if "Comfy.ToggleRightSidePanel" not in comfy.page.evaluate(
        "() => window.app.extensionManager.command.commands.map((one) => one.id)"
    ):
        toggle = "() => document.querySelector('[aria-label=\"Toggle properties panel\"]').click()"
    comfy.page.evaluate(toggle)
    comfy.page.get_by_text("fade_in_seconds").last.wait_for()
    comfy.settle()
    assert comfy.page.get_by_text("SoundToVideo trim").count() == 0
    assert width() == pytest.approx(before, abs=2)
    comfy.page.evaluate(toggle)
    comfy.settle()
    assert width() == pytest.approx(before, abs=2)


def test_at_rest_nothing_is_drawn(comfy):
    comfy.load([load_audio(1, "speech.wav"), trim_audio(TRIM), trim_audio(3, position=(360, 420))], TO_TRIM)
    ready(comfy)
    comfy.page.wait_for_timeout(400)
    drawn = comfy.page.evaluate(
        """async () => {
            let drawn = 0;
            const ours = (canvas) => Boolean(canvas.closest?.(".stv"));
            const { clearRect, fill, fillRect } = CanvasRenderingContext2D.prototype;
            for (const [name, method] of Object.entries({ clearRect, fill, fillRect }))
                CanvasRenderingContext2D.prototype[name] = function (...values) {
                    drawn += ours(this.canvas);
                    return method.apply(this, values);
                };
            await new Promise((done) => setTimeout(done, 1000));
            Object.assign(CanvasRenderingContext2D.prototype, { clearRect, fill, fillRect });
            return drawn;
        }"""
    )
    assert drawn == 0


@pytest.mark.any_front_end
def test_one_looker_that_fails_does_not_blind_the_others(comfy):
    looks = comfy.page.evaluate(
        """async () => {
            const { onTick } = await import("/extensions/comfyui-sound-to-video/ui/ticker.js");
            const { Scope } = await import("/extensions/comfyui-sound-to-video/lib/scope.js");
            const scope = new Scope();
            let looks = 0;
            onTick(scope, () => { throw new Error("meant to fail") });
            onTick(scope, () => looks++);
            await new Promise((done) => setTimeout(done, 1000));
            scope.end();
            return looks;
        }"""
    )
    assert looks >= 2
    assert [one for one in comfy.complaints() if "meant to fail" not in one] == []
    assert len(comfy.complaints()) == 1, "said once"
    comfy.complaints().clear()


@pytest.mark.any_front_end
def test_a_sound_shown_again_and_again_is_listened_to_once(comfy):
    listeners = comfy.page.evaluate(
        """async () => {
            const { Listen } = await import("/extensions/comfyui-sound-to-video/ui/listen.js");
            const { soundIn } = await import("/extensions/comfyui-sound-to-video/ui/sounds.js");
            const { Scope } = await import("/extensions/comfyui-sound-to-video/lib/scope.js");
            const file = { filename: "speech.wav", subfolder: "", type: "input" };
            const scope = new Scope();
            const listen = new Listen(scope, 84);
            const add = EventTarget.prototype.addEventListener;
            let listeners = 0;
            EventTarget.prototype.addEventListener = function (type, listener, options) {
                if (this === soundIn(file)) {
                    listeners++;
                    add.call(options.signal, "abort", () => listeners--);
                }
                return add.call(this, type, listener, options);
            };
            for (let time = 0; time < 5; time++) {
                listen.show(null, "nothing");
                listen.show(file, "");
            }
            EventTarget.prototype.addEventListener = add;
            const most = listeners;
            scope.end();
            return [most, listeners];
        }"""
    )
    assert listeners == [1, 0]


# -- what is said and how it looks ------------------------------------------------------------------------------------


def contrast(comfy, locator) -> float:
    """Of an element's text with what is behind it."""
    return locator.evaluate(
        """async (element) => {
            const { contrast } = await import("/extensions/comfyui-sound-to-video/lib/colour.js");
            const seen = (css) => { const context = document.createElement("canvas").getContext("2d");
                context.fillStyle = css; context.fillRect(0, 0, 1, 1);
                return [...context.getImageData(0, 0, 1, 1).data] };
            let behind = element;
            while (behind && seen(getComputedStyle(behind).backgroundColor)[3] < 255) behind = behind.parentElement;
            const back = behind ? getComputedStyle(behind).backgroundColor : window.LiteGraph.NODE_DEFAULT_BGCOLOR;
            return contrast(seen(getComputedStyle(element).color).slice(0, 3), seen(back).slice(0, 3));
        }"""
    )


@pytest.mark.parametrize("palette", ["light", "dark"])
def test_what_is_pressed_what_is_wrong_and_what_is_said_can_be_read(comfy, palette):
    comfy.page.evaluate("(palette) => window.app.extensionManager.setting.set('Comfy.ColorPalette', palette)", palette)
    comfy.load([load_audio(1, "speech.wav"), trim_audio(TRIM, (9, 10, 0, 0))], TO_TRIM)
    comfy.until(lambda: "is empty" in line(comfy), "the range is empty")
    silences = comfy.page.locator("button[title^='Snap to where']:not([disabled])")
    silences.click()
    comfy.screenshot(f"colours-{palette}")
    measured = {
        "pressed": contrast(comfy, silences),
        "wrong": contrast(comfy, comfy.page.locator(".stv-line.stv-error").last),
        "clock": contrast(comfy, comfy.page.locator(".stv-clock").first),
    }
    comfy.page.evaluate("() => window.app.extensionManager.setting.set('Comfy.ColorPalette', 'dark')")
    assert {name: ratio for name, ratio in measured.items() if ratio < 4.5} == {}


def said(comfy) -> str:
    texts = comfy.page.locator(".stv-said")
    return (texts.first.text_content() or "") if texts.count() else ""


def test_what_a_sampler_made_is_there_after_a_reload_and_after_a_cached_run(comfy):
    workflow = json.loads((WORKFLOWS / "quickstart_portrait_and_voice.json").read_text("utf-8"))
    for one in workflow["nodes"]:
        if one["type"] == "SoundToVideo_TrimAudio":
            one["widgets_values"][:2] = [0, 1]
        if one["type"] == "SoundToVideo_S2VSampler":
            one["widgets_values"][2:4] = [RENDERERS.index(comfy.renderer) + 70, "fixed"]  # each samples for itself
    comfy.open_workflow(workflow, 0.5)
    comfy.run()
    plan = "1.00 s → 25 frames at 25 fps, 1 segment"
    comfy.until(lambda: said(comfy).startswith(plan), "what was made")
    shown = lambda: comfy.page.get_by_text(plan).count()  # noqa: E731
    comfy.until(lambda: shown() == 2, "under the waveform and in the sampler, once each")
    saved = comfy.saved()
    comfy.open_workflow(saved, 0.5)
    comfy.until(lambda: said(comfy).startswith(plan), "after a reload")
    comfy.page.evaluate(
        """() => { const { widgets } = window.app.graph.getNodeById(10);
            widgets.find((one) => one.name === "filename_prefix").value += "_again" }"""
    )
    comfy.run()
    comfy.until(lambda: said(comfy).startswith(plan), "after a run whose latents were there already")
    comfy.page.evaluate(
        """() => window.app.api.dispatchCustomEvent("execution_error", { node_id: "9", prompt_id: "", executed: [],
            exception_message: "", exception_type: "", traceback: [], node_type: "" })"""
    )
    comfy.until(lambda: said(comfy) == "The last run ended with an error.", "an error")


def test_a_runs_words_go_to_its_workflow_and_are_no_step_of_undo(comfy):
    """The run ends while another workflow is open in which a sampler has the same number."""
    nodes, links = sampler_graph(10)
    nodes[2]["widgets_values"] = None
    links += [*TO_TRIM, [TRIM, 0, 10, 0, "AUDIO"]]
    nodes = json.loads(json.dumps([load_audio(1, "speech.wav"), trim_audio(TRIM), *nodes]))
    comfy.load(json.loads(json.dumps(nodes)), links)
    ready(comfy)
    comfy.page.evaluate(
        """() => { const { widgets } = window.app.graph.getNodeById(12);
            widgets.find((one) => one.name === "control_after_generate").value = "fixed" }"""
    )
    comfy.measured()
    comfy.drag(handle(comfy, "start"), pixels_per_second(comfy))
    cut = fields(comfy)
    answer = json.dumps({"prompt_id": "run-of-the-first", "number": 1, "node_errors": {}})
    comfy.page.route("**/prompt", lambda route: route.fulfill(body=answer, content_type="application/json"))
    comfy.page.mouse.click(700, 930)
    with comfy.page.expect_response("**/prompt"):
        comfy.page.keyboard.press("Control+Enter")
    comfy.page.unroute("**/prompt")
    comfy.load(nodes, links)
    ready(comfy)
    plan = "7.00 s → 112 frames at 16 fps, 2 segments"
    comfy.page.evaluate(
        """(plan) => window.app.api.dispatchCustomEvent("executed", { node: "12", display_node: "12",
            prompt_id: "run-of-the-first", output: { sound_to_video_plan: [plan], sound_to_video_resumed: [0] } })""",
        plan,
    )
    comfy.page.wait_for_timeout(700)  # the panels look at it every 300 ms
    assert said(comfy) == "", "it is not of this workflow"
    comfy.page.evaluate("() => window.app.extensionManager.command.execute('Workspace.PreviousOpenedWorkflow')")
    comfy.until(lambda: fields(comfy) == cut and said(comfy) == plan, "kept until its workflow is opened")
    saved = next(one for one in comfy.saved()["nodes"] if int(one["id"]) == 12)
    assert saved["properties"]["sound_to_video_run"]["words"] == plan
    comfy.look()
    comfy.page.mouse.click(700, 930)
    comfy.settle()
    comfy.undo()
    comfy.until(lambda: fields(comfy) == [0, 0, 0, 0], "one undo undoes what was done before the run")
    comfy.until(lambda: said(comfy) == plan, "and the words stay")
    comfy.redo()
    comfy.until(lambda: fields(comfy) == cut and said(comfy) == plan, "as after a redo")
