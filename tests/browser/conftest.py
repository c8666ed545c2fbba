"""A real Chromium on the real host: one browser, one server, one page a renderer, a known sound in its microphone."""

import wave
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import sync_playwright
from sound_to_video.dev_support.front_end import newest_front_end
from sound_to_video.tests.browser.comfy_page import RENDERERS, ComfyPage

from farm.client import Client

MICROPHONE_RATE = 48000


def write_wav(path: Path, samples: np.ndarray, rate: int) -> Path:
    """Samples [n] or [C, n] in -1..1 as a 16-bit WAV."""
    samples = np.atleast_2d(samples)
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[0])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples.T * 32767).round().astype("<i2").tobytes())
    return path


def spoken(seconds: float, rate: int, seed: int = 1) -> np.ndarray:
    """Something like speech: syllables of noise at irregular times, pauses between them. Never the same twice in it."""
    random = np.random.default_rng(seed)
    samples = np.zeros(int(seconds * rate))
    at = 0.3
    while at < seconds - 0.4:
        length = random.uniform(0.08, 0.3)
        count = int(length * rate)
        syllable = np.convolve(random.normal(size=count), np.ones(12) / 12, "same") * np.hanning(count)
        samples[int(at * rate) : int(at * rate) + count] += syllable * random.uniform(0.4, 1.0)
        at += length + (random.uniform(0.35, 0.6) if random.random() < 0.25 else random.uniform(0.02, 0.1))
    return 0.6 * samples / np.abs(samples).max()


@pytest.fixture(scope="session")
def microphone_sound() -> np.ndarray:
    """What Chromium's fake microphone plays, round and round, 48 kHz."""
    return spoken(6.0, MICROPHONE_RATE, seed=7)


@pytest.fixture(scope="session")
def chromium(chromium_path, microphone_sound, tmp_path_factory):
    source = write_wav(tmp_path_factory.mktemp("microphone") / "voice.wav", microphone_sound, MICROPHONE_RATE)
    arguments = [
        "--no-sandbox",
        "--autoplay-policy=no-user-gesture-required",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={source}",
        "--host-resolver-rules=MAP comfy.example 127.0.0.1",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium_path), args=arguments)
        yield browser
        browser.close()


SOUNDS_RATE = 24000


@pytest.fixture(scope="session")
def sounds() -> dict[str, np.ndarray]:
    """Files of the input folder, by name: samples [n] at 24 kHz."""
    rate = SOUNDS_RATE
    made = {"speech.wav": spoken(8.0, rate), "other.wav": spoken(3.0, rate, seed=3)}
    time = np.arange(12 * rate) / rate
    drums = 0.03 * np.sin(2 * np.pi * 220 * time)
    hit = np.arange(int(0.1 * rate)) / rate
    for beat in np.arange(0.25, 11.8, 0.5):
        start = round(beat * rate)
        drums[start : start + hit.size] += 0.8 * np.sin(2 * np.pi * 110 * hit) * np.exp(-30 * hit)
    made["drums.wav"] = drums
    return made


@pytest.fixture(scope="session")
def server_with(comfy_server, start_server, sounds):
    """``server_with(front_end)``: a server with the host's own front end or the newest, the sounds in its input."""
    servers = {}

    def serve(front_end: str):
        if front_end not in servers:
            server = comfy_server
            if front_end == "newest":
                root = ("--front-end-root", str(newest_front_end()))
                server = start_server("test-server-newest", arguments=("--cpu", *root))
            for name, samples in sounds.items():
                write_wav(server.input_directory / name, samples, SOUNDS_RATE)
            servers[front_end] = server
        return servers[front_end]

    return serve


@pytest.fixture(scope="session")
def open_comfy(chromium, server_with):
    """``open_comfy(renderer, **options)``: a ComfyPage of its own; options are those of a browser context."""
    pages = []

    def start(renderer: str, front_end: str = "own", host: str = "127.0.0.1", **options) -> ComfyPage:
        page = ComfyPage(chromium, server_with(front_end), renderer, front_end, host, options)
        pages.append(page)
        return page

    yield start
    for page in pages:
        page.close()


PAGES = [(renderer, front_end) for front_end in ("own", "newest") for renderer in RENDERERS]


@pytest.fixture(scope="session", params=PAGES, ids=[f"{renderer}-{front_end}" for renderer, front_end in PAGES])
def page_of_renderer(request, open_comfy) -> ComfyPage:
    return open_comfy(*request.param)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What a front end has no part in is tested on the host's own only."""
    spared = [item for item in items if item.get_closest_marker("any_front_end") and _is_on_newest(item)]
    config.hook.pytest_deselected(items=spared)
    items[:] = [item for item in items if item not in spared]


@pytest.fixture
def client(request, comfy_server):
    """A `Client` of the server whose page is tested."""
    tested = request.getfixturevalue("comfy").server if "comfy" in request.fixturenames else comfy_server
    with Client(tested.url) as client:
        yield client


@pytest.fixture
def comfy(page_of_renderer) -> ComfyPage:
    """A page with an empty graph; after the test nothing of the pack may stand in its console."""
    page_of_renderer.fresh()
    yield page_of_renderer
    assert page_of_renderer.complaints() == []


def _is_on_newest(item: pytest.Item) -> bool:
    call = getattr(item, "callspec", None)
    return call is not None and call.params.get("page_of_renderer", ("", ""))[1] == "newest"
