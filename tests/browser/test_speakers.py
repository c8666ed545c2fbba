"""Speakers in a browser: the sounds lie under each other, each where it is heard."""

import pytest
from sound_to_video.tests.browser.comfy_page import load_audio, node

SPEAKERS = 3
VALUES = ["in turns", "side by side", 0, 1, 0, 0, *[0.1, 0.1, 0.9, 0.9] * 4]
SOCKETS = " ".join([*(f"audio_{n}:AUDIO" for n in range(1, 5)), *(f"mask_{n}:MASK" for n in range(1, 5))])
LANES = """() => [...document.querySelectorAll(".stv-speaker")].filter((lane) => !lane.hidden).map((lane) => {
    const [whole, wave] = [lane, lane.querySelector(".stv-wave")].map((each) => each.getBoundingClientRect());
    const share = (x) => Math.round((100 * (x - whole.left)) / whole.width);
    return [share(wave.left), share(wave.right)];
})"""


@pytest.fixture
def talking(comfy):
    """The 8 s of one and the 3 s of the other, in turns with a pause of 1 s."""
    speakers = node(SPEAKERS, "SoundToVideo_Speakers", (400, 40), VALUES, SOCKETS, "AUDIO:AUDIO")
    sounds = [load_audio(1, "speech.wav", (40, 40)), load_audio(2, "other.wav", (40, 400))]
    comfy.load([*sounds, speakers], [[1, 0, SPEAKERS, 0, "AUDIO"], [2, 0, SPEAKERS, 1, "AUDIO"]])
    comfy.until(lambda: comfy.page.get_by_text("12.00 s in all").count(), "both sounds are known")
    return comfy


def test_each_sound_lies_where_it_is_heard(talking):
    comfy = talking
    comfy.until(lambda: comfy.page.evaluate(LANES) == [[0, 67], [75, 100]], "in turns, after a pause")
    comfy.screenshot("speakers")
    comfy.page.evaluate(
        f"window.app.graph.getNodeById({SPEAKERS}).widgets.find((w) => w.name === 'mode').value = 'together'"
    )
    comfy.until(lambda: comfy.page.evaluate(LANES) == [[0, 100], [13, 50]], "together, from a second on")
    comfy.page.evaluate(f"window.app.graph.getNodeById({SPEAKERS}).disconnectInput(1)")
    comfy.until(lambda: len(comfy.page.evaluate(LANES)) == 1, "one of them is gone")
    assert list(comfy.values(SPEAKERS).values()) == ["together", *VALUES[1:]], "the panel changes nothing"
