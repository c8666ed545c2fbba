"""The HuMo workflow on a real ComfyUI, and its window by core's own nodes on the same encoding of the same sound.

Whisper has one size, and takes half a minute of two processors for any sound: it runs once, for both.
"""

import io
import json
from pathlib import Path

import av
import pytest
import torch
from safetensors.torch import load
from sound_to_video.dev_support.small_models import adapt, missing_models, needed_checkpoints
from sound_to_video.tests.server.graphs import node

from farm.workflow import to_prompt

WORKFLOW = Path(__file__).resolve().parents[2] / "workflows" / "text_image_and_sound_humo.json"
SAMPLING = ("seed", "steps", "cfg", "sampler_name", "scheduler")


@pytest.fixture(scope="module")
def prompt(checkpoints, comfy_server):
    """The workflow on the small checkpoints, a second of its sound, the image cut as core's node cuts it."""
    from farm.client import Client

    with Client(comfy_server.url) as client:
        object_info = client.object_info()
    prompt = to_prompt(json.loads(WORKFLOW.read_text("utf-8")), object_info)
    missing = missing_models(prompt, object_info)
    needed = needed_checkpoints(prompt, missing)
    prompt = adapt(prompt, missing, {name: checkpoints.name(kind) for name, kind in needed.items()})
    changes = {
        "SoundToVideo_TrimAudio": {"start_seconds": 0.2, "end_seconds": 1.2},
        "SoundToVideo_S2VSampler": {"width": 64, "height": 64, "steps": 2, "image_fit": "crop"},
    }
    for each in prompt.values():
        each["inputs"].update(changes.get(each["class_type"], {}))
    return prompt


@pytest.mark.timeout(900)
def test_the_workflow_runs_and_its_window_is_cores_graph_to_the_bit(client, prompt):
    ((name, sampler),) = [entry for entry in prompt.items() if entry[1]["class_type"] == "SoundToVideo_S2VSampler"]
    ours = sampler["inputs"]
    wired = {each: ours[each] for each in ("positive", "negative", "vae", "width", "height")}
    conditioned = node(
        "WanHuMoImageToVideo",
        length=25,
        batch_size=1,
        audio_encoder_output=ours["encoded_audio"],
        ref_image=ours["reference_image"],
        **wired,
    )
    cores = node(
        "KSampler",
        model=ours["model"],
        positive=["conditioned", 0],
        negative=["conditioned", 1],
        latent_image=["conditioned", 2],
        denoise=1.0,
        **{each: ours[each] for each in SAMPLING},
    )
    both = {**prompt, "conditioned": conditioned, "cores": cores}
    both["saved ours"] = node("SaveLatent", samples=[name, 1], filename_prefix="test/ours")
    both["saved cores"] = node("SaveLatent", samples=["cores", 0], filename_prefix="test/cores")
    result = client.run(both, timeout_seconds=880)

    def saved(node_id: str) -> torch.Tensor:
        (file,) = result.outputs[node_id]["latents"]
        return load(client.download(file))["latent_tensor"]

    assert result.outputs[name]["sound_to_video_family"] == ["humo"]
    assert result.outputs[name]["sound_to_video_plan"] == ["1.00 s → 25 frames at 25 fps, 1 segment"]
    assert torch.equal(saved("saved ours"), saved("saved cores"))
    (mux,) = [each for each, made in prompt.items() if made["class_type"] == "SoundToVideo_MuxAudioVideo"]
    (clip,) = result.outputs[mux]["images"]
    with av.open(io.BytesIO(client.download(clip))) as container:
        assert sum(1 for _ in container.decode(video=0)) == 25
