"""Small random checkpoints of the real architectures, which the host's own loader nodes accept unchanged.

The host's classes are built at small widths, every tensor is filled from a seed (some are ``torch.empty`` in the
host), and widths that the host can't read from shapes go into the safetensors metadata that it does read
(``comfy/model_detection.py``, ``comfy/sd.py`` VAE, ``comfy_extras/nodes_hunyuan.py`` LatentUpscaleModelLoader).
Sizes that the host fixes (audio encoders, TAEHV) are kept; their tensors overlap in one short storage.

As a script: ``python tests/checkpoints.py FOLDER [NAME ...]`` writes them into FOLDER/<kind>/, as ComfyUI's models are.
"""

import hashlib
import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

SEED = 20260
Shapes = dict[str, torch.Tensor]

# Conditioning of core's LotusConditioning, [1, 2, 1024], serves as the text.
WAN = {"dim": 48, "ffn_dim": 96, "num_layers": 2, "num_heads": 2, "text_dim": 1024, "freq_dim": 64}
WAN_S2V = {**WAN, "audio_dim": 1024, "audio_inject_layers": [0, 1]}
HUMO = {**WAN, "in_dim": 16}  # of the 1.7B; the 17B has 36, and a VAE's latents of a picture among them
TALK_WIDTH = 80

LTX_TRANSFORMER = {
    "num_layers": 2,
    "num_attention_heads": 2,
    "attention_head_dim": 32,
    "cross_attention_dim": 64,
    "audio_num_attention_heads": 2,
    "audio_attention_head_dim": 16,
    "audio_cross_attention_dim": 32,
    "caption_channels": 512,
    "connector_num_layers": 0,
    "connector_num_attention_heads": 1,
    "connector_attention_head_dim": 512,
    "audio_connector_num_attention_heads": 1,
    "audio_connector_attention_head_dim": 512,
    "use_middle_indices_grid": True,
    "causal_temporal_positioning": True,
    "positional_embedding_max_pos": [20, 2048, 2048],
    "audio_positional_embedding_max_pos": [20],
    "rope_type": "split",
    "frequencies_precision": "float64",
}
# What the published LTX-2.5 has otherwise, of the settings in its header that do not concern the text.
LTX_2_5_TRANSFORMER = {
    "apply_gated_attention": True,
    "cross_attention_adaln": True,
    "ff_bias": False,
    "use_keyframes_abs_pos_embedding": True,
    "av_ca_timestep_scale_multiplier": 1000.0,
}
LTX_VIDEO_VAE = {
    "_class_name": "CausalVideoAutoencoder",
    "dims": 3,
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 128,
    "encoder_base_channels": 8,
    "decoder_base_channels": 8,
    "encoder_blocks": [["res_x", {"num_layers": 1}], *[["compress_all_res", {"multiplier": 2}]] * 3],
    "decoder_blocks": [
        *[["compress_all", {"residual": True, "multiplier": 2}]] * 3,
        ["res_x", {"num_layers": 1, "inject_noise": False}],
    ],
    "norm_layer": "pixel_norm",
    "patch_size": 4,
    "latent_log_var": "uniform",
    "causal_decoder": False,
    "timestep_conditioning": False,
}
LTX_DIFFUSION_VAE = {  # LTX-2.5's: the stages, kernels and upsamplings are the real ones
    "_class_name": "CausalDiffusionVAE",
    "dims": 3,
    "model_output_type": "x0",
    "encoder": {
        "dims": 3,
        "in_channels": 3,
        "out_channels": 128,
        "blocks": [
            ["compress_space_res", {"multiplier": 2}],
            ["compress_time_res", {"multiplier": 2}],
            *[["compress_all_res", {"multiplier": 2}]] * 2,
        ],
        "patch_size": 4,
        "latent_log_var": "constant",
        "norm_layer": "pixel_norm",
        "base_channels": 8,
        "spatial_padding_mode": "zeros",
    },
    "decoder": {
        "in_channels": 128,
        "out_channels": 3,
        "patch_size": 4,
        "head_dim": 16,
        "stage_channels": [128, 64, 32, 32, 16],
        "stage_depths": [1, 2, 1, 1, 2],
        "stage_kernels": [[3, 7, 7], [3, 7, 7], [3, 5, 5], [3, 5, 5], [11, 11, 11]],
        "upsamples": [[[1, 2, 2], 2], [[2, 1, 1], 2], [[2, 2, 2], 1], [[2, 2, 2], 2]],
        "stage5_kernel": [11, 11, 11],
        "t_emb_dim": 32,
        "timestep_scale_multiplier": 1000.0,
        "default_num_inference_steps": 1,
    },
}
LTX_AUDIO_VAE = {
    "model": {
        "params": {
            "sampling_rate": 16000,
            "ddconfig": {
                "double_z": True,
                "mel_bins": 64,
                "z_channels": 8,
                "resolution": 256,
                "downsample_time": False,
                "in_channels": 2,
                "out_ch": 2,
                "ch": 16,
                "ch_mult": [1, 2, 4],
                "num_res_blocks": 1,
                "attn_resolutions": [],
                "dropout": 0.0,
                "mid_block_add_attention": False,
                "norm_type": "pixel",
                "causality_axis": "height",
            },
        }
    },
    "preprocessing": {"stft": {"filter_length": 1024, "hop_length": 160}},
}
LTX_VOCODER = {"resblock": "1", "upsample_initial_channel": 32, "stereo": True}
MINIMAX_H3 = {
    "hidden_size": 64,
    "num_layers": 2,
    "token_refiner_num_layers": 1,
    "num_attention_heads": 2,
    "attention_head_dim": 32,
    "ffn_hidden_size": 96,
    "text_dim": 1024,
    "timestep_input_dim": 32,
    "time_embed_hidden_size": 64,
    "time_embed_dim": 32,
    "rope_inv_freq_len": 4,
}
LTX_UPSCALER = {
    "_class_name": "LatentUpsampler",
    "in_channels": 128,
    "mid_channels": 32,
    "num_blocks_per_stage": 1,
    "dims": 3,
    "spatial_upsample": True,
    "temporal_upsample": False,
}


def fill(state_dict: Shapes, seed: int = SEED, gain: float = 1.0) -> Shapes:
    """Return ``state_dict`` with every float tensor drawn anew, so that signals keep their size from layer to layer.

    Matrices and kernels: normal, ``gain / sqrt(fan_in)``. Norm scales: 1 ± 0.1. Biases: 0.05. Tables that modulate or
    gate: 0.5. Latent statistics: mean 0, deviation 1.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(name: str, tensor: torch.Tensor) -> torch.Tensor:
        noise = torch.randn(tensor.shape, generator=generator)
        last = name.rsplit(".", 1)[-1]
        if last == "mean-of-means":
            return torch.zeros_like(noise)
        if last == "std-of-means":
            return torch.ones_like(noise)
        if "modulation" in last or "scale_shift_table" in name or "timestep_scale" in last:
            return 0.5 * noise
        if last in ("gamma", "alpha", "beta") or (last == "weight" and tensor.ndim < 2):
            return 1.0 + 0.1 * noise
        if tensor.ndim < 2 or last == "bias":
            return 0.05 * noise
        return noise * gain / math.sqrt(math.prod(tensor.shape[1:]))

    kept = ("filter", "window", "fb", "mel_basis", "kernel", "freqs", "inv_freq")
    return {
        name: draw(name, tensor)
        if tensor.is_floating_point() and name.rsplit(".", 1)[-1] not in kept
        else tensor.clone()
        for name, tensor in state_dict.items()
    }


def overlapping(state_dict: Shapes, seed: int = SEED, dtype: torch.dtype = torch.float32) -> Shapes:
    """Return tensors of the same shapes that all lie, overlapping, in one short random storage for each scale.

    Row i of a matrix starts ``STEP`` numbers after row i - 1, so rows differ and no layer is degenerate, yet
    ``torch.save`` writes the storage once: hundreds of millions of parameters in a few megabytes.
    """
    step = 7
    generator = torch.Generator().manual_seed(seed)
    longest = max(t.shape[0] * step + math.prod(t.shape[1:]) for t in state_dict.values() if t.ndim)
    noise = torch.randn(2 * longest, generator=generator)
    storages: dict[tuple[float, float], torch.Tensor] = {}

    def storage(mean: float, deviation: float) -> torch.Tensor:
        return storages.setdefault((mean, deviation), (mean + deviation * noise).to(dtype))

    def view(index: int, name: str, tensor: torch.Tensor) -> torch.Tensor:
        if tensor.ndim < 2:
            scale = name.endswith("weight")
            flat = storage(1.0, 0.1) if scale else storage(0.0, 0.05)
            return flat.as_strided(tensor.shape, (1,) * tensor.ndim, index * 131 % longest)
        strides = [1] * tensor.ndim
        for axis in range(tensor.ndim - 2, -1, -1):
            strides[axis] = strides[axis + 1] * tensor.shape[axis + 1]
        if "original0" in name or "weight_g" in name:  # the length of a weight-normed kernel
            return storage(1.0, 0.1).as_strided(tensor.shape, strides, index % longest)
        strides[0] = step
        flat = storage(0.0, 1.0 / math.sqrt(math.prod(tensor.shape[1:])))
        return flat.as_strided(tensor.shape, strides, index * 131 % longest)

    return {name: view(index, name, tensor) for index, (name, tensor) in enumerate(state_dict.items())}


def _write(path: Path, save: Callable[[str], None]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    save(str(partial))
    partial.replace(path)
    return path


def _save_safetensors(path: Path, state_dict: Shapes, config: dict | None = None) -> Path:
    from safetensors.torch import save_file

    metadata = {"config": json.dumps(config)} if config else None
    tensors = {name: tensor.contiguous() for name, tensor in state_dict.items()}
    return _write(path, lambda partial: save_file(tensors, partial, metadata=metadata))


def _wan(path: Path, model: type, config: dict, seed: int, dtype: torch.dtype = torch.float32, **more: Any) -> Path:
    import comfy.ops

    network = model(**config, **more, operations=comfy.ops.disable_weight_init, device="cpu", dtype=torch.float32)
    weights = {name: tensor.to(dtype) for name, tensor in fill(network.state_dict(), seed).items()}
    return _save_safetensors(path, weights, {"transformer": config})


def make_wan_s2v(path: Path, seed: int = SEED, **overrides) -> Path:
    """Wan2.2-S2V for UNETLoader. ``overrides`` of ``WAN_S2V``: widths, layers, ``audio_dim`` (the encoder's width)."""
    from comfy.ldm.wan.model import WanModel_S2V

    return _wan(path, WanModel_S2V, {**WAN_S2V, **overrides}, seed)


def make_humo(path: Path, seed: int = SEED, **overrides) -> Path:
    """HuMo for UNETLoader: overrides of ``HUMO``. The host fixes what takes the sound: 39 M parameters, in float16."""
    from comfy.ldm.wan.model import HumoWanModel

    return _wan(path, HumoWanModel, {**HUMO, **overrides}, seed, torch.float16)


def make_wan_i2v(path: Path, seed: int = SEED, **overrides) -> Path:
    """Wan2.1 image-to-video for UNETLoader: as wide as the patch of `make_infinitetalk`."""
    from comfy.ldm.wan.model import WanModel

    return _wan(path, WanModel, {**WAN, "dim": TALK_WIDTH, "in_dim": 36, **overrides}, seed, model_type="i2v")


def make_infinitetalk(path: Path, seed: int = SEED, width: int = TALK_WIDTH) -> Path:
    """InfiniteTalk for ModelPatchLoader: 40 blocks of 40 heads and twelve layers of sound are the host's."""
    import comfy.ops
    from comfy_extras.nodes_model_patch import MultiTalkModelPatch

    network = MultiTalkModelPatch(
        intermediate_dim=16, in_dim=width, out_dim=64, operations=comfy.ops.disable_weight_init, device="cpu"
    )
    return _save_safetensors(path, fill(network.state_dict(), seed))


def make_wan_t2v(path: Path, seed: int = SEED, **overrides) -> Path:
    """Wan2.1 text-to-video for UNETLoader: a MODEL that takes no audio."""
    from comfy.ldm.wan.model import WanModel

    return _wan(path, WanModel, {**WAN, **overrides}, seed, model_type="t2v")


def wan_vae_weights(dim: int, seed: int = SEED) -> Shapes:
    """The tensors of a Wan2.1 VAE ``dim`` channels wide; the real one has 96."""
    from comfy.ldm.wan.vae import WanVAE

    network = WanVAE(
        dim=dim,
        z_dim=16,
        dim_mult=[1, 2, 4, 4],
        num_res_blocks=2,
        attn_scales=[],
        temperal_downsample=[False, True, True],
        image_channels=3,
        conv_out_channels=3,
        dropout=0.0,
    )
    return fill(network.state_dict(), seed)


def make_wan_vae(path: Path, seed: int = SEED, dim: int = 4) -> Path:
    """Wan2.1 VAE (16 channels, 4 x 8 x 8) for VAELoader."""
    return _save_safetensors(path, wan_vae_weights(dim, seed))


def make_taehv(path: Path, seed: int = SEED, latent_channels: int = 16) -> Path:
    """Tiny autoencoder for VAELoader: 16 channels for Wan2.1, 24 for MiniMax H3, 48 for Wan2.2, 128 for LTX.

    Widths are the host's.
    """
    from comfy.taesd.taehv import TAEHV

    network = TAEHV(latent_channels=latent_channels)
    weights = {name: tensor.half() for name, tensor in fill(network.state_dict(), seed).items()}
    if latent_channels == 16:  # float16 would be taken for HunyuanVideo's (comfy/sd.py)
        weights = {name: tensor.float() for name, tensor in weights.items()}
    return _save_safetensors(path, weights)


def make_wav2vec2(path: Path, seed: int = SEED, width: int = 1024) -> Path:
    """wav2vec2 for AudioEncoderLoader: ``width`` 1024 (large, 24 layers: Wan S2V's) or 768 (base, 12 layers)."""
    import comfy.ops
    from comfy.audio_encoders.wav2vec2 import Wav2Vec2Model

    large = width == 1024
    network = Wav2Vec2Model(
        embed_dim=width,
        num_heads=width // 64,
        num_layers=24 if large else 12,
        conv_norm=large,
        conv_bias=large,
        do_normalize=large,
        do_stable_layer_norm=large,
        dtype=torch.float32,
        device="meta",
        operations=comfy.ops.disable_weight_init,
    )
    return _write(path, lambda partial: torch.save(overlapping(network.state_dict(), seed), partial))


def make_whisper(path: Path, seed: int = SEED) -> Path:
    """Whisper large v3 (1280 wide, 32 layers, 30 s) for AudioEncoderLoader: what HuMo takes."""
    import comfy.ops
    from comfy.audio_encoders.whisper import AudioEncoder

    network = AudioEncoder(dtype=torch.float32, device="meta", operations=comfy.ops.disable_weight_init)
    weights = overlapping(network.state_dict(), seed)
    return _write(path, lambda partial: torch.save({f"model.encoder.{k}": v for k, v in weights.items()}, partial))


def ltx_weights(seed: int = SEED, **transformer_overrides) -> tuple[Shapes, dict]:
    """The tensors (prefixes model.diffusion_model., vae., audio_vae., vocoder.) and the ``config`` of `make_ltx_av`."""
    import comfy.ops
    from comfy.ldm.lightricks.av_model import LTXAVModel
    from comfy.ldm.lightricks.vae.audio_vae import AudioVAE
    from comfy.ldm.lightricks.vae.causal_video_autoencoder import VideoVAE

    config = {
        "transformer": {**LTX_TRANSFORMER, **transformer_overrides},
        "vae": LTX_VIDEO_VAE,
        "audio_vae": LTX_AUDIO_VAE,
        "vocoder": LTX_VOCODER,
    }
    transformer = LTXAVModel(
        **config["transformer"], operations=comfy.ops.disable_weight_init, device="cpu", dtype=torch.float32
    )
    audio = AudioVAE({"config": config}).state_dict()
    parts = {
        "model.diffusion_model.": transformer.state_dict(),
        "vae.": VideoVAE(config=LTX_VIDEO_VAE).state_dict(),
        "audio_vae.": {k.removeprefix("autoencoder."): v for k, v in audio.items() if k.startswith("autoencoder.")},
        "vocoder.": {k.removeprefix("vocoder."): v for k, v in audio.items() if k.startswith("vocoder.")},
    }
    weights = {
        prefix + name: tensor
        for index, (prefix, part) in enumerate(parts.items())
        for name, tensor in fill(part, seed + index).items()
    }
    return weights, config


def make_ltx_av(path: Path, seed: int = SEED, **transformer_overrides) -> Path:
    """LTX-2 in one file for CheckpointLoaderSimple and LTXVAudioVAELoader; overrides of `LTX_TRANSFORMER`."""
    weights, config = ltx_weights(seed, **transformer_overrides)
    return _save_safetensors(path, weights, config)


def make_ltx_2_5(path: Path, seed: int = SEED) -> Path:
    """LTX-2.5's transformer alone, for UNETLoader of a host from 0.32 on."""
    weights, config = ltx_weights(seed, **LTX_2_5_TRANSFORMER)
    prefix = "model.diffusion_model."
    weights = {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}
    return _save_safetensors(path, weights, {"transformer": config["transformer"]})


def make_ltx_2_5_audio_vae(path: Path, seed: int = SEED) -> Path:
    """LTX-2.5's audio VAE alone, for VAELoader."""
    weights, config = ltx_weights(seed)
    weights = {name: tensor for name, tensor in weights.items() if name.startswith(("audio_vae.", "vocoder."))}
    return _save_safetensors(path, weights, {name: config[name] for name in ("audio_vae", "vocoder")})


def make_ltx_2_5_vae(path: Path, seed: int = SEED, **decoder_overrides) -> Path:
    """LTX-2.5's video VAE with the diffusion decoder, for VAELoader of a host from 0.32 on."""
    from comfy.ldm.lightricks.vae.na_diffusion_decoder import CausalDiffusionVAE

    config = {**LTX_DIFFUSION_VAE, "decoder": {**LTX_DIFFUSION_VAE["decoder"], **decoder_overrides}}
    weights = fill(CausalDiffusionVAE(config=config).state_dict(), seed)
    weights["decoder.conv_out.weight"] *= 0.2  # pictures that are not cut off at black and white
    return _save_safetensors(path, weights, {"vae": config})


def make_ltx_upscaler(path: Path, seed: int = SEED, **overrides) -> Path:
    """LTX x2 latent upscaler for LatentUpscaleModelLoader; overrides of `LTX_UPSCALER`."""
    import comfy.ops
    from comfy.ldm.lightricks.latent_upsampler import LatentUpsampler

    config = {**LTX_UPSCALER, **overrides}
    network = LatentUpsampler.from_config(config, operations=comfy.ops.disable_weight_init)
    return _save_safetensors(path, fill(network.state_dict(), seed), config)


def make_minimax_h3(path: Path, seed: int = SEED) -> Path:
    """MiniMax H3 for UNETLoader."""
    import comfy.ops
    from comfy.ldm.minimax.model import MiniMaxH3Model

    network = MiniMaxH3Model(**MINIMAX_H3, operations=comfy.ops.disable_weight_init, device="cpu", dtype=torch.float32)
    weights = fill(network.state_dict(), seed)
    count = MINIMAX_H3["rope_inv_freq_len"]
    weights["rope.inv_freq"] = 10000.0 ** -(torch.arange(count) / count)
    return _save_safetensors(path, weights)


@contextmanager
def small_minimax_vaes() -> Iterator[None]:
    """Inside, the host builds the VAEs of MiniMax H3 at the widths of these checkpoints: it fixes the real ones.

    Grid, tiles, turns of frames and rates stay the real ones.
    """
    import comfy.ldm.minimax.audio_vae as audio
    import comfy.ldm.minimax.vae as video

    real = video.ViT3DDecoder, video.MiniMaxH3VideoVAE, audio.MiniMaxH3AudioVAE
    decoder, picture, sound = real
    video.ViT3DDecoder = partial(decoder, num_layers=2, heads=2, dim_head=16)
    video.MiniMaxH3VideoVAE = partial(picture, ch=32)
    audio.MiniMaxH3AudioVAE = partial(sound, encoder_dim=8, latent_dim=64, decoder_dim=128)
    try:
        yield
    finally:
        video.ViT3DDecoder, video.MiniMaxH3VideoVAE, audio.MiniMaxH3AudioVAE = real


def make_minimax_h3_vae(path: Path, seed: int = SEED) -> Path:
    """MiniMax H3's video VAE, to be loaded inside ``small_minimax_vaes``."""
    import comfy.ldm.minimax.vae as video

    with small_minimax_vaes():
        made = video.MiniMaxH3VideoVAE().state_dict()
    weights = {**fill(made, seed), **{name: made[name] for name in ("latents_mean", "latents_std")}}
    weights["decoder.proj_out.weight"] *= 0.5  # pictures that are not cut off at black and white
    return _save_safetensors(path, weights)


def make_minimax_h3_audio_vae(path: Path, seed: int = SEED) -> Path:
    """MiniMax H3's audio VAE, to be loaded inside ``small_minimax_vaes``."""
    import comfy.ldm.minimax.audio_vae as audio

    with small_minimax_vaes():
        weights = fill(audio.MiniMaxH3AudioVAE().state_dict(), seed)
    weights["latents_std"] = torch.full_like(weights["latents_std"], 0.2)
    return _save_safetensors(path, weights)


def make_minimax_h3_wide_audio_vae(path: Path, seed: int = SEED) -> Path:
    """MiniMax H3's audio VAE as wide as it is, for VAELoader: its tensors overlap in one short storage."""
    from comfy.ldm.minimax.audio_vae import MiniMaxH3AudioVAE

    made = MiniMaxH3AudioVAE().state_dict()
    weights = overlapping(made, seed)
    one = torch.ones(1)
    for name, tensor in made.items():
        if name.endswith("alpha") or name == "latents_std":
            weights[name] = one.expand(tensor.shape)
    return _write(path, lambda partial: torch.save(weights, partial))


# name: (file below the models folder, maker)
CHECKPOINTS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "wan_s2v": ("diffusion_models/wan_s2v_tiny.safetensors", make_wan_s2v),
    "wan_s2v_768": ("diffusion_models/wan_s2v_768_tiny.safetensors", lambda path: make_wan_s2v(path, audio_dim=768)),
    "humo": ("diffusion_models/humo_1.7b_tiny.safetensors", make_humo),
    "humo_17b": ("diffusion_models/humo_17b_tiny.safetensors", lambda path: make_humo(path, in_dim=36)),
    "wan_i2v": ("diffusion_models/wan_i2v_tiny.safetensors", make_wan_i2v),
    "infinitetalk": ("model_patches/infinitetalk_tiny.safetensors", make_infinitetalk),
    "wan_t2v": ("diffusion_models/wan_t2v_tiny.safetensors", make_wan_t2v),
    "wan_vae": ("vae/wan_vae_tiny.safetensors", make_wan_vae),
    "taehv": ("vae/taehv_wan_random.safetensors", make_taehv),
    "taehv_ltx": ("vae/taehv_ltx_random.safetensors", lambda path: make_taehv(path, latent_channels=128)),
    "wav2vec2": ("audio_encoders/wav2vec2_large_random.pt", make_wav2vec2),
    "wav2vec2_base": ("audio_encoders/wav2vec2_base_random.pt", lambda path: make_wav2vec2(path, width=768)),
    "whisper": ("audio_encoders/whisper_large_v3_random.pt", make_whisper),
    "ltx_av": ("checkpoints/ltx_av_tiny.safetensors", make_ltx_av),
    "ltx_2_5": ("diffusion_models/ltx_2_5_tiny.safetensors", make_ltx_2_5),
    "ltx_2_5_audio_vae": ("vae/ltx_2_5_audio_vae_tiny.safetensors", make_ltx_2_5_audio_vae),
    "ltx_2_5_vae": ("vae/ltx_2_5_vae_tiny.safetensors", make_ltx_2_5_vae),
    "minimax_h3": ("diffusion_models/minimax_h3_tiny.safetensors", make_minimax_h3),
    "minimax_h3_vae": ("vae/minimax_h3_vae_tiny.safetensors", make_minimax_h3_vae),
    "minimax_h3_audio_vae": ("vae/minimax_h3_audio_vae_tiny.safetensors", make_minimax_h3_audio_vae),
    "minimax_h3_wide_audio_vae": ("vae/minimax_h3_audio_vae_random.pt", make_minimax_h3_wide_audio_vae),
    "taehv_minimax_h3": ("vae/taehv_h3_random.safetensors", lambda path: make_taehv(path, latent_channels=24)),
    "ltx_upscaler": ("latent_upscale_models/ltx_upscaler_tiny.safetensors", make_ltx_upscaler),
}


def cache_folder() -> Path:
    """The folder that keeps checkpoints between runs; another one as soon as this file changes."""
    digest = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    return Path(__file__).resolve().parents[1] / ".dev" / "checkpoints" / digest


def make(folder: Path, names: list[str] | None = None) -> Iterator[Path]:
    """Write the checkpoints ``names`` (all, when None) that ``folder`` lacks; yield each file's path."""
    for name in names or CHECKPOINTS:
        file, maker = CHECKPOINTS[name]
        path = folder / file
        if not path.exists():
            maker(path)
        yield path


def main() -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from dev_support.host import DEV_DIRECTORY, import_host

    import_host(DEV_DIRECTORY / "test-host")
    for path in make(Path(sys.argv[1]), sys.argv[2:]):
        print(f"{path} {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
