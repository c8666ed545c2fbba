"""``kill -9`` of the server in the middle of a clip: the same workflow then goes on at the next segment."""

import random
import shutil
import time
import wave

import numpy as np
import pytest
from safetensors.torch import load
from sound_to_video.dev_support.host import DEV_DIRECTORY, find_host
from sound_to_video.dev_support.server import ComfyServer
from sound_to_video.tests.server.graphs import ltx_latents

from farm.client import Client

KILLS = 20
SEGMENTS = 6
STEPS = 12


@pytest.fixture
def server(checkpoints):
    base = DEV_DIRECTORY / "resume-server"
    shutil.rmtree(base, ignore_errors=True)
    server = ComfyServer(find_host(), base, [checkpoints.folder])
    server.start()
    yield server
    server.stop()


def write_tone(path, seconds: float) -> None:
    times = np.arange(round(seconds * 16000)) / 16000
    tone = np.sin(2 * np.pi * 220 * times) * np.sin(2 * np.pi * 1.5 * times) ** 2
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((tone * 20000).astype("<i2").tobytes())


def kept_segments(server) -> list:
    return sorted((server.base_directory / "user" / "__sound_to_video" / "segments").glob("*.segment"))


def finished(server, prompt) -> tuple[object, list]:
    """The latents that a run to the end saves, and how many segments it found finished."""
    with Client(server.url) as client:
        result = client.run(prompt)
        (file,) = result.outputs["file"]["latents"]
        return load(client.download(file))["latent_tensor"], result.outputs["clip"]["sound_to_video_resumed"]


def kill_at_step(server, prompt, step: int, delay_seconds: float) -> None:
    with Client(server.url) as client:
        prompt_id = client.queue(prompt)

        class Reached(Exception):
            pass

        def watch(kind, data):
            if kind == "progress" and data.get("node") == "clip" and data["value"] >= step:
                raise Reached

        with pytest.raises(Reached):
            client.wait(prompt_id, on_message=watch)
        time.sleep(delay_seconds)
        server.kill()


@pytest.mark.timeout(1200)
def test_killed_at_random_moments_every_run_finishes_to_the_bit(server, checkpoints):
    write_tone(server.input_directory / "tone.wav", 13)
    prompt = ltx_latents(checkpoints, "tone.wav", steps=STEPS, segment_seconds=3.0)
    undisturbed, resumed = finished(server, prompt)
    assert resumed == [0]
    assert len(kept_segments(server)) == SEGMENTS
    draw = random.Random(9)
    found = []
    for _ in range(KILLS):
        for path in kept_segments(server):
            path.unlink()
        # A "preview" of more than everything: the same segments, but the host's own cache does not know the prompt.
        prompt["clip"]["inputs"]["preview_seconds"] = 1000.0 + len(found)
        kill_at_step(server, prompt, draw.randrange(1, SEGMENTS * STEPS), draw.uniform(0, 0.1))
        done = len(kept_segments(server))
        server.start()
        latents, resumed = finished(server, prompt)
        assert latents.equal(undisturbed)
        assert resumed == [done], "a finished segment was sampled again"
        found.append(done)
    assert len(set(found)) > 2, f"the kills all fell into the same segments: {found}"


def test_segments_of_one_server_are_found_by_another(server, checkpoints):
    """The key holds nothing of the machine or the folders: stretches sampled elsewhere are found."""
    write_tone(server.input_directory / "tone.wav", 7)
    prompt = ltx_latents(checkpoints, "tone.wav", steps=1, segment_seconds=3.0)
    undisturbed, resumed = finished(server, prompt)
    assert resumed == [0]
    kept = kept_segments(server)
    server.stop()
    base = DEV_DIRECTORY / "resume-server-elsewhere"
    shutil.rmtree(base, ignore_errors=True)
    other = ComfyServer(find_host(), base, [checkpoints.folder])
    other.start()
    try:
        write_tone(other.input_directory / "tone.wav", 7)
        folder = base / "user" / "__sound_to_video" / "segments"
        folder.mkdir(parents=True)
        for path in kept:
            shutil.copy(path, folder)
        latents, resumed = finished(other, prompt)
    finally:
        other.stop()
    assert resumed == [len(kept)]
    assert latents.equal(undisturbed)
