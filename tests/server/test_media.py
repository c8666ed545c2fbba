"""Sound and clips through a real server, beside core's own nodes."""

import json
import urllib.parse
import urllib.request

import av
import pytest
import torch
from sound_to_video.core.audio import open_audio
from sound_to_video.tests.sound_files import chirp, write_silent_video, write_sound

from farm.client import PromptError

RATE = 16000


@pytest.fixture(scope="module")
def voice(comfy_server):
    path = comfy_server.input_directory / "takes" / "a voice.mp3"
    path.parent.mkdir(exist_ok=True)
    write_sound(path, "libmp3lame", chirp(3.0, RATE, 2), RATE)
    return path


def loaded(name="takes/a voice.mp3", node="SoundToVideo_LoadAudio", **inputs):
    return {"class_type": node, "inputs": inputs or {"audio": name}}


def trimmed(start=0.5, end=-1.0):
    times = {"start_seconds": start, "end_seconds": end, "fade_in_seconds": 0.0, "fade_out_seconds": 0.0}
    return {"class_type": "SoundToVideo_TrimAudio", "inputs": {"audio": ["sound", 0], **times}}


def muxed(video, format="mp4 (H.264)", **inputs):
    settings = {"format": format, "quality": "medium", "filename_prefix": "clips/one", "frame_rate": 16.0}
    return {"class_type": "SoundToVideo_MuxAudioVideo", "inputs": {"video": video, **settings, **inputs}}


def pictures(count):
    return {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 48, "batch_size": count, "color": 0x336699}}


def written(comfy_server, result, node="clip"):
    (file,) = result.outputs[node]["images"]
    return comfy_server.output_directory / file["subfolder"] / file["filename"]


def test_a_place_where_no_clip_can_be_is_refused_before_anything_runs(client):
    prompt = {"pictures": pictures(4), "clip": muxed(["pictures", 0], filename_prefix="../elsewhere/clip")}
    with pytest.raises(
        PromptError, match=r"Mux Audio Video: filename_prefix \.\./elsewhere/clip leads out of the output"
    ):
        client.queue(prompt)


def test_trimmed_sound_in_core_nodes(client, comfy_server, voice):
    prompt = {
        "sound": loaded(),
        "cut": trimmed(),
        "heard": {"class_type": "PreviewAudio", "inputs": {"audio": ["cut", 0]}},
        "kept": {"class_type": "SaveAudio", "inputs": {"audio": ["cut", 0], "filename_prefix": "cut"}},
    }
    result = client.run(prompt)
    assert result.outputs["heard"]["audio"]
    saved = open_audio(comfy_server.output_directory / result.outputs["kept"]["audio"][0]["filename"])
    meant = open_audio(voice).trimmed(RATE // 2, 2 * RATE)
    assert saved.sample_count == meant.sample_count
    assert (saved["waveform"] - meant["waveform"]).abs().max() <= 2**-15
    assert "sound_to_video_source" not in result.outputs.get("cut", {})


def test_core_loading_and_ours_make_the_same_cut(client, comfy_server, voice):
    kept = {"class_type": "SaveAudio", "inputs": {"audio": ["cut", 0], "filename_prefix": "same"}}
    files = []
    for node in ("SoundToVideo_LoadAudio", "LoadAudio"):
        result = client.run({"sound": loaded(node=node, audio="takes/a voice.mp3"), "cut": trimmed(), "kept": kept})
        files.append(comfy_server.output_directory / result.outputs["kept"]["audio"][0]["filename"])
    first, second = (open_audio(file)["waveform"] for file in files)
    assert torch.equal(first, second)


@pytest.mark.parametrize("format", ["mp4 (H.264)", "mp4 (H.265)", "webm (VP9)", "webm (AV1)", "mov (ProRes)"])
def test_a_clip_of_core_frames(client, comfy_server, voice, format):
    workflow = {"nodes": [], "about": "the one that made it"}
    prompt = {
        "sound": loaded(),
        "cut": trimmed(),
        "frames": pictures(24),
        "clip": muxed(["frames", 0], format, audio=["cut", 0]),
    }
    path = written(comfy_server, client.wait(client.queue(prompt, workflow)))
    with av.open(str(path)) as container:
        tags = {key.lower(): value for key, value in container.metadata.items()}
        assert sum(1 for _ in container.decode(container.streams.video[0])) == 24
    assert json.loads(tags["workflow"]) == workflow
    assert json.loads(tags["prompt"]).keys() == prompt.keys()
    assert abs(float(open_audio(path).duration) - 1.5) < 0.001


def test_clips_pass_to_core_nodes_and_back(client, comfy_server, voice):
    prompt = {
        "sound": loaded(),
        "frames": pictures(48),
        "made": {"class_type": "CreateVideo", "inputs": {"images": ["frames", 0], "fps": 16.0, "audio": ["sound", 0]}},
        "clip": muxed(["made", 0]),
        "parts": {"class_type": "GetVideoComponents", "inputs": {"video": ["clip", 0]}},
        "again": {"class_type": "PreviewImage", "inputs": {"images": ["parts", 0]}},
        "saved": {
            "class_type": "SaveVideo",
            "inputs": {"video": ["clip", 0], "filename_prefix": "by core", "format": "auto", "codec": "auto"},
        },
    }
    result = client.run(prompt)
    assert len(result.outputs["again"]["images"]) == 48
    assert open_audio(written(comfy_server, result)).sample_count == open_audio(voice).sample_count
    assert written(comfy_server, result, "saved").stat().st_size > 0


def test_what_is_wrong_with_a_file_is_said_on_the_node(client, comfy_server):
    write_silent_video(comfy_server.input_directory / "silent.mp4")
    (comfy_server.input_directory / "words.mp3").write_text("These are words.\n" * 300)
    for name, words in (("silent.mp4", "silent.mp4 has no sound"), ("words.mp3", "words.mp3 ")):
        with pytest.raises(PromptError, match=f"Load Audio: {words}") as error:
            client.run(
                {"sound": loaded(name), "heard": {"class_type": "PreviewAudio", "inputs": {"audio": ["sound", 0]}}}
            )
        assert error.value.node_id == "sound"
    with pytest.raises(PromptError) as error:
        client.run(
            {"sound": loaded("gone.wav"), "heard": {"class_type": "PreviewAudio", "inputs": {"audio": ["sound", 0]}}}
        )
    assert "gone.wav" in json.dumps(error.value.details)
    assert "is not in the input folder" in json.dumps(error.value.details)


def test_an_empty_range_is_said_on_the_node(client, voice):
    heard = {"class_type": "PreviewAudio", "inputs": {"audio": ["cut", 0]}}
    with pytest.raises(PromptError, match=r"^Trim Audio: the range 2.5-2.0 s is empty; the audio lasts 3.0 s") as error:
        client.run({"sound": loaded(), "cut": trimmed(2.5, 2.0), "heard": heard})
    assert error.value.node_id == "cut"


def test_sound_made_in_the_graph_can_be_drawn(client, comfy_server):
    made = {"class_type": "EmptyAudio", "inputs": {"duration": 1.0, "sample_rate": 44100, "channels": 2}}
    heard = {"class_type": "PreviewAudio", "inputs": {"audio": ["cut", 0]}}
    result = client.run({"sound": made, "cut": trimmed(0.25, 0.0), "heard": heard})
    (file,) = result.outputs["cut"]["sound_to_video_source"]
    assert not (comfy_server.base_directory / "temp" / file["filename"]).exists()
    query = urllib.parse.urlencode(file)
    with urllib.request.urlopen(f"{comfy_server.url}/sound_to_video/sound?{query}") as response:
        assert len(response.read()) == 44 + 44100 * 4
    assert (comfy_server.base_directory / "temp" / file["filename"]).is_file()
