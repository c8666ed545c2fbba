"""Every small checkpoint loads through the host's own loader nodes and drives the host's own graph."""

import io
import wave

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def voice(comfy_server, tmp_path_factory):
    """A 1 s mono WAV in the server's input folder: a tone that comes and goes."""
    seconds = np.arange(16000) / 16000
    tone = np.sin(2 * np.pi * 220 * seconds) * np.sin(2 * np.pi * 3 * seconds) ** 2
    with wave.open(str(comfy_server.input_directory / "tone.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((tone * 20000).astype("<i2").tobytes())
    return "tone.wav"


def saved_frames(client, result) -> np.ndarray:
    """All images that the prompt's PreviewImage wrote: [frames, H, W, 3] uint8."""
    (files,) = [output["images"] for output in result.outputs.values() if "images" in output]
    return np.stack([np.asarray(Image.open(io.BytesIO(client.download(file))).convert("RGB")) for file in files])


def assert_moving_picture(frames: np.ndarray) -> None:
    """Neither blank nor frozen: what NaN, zero or saturated weights would give."""
    assert frames.std() > 5
    assert np.abs(np.diff(frames.astype(float), axis=0)).mean() > 0.5


def sampled(model, positive, negative, latent) -> dict:
    return {
        "class_type": "KSampler",
        "inputs": {
            "model": model,
            "positive": positive,
            "negative": negative,
            "latent_image": latent,
            "seed": 3,
            "steps": 2,
            "cfg": 1.0,
            "sampler_name": "euler",
            "scheduler": "simple",
            "denoise": 1.0,
        },
    }


def load_model(name: str) -> dict:
    return {"class_type": "UNETLoader", "inputs": {"unet_name": name, "weight_dtype": "default"}}


@pytest.mark.parametrize(("model", "encoder"), [("wan_s2v", "wav2vec2")])
def test_wan_s2v_with_the_hosts_graph(client, checkpoints, voice, model, encoder):
    prompt = {
        "model": load_model(checkpoints.name(model)),
        "vae": {"class_type": "VAELoader", "inputs": {"vae_name": checkpoints.name("wan_vae")}},
        "encoder": {
            "class_type": "AudioEncoderLoader",
            "inputs": {"audio_encoder_name": checkpoints.name(encoder)},
        },
        "audio": {"class_type": "LoadAudio", "inputs": {"audio": voice}},
        "encoded": {
            "class_type": "AudioEncoderEncode",
            "inputs": {"audio_encoder": ["encoder", 0], "audio": ["audio", 0]},
        },
        "text": {"class_type": "LotusConditioning", "inputs": {}},
        "image": {
            "class_type": "EmptyImage",
            "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0x8090A0},
        },
        "s2v": {
            "class_type": "WanSoundImageToVideo",
            "inputs": {
                "positive": ["text", 0],
                "negative": ["text", 0],
                "vae": ["vae", 0],
                "width": 64,
                "height": 64,
                "length": 9,
                "batch_size": 1,
                "audio_encoder_output": ["encoded", 0],
                "ref_image": ["image", 0],
            },
        },
        "latent": sampled(["model", 0], ["s2v", 0], ["s2v", 1], ["s2v", 2]),
        "decoded": {"class_type": "VAEDecode", "inputs": {"samples": ["latent", 0], "vae": ["vae", 0]}},
        "preview": {"class_type": "PreviewImage", "inputs": {"images": ["decoded", 0]}},
    }
    frames = saved_frames(client, client.run(prompt))
    assert frames.shape[1:] == (64, 64, 3)
    assert_moving_picture(frames)


@pytest.mark.parametrize("decoder", ["wan_vae", "taehv"])
def test_wan_t2v(client, checkpoints, decoder):
    prompt = {
        "model": load_model(checkpoints.name("wan_t2v")),
        "vae": {"class_type": "VAELoader", "inputs": {"vae_name": checkpoints.name(decoder)}},
        "text": {"class_type": "LotusConditioning", "inputs": {}},
        "empty": {
            "class_type": "EmptyHunyuanLatentVideo",
            "inputs": {"width": 64, "height": 64, "length": 9, "batch_size": 1},
        },
        "latent": sampled(["model", 0], ["text", 0], ["text", 0], ["empty", 0]),
        "decoded": {"class_type": "VAEDecode", "inputs": {"samples": ["latent", 0], "vae": ["vae", 0]}},
        "preview": {"class_type": "PreviewImage", "inputs": {"images": ["decoded", 0]}},
    }
    frames = saved_frames(client, client.run(prompt))
    assert frames.shape == (9, 64, 64, 3)
    assert_moving_picture(frames)


def test_ltx_av_with_the_latent_upscaler(client, checkpoints, voice):
    checkpoint = checkpoints.name("ltx_av")
    prompt = {
        "loaded": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": checkpoint}},
        "audio_vae": {"class_type": "LTXVAudioVAELoader", "inputs": {"ckpt_name": checkpoint}},
        "upscaler": {
            "class_type": "LatentUpscaleModelLoader",
            "inputs": {"model_name": checkpoints.name("ltx_upscaler")},
        },
        "audio": {"class_type": "LoadAudio", "inputs": {"audio": voice}},
        "sound": {
            "class_type": "LTXVAudioVAEEncode",
            "inputs": {"audio": ["audio", 0], "audio_vae": ["audio_vae", 0]},
        },
        "empty": {
            "class_type": "EmptyLTXVLatentVideo",
            "inputs": {"width": 64, "height": 64, "length": 17, "batch_size": 1},
        },
        "text": {"class_type": "LotusConditioning", "inputs": {}},
        "both": {
            "class_type": "LTXVConcatAVLatent",
            "inputs": {"video_latent": ["empty", 0], "audio_latent": ["sound", 0]},
        },
        "latent": sampled(["loaded", 0], ["text", 0], ["text", 0], ["both", 0]),
        "parts": {"class_type": "LTXVSeparateAVLatent", "inputs": {"av_latent": ["latent", 0]}},
        "larger": {
            "class_type": "LTXVLatentUpsampler",
            "inputs": {"samples": ["parts", 0], "upscale_model": ["upscaler", 0], "vae": ["loaded", 2]},
        },
        "decoded": {"class_type": "VAEDecode", "inputs": {"samples": ["larger", 0], "vae": ["loaded", 2]}},
        "preview": {"class_type": "PreviewImage", "inputs": {"images": ["decoded", 0]}},
        "heard": {
            "class_type": "LTXVAudioVAEDecode",
            "inputs": {"samples": ["parts", 1], "audio_vae": ["audio_vae", 0]},
        },
        "kept": {"class_type": "PreviewAudio", "inputs": {"audio": ["heard", 0]}},
    }
    result = client.run(prompt)
    frames = saved_frames(client, result)
    assert frames.shape == (17, 128, 128, 3)
    assert_moving_picture(frames)
    assert result.outputs["kept"]["audio"]


@pytest.mark.parametrize(("name", "width"), [("wav2vec2_base", 768), ("whisper", 1280)])
def test_other_audio_encoders_load(client, checkpoints, name, width):
    prompt = {
        "encoder": {"class_type": "AudioEncoderLoader", "inputs": {"audio_encoder_name": checkpoints.name(name)}},
        "shown": {"class_type": "PreviewAny", "inputs": {"source": ["encoder", 0]}},
    }
    (shown,) = client.run(prompt).outputs["shown"]["text"]
    assert "AudioEncoderModel" in shown
