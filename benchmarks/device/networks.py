"""The host's models at their real sizes with random weights, drawn where they stay."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Wan-Video/Wan2.2, wan/configs/wan_s2v_14B.py
WAN_14B = {"dim": 5120, "ffn_dim": 13824, "num_layers": 40, "num_heads": 40, "text_dim": 4096, "freq_dim": 256}
WAN_14B = {**WAN_14B, "audio_dim": 1024, "audio_inject_layers": [0, 4, 8, 12, 16, 20, 24, 27, 30, 33, 36, 39]}
WAN_TINY = {**WAN_14B, "dim": 128, "ffn_dim": 256, "num_layers": 2, "num_heads": 2, "freq_dim": 64}
WAN_TINY = {**WAN_TINY, "text_dim": 128, "audio_inject_layers": [0, 1]}
# The widths of LTX-2 (the defaults of the host's LTXAVModel) with what 2.3 adds; its connectors run once, not per step.
LTX_23 = {
    "num_layers": 48,
    "num_attention_heads": 32,
    "attention_head_dim": 128,
    "cross_attention_dim": 4096,
    "audio_num_attention_heads": 32,
    "audio_attention_head_dim": 64,
    "audio_cross_attention_dim": 2048,
    "apply_gated_attention": True,
    "cross_attention_adaln": True,
}
# The video VAE of LTX-2, as the config of its checkpoint has it (see core/families/ltx/diffusers_config.py).
LTX_2_VAE = {
    "encoder_base_channels": 128,
    "decoder_base_channels": 128,
    "encoder_blocks": [
        ["res_x", {"num_layers": 4}],
        ["compress_space_res", {"multiplier": 2}],
        ["res_x", {"num_layers": 6}],
        ["compress_time_res", {"multiplier": 2}],
        ["res_x", {"num_layers": 6}],
        ["compress_all_res", {"multiplier": 2}],
        ["res_x", {"num_layers": 2}],
        ["compress_all_res", {"multiplier": 2}],
        ["res_x", {"num_layers": 2}],
    ],
    "decoder_blocks": [
        ["res_x", {"num_layers": 5, "inject_noise": False}],
        *[
            ["compress_all", {"residual": True, "multiplier": 2}],
            ["res_x", {"num_layers": 5, "inject_noise": False}],
        ]
        * 3,
    ],
}
FP8 = json.dumps({"format": "float8_e4m3fn"}).encode()


def device() -> Any:
    import comfy.model_management

    return comfy.model_management.get_torch_device()


def random_model(network: type, config: dict[str, Any], fp8: bool = False) -> Any:
    """The host's MODEL around ``network(**config)``, loaded by the host from a state dict without numbers, then drawn.

    fp8: the matrices of the blocks as the fp8_scaled checkpoints have them, the rest in bfloat16.
    """
    import comfy.ops
    import comfy.sd
    import torch

    where = device()
    dtype = torch.bfloat16 if where.type == "cuda" else torch.float32
    made = network(**config, operations=comfy.ops.disable_weight_init, device="meta", dtype=dtype)
    weights: dict[str, Any] = {}
    for name, tensor in made.state_dict().items():
        layer, _, last = name.rpartition(".")
        if fp8 and "blocks." in name and last == "weight" and tensor.ndim == 2 and min(tensor.shape) >= 64:
            drawn = torch.randn(tensor.shape, device=where, dtype=dtype)
            weights[name] = drawn.to(torch.float8_e4m3fn)
            weights[f"{layer}.weight_scale"] = torch.tensor(_deviation(tensor.shape), device=where)
            weights[f"{layer}.comfy_quant"] = torch.tensor(list(FP8), dtype=torch.uint8)
        else:
            weights[name] = torch.zeros([], device=where, dtype=tensor.dtype).expand(tensor.shape)
    metadata = {"config": json.dumps({"transformer": config})}
    with torch.device(where), torch.inference_mode(False):
        model = comfy.sd.load_diffusion_model_state_dict(weights, metadata=metadata, disable_dynamic=True)
    assert model is not None
    draw(model.model.diffusion_model)
    return model


def draw(network: Any) -> None:
    """Fill every parameter that is no quantised tensor, so that signals keep their size from layer to layer."""
    import torch

    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if type(parameter.data) is not torch.Tensor or not parameter.is_floating_point():
                continue
            if parameter.dtype.itemsize < 2 or name.endswith("weight_scale"):
                continue
            if not parameter.is_contiguous():  # the host's quantised layers keep the tensor that they were given
                parameter.data = torch.empty(parameter.shape, dtype=parameter.dtype, device=parameter.device)
            if parameter.ndim > 1:
                parameter.normal_(0, _deviation(parameter.shape))
            elif name.endswith("weight"):
                parameter.normal_(1, 0.1)
            else:
                parameter.normal_(0, 0.02)


def _deviation(shape: Any) -> float:
    return 1 / math.sqrt(math.prod(shape[1:]))


def random_lora(model: Any, rank: int = 16) -> Any:
    """A clone of the MODEL with a random LoRA on the attention of its blocks, by the host's own LoRA loader."""
    import comfy.sd
    import torch

    lora = {}
    for name, parameter in model.model.diffusion_model.named_parameters():
        if parameter.ndim == 2 and "blocks." in name and name.endswith(("self_attn.q.weight", "attn1.to_q.weight")):
            key = f"diffusion_model.{name.removesuffix('.weight')}"
            lora[f"{key}.lora_up.weight"] = 0.02 * torch.randn(parameter.shape[0], rank)
            lora[f"{key}.lora_down.weight"] = 0.02 * torch.randn(rank, parameter.shape[1])
    assert lora, "the network has no attention under a name known here"
    return comfy.sd.load_lora_for_models(model, None, lora, 1.0, 0.0)[0]


def wan_vae(width: int) -> Any:
    """The host's VAE around a random Wan VAE of ``width`` channels (96 is the real one)."""
    import comfy.sd
    from sound_to_video.tests.checkpoints import wan_vae_weights

    return comfy.sd.VAE(sd=wan_vae_weights(width))


def ltx_vae(tiny: bool) -> Any:
    """The host's VAE around a random LTX-2 video VAE of its real widths, or of the tests' when ``tiny``."""
    import comfy.sd
    from comfy.ldm.lightricks.vae.causal_video_autoencoder import VideoVAE
    from sound_to_video.tests.checkpoints import LTX_VIDEO_VAE, fill

    config = LTX_VIDEO_VAE if tiny else {**LTX_VIDEO_VAE, **LTX_2_VAE}
    weights = fill(VideoVAE(config=config).state_dict())
    return comfy.sd.VAE(sd=weights, metadata={"config": json.dumps({"vae": config})})


@contextmanager
def peak_memory() -> Iterator[Any]:
    """``with peak_memory() as peak``: then ``peak()`` is the highest number of bytes allocated; 0 without CUDA."""
    import torch

    found = [0]
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    yield lambda: found[0]
    if torch.cuda.is_available():
        found[0] = torch.cuda.max_memory_allocated()
