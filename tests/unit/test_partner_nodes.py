"""AUDIO of ours in core's partner nodes for WAN: they run up to the request, of which nothing leaves this machine."""

from __future__ import annotations

import ast
import asyncio
import base64
import io
import re
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from sound_to_video.core.audio import Audio, audio_from, open_audio
from sound_to_video.tests.sound_files import chirp, write_sound

nodes_wan = pytest.importorskip("comfy_api_nodes.nodes_wan")
upload_helpers = pytest.importorskip("comfy_api_nodes.util.upload_helpers")

pytestmark = pytest.mark.slow

MODEL = {"model": "wan2.7", "prompt": "a singer", "negative_prompt": "", "resolution": "720P", "ratio": "16:9"}
MP3_PADDING = 0.1  # seconds that the encoder adds


class Sent(Exception):
    """The request, in place of its being sent."""


@pytest.fixture
def sent(monkeypatch):
    """Runs a node up to its request: (what it says of the sound, the sound's file)."""
    uploaded: list[bytes] = []

    async def upload(cls, file, *args, **how):
        uploaded.append(file.read())
        return f"https://example.test/{len(uploaded)}"

    async def request(cls, endpoint, **how):
        raise Sent(how["data"])

    monkeypatch.setattr(upload_helpers, "upload_file_to_comfyapi", upload)
    monkeypatch.setattr(nodes_wan, "sync_op", request)

    def run(node: str, **inputs: Any) -> tuple[Any, bytes]:
        with pytest.raises(Sent) as stopped:
            asyncio.run(getattr(nodes_wan, node).execute(**inputs))
        data = stopped.value.args[0].input
        url = getattr(data, "audio_url", None) or next(item.url for item in data.media if item.type == "driving_audio")
        return data, base64.b64decode(url.partition(",")[2]) if url.startswith("data:") else uploaded[-1]

    return run


NODES = {
    "WAN 2.6 from text": (
        ("WanTextToVideoApi", {"model": "wan2.6-t2v", "prompt": "a singer"}),
        (3.0, 29.0),
    ),
    "WAN 2.6 from an image": (
        ("WanImageToVideoApi", {"model": "wan2.6-i2v", "prompt": "a singer", "image": torch.rand([1, 512, 512, 3])}),
        (3.0, 29.0),
    ),
    "WAN 2.7 from text": (
        ("Wan2TextToVideoApi", {"model": MODEL | {"duration": 5}, "prompt_extend": True, "watermark": False}),
        (1.5, 60.0),
    ),
    "WAN 2.7 from an image": (
        (
            "Wan2ImageToVideoApi",
            {
                "model": MODEL | {"duration": 5},
                "first_frame": torch.rand([1, 512, 512, 3]),
                "prompt_extend": True,
                "watermark": False,
            },
        ),
        (2.0, 30.0),
    ),
}


def sound(folder, seconds: float, channels: int, rate: int = 44100) -> Audio:
    """Lazy, of a file, from 0.25 s on."""
    path = folder / f"{seconds}-{channels}.wav"
    write_sound(path, "pcm_s16le", chirp(seconds + 0.5, rate, channels), rate)
    return open_audio(str(path)).trimmed(round(0.25 * rate), round((0.25 + seconds) * rate))


def heard(file: bytes) -> tuple[np.ndarray, int]:
    with av.open(io.BytesIO(file)) as container:
        stream = container.streams.audio[0]
        samples = np.concatenate([frame.to_ndarray() for frame in container.decode(stream)], axis=1)
        return samples, stream.rate


@pytest.mark.parametrize(("channels", "longest"), [(1, False), (2, True)])
@pytest.mark.parametrize("name", NODES)
def test_a_lazy_sound_becomes_an_upload(sent, tmp_path, name, longest, channels):
    (node, inputs), limits = NODES[name]
    seconds = limits[longest]
    audio = sound(tmp_path, seconds, channels)
    _, file = sent(node, **inputs, seed=0, audio=audio)
    samples, rate = heard(file)
    assert (rate, samples.shape[0]) == (44100, 2), "mono is sent on both channels"
    assert 0 <= samples.shape[1] / rate - seconds < MP3_PADDING
    ours, theirs = audio["waveform"][0, 0, 5000:25000].numpy(), samples[0, 5000:29000]
    likeness = np.correlate(theirs[:22000], ours[:18000], "valid")
    delay = int(likeness.argmax())  # the encoder's own
    assert np.corrcoef(ours[:18000], theirs[delay : delay + 18000])[0, 1] > 0.98
    assert delay < 0.1 * rate


@pytest.mark.parametrize("name", NODES)
def test_lengths_beyond_its_limits_are_refused_by_the_node(sent, tmp_path, name):
    (node, inputs), (shortest, longest) = NODES[name]
    for seconds, words in ((shortest - 0.1, "at least"), (longest + 0.1, "at most")):
        with pytest.raises(ValueError, match=rf"Audio duration must be {words}"):
            asyncio.run(getattr(nodes_wan, node).execute(**inputs, seed=0, audio=sound(tmp_path, seconds, 1)))


def test_the_limits_under_a_trim_are_those_of_the_nodes_code():
    """web/lib/limits.js against every node of this host that checks a sound's length by itself."""
    table = (Path(__file__).resolve().parents[2] / "web" / "lib" / "limits.js").read_text("utf-8")
    shown = {name: (float(a), float(b)) for name, a, b in re.findall(r"^  (\w+): \[([\d.]+), ([\d.]+)\]", table, re.M)}
    checked = {}
    for file in sorted(Path(nodes_wan.__file__).parent.glob("nodes_*.py")):
        for kind in (node for node in ast.parse(file.read_text("utf-8")).body if isinstance(node, ast.ClassDef)):
            for call in ast.walk(kind):
                if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "validate_audio_duration":
                    given = dict(zip(("min_duration", "max_duration"), call.args[1:], strict=False))
                    given |= {keyword.arg: keyword.value for keyword in call.keywords}
                    limits = {name: ast.literal_eval(value) for name, value in given.items()}
                    checked[kind.name] = (limits.get("min_duration", 0), limits["max_duration"])
    assert set(shown) <= set(checked), "a node is gone"
    assert {name: checked[name] for name in shown} == shown
    assert {name for name, (_, longest) in checked.items() if name.startswith("Wan")} <= set(shown)


def test_more_than_two_channels_are_the_hosts_defect(tmp_path):
    """It calls any number of them stereo. Mixed down, as our own encoders and clips have it, the same sound passes."""
    audio = sound(tmp_path, 3.0, 6)
    to_text = nodes_wan.audio_to_base64_string
    with pytest.raises(ValueError, match=r"channels|planes|shape"):
        to_text(audio, "mp3", "libmp3lame")
    samples, _ = heard(base64.b64decode(to_text(audio.mixed_to_stereo(), "mp3", "libmp3lame")))
    assert samples.shape[0] == 2


def test_core_and_we_send_the_same(sent, tmp_path):
    audio = sound(tmp_path, 3.0, 2)
    plain = {"waveform": audio["waveform"], "sample_rate": audio.sample_rate}
    (node, inputs), _ = NODES["WAN 2.6 from text"]
    assert sent(node, **inputs, seed=0, audio=audio)[1] == sent(node, **inputs, seed=0, audio=plain)[1]
    assert audio_from(audio) is audio, "and nothing was put into it"
