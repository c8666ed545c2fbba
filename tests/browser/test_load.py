"""Load Audio in a browser: every way a file comes in, and what is shown of it."""

import numpy as np
import pytest
from sound_to_video.tests.browser.comfy_page import load_audio, trim_audio
from sound_to_video.tests.browser.conftest import spoken, write_wav

LOAD = 1


@pytest.fixture
def loading(comfy):
    comfy.load([load_audio(LOAD, "speech.wav", (60, 40))])
    comfy.until(lambda: clock(comfy) == "0:00.00 / 0:08.00", "the file's length")
    return comfy


def clock(comfy) -> str:
    return comfy.page.locator(".stv-clock").first.text_content() or ""


def chosen(comfy) -> str:
    return comfy.values(LOAD)["audio"]


@pytest.fixture
def new_file(tmp_path):
    """A file of one and a half seconds that the server has not seen; its name says which test it is for."""

    def make(name: str, seconds: float = 1.5):
        return write_wav(tmp_path / name, spoken(seconds, 16000, seed=sum(map(ord, name))), 16000)

    return make


@pytest.mark.any_front_end
def test_the_list_offers_sound_and_video_and_nothing_else(comfy, comfy_server, client):
    (comfy_server.input_directory / "picture.png").write_bytes(b"x")
    (comfy_server.input_directory / "takes").mkdir(exist_ok=True)
    (comfy_server.input_directory / "takes" / "one.wav").write_bytes(
        (comfy_server.input_directory / "other.wav").read_bytes()
    )
    offered = client.request("/object_info/SoundToVideo_LoadAudio")["SoundToVideo_LoadAudio"]["input"]["required"][
        "audio"
    ]
    names = offered[1]["options"] if isinstance(offered[0], str) else offered[0]
    assert {"speech.wav", "takes/one.wav"} <= set(names)
    assert "picture.png" not in names


@pytest.mark.parametrize("place", ["title", "body"])
def test_a_file_is_dropped_on_the_node(loading, new_file, place):
    comfy = loading
    file = new_file(f"dropped on {place} {comfy.renderer}.wav")
    x, y = comfy.title(LOAD) if place == "title" else comfy.centre(comfy.page.locator(".stv-wave"))
    comfy.drop_file(file, x, y)
    comfy.until(lambda: chosen(comfy) == file.name, "the file is chosen")
    comfy.until(lambda: clock(comfy) == "0:00.00 / 0:01.50", "its waveform is shown")
    assert comfy.node_ids() == [LOAD], "core made no node of its own"
    assert (comfy.server.input_directory / file.name).read_bytes() == file.read_bytes()
    comfy.undo()
    comfy.until(lambda: chosen(comfy) == "speech.wav", "one step of undo")


def test_a_file_is_chosen_with_the_button(loading, new_file):
    comfy = loading
    file = new_file(f"chosen {comfy.renderer}.wav")
    with comfy.page.expect_file_chooser() as chooser:
        comfy.page.get_by_role("button", name="Choose a sound or video from this computer").click()
    chooser.value.set_files(file)
    comfy.until(lambda: chosen(comfy) == file.name, "the file is chosen")
    comfy.screenshot("load")


@pytest.mark.parametrize("focus", ["title", "body"])
def test_a_file_is_pasted(loading, new_file, focus):
    comfy = loading
    file = new_file(f"pasted {focus} {comfy.renderer}.wav")
    if focus == "title":
        comfy.page.mouse.click(*comfy.title(LOAD))
    else:
        comfy.page.locator(".stv-wave").click()
    comfy.page.evaluate(
        """([name, bytes]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], name, { type: "audio/wav" }));
            const target = document.activeElement ?? document.body;
            target.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
        }""",
        [file.name, list(file.read_bytes())],
    )
    comfy.until(lambda: chosen(comfy).startswith("pasted"), "the file is chosen")
    assert comfy.node_ids() == [LOAD]


def test_what_has_no_sound_is_refused_in_words(loading, tmp_path):
    comfy = loading
    words = tmp_path / "words.txt"
    words.write_text("no sound")
    comfy.drop_file(words, *comfy.centre(comfy.page.locator(".stv-wave")))
    comfy.page.get_by_text("words.txt is neither audio nor video.").first.wait_for()
    assert chosen(comfy) == "speech.wav"
    assert not (comfy.server.input_directory / "words.txt").exists()


def test_a_broken_file_says_what_is_wrong(comfy):
    (comfy.server.input_directory / "broken.mp3").write_text("not music at all\n" * 100)
    comfy.load([load_audio(LOAD, "broken.mp3")])
    comfy.page.locator(".stv-message.stv-error").get_by_text("broken.mp3").wait_for()
    comfy.load([load_audio(LOAD, "gone.wav")])
    comfy.page.get_by_text("gone.wav is not in the input folder.").wait_for()
    comfy._said[:] = [line for line in comfy._said if "404" not in line]  # the browser itself reports the answer 404


def test_an_uploaded_file_is_offered_by_other_nodes_too(comfy, new_file):
    comfy.load([load_audio(LOAD, "speech.wav"), load_audio(2, "other.wav", (0, 340))])
    file = new_file(f"shared {comfy.renderer}.wav")
    comfy.drop_file(file, *comfy.centre(comfy.page.locator(".stv-wave").first))
    comfy.until(lambda: chosen(comfy) == file.name)
    offered = comfy.page.evaluate("() => window.app.graph.getNodeById(2).widgets[0].options.values")
    assert file.name in offered


def test_two_tabs_show_the_same_sound_and_do_not_disturb_each_other(loading, open_comfy, new_file):
    comfy = loading
    file = new_file(f"for two tabs {comfy.renderer}.wav")
    other = open_comfy(comfy.renderer, comfy.front_end)
    other.load([load_audio(LOAD, "speech.wav")])
    other.until(lambda: clock(other) == "0:00.00 / 0:08.00", "the sound in the other tab")
    comfy.drop_file(file, *comfy.centre(comfy.page.locator(".stv-wave")))
    comfy.until(lambda: clock(comfy) == "0:00.00 / 0:01.50", "the new sound in the first tab")
    assert chosen(other) == "speech.wav"
    other.load([load_audio(LOAD, file.name)])
    other.until(lambda: clock(other) == "0:00.00 / 0:01.50", "the new sound in the other tab")
    assert other.complaints() == []
    other.close()


def test_it_plays_seeks_and_stops(loading):
    comfy = loading
    wave = comfy.page.locator(".stv-wave")
    box = wave.bounding_box()
    comfy.page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + 50)
    assert clock(comfy).startswith("0:04.0")
    comfy.page.keyboard.press(" ")
    comfy.until(lambda: clock(comfy) > "0:04.2", "it plays on from there")
    comfy.page.keyboard.press(" ")
    assert comfy.sounding()["playing"] == 0
    stopped = clock(comfy)
    comfy.page.keyboard.press("ArrowRight")
    assert clock(comfy) > stopped


@pytest.mark.any_front_end
def test_an_hour_is_sketched_at_once_fits_in_memory_and_redraws_within_a_frame(comfy, comfy_server):
    """Figures of this machine go to .dev/screenshots/figures-*.txt; what is asserted does not depend on the clock."""
    hour = comfy_server.input_directory / "hour.mp3"
    if not hour.exists():
        write_hour(hour)
    figures = comfy.page.evaluate(
        """async () => {
            const { soundIn } = await import("/extensions/comfyui-sound-to-video/ui/sounds.js");
            const start = performance.now();
            const sound = soundIn({ filename: "hour.mp3", subfolder: "", type: "input" });
            const seen = [];
            await new Promise((done) => sound.addEventListener("change", () => {
                seen.push([sound.peaks.overview.length > 0, sound.complete, performance.now() - start]);
                if (sound.complete || sound.error) done();
            }));
            const first = seen.find(([overview]) => overview);
            return { error: sound.error, sketchedFirst: !first[1], firstMilliseconds: first[2],
                allMilliseconds: seen.at(-1)[2],
                bytes: sound.peaks.byteLength, bins: sound.peaks.known };
        }"""
    )
    assert figures["error"] is None
    assert figures["sketchedFirst"], "a picture before the whole file was read"
    assert figures["bins"] >= 3_599_000
    assert figures["bytes"] < 30_000_000
    comfy.load([load_audio(LOAD, "hour.mp3"), trim_audio(2)], [[1, 0, 2, 0, "AUDIO"]])
    comfy.page.locator(".stv-start").wait_for()
    figures["redraw"] = comfy.page.evaluate(
        """async () => {
            const { Waveform } = await import("/extensions/comfyui-sound-to-video/ui/waveform.js");
            const { soundIn } = await import("/extensions/comfyui-sound-to-video/ui/sounds.js");
            const { Scope } = await import("/extensions/comfyui-sound-to-video/lib/scope.js");
            const scope = new Scope();
            const wave = new Waveform(scope, { height: 118, selection: () => ({ start: 600, end: 1800 }) });
            wave.element.style.width = "490px";
            document.body.append(wave.element);
            wave.show(soundIn({ filename: "hour.mp3", subfolder: "", type: "input" }));
            const taken = [];
            for (let step = 0; step < 60; step++) {
                wave.setView({ start: step * 10, end: 3600 / (1 + step) + step * 10 });
                await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
                taken.push(wave.drawMilliseconds);
            }
            scope.end();
            wave.element.remove();
            taken.sort((a, b) => a - b);
            return { median: taken[30], slowest: taken[59] };
        }"""
    )
    (comfy.screenshot("hour").parent / f"figures-{comfy.renderer}.txt").write_text(f"{figures}\n")


def write_hour(path) -> None:
    """A minute of MP3 with something to see in it, sixty times over: frames without a header are a whole file again."""
    import av

    rate = 44100
    time = np.arange(rate * 5) / rate
    minute = path.with_name("minute.mp3")
    with av.open(str(minute), "w", options={"write_xing": "0", "id3v2_version": "0"}) as container:
        stream = container.add_stream("mp3", rate=rate, layout="mono")
        stream.bit_rate = 64000
        for part in range(12):
            loudness = 0.15 + 0.8 * abs(np.sin(part / 3))
            samples = (loudness * np.sin(2 * np.pi * 220 * time) * (time % 1 < 0.7)).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
            frame.rate = rate
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    path.write_bytes(minute.read_bytes() * 60)
    minute.unlink()
