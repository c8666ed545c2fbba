"""What is wired between the nodes of a quick start, on the small model as it comes with the pack."""

import json
from pathlib import Path

import pytest
from sound_to_video.tests.browser.comfy_page import RENDERERS, node

QUICK_START = Path(__file__).resolve().parents[2] / "workflows" / "quickstart_portrait_and_voice.json"
FIRST_FREE, SECONDS, NEVER = 30, 1, 2

SHOWN = """() => { const pictures = window.app.nodeOutputs ?? {};
    return Object.values(pictures).flatMap((one) => one.images ?? []).filter((one) => one.type === "temp").length }"""


def wired(workflow: dict, strength: float) -> dict:
    """The quick start with a last picture, another sound that drives, its last frame, and the clip beside itself.

    strength: of the last picture; a server that has run this has nothing more to say.
    """
    picture, keys, voice, cut, last, shown, compare = range(FIRST_FREE, FIRST_FREE + 7)
    key_frames, image = "SOUND_TO_VIDEO_KEY_FRAMES", "IMAGE:IMAGE"
    nodes = [
        node(picture, "LoadImage", (-140, 800), ["sound_to_video_portrait.png", "image"], outputs=image),
        node(
            keys, "SoundToVideo_KeyFrames", (-140, 1200), ["last", strength], "images:IMAGE", f"key_frames:{key_frames}"
        ),
        node(voice, "SoundToVideo_LoadAudio", (380, 1280), ["sound_to_video_second_voice.wav"], outputs="AUDIO:AUDIO"),
        node(cut, "SoundToVideo_TrimAudio", (800, 1280), [0, SECONDS, 0, 0], "audio:AUDIO", "AUDIO:AUDIO", 440),
        node(last, "SoundToVideo_VideoFrame", (1300, 1280), ["last", 0], "video:VIDEO", image),
        node(shown, "PreviewImage", (1720, 1360), [], "images:IMAGE"),
        node(compare, "SoundToVideo_CompareClips", (2380, 120), [], "first:VIDEO second:VIDEO audio:AUDIO", width=520),
    ]
    by_type = {each["type"]: each for each in workflow["nodes"]}
    sampler, encode = (by_type[f"SoundToVideo_{name}"] for name in ("S2VSampler", "AudioEncode"))
    sampler["inputs"].append({"name": "key_frames", "type": key_frames, "link": None})
    encode["inputs"].append({"name": "driving_audio", "type": "AUDIO", "link": None})
    by_type["SoundToVideo_TrimAudio"]["widgets_values"] = [0, SECONDS, 0, 0]
    by_type["SoundToVideo_MeasureSync"]["mode"] = NEVER
    workflow["nodes"] += nodes
    by_id = {each["id"]: each for each in workflow["nodes"]}
    mux = by_type["SoundToVideo_MuxAudioVideo"]["id"]
    for origin, target, name, kind in [
        (picture, keys, "images", "IMAGE"),
        (keys, sampler["id"], "key_frames", key_frames),
        (voice, cut, "audio", "AUDIO"),
        (cut, encode["id"], "driving_audio", "AUDIO"),
        (sampler["id"], last, "video", "VIDEO"),
        (last, shown, "images", "IMAGE"),
        (sampler["id"], compare, "first", "VIDEO"),
        (mux, compare, "second", "VIDEO"),
    ]:
        workflow["last_link_id"] += 1
        number = workflow["last_link_id"]
        (slot,) = [index for index, one in enumerate(by_id[target]["inputs"]) if one["name"] == name]
        by_id[target]["inputs"][slot]["link"] = number
        by_id[origin]["outputs"][0]["links"].append(number)
        workflow["links"].append([number, origin, 0, target, slot, kind])
    workflow["last_node_id"] = FIRST_FREE + len(nodes)
    return workflow


@pytest.mark.any_front_end
def test_a_last_picture_a_driving_sound_the_last_frame_and_the_clip_beside_itself(comfy):
    strength = 1 - 0.1 * RENDERERS.index(comfy.renderer)
    comfy.open_workflow(wired(json.loads(QUICK_START.read_text("utf-8")), strength), scale=0.3)
    comfy.run()
    said = lambda words: comfy.page.get_by_text(words).count()  # noqa: E731
    comfy.until(lambda: said("1 picture, at the end"), "Key Frames says how the times were read")
    comfy.until(lambda: said("1.00 s → 25 frames at 25 fps, 1 segment"), "the sampler says its plan")
    assert not said("is not used") and not said("is not shown")
    comfy.until(lambda: comfy.page.evaluate(SHOWN) >= 1, "the last frame is shown")
    comfy.page.locator(".stv-scrub[aria-disabled=false]").wait_for()  # over the file that Mux Audio Video wrote
    if comfy.renderer == "nodes2":  # on Video Frame too, and no player that says it failed; classic draws on a canvas
        comfy.until(lambda: comfy.page.locator("img[src*='type=temp']").count() == 2, "the frame as a picture")
    clips = comfy.page.locator(".stv-compare-clip")
    comfy.until(
        lambda: clips.count() == 2 and clips.evaluate_all("(all) => all.every((one) => one.videoWidth === 128)")
    )
    comfy.screenshot("wired")
