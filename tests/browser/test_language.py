"""The panels in the language that ComfyUI is set to."""

import re

import pytest
from sound_to_video.dev_support import locales
from sound_to_video.tests.browser.comfy_page import SCREENSHOTS, load_audio, node, sampler_graph, trim_audio
from sound_to_video.tests.browser.test_trim import TRIM

SAID = """() => [...document.querySelectorAll(".stv, .stv *")].flatMap((one) => [
  one.getAttribute("title"), one.getAttribute("aria-label"), one.placeholder,
  ...[...one.childNodes].filter((child) => child.nodeType === 3).map((child) => child.textContent.trim())])
  .filter(Boolean)"""


@pytest.fixture
def speaking(comfy):
    """The page in another language, and in English again afterwards."""

    def speak(language: str) -> None:
        comfy.setting("Comfy.Locale", language)
        comfy.open()

    yield speak
    comfy.setting("Comfy.Locale", "en")
    comfy.open()


@pytest.mark.parametrize("language", ["zh", "ar"])
def test_nothing_that_is_translated_stays_english(comfy, speaking, language):
    speaking(language)
    known = locales.translations(language)
    nodes, links = sampler_graph(10)
    links += [[1, 0, TRIM, 0, "AUDIO"], [TRIM, 0, 10, 0, "AUDIO"]]
    recorder = node(30, "SoundToVideo_RecordMic", (80, 560), [""], "", "AUDIO:AUDIO", 360)
    comfy.load([load_audio(1, "speech.wav"), trim_audio(TRIM, (1, 4, 0, 0)), recorder, *nodes], links, scale=0.7)
    snap = known["Snap to where the sound falls silent or sets in"]
    comfy.page.locator(f'button[title="{snap}"]:not([disabled])').first.wait_for(timeout=60_000)
    plan = re.escape(known["{seconds} → {frames} frames at {rate}, segments: {segments}"])
    for name in ("seconds", "frames", "rate", "segments"):
        plan = plan.replace(re.escape("{" + name + "}"), ".+")
    comfy.until(lambda: any(re.search(plan, said) for said in comfy.page.evaluate(SAID)), "the plan in other words")
    said = set(comfy.page.evaluate(SAID))
    assert known["Start of the selection"] in said and known["Press Record and speak."] in said
    english = {text for text in locales.page_texts() if known.get(text, text) != text}
    assert said & english == set()
    title = known["Trim Audio"]
    assert comfy.page.evaluate("(id) => window.app.graph.getNodeById(id).constructor.title", TRIM) == title
    comfy.page.screenshot(path=SCREENSHOTS / f"language_{language}_{comfy.renderer}_{comfy.front_end}.png")
