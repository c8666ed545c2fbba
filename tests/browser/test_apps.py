"""Every template is an app: found, opened and run by a person who looks at no graph."""

import json
from pathlib import Path

import pytest
from sound_to_video.tests.browser.conftest import spoken, write_wav

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))
ABOUT = {file.stem: json.loads(file.read_text("utf-8"))["extra"]["sound_to_video"] for file in WORKFLOWS}
TITLES = [about["title"] for about in sorted(ABOUT.values(), key=lambda about: about["place"])]
MOST_CLICKS = 6
RATE = 24000
HOSTS = {"prompt", "duration"}  # fields that the host's cloud nodes name themselves
ITEM = '[data-testid="app-mode-widget-item"]'


class Hand:
    """Counts what a person clicks."""

    def __init__(self, page):
        self.page = page
        self.clicks: list[str] = []

    def click(self, locator, what: str) -> None:
        locator.click(timeout=60_000)  # a page with many pictures is slow without a graphics card
        self.clicks.append(what)

    def give(self, locator, what: str, file: Path) -> None:
        """A click that opens the system's own window, and the file chosen there."""
        with self.page.expect_file_chooser() as chosen:
            self.click(locator, what)
        chosen.value.set_files(str(file))


@pytest.fixture
def newcomer(page_of_renderer, open_comfy):
    """A page in a profile that has never seen ComfyUI."""
    comfy = open_comfy(page_of_renderer.renderer, page_of_renderer.front_end)
    comfy.setting("Comfy.TutorialCompleted", False)
    comfy.page.evaluate("() => { localStorage.clear(); sessionStorage.clear() }")
    comfy.page.goto(comfy.url)
    yield comfy
    assert comfy.complaints() == []
    comfy.close()


FIRST_CARDS = 24  # more are shown as a person scrolls


def card(page, title: str):
    return page.get_by_role("heading", name=title, exact=True)


@pytest.mark.slow
def test_from_opening_comfyui_to_a_clip_of_ones_own_picture_and_sound(newcomer, tmp_path):
    page, hand = newcomer.page, Hand(newcomer.page)
    sound = write_wav(tmp_path / "my own voice.wav", spoken(1.6, RATE, seed=11), RATE)
    hand.click(page.get_by_text("Sound to Video", exact=True).first, "the category")
    card(page, TITLES[0]).wait_for()
    newcomer.screenshot("templates")
    hand.click(card(page, TITLES[0]), "the template")
    page.locator(ITEM).first.wait_for()
    if newcomer.front_end == "newest":  # greets whoever opens an app for the first time, which the server remembers
        tour = page.get_by_role("button", name="Skip")
        newcomer.page.wait_for_timeout(3000)
        if tour.is_visible():
            hand.click(tour, "no tour")
    newcomer.screenshot("app")
    picture = ROOT / "media" / "sound_to_video_portrait.png"
    hand.give(page.locator('[data-slot="drop-zone-indicator"]').first, "the picture", picture)
    hand.give(page.get_by_role("button", name="Choose a file"), "the sound", sound)
    newcomer.until(lambda: "my own voice" in page.locator("select.stv-in-app").input_value(), "the sound is chosen")
    hand.click(page.get_by_test_id("linear-run-button").get_by_role("button", name="Run"), "Run")
    player = page.locator("video[controls]:visible")
    player.wait_for(timeout=120_000)
    newcomer.until(lambda: player.evaluate("(video) => video.readyState") >= 1, "the clip is there")
    assert player.evaluate("(video) => video.duration") == pytest.approx(1.6, abs=0.06)
    newcomer.screenshot("app-after-run")
    assert len(hand.clicks) <= MOST_CLICKS, hand.clicks


def test_found_by_what_people_search_for_quick_starts_first(newcomer):
    page = newcomer.page
    page.get_by_text("Sound to Video", exact=True).first.click(timeout=60_000)
    cards = page.get_by_test_id("template-workflows-content").get_by_role("heading")
    first = min(len(TITLES), FIRST_CARDS if newcomer.front_end == "newest" else len(TITLES))
    newcomer.until(lambda: cards.all_inner_texts()[:first] == TITLES[:first], "the category")
    page.get_by_text("All Templates", exact=True).first.click()
    page.get_by_placeholder("Search").last.fill("sound to video")
    newcomer.until(lambda: set(cards.all_inner_texts()) & set(TITLES), "found")
    newcomer.screenshot("templates-search")
    missed = set(TITLES[:4]) - set(cards.all_inner_texts()[:20])
    assert len(missed) <= (newcomer.front_end == "newest"), "the newest ranks words of other templates' models higher"


@pytest.mark.slow
@pytest.mark.any_front_end
def test_every_app_shows_named_inputs_that_fit(comfy):
    page = comfy.page
    for file in WORKFLOWS:
        workflow = json.loads(file.read_text("utf-8"))
        page.evaluate(
            "([workflow, name]) => window.app.loadGraphData(workflow, true, true, name)",
            [workflow, f"{ABOUT[file.stem]['title']}.app"],
        )
        items = page.locator(ITEM)
        wanted = workflow["extra"]["linearData"]["inputs"]
        comfy.until(lambda items=items, wanted=wanted: items.count() == len(wanted), f"the inputs of {file.stem}")
        names = page.get_by_test_id("builder-widget-label").all_inner_texts()
        assert not [name for name in names if "_" in name or (name == name.lower() and name not in HOSTS)], names
        panels = page.locator(f"{ITEM} .stv")
        assert panels.count() >= 2
        cut = panels.evaluate_all(
            """(all) => all.flatMap((panel) => [...panel.querySelectorAll("button, select, input, .stv-wave")]
                .filter((one) => one.checkVisibility() && one.getBoundingClientRect().width > 1)
                .filter((one) => one.getBoundingClientRect().right > panel.getBoundingClientRect().right + 1
                    || (one.tagName === "INPUT" && one.scrollWidth > one.clientWidth + 1))
                .map((one) => one.outerHTML.slice(0, 80)))"""
        )
        assert cut == [], file.stem
        comfy.screenshot(f"app-{file.stem}")
