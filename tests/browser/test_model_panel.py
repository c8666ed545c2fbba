"""The panel of a sampler: the wired model before any run, settings and sizes by one click, and what is out of sight."""

import json
from pathlib import Path

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"
LTX_ONLY = {"image_strength", "image_compression", "structure_guidance", "anchor_first_frame"}
SCALE = 0.75
IS_SAMPLER = "/^SoundToVideo_.*Sampler$/.test(node.type)"


def opened(comfy, name: str, **changes) -> None:
    workflow = json.loads((WORKFLOWS / f"{name}.json").read_text("utf-8"))
    for node in workflow["nodes"]:
        if node["type"].endswith("S2VSampler"):
            for index, value in changes.items():
                node["widgets_values"][int(index[1:])] = value
    comfy.open_workflow(workflow, SCALE)
    comfy.page.evaluate(
        f"""() => {{ const node = window.app.graph.nodes.find((node) => {IS_SAMPLER});
            window.app.canvas.ds.offset = [400 - node.pos[0], 140 - node.pos[1]];
            window.app.canvas.setDirty(true, true) }}"""
    )
    comfy.settle()
    panel(comfy).wait_for()


def panel(comfy):
    return comfy.page.get_by_role("group", name="Model", exact=True)


def sampler(comfy) -> str:
    return comfy.page.evaluate(f"() => String(window.app.graph.nodes.find((node) => {IS_SAMPLER}).id)")


def press(comfy, name: str) -> None:
    panel(comfy).get_by_role("button", name=name, exact=True).click()


def pressed(comfy) -> list[str]:
    return panel(comfy).locator('[aria-pressed="true"]').all_inner_texts()


def said(comfy) -> str:
    return panel(comfy).get_by_role("status").inner_text()


def fields(comfy) -> dict:
    """The sampler's, and what stands before it."""
    return comfy.page.evaluate(
        f"""() => {{ const {{ nodes }} = window.app.graph; const found = {{}};
            for (const node of nodes) for (const widget of node.widgets ?? []) {{
                if ({IS_SAMPLER}) found[widget.name] = widget.value;
                if (node.type === "ModelSamplingSD3") found.shift = widget.value;
                if (node.title === "What should not be seen") found.negative ??= widget.value;
            }}
            found.lora = nodes.find((node) => /^Lora/.test(node.type))?.mode === 0;
            found.upscaler = nodes.find((node) => /^LatentUpscale/.test(node.type))?.mode === 0;
            return found }}"""
    )


def in_sight(comfy) -> set[str]:
    """Names of the sampler's fields that a person sees."""
    return set(
        comfy.page.evaluate(
            f"""() => {{ const node = window.app.graph.nodes.find((node) => {IS_SAMPLER});
                const element = document.querySelector(`[data-node-id="${{node.id}}"]`);
                const seen = (widget) => element
                    ? [...element.querySelectorAll('[data-testid="node-widget"]')].some((row) =>
                        row.textContent.includes(widget.label ?? widget.name) && row.checkVisibility())
                    : node.isWidgetVisible(widget) && node.getLayoutWidgets().includes(widget);
                return node.widgets.filter(seen).map((widget) => widget.name) }}"""
        )
    )


def test_settings_of_the_wired_model_fill_the_fields_and_one_undo_takes_them_back(comfy):
    opened(comfy, "talking_portrait")
    comfy.until(lambda: pressed(comfy) == ["Quick", "1:1"], "as opened")
    before = fields(comfy)
    comfy.screenshot("model-panel")
    press(comfy, "Official")
    comfy.until(lambda: pressed(comfy) == ["Official", "1:1"], "official")
    now = fields(comfy)
    assert (now["steps"], now["cfg"], now["shift"], now["lora"]) == (40, 4.5, 3, False)
    assert "静止，" not in now["negative"] and "手快速抖动" in now["negative"]
    assert {name for name in before if before[name] != now[name]} == {"steps", "cfg", "shift", "negative", "lora"}
    comfy.page.mouse.click(1250, 800)  # beside all nodes
    comfy.undo()
    comfy.until(lambda: fields(comfy) == before, "undone in one step")


def test_sizes_lose_nothing_and_others_are_flagged(comfy):
    opened(comfy, "talking_portrait", _0=848, _1=480)
    comfy.until(lambda: "848 is no multiple of 64" in said(comfy), "flagged")
    assert pressed(comfy) == ["Quick"]
    for name, size in {"16:9": (832, 448), "3:4": (512, 704), "As picture": (640, 640)}.items():
        press(comfy, name)
        comfy.until(lambda size=size: (fields(comfy)["width"], fields(comfy)["height"]) == size, name)
    comfy.until(lambda: "no multiple" not in said(comfy), "nothing to flag")


def test_what_a_person_set_stays_until_a_click(comfy):
    opened(comfy, "talking_portrait", _4=17)
    comfy.until(lambda: "of your own" in said(comfy), "said so")
    comfy.page.evaluate(
        """() => { window.app.graph.nodes.find((node) => node.title === "What should not be seen")
            .widgets[0].value = "no hats" }"""
    )
    comfy.page.wait_for_timeout(700)
    assert fields(comfy)["steps"] == 17
    press(comfy, "Full")
    comfy.until(lambda: "Your negative prompt stays" in said(comfy), "said so")
    assert (fields(comfy)["negative"], fields(comfy)["steps"]) == ("no hats", 20)


def test_stages_and_what_is_left_to_do(comfy):
    opened(comfy, "image_and_song_ltx")
    comfy.until(lambda: pressed(comfy) == ["Quick", "16:9"], "as opened")
    press(comfy, "One stage")
    comfy.until(lambda: pressed(comfy) == ["One stage", "16:9"], "one stage")
    assert not fields(comfy)["upscaler"]
    press(comfy, "Full")
    comfy.until(lambda: "LTXVScheduler" in said(comfy), "what is left")
    assert fields(comfy)["structure_guidance"] == 1
    press(comfy, "Quick")
    comfy.until(lambda: fields(comfy)["upscaler"] and fields(comfy)["structure_guidance"] == 0, "back")


def test_what_does_not_apply_is_out_of_sight_and_nothing_is_lost(comfy):
    opened(comfy, "talking_portrait", _18=0.55)
    comfy.until(lambda: not in_sight(comfy) & {"image_compression", "frame_rate"}, "folded")
    saved = comfy.saved()
    if comfy.renderer == "classic":
        press(comfy, "More fields")
    else:
        node = comfy.page.locator(f'[data-node-id="{sampler(comfy)}"]')
        node.get_by_test_id("advanced-inputs-button").click()
    comfy.until(lambda: {"frame_rate", "keep_segments"} <= in_sight(comfy), "unfolded")
    assert in_sight(comfy) & LTX_ONLY == {"image_strength"}, "another model's, unless a person has set it"
    values = [node["widgets_values"] for node in comfy.saved()["nodes"] if node["type"].endswith("S2VSampler")]
    assert values == [node["widgets_values"] for node in saved["nodes"] if node["type"].endswith("S2VSampler")]
    comfy.screenshot("model-panel-unfolded")
    opened(comfy, "image_and_song_ltx")
    comfy.until(lambda: pressed(comfy) == ["Quick", "16:9"], "another model")
    comfy.until(lambda: "image_strength" not in in_sight(comfy), "folded again")
