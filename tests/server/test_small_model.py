"""The quick-start workflows on the small model that comes with the pack, as they are: the picture follows the sound."""

import io
import json
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from sound_to_video.core.sync.measure import correlation, measure_sync
from sound_to_video.dev_support.small_models import missing_models

from farm.workflow import to_prompt

ROOT = Path(__file__).resolve().parents[2]
CHECKPOINT = "sound_to_video_small.safetensors"
# workflow: (its sound, what of it is followed, the least correlation that will do)
QUICK_STARTS = {
    "quickstart_portrait_and_voice": ("sound_to_video_voice.wav", "loudness", 0.7),
    "quickstart_shapes_and_music": ("sound_to_video_music.flac", "onsets", 0.7),
    "quickstart_sound_alone": ("sound_to_video_music.flac", "onsets", 0.5),
}


def prompt_of(name: str, client) -> dict:
    return to_prompt(json.loads((ROOT / "workflows" / f"{name}.json").read_text("utf-8")), client.object_info())


def clip_of(client, result) -> tuple[torch.Tensor, float]:
    """Frames ``[n, height, width, 3]`` of the saved clip in 0..1, and its frame rate."""
    (saved,) = [
        entry
        for output in result.outputs.values()
        for entries in output.values()
        if isinstance(entries, list)
        for entry in entries
        if isinstance(entry, dict) and str(entry.get("filename", "")).endswith(".mp4")
    ]
    with av.open(io.BytesIO(client.download(saved))) as container:
        rate = container.streams.video[0].average_rate
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return torch.from_numpy(np.stack(frames)).float() / 255, float(rate)


def sound_of(name: str) -> dict:
    with av.open(str(ROOT / "media" / name)) as container:
        resampler = av.AudioResampler("fltp", "mono", 16000)
        pieces = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
    waveform = np.concatenate([piece.to_ndarray() for piece in pieces], axis=1)
    return {"waveform": torch.from_numpy(waveform)[None], "sample_rate": 16000}


def test_the_hosts_own_loaders_list_it(client):
    object_info = client.object_info()
    for loader in ("CheckpointLoaderSimple", "LTXVAudioVAELoader"):
        definition = object_info[loader]["input"]["required"]["ckpt_name"]
        choices = definition[0] if isinstance(definition[0], list) else definition[1]["options"]
        assert CHECKPOINT in choices


def test_it_is_small_and_says_its_licence():
    from safetensors import safe_open

    path = ROOT / "models" / CHECKPOINT
    assert path.stat().st_size <= 24e6
    with safe_open(str(path), "pt") as file:
        assert file.metadata()["license"] == "CC0-1.0"


@pytest.mark.parametrize("name", QUICK_STARTS)
def test_quick_start_follows_its_sound(client, name):
    prompt = prompt_of(name, client)
    assert not missing_models(prompt, client.object_info())
    for node in prompt.values():
        if "seed" in node["inputs"]:
            node["inputs"]["seed"] = 1
    result = client.run(prompt)
    (measured,) = [node for node, entry in prompt.items() if entry["class_type"] == "SoundToVideo_MeasureSync"]
    assert result.outputs[measured]["images"], "Measure Sync shows its plot"
    frames, rate = clip_of(client, result)
    sound, heard, least = QUICK_STARTS[name]
    audio = sound_of(sound)
    assert abs(len(frames) / rate - audio["waveform"].shape[-1] / 16000) <= 0.5 / rate
    own = measure_sync([frames], rate, audio, heard)
    assert own.correlation >= least
    assert abs(own.lag_frames) <= 1
    reversed_sound = {"waveform": audio["waveform"].flip(-1), "sample_rate": 16000}
    other = measure_sync([frames], rate, reversed_sound, heard)
    assert correlation(other.heard, own.moved) < own.correlation / 2


def test_lip_sync_says_the_new_sound_and_keeps_the_footage(client):
    prompt = prompt_of("quickstart_lip_sync", client)
    assert not missing_models(prompt, client.object_info())
    for node in prompt.values():
        if "seed" in node["inputs"]:
            node["inputs"]["seed"] = 1
    result = client.run(prompt)
    measured = [node for node, entry in prompt.items() if entry["class_type"] == "SoundToVideo_MeasureSync"]
    assert all(result.outputs[node]["images"] for node in measured) and len(measured) == 2
    frames, rate = clip_of(client, result)
    with av.open(str(ROOT / "media" / "sound_to_video_speaker.mp4")) as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    footage = torch.from_numpy(np.stack(decoded)).float() / 255
    new, old = sound_of("sound_to_video_voice.wav"), sound_of("sound_to_video_speaker.mp4")
    assert (frames.shape[1:], rate) == (footage.shape[1:], 25)
    assert abs(len(frames) / rate - new["waveform"].shape[-1] / 16000) <= 0.5 / rate
    head = (0.2, 0.4, 0.8, 0.9)
    said = measure_sync([frames], rate, new, region=head)
    assert said.correlation >= 0.7 and abs(said.lag_frames) <= 1
    before = measure_sync([footage], rate, old, region=head)
    assert before.correlation > 0.9
    assert abs(correlation(before.heard[: len(said.moved)], said.moved)) < said.correlation / 2
    above = slice(0, footage.shape[1] * 4 // 10)
    error = (frames[:, above] - footage[: len(frames), above]).square().mean()
    assert -10 * torch.log10(error) > 40, "above the nose it is the footage, but for two H.264 encodings"


def test_the_portrait_stays_itself(client):
    prompt = prompt_of("quickstart_portrait_and_voice", client)
    for node in prompt.values():
        if "seed" in node["inputs"]:
            node["inputs"]["seed"] = 1
    frames, _ = clip_of(client, client.run(prompt))
    with av.open(str(ROOT / "media" / "sound_to_video_face.png")) as container:
        (picture,) = [frame.reformat(128, 128, "rgb24").to_ndarray() for frame in container.decode(video=0)]
    reference = torch.from_numpy(picture).float() / 255
    error = (frames[0] - reference).square().mean()
    assert -10 * torch.log10(error) > 25, "the first frame is the reference"
    top = frames[:, :12].mean(dim=(1, 2))
    assert (top - reference[:12].mean(dim=(0, 1))).abs().max() < 0.05, "the background keeps its colour"


def test_scene_without_text_is_refused_by_a_model_that_knows_texts(client, checkpoints):
    prompt = prompt_of("quickstart_portrait_and_voice", client)
    other = checkpoints.name("ltx_av")
    for node in prompt.values():
        if "ckpt_name" in node["inputs"]:
            node["inputs"]["ckpt_name"] = other
    with pytest.raises(Exception, match=r"S2V Sampler: Scene Without Text is for the small model"):
        client.run(prompt)
