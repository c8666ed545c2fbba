"""LTX-2 through a real server: image and sound in two stages, sound alone, and the errors a user meets."""

import io
import wave
from fractions import Fraction

import av
import numpy as np
import pytest

from farm.client import Client, PromptError

SECONDS = Fraction(23, 10)  # 55.2 frames at 24 fps


@pytest.fixture(scope="module")
def song(comfy_server):
    """2.3 s of stereo at 44.1 kHz in the server's input folder: two tones that swell."""
    times = np.arange(int(SECONDS * 44100)) / 44100
    swell = np.sin(2 * np.pi * 2 * times) ** 2
    tones = np.stack([np.sin(2 * np.pi * pitch * times) * swell for pitch in (220, 330)], axis=1)
    with wave.open(str(comfy_server.input_directory / "ltx song.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44100)
        file.writeframes((tones * 20000).astype("<i2").tobytes())
    return "ltx song.wav"


def graph(checkpoints, song: str, sampler: str, **inputs) -> dict:
    checkpoint = checkpoints.name("ltx_av")
    sampling = {
        "model": ["loaded", 0],
        "vae": ["loaded", 2],
        "positive": ["text", 0],
        "negative": ["text", 0],
        "encoded_audio": ["encoded", 0],
        "width": 64,
        "height": 64,
        "seed": 3,
        "steps": 2,
        "cfg": 1.0,
        "sampler_name": "euler",
        "scheduler": "ltx-2.3 distilled",
        "audio_scale": 1.0,
        "frame_rate": 0.0,
        "segment_seconds": 0.0,
        **inputs,
    }
    return {
        "loaded": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": checkpoint}},
        "audio_vae": {"class_type": "LTXVAudioVAELoader", "inputs": {"ckpt_name": checkpoint}},
        "upscaler": {
            "class_type": "LatentUpscaleModelLoader",
            "inputs": {"model_name": checkpoints.name("ltx_upscaler")},
        },
        "image": {
            "class_type": "EmptyImage",
            "inputs": {"width": 96, "height": 80, "batch_size": 1, "color": 0x8090A0},
        },
        "audio": {"class_type": "LoadAudio", "inputs": {"audio": song}},
        "encoded": {
            "class_type": "SoundToVideo_AudioEncode",
            "inputs": {"audio": ["audio", 0], "audio_vae": ["audio_vae", 0]},
        },
        "text": {"class_type": "LotusConditioning", "inputs": {}},
        "sampled": {"class_type": f"SoundToVideo_{sampler}", "inputs": sampling},
        "saved": {
            "class_type": "SaveVideo",
            "inputs": {"video": ["sampled", 0], "filename_prefix": f"ltx {sampler}", "format": "auto", "codec": "auto"},
        },
    }


def clip_of(client, result) -> tuple[int, Fraction, float, np.ndarray]:
    """Frames, frame rate, seconds of sound and the first and last picture of the clip that was saved."""
    (file,) = result.outputs["saved"]["images"]
    with av.open(io.BytesIO(client.download(file))) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        rate = container.streams.video[0].average_rate
        container.seek(0)
        samples = sum(frame.samples for frame in container.decode(audio=0))
        sample_rate = container.streams.audio[0].rate
    return len(pictures), rate, samples / sample_rate, np.stack([pictures[0], pictures[-1]])


def test_image_and_sound_in_two_stages(client, checkpoints, song):
    prompt = graph(
        checkpoints,
        song,
        "S2VSampler",
        reference_image=["image", 0],
        image_fit="crop",
        latent_upscale_model=["upscaler", 0],
    )
    result = client.run(prompt)
    frames, rate, heard, pictures = clip_of(client, result)
    assert (frames, rate) == (55, 24)
    assert abs(heard - SECONDS) < 0.03  # AAC frames
    assert pictures.shape[1:] == (64, 64, 3) and pictures.std() > 5
    assert result.outputs["sampled"]["sound_to_video_plan"] == ["2.30 s → 55 frames at 24 fps, 1 segment"]
    steps = result.progress("sampled")
    assert steps[-1] == (11, 11)  # 8 of the first pass, 3 of the refining one, on one bar
    assert [value for value, _ in steps] == sorted(value for value, _ in steps)


def test_sound_alone_in_segments(client, checkpoints, song):
    inputs = {"scheduler": "simple", "segment_seconds": 1.0, "frame_rate": 25.0, "audio_guidance": 2.0}
    result = client.run(graph(checkpoints, song, "A2VSampler", **inputs))
    frames, rate, heard, pictures = clip_of(client, result)
    assert (frames, rate) == (58, 25)  # 57.5, halves up
    assert abs(heard - SECONDS) < 0.03
    assert pictures.std() > 5
    assert ", 2 segments" in result.outputs["sampled"]["sound_to_video_plan"][0]


def saved_as(client, **asked) -> dict:
    """Save Video's inputs: container, codec, crf, color_space; skips the test where this host cannot be asked so.

    Host 0.33 has what belongs to a container or a codec below it, 0.30 only mp4 and H.264.
    """
    schema = client.object_info()["SaveVideo"]["input"]["required"]["format"]
    version = client.request("/system_stats")["system"]["comfyui_version"]
    if schema[0] != "COMFY_DYNAMICCOMBO_V3":
        pytest.skip(f"Save Video of ComfyUI {version} knows one container and codec; 0.33 has more")
    inputs = {"format": asked["container"], "format.codec": asked["codec"], "format.codec.encoding": "re-encode"}
    inputs |= {f"format.codec.encoding.{name}": asked[name] for name in ("crf", "color_space")}
    return inputs


@pytest.mark.parametrize(
    ("container", "codec", "name"), [("mp4", "av1", "mp4"), ("mkv", "h264", "matroska"), ("webm", "av1", "webm")]
)
def test_save_video_of_a_newer_host_gets_what_it_asks(client, checkpoints, song, container, codec, name):
    prompt = graph(checkpoints, song, "A2VSampler", scheduler="simple")
    del prompt["saved"]["inputs"]["codec"]
    prompt["saved"]["inputs"] |= saved_as(client, container=container, codec=codec, crf=40.0, color_space="sRGB")
    result = client.run(prompt)
    (file,) = result.outputs["saved"]["images"]
    with av.open(io.BytesIO(client.download(file))) as clip:
        assert name in clip.format.name
        assert clip.streams.video[0].codec.canonical_name == codec
        assert sum(1 for _ in clip.decode(video=0)) == 55
        assert clip.streams.audio


def test_save_video_of_a_newer_host_is_told_what_is_not_written(client, checkpoints, song):
    prompt = graph(checkpoints, song, "A2VSampler", scheduler="simple")
    del prompt["saved"]["inputs"]["codec"]
    prompt["saved"]["inputs"] |= saved_as(client, container="mp4", codec="h264", crf=23.0, color_space="HDR")
    with pytest.raises(PromptError, match="this VIDEO holds sRGB pictures, not HDR: set color_space to auto") as error:
        client.run(prompt)
    assert error.value.node_id == "saved"


def texts(client) -> list[str]:
    """What the host sent for nodes to show: a binary message of type 3, the length of the node's id, the id, words."""
    return [message[14:].decode() for message in client.previews if message[:4] == b"\0\0\0\3"]


def test_the_plan_is_shown_to_who_runs_the_prompt_and_to_nobody_else(comfy_server, client, checkpoints, song):
    prompt = graph(checkpoints, song, "A2VSampler", scheduler="simple", segment_seconds=1.0, seed=1818)
    with Client(comfy_server.url) as other:
        client.run(prompt)
        assert any("segment 2 of " in text for text in texts(client))
        other.run(prompt)  # all from the host's cache: what came to the other browser is what was not meant for it
        assert texts(other) == []


@pytest.mark.parametrize(
    ("node", "inputs", "message"),
    [
        ("sampled", {"image_fit": "crop"}, "S2V Sampler: connect a reference image, or use the A2V Sampler"),
        (
            "sampled",
            {"width": 80, "reference_image": ["image", 0], "image_fit": "crop"},
            "S2V Sampler: the width 80",
        ),
        (
            "encoded",
            {"audio_vae": ["loaded", 2]},
            "Audio Encode: audio_vae is a VideoVAE, not an LTX audio VAE",
        ),
        ("encoded", {"audio_vae": None}, "Audio Encode: connect either an audio encoder"),
    ],
)
def test_errors_stand_on_their_node(client, checkpoints, song, node, inputs, message):
    prompt = graph(checkpoints, song, "S2VSampler")
    prompt["sampled"]["inputs"].update(reference_image=["image", 0], image_fit="crop")
    target = prompt[node]["inputs"]
    if node == "sampled":
        target.pop("reference_image")
    target.update({name: value for name, value in inputs.items() if value is not None})
    for name in [name for name, value in inputs.items() if value is None]:
        target.pop(name)
    with pytest.raises(PromptError) as error:
        client.run(prompt)
    assert error.value.node_id == node
    assert message in str(error.value)
