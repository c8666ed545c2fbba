"""Bad input: a clear error on the node, nothing half-written."""

import pytest
from sound_to_video.tests.server.graphs import muxed, node, wan_clip

from farm.client import PromptError

VOICE = "sound_to_video_voice.wav"


def error_of(client, prompt) -> PromptError:
    with pytest.raises(PromptError) as caught:
        client.run(prompt)
    return caught.value


def output_files(server) -> set:
    return {path for path in server.base_directory.joinpath("output").rglob("*") if path.is_file()}


@pytest.fixture
def wan(checkpoints):
    return lambda seconds=0.5, audio=VOICE, **sampler: muxed(wan_clip(checkpoints, audio, seconds, **sampler))


def test_a_model_that_takes_no_audio(client, checkpoints, wan, comfy_server):
    before = output_files(comfy_server)
    prompt = wan()
    prompt["model"]["inputs"]["unet_name"] = checkpoints.name("wan_t2v")
    error = error_of(client, prompt)
    assert error.node_type == "SoundToVideo_S2VSampler"
    assert str(error).startswith(
        "S2V Sampler: the connected model (WAN21) takes no audio that this node could give it. Load one that does: Wan"
    )
    assert output_files(comfy_server) == before


def test_an_encoder_that_does_not_fit_the_model(client, checkpoints, wan):
    prompt = wan()
    prompt["encoder"]["inputs"]["audio_encoder_name"] = checkpoints.name("wav2vec2_base")
    error = error_of(client, prompt)
    assert error.node_type == "SoundToVideo_S2VSampler"
    assert "encoded by wav2vec2 base (13 layers of 768), but Wan2.2-S2V listens to wav2vec2 large" in str(error)


def test_neither_encoder_nor_audio_vae(client, wan):
    prompt = wan()
    del prompt["encoded"]["inputs"]["audio_encoder"]
    error = error_of(client, prompt)
    assert str(error) == (
        "Audio Encode: connect either an audio encoder (Wan2.2-S2V, HuMo, InfiniteTalk) or an audio VAE "
        "(LTX-2, MiniMax H3), one of them."
    )


def test_an_image_with_alpha(client, wan):
    prompt = wan()
    prompt["mask"] = node("SolidMask", value=0.5, width=64, height=64)
    prompt["rgb"] = node("EmptyImage", width=64, height=64, batch_size=1, color=0)
    prompt["rgba"] = node("JoinImageWithAlpha", image=["rgb", 0], alpha=["mask", 0])
    prompt["clip"]["inputs"]["reference_image"] = ["rgba", 0]
    error = error_of(client, prompt)
    assert error.node_type == "SoundToVideo_S2VSampler"
    assert str(error).startswith("S2V Sampler: the reference image has an alpha channel. Flatten it")


def test_a_width_off_the_grid(client, wan):
    error = error_of(client, wan(width=70))
    assert error.node_type == "SoundToVideo_S2VSampler"
    assert "width 70 is off the grid of Wan2.2-S2V: it must be a multiple of 16, for instance 64 or 80" in str(error)


def test_a_frame_rate_that_the_model_was_not_trained_for(client, wan):
    assert "Wan2.2-S2V makes 16 fps, not 24 fps: set frame_rate to 0." in str(error_of(client, wan(frame_rate=24.0)))


def test_an_empty_range_shows_the_range_and_the_length(client, wan):
    prompt = wan()
    prompt["trimmed"]["inputs"].update(start_seconds=12.0, end_seconds=9.5)
    error = error_of(client, prompt)
    assert error.node_type == "SoundToVideo_TrimAudio"
    assert "12" in str(error)
    assert "9.5" in str(error)
    assert "lasts" in str(error)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.wav", b"", "empty"),
        ("text.mp3", b"this is not sound at all, it is a letter\n" * 50, "no sound|not"),
    ],
)
def test_files_that_are_no_sound(client, wan, comfy_server, name, content, words):
    (comfy_server.input_directory / name).write_bytes(content)
    error = error_of(client, wan(audio=name))
    assert error.node_type == "SoundToVideo_LoadAudio"
    assert name in str(error)
    assert __import__("re").search(words, str(error))


def test_a_missing_file(client, wan):
    error = error_of(client, wan(audio="not there.wav"))
    assert error.node_type == "SoundToVideo_LoadAudio"
    assert "not there.wav" in str(error)
