"""The blueprint: one node with the graph within, which runs beside a picture and a sound as any node does."""

import io
import json
from copy import deepcopy

import av
import pytest
from sound_to_video.dev_support.blueprint import BLUEPRINT, written
from sound_to_video.dev_support.small_models import adapt, missing_models, needed_checkpoints
from sound_to_video.tests.server.test_workflows import clip_of

from farm.workflow import to_prompt

CLIP = [
    {"id": 901, "type": "LoadImage", "widgets_values": ["sound_to_video_portrait.png", "image"]},
    {"id": 902, "type": "SoundToVideo_LoadAudio", "widgets_values": ["sound_to_video_voice.wav"]},
    {"id": 903, "type": "SoundToVideo_TrimAudio", "widgets_values": [0.2, 1.2, 0, 0]},
    {"id": 904, "type": "SoundToVideo_MuxAudioVideo", "widgets_values": ["mp4 (H.264)", "high", "blueprint", 24]},
]


def test_is_what_dev_support_makes_of_the_workflow():
    """Run ``python -m dev_support.blueprint`` where this fails."""
    assert BLUEPRINT.read_text("utf-8") == written()


def test_the_server_lists_it(client):
    found = [entry for entry in client.request("/global_subgraphs").values() if entry["name"] == "Sound to Video"]
    assert [entry["source"] for entry in found] == ["custom_node"]


@pytest.mark.slow
def test_makes_a_clip(client, checkpoints):
    workflow = json.loads(BLUEPRINT.read_text("utf-8"))
    (node,) = workflow["nodes"]
    around = deepcopy(CLIP)
    ends = [(901, 0, node["id"], "picture"), (902, 0, 903, "audio"), (903, 0, node["id"], "sound")]
    ends += [(node["id"], 0, 904, "video"), (903, 0, 904, "audio")]
    for number, (_, _, target, name) in enumerate(ends, 1001):
        taker = next(one for one in [node, *around] if one["id"] == target)
        entries = taker.setdefault("inputs", [])
        entry = next((one for one in entries if one["name"] == name), None)
        if entry is None:
            entry = {"name": name}
            entries.append(entry)
        entry["link"] = number
    slots = {
        (one["id"], entry["name"]): slot for one in [node, *around] for slot, entry in enumerate(one.get("inputs", []))
    }
    workflow["links"] = [
        [number, origin, slot, target, slots[target, name], "*"]
        for number, (origin, slot, target, name) in enumerate(ends, 1001)
    ]
    workflow["nodes"] += around
    object_info = client.object_info()
    prompt = to_prompt(workflow, object_info)
    missing = missing_models(prompt, object_info)
    needed = needed_checkpoints(prompt, missing)
    prompt = adapt(prompt, missing, {one: checkpoints.name(kind) for one, kind in needed.items()})
    (sampler,) = [one["inputs"] for one in prompt.values() if one["class_type"] == "SoundToVideo_S2VSampler"]
    sampler.update(width=64, height=64)
    with av.open(io.BytesIO(client.download(clip_of(client.run(prompt))))) as container:
        picture = container.streams.video[0]
        assert sum(1 for _ in container.decode(picture)) == 24 == picture.average_rate, "the second that is trimmed"
