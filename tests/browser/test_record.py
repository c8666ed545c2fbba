"""Record Mic with Chromium's fake microphone, which plays a known WAV round and round."""

import numpy as np
import pytest
import torch
import torchaudio
from sound_to_video.core.audio import open_audio
from sound_to_video.tests.browser.comfy_page import SILENT, node
from sound_to_video.tests.browser.conftest import MICROPHONE_RATE

RECORD = 1


def record_mic(take: str = "") -> dict:
    return node(RECORD, "SoundToVideo_RecordMic", (60, 20), [take], outputs="AUDIO:AUDIO")


@pytest.fixture
def recording(comfy):
    comfy.load([record_mic()])
    comfy.page.get_by_label("Countdown", exact=True).select_option("0")
    return comfy


def press(comfy, name: str) -> None:
    comfy.page.get_by_role("button", name=name, exact=True).click()


def take(comfy) -> str:
    return comfy.values(RECORD)["take"]


def record(comfy, seconds: float, button: str = "Record") -> str:
    """Record a take; return its name."""
    before = take(comfy)
    press(comfy, button)
    comfy.page.get_by_role("button", name="Stop", exact=True).wait_for()
    comfy.page.wait_for_timeout(int(seconds * 1000))
    press(comfy, "Stop")
    comfy.until(lambda: take(comfy) != before, "the take is kept")
    return take(comfy)


def likeness(recorded: np.ndarray, rate: int, source: np.ndarray) -> float:
    """Correlation of a recording with the place in the endless source that it is most like."""
    source = torchaudio.functional.resample(torch.from_numpy(source), MICROPHONE_RATE, rate).numpy()
    piece = recorded[rate // 2 : rate // 2 + rate]
    endless = np.concatenate([source, source])
    size = 1 << (len(endless) + len(piece)).bit_length()
    products = np.fft.irfft(np.fft.rfft(endless, size) * np.conj(np.fft.rfft(piece, size)), size)
    lag = int(np.argmax(products[: len(source)]))
    return float(np.corrcoef(endless[lag : lag + len(piece)], piece)[0, 1])


def test_a_take_is_the_sound_that_was_heard(recording, microphone_sound):
    comfy = recording
    press(comfy, "Record")
    comfy.page.get_by_role("button", name="Stop", exact=True).wait_for()
    comfy.until(lambda: float(comfy.page.get_by_role("meter").get_attribute("aria-valuenow")) > -30, "the meter moves")
    comfy.page.wait_for_timeout(2000)
    comfy.screenshot("recording")
    press(comfy, "Stop")
    name = comfy.until(lambda: take(comfy), "the take is kept")
    assert name.startswith("sound_to_video/take 2")
    audio = open_audio(comfy.server.input_directory / name)
    samples = audio["waveform"][0].mean(dim=0).numpy()
    assert likeness(samples, audio.sample_rate, microphone_sound) > 0.99
    assert abs(np.abs(samples).max() - np.abs(microphone_sound).max()) < 0.05, "no gain was changed"
    wanted = comfy.page.evaluate("() => window.spied.wanted.audio")
    assert (wanted["echoCancellation"], wanted["noiseSuppression"], wanted["autoGainControl"]) == (False, False, False)
    assert comfy.sounding() == SILENT, "the microphone is let go"
    comfy.page.get_by_text("Listen to it, then keep it or record again.").wait_for()
    comfy.until(lambda: "/ 0:0" in comfy.page.locator(".stv-clock").last.text_content(), "its waveform is shown")
    comfy.screenshot("recorded")


def test_a_re_take_can_be_kept_or_taken_back(recording):
    comfy = recording
    first = record(comfy, 0.6)
    press(comfy, "Keep this take")
    second = record(comfy, 0.6, "Re-take")
    assert second != first
    press(comfy, "Go back to the take before")
    assert take(comfy) == first
    third = record(comfy, 0.6, "Re-take")
    press(comfy, "Keep this take")
    assert take(comfy) == third
    assert (comfy.server.input_directory / first).is_file()
    comfy.undo()
    comfy.until(lambda: take(comfy) == first, "undo brings the take before")


def test_a_take_survives_a_reload_runs_and_is_not_made_again(recording, client):
    comfy = recording
    name = record(comfy, 0.7)
    workflow = comfy.saved()
    comfy.open()
    comfy.page.evaluate("(workflow) => window.app.loadGraphData(workflow, true)", workflow)
    comfy.look()
    assert take(comfy) == name
    comfy.until(lambda: "/ 0:0" in comfy.page.locator(".stv-clock").last.text_content(), "its waveform is back")
    prompt = {
        "1": {"class_type": "SoundToVideo_RecordMic", "inputs": {"take": name}},
        "2": {
            "class_type": "SaveAudio",
            "inputs": {"audio": ["1", 0], "filename_prefix": f"audio/take-{comfy.renderer}"},
        },
    }
    assert "1" in client.run(prompt).executed_nodes()
    prompt["2"]["inputs"]["filename_prefix"] += " again"
    assert "1" not in client.run(prompt).executed_nodes(), "the cache holds"


def test_the_countdown_counts_and_can_be_cancelled(recording):
    comfy = recording
    comfy.page.get_by_label("Countdown", exact=True).select_option("3")
    press(comfy, "Record")
    comfy.page.get_by_text("Recording in 3 …").wait_for()
    comfy.page.get_by_text("Recording in 2 …").wait_for()
    comfy.screenshot("countdown")
    press(comfy, "Cancel")
    comfy.until(lambda: comfy.sounding() == SILENT, "the microphone is let go")
    assert take(comfy) == ""


def test_the_level_can_be_tried_before_a_take(recording):
    comfy = recording
    meter = comfy.page.get_by_role("meter")
    press(comfy, "Hear the level before you record")
    comfy.page.get_by_text("This is what the microphone hears; nothing is kept.").wait_for()
    comfy.until(lambda: float(meter.get_attribute("aria-valuenow")) > -30, "the meter moves")
    press(comfy, "Hear the level before you record")
    comfy.until(lambda: comfy.sounding() == SILENT, "the microphone is let go")
    press(comfy, "Hear the level before you record")
    comfy.until(lambda: comfy.sounding()["microphones"] == 1, "it hears again")
    record(comfy, 0.4)
    assert comfy.sounding() == SILENT, "a take lets go of both"


def test_cleaning_up_is_one_choice_and_remembered(recording):
    comfy = recording
    comfy.page.get_by_role("button", name="Echo cancellation, noise suppression").click()
    record(comfy, 0.4)
    wanted = comfy.page.evaluate("() => window.spied.wanted.audio")
    assert (wanted["echoCancellation"], wanted["noiseSuppression"], wanted["autoGainControl"]) == (True, True, True)
    comfy.load([record_mic()])
    button = comfy.page.get_by_role("button", name="Echo cancellation, noise suppression")
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    options = comfy.page.get_by_label("Microphone", exact=True).locator("option").all_text_contents()
    assert len(options) > 1, "the devices are listed by name"


def test_deleting_the_node_or_leaving_the_page_lets_the_microphone_go(recording):
    comfy = recording
    press(comfy, "Record")
    comfy.until(lambda: comfy.sounding()["microphones"] == 1, "it records")
    comfy.page.evaluate("() => window.app.graph.remove(window.app.graph.getNodeById(1))")
    comfy.until(lambda: comfy.sounding() == SILENT, "the microphone is let go")
    comfy.load([record_mic()])
    press(comfy, "Record")
    comfy.until(lambda: comfy.sounding()["microphones"] == 1, "it records")
    comfy.page.evaluate("() => window.dispatchEvent(new PageTransitionEvent('pagehide'))")
    comfy.until(lambda: comfy.sounding() == SILENT, "the microphone is let go")


def test_a_lost_connection_keeps_the_take_until_it_can_be_saved(recording):
    comfy = recording
    comfy.page.route("**/sound_to_video/upload*", lambda route: route.abort())
    press(comfy, "Record")
    comfy.page.get_by_role("button", name="Stop", exact=True).wait_for()
    comfy.page.wait_for_timeout(400)
    press(comfy, "Stop")
    comfy.page.get_by_text("The take is not saved: the connection to the server was lost.").wait_for()
    assert take(comfy) == ""
    comfy.page.unroute("**/sound_to_video/upload*")
    comfy.page.get_by_text("Save again").click()
    comfy.until(lambda: take(comfy), "the take is kept")
    comfy._said.clear()  # the browser itself reports the request that was cut off


def test_a_refused_microphone_is_explained(recording):
    comfy = recording
    comfy.page.evaluate(
        """() => { navigator.mediaDevices.getUserMedia = () =>
            Promise.reject(new DOMException("no", "NotAllowedError")) }"""
    )
    press(comfy, "Record")
    comfy.page.get_by_text("The microphone was refused. Allow it beside the page's address").wait_for()
    comfy.open()


@pytest.mark.parametrize("renderer", ["classic", "nodes2"])
def test_from_another_computer_it_says_why_not_and_what_cures_it(open_comfy, renderer):
    """`http://comfy.example` leads to this server; the browser takes it for an insecure address, as it is."""
    comfy = open_comfy(renderer, host="comfy.example")
    try:
        comfy.load([record_mic()])
        comfy.page.get_by_text("Browsers give the microphone to secure pages only").wait_for()
        comfy.page.get_by_text("--tls-keyfile").wait_for()
        assert comfy.page.get_by_role("button", name="Record", exact=True).is_disabled()
        comfy.screenshot("insecure")
        assert comfy.complaints() == []
    finally:
        comfy.close()
