"""How many floating-point operations a step takes at least at the real sizes: what a machine without a GPU can tell."""

from __future__ import annotations

from typing import Any

from sound_to_video.benchmarks.device.networks import LTX_23, WAN_14B
from sound_to_video.benchmarks.process import import_all

# Operations a second that NVIDIA states for dense bfloat16 matrices, sums in float32.
PEAKS = {"RTX 4090": 165e12, "H100 SXM": 989e12}


def least_operations() -> dict[str, Any]:
    """How many floating-point operations one step takes at least at the real sizes, from the networks' real shapes.

    Twice the parameters of the blocks for every token of the picture, and the two products of its self-attention;
    the tokens of reference, motion, sound and text are left out. No CFG. For a machine without a CUDA device.
    """
    import_all()
    import comfy.ops
    import torch
    from comfy.ldm.lightricks.av_model import LTXAVModel
    from comfy.ldm.wan.model import WanModel_S2V
    from sound_to_video.tests.checkpoints import LTX_TRANSFORMER

    ltx = {name: value for name, value in {**LTX_TRANSFORMER, **LTX_23}.items() if "connector" not in name}
    sizes = (
        ("Wan2.2-S2V 14B, 832x480x80", WanModel_S2V, WAN_14B, "blocks.", 20 * 30 * 52, WAN_14B["dim"]),
        (
            "LTX-2.3, 1280x704x121",
            LTXAVModel,
            {**ltx, "caption_channels": 3840},
            "transformer_blocks.",
            16 * 22 * 40,
            4096,
        ),
    )
    counted = []
    for what, network, config, blocks, tokens, width in sizes:
        made = network(**config, operations=comfy.ops.disable_weight_init, device="meta", dtype=torch.bfloat16)
        parameters = sum(
            parameter.numel()
            for name, parameter in made.named_parameters()
            if name.startswith(blocks) and "audio" not in name
        )
        operations = 2 * parameters * tokens + 4 * tokens**2 * width * config["num_layers"]
        counted.append({"what": what, "operations": operations})
    return {"steps": counted}
