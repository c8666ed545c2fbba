"""Wan2.2-S2V on a real ComfyUI: a voice and a picture to a finished clip, core nodes in place of ours at each joint."""

import io
import json

import av
import numpy as np
import pytest
from PIL import Image
from sound_to_video.tests.server.graphs import frames_of_clip, muxed, node, wan_clip

from farm.client import PromptError

VOICE = "sound_to_video_voice.wav"
SECONDS = 2.0
SEGMENT = {"segment_seconds": 1.3}  # 5 latents: two segments in 2 s


def frames_of(client, result) -> np.ndarray:
    """The images of the graph's "frames": [frames, H, W, 3] uint8."""
    files = result.outputs["frames"]["images"]
    return np.stack([np.asarray(Image.open(io.BytesIO(client.download(file))).convert("RGB")) for file in files])


def opened(client, result, name: str = "file"):
    (file,) = result.outputs[name]["images"]
    return file, av.open(io.BytesIO(client.download(file)))


@pytest.fixture(scope="module")
def clip(comfy_server, checkpoints):
    """One finished clip of two segments and all that the server sent while it was made."""
    from farm.client import Client

    with Client(comfy_server.url) as client:
        prompt = frames_of_clip(muxed(wan_clip(checkpoints, VOICE, SECONDS, **SEGMENT)))
        prompt_id = client.queue(prompt, workflow={"nodes": [], "a note": "kept"}, previews=True)
        result = client.wait(prompt_id)
        yield client, result


def test_the_file_is_as_long_as_the_sound_and_knows_its_workflow(clip):
    client, result = clip
    _, container = opened(client, result)
    with container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.frames, video.average_rate) == ("h264", 32, 16)
        assert audio.duration * audio.time_base == SECONDS
        assert json.loads(container.metadata["workflow"])["a note"] == "kept"
        assert json.loads(container.metadata["prompt"])["clip"]["class_type"] == "SoundToVideo_S2VSampler"


def test_the_plan_and_the_segment_under_way_are_shown_on_the_node(clip):
    client, result = clip
    plan = "2.00 s → 32 frames at 16 fps, 2 segments"
    assert result.outputs["clip"]["sound_to_video_plan"] == [plan]
    texts = [data.decode(errors="ignore") for data in client.previews if b"frames at 16 fps" in data]
    assert any("segment 1 of 2, from 0.00 s" in text for text in texts)
    assert any("segment 2 of 2, from 1.06 s" in text for text in texts)
    assert texts[-1].endswith(plan)


def test_one_progress_bar_over_all_segments_with_live_previews(clip):
    client, result = clip
    steps = result.progress("clip")
    assert {maximum for _, maximum in steps} == {4}
    values = [value for value, _ in steps]
    assert values == sorted(values)
    assert values[-1] == 4
    assert any(b"JFIF" in data or b"\xff\xd8\xff" in data for data in client.previews)


def test_the_frames_move(clip):
    frames = frames_of(*clip)
    assert frames.shape == (32, 64, 64, 3)
    assert np.abs(np.diff(frames.astype(float), axis=0)).mean() > 0.5


def with_core_load(prompt):
    return {**prompt, "audio": node("LoadAudio", audio=VOICE)}


def with_core_trim(prompt):
    trim = node("TrimAudioDuration", audio=["audio", 0], start_index=0.0, duration=SECONDS)
    return {**prompt, "trimmed": trim}


def with_core_encode(prompt):
    return {**prompt, "encoded": node("AudioEncoderEncode", audio_encoder=["encoder", 0], audio=["trimmed", 0])}


@pytest.mark.parametrize("replace", [with_core_load, with_core_trim, with_core_encode])
def test_core_nodes_in_place_of_ours_give_the_same_frames(clip, checkpoints, replace):
    client, result = clip
    prompt = replace(frames_of_clip(wan_clip(checkpoints, VOICE, SECONDS, **SEGMENT, keep_segments=False)))
    assert np.array_equal(frames_of(client, client.run(prompt)), frames_of(client, result))


def test_core_save_video_writes_our_clip_with_its_sound(clip, checkpoints):
    client, result = clip
    prompt = wan_clip(checkpoints, VOICE, SECONDS, **SEGMENT)
    save = node("SaveVideo", video=["clip", 0], filename_prefix="test/core", format="auto", codec="auto")
    _, container = opened(client, client.run({**prompt, "file": save}))
    with container:
        theirs = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
        audio = container.streams.audio[0]
        assert abs(float(audio.duration * audio.time_base) - SECONDS) < 0.001
    coarse = [frames.reshape(32, 8, 8, 8, 8, 3).mean((2, 4)) for frames in (theirs, frames_of(client, result))]
    assert np.abs(coarse[0] - coarse[1]).mean() < 4, "only H.264 lies between them"


def test_our_encoding_drives_cores_own_wan_node(client, checkpoints):
    """Core's WanSoundImageToVideo and KSampler on our Audio Encode: the same latents as on core's."""

    def graph(encode: str):
        prompt = wan_clip(checkpoints, VOICE, 1.0)
        prompt["encoded"] = node(encode, audio=["trimmed", 0], audio_encoder=["encoder", 0])
        wired = {"positive": ["text", 0], "negative": ["text", 0], "vae": ["vae", 0], "ref_image": ["image", 0]}
        size = {"width": 64, "height": 64, "length": 17, "batch_size": 1}
        prompt["s2v"] = node("WanSoundImageToVideo", audio_encoder_output=["encoded", 0], **wired, **size)
        sampler = {"seed": 5, "steps": 2, "cfg": 1.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0}
        wired = {"positive": ["s2v", 0], "negative": ["s2v", 1], "latent_image": ["s2v", 2], "model": ["model", 0]}
        prompt["clip"] = node("KSampler", **wired, **sampler)
        prompt["decoded"] = node("VAEDecode", samples=["clip", 0], vae=["vae", 0])
        prompt["frames"] = node("PreviewImage", images=["decoded", 0])
        return prompt

    ours, theirs = (frames_of(client, client.run(graph(e))) for e in ("SoundToVideo_AudioEncode", "AudioEncoderEncode"))
    assert np.array_equal(ours, theirs)


def test_model_patches_pass_through(clip, checkpoints):
    client, result = clip
    prompt = frames_of_clip(wan_clip(checkpoints, VOICE, SECONDS, **SEGMENT))
    prompt["shifted"] = node("ModelSamplingSD3", model=["model", 0], shift=1.0)
    prompt["clip"]["inputs"]["model"] = ["shifted", 0]
    patched = client.run(prompt)
    assert patched.outputs["clip"]["sound_to_video_resumed"] == [0], "another model's segments are not used"
    assert not np.array_equal(frames_of(client, patched), frames_of(client, result))


def test_interrupt_then_the_same_workflow_goes_on_at_the_next_segment(client, checkpoints):
    prompt = wan_clip(checkpoints, VOICE, 4.0, segment_seconds=1.3, steps=150, seed=77)
    prompt["preview"] = frames_of_clip(prompt)["components"]
    prompt["frames"] = node("PreviewImage", images=["preview", 0])
    prompt_id = client.queue(prompt)

    steps = []

    def stop_in_the_second_segment(kind, data):
        if kind == "progress" and data.get("node") == "clip":
            if not steps and data["value"] > 150:  # not every step is told when they are fast
                client.interrupt()
            if data["value"] > 150:
                steps.append(data["value"])

    with pytest.raises(PromptError, match="interrupted"):
        client.wait(prompt_id, on_message=stop_in_the_second_segment)
    assert steps[-1] < 290, "the interrupt ends the segment under way, not only the next"
    resumed = client.run(prompt)
    assert resumed.outputs["clip"]["sound_to_video_resumed"] == [1]
    whole = {**prompt, "clip": node("SoundToVideo_S2VSampler", **{**prompt["clip"]["inputs"], "keep_segments": False})}
    undisturbed = client.run(whole)
    assert undisturbed.outputs["clip"]["sound_to_video_resumed"] == [0]
    assert np.array_equal(frames_of(client, resumed), frames_of(client, undisturbed))


def test_a_first_look_is_the_opening_and_the_full_run_goes_on_from_it(client, checkpoints):
    def prompt(**more):
        return frames_of_clip(wan_clip(checkpoints, VOICE, 3.0, segment_seconds=1.3, seed=88, **more))

    look = client.run(prompt(preview_seconds=1.0))
    assert look.outputs["clip"]["sound_to_video_plan"] == ["1.00 s → 16 frames at 16 fps, 1 segment"]
    full = client.run(prompt())
    assert full.outputs["clip"]["sound_to_video_resumed"] == [1]
    opening, looked_at = frames_of(client, full)[:16].astype(int), frames_of(client, look).astype(int)
    assert np.array_equal(opening[:13], looked_at[:13])
    # the look ends on a group of one latent where the full run decodes two at once: the same numbers, rounded otherwise
    assert np.abs(opening - looked_at).max() <= 1
