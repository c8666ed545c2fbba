"""Graphs in API format that the server tests share, on the small checkpoints."""

from typing import Any

Prompt = dict[str, dict[str, Any]]
SAMPLER = {
    "width": 64,
    "height": 64,
    "seed": 5,
    "steps": 2,
    "cfg": 1.0,
    "sampler_name": "euler",
    "scheduler": "simple",
    "audio_scale": 1.0,
    "frame_rate": 0.0,
    "segment_seconds": 0.0,
}


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def wan_clip(checkpoints, audio: str, seconds: float, **sampler: Any) -> Prompt:
    """Load Audio -> Trim Audio -> Audio Encode -> S2V Sampler ("clip"), at 64 x 64 in two steps."""
    return {
        "model": node("UNETLoader", unet_name=checkpoints.name("wan_s2v"), weight_dtype="default"),
        "vae": node("VAELoader", vae_name=checkpoints.name("wan_vae")),
        "encoder": node("AudioEncoderLoader", audio_encoder_name=checkpoints.name("wav2vec2")),
        "text": node("LotusConditioning"),
        "image": node("LoadImage", image="sound_to_video_portrait.png"),
        "audio": node("SoundToVideo_LoadAudio", audio=audio),
        "trimmed": node(
            "SoundToVideo_TrimAudio",
            audio=["audio", 0],
            start_seconds=0.0,
            end_seconds=seconds,
            fade_in_seconds=0.0,
            fade_out_seconds=0.0,
        ),
        "encoded": node("SoundToVideo_AudioEncode", audio=["trimmed", 0], audio_encoder=["encoder", 0]),
        "clip": node(
            "SoundToVideo_S2VSampler",
            **{
                "model": ["model", 0],
                "vae": ["vae", 0],
                "positive": ["text", 0],
                "negative": ["text", 0],
                "encoded_audio": ["encoded", 0],
                "reference_image": ["image", 0],
                **SAMPLER,
                "image_fit": "crop",
                **sampler,
            },
        ),
    }


def muxed(prompt: Prompt, **inputs: Any) -> Prompt:
    """The graph with Mux Audio Video ("file") behind its clip and its trimmed audio."""
    defaults = {"format": "mp4 (H.264)", "quality": "high", "filename_prefix": "test/clip", "frame_rate": 16.0}
    mux = node("SoundToVideo_MuxAudioVideo", video=["clip", 0], audio=["trimmed", 0], **{**defaults, **inputs})
    return {**prompt, "file": mux}


def frames_of_clip(prompt: Prompt) -> Prompt:
    """The graph with the clip's frames as images ("frames"), through core's Get Video Components."""
    return {
        **prompt,
        "components": node("GetVideoComponents", video=["clip", 0]),
        "frames": node("PreviewImage", images=["components", 0]),
    }


def ltx_latents(checkpoints, audio: str, **sampler: Any) -> Prompt:
    """Core's Load Audio -> Audio Encode -> A2V Sampler ("clip"), its latents saved ("file"), at 64 x 64."""
    name = checkpoints.name("ltx_av")
    return {
        "model": node("CheckpointLoaderSimple", ckpt_name=name),
        "audio_vae": node("LTXVAudioVAELoader", ckpt_name=name),
        "text": node("LotusConditioning"),
        "audio": node("LoadAudio", audio=audio),
        "encoded": node("SoundToVideo_AudioEncode", audio=["audio", 0], audio_vae=["audio_vae", 0]),
        "clip": node(
            "SoundToVideo_A2VSampler",
            **{
                "model": ["model", 0],
                "vae": ["model", 2],
                "positive": ["text", 0],
                "negative": ["text", 0],
                "encoded_audio": ["encoded", 0],
                **SAMPLER,
                **sampler,
            },
        ),
        "file": node("SaveLatent", samples=["clip", 1], filename_prefix="latents"),
    }
