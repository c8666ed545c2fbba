"""The real sizes on a CUDA device, weights drawn there: time per step and peak VRAM, ours against the host's graph.

``tiny``: the same path with small networks, for a machine without such a device.
"""

from __future__ import annotations

import dataclasses
import json
import math
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

from sound_to_video.benchmarks.process import Measured, import_all
from sound_to_video.benchmarks.sampling import _ltx_scene, _run, _wan_scene

STEPS = 2
# Wan-Video/Wan2.2, wan/configs/wan_s2v_14B.py
WAN_14B = {"dim": 5120, "ffn_dim": 13824, "num_layers": 40, "num_heads": 40, "text_dim": 4096, "freq_dim": 256}
WAN_14B = {**WAN_14B, "audio_dim": 1024, "audio_inject_layers": [0, 4, 8, 12, 16, 20, 24, 27, 30, 33, 36, 39]}
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


PEAKS = {"RTX 4090": 165e12, "H100 SXM": 989e12}
"""Operations a second that NVIDIA states for dense bfloat16 matrices, sums in float32."""


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


def random_model(network: type, config: dict[str, Any]) -> Any:
    """The host's MODEL around ``network(**config)`` in its compute dtype, every tensor drawn on the device."""
    import comfy.model_management
    import comfy.ops
    import comfy.sd
    import torch

    where = comfy.model_management.get_torch_device()
    dtype = torch.bfloat16 if where.type == "cuda" else torch.float32
    weights = network(**config, operations=comfy.ops.disable_weight_init, device="meta", dtype=dtype).state_dict()
    for name, tensor in weights.items():
        scale = 1 / math.sqrt(math.prod(tensor.shape[1:])) if tensor.ndim > 1 else 0.02
        weights[name] = (torch.randn(tensor.shape, device=where, dtype=dtype) * scale).cpu()
    return comfy.sd.load_diffusion_model_state_dict(weights, metadata={"config": json.dumps({"transformer": config})})


def wan_s2v(who: str, tiny: bool) -> dict[str, Any]:
    """Wan2.2-S2V 14B at 832x480: two segments of 80 frames, CFG."""
    folder = import_all(cuda=not tiny)
    import comfy.ldm.wan.model
    import nodes
    import torch
    from comfy_extras.nodes_wan import WanSoundImageToVideo, WanSoundImageToVideoExtend

    width, height = (64, 64) if tiny else (832, 480)
    scene = _wan_scene(width, height, 157 / 16)
    if not tiny:
        text = [[torch.randn([1, 512, WAN_14B["text_dim"]]), {}]]
        model = random_model(comfy.ldm.wan.model.WanModel_S2V, WAN_14B)
        scene = dataclasses.replace(scene, model=model, positive=text, negative=text)
    sound, picture = scene.encoded_audio.encoded, {"ref_image": scene.reference_image}

    def core() -> None:
        made = WanSoundImageToVideo.execute(
            *(scene.positive, scene.negative, scene.vae, width, height, 77, 1), audio_encoder_output=sound, **picture
        )
        first = nodes.common_ksampler(scene.model, 1, STEPS, 4.5, "uni_pc", "simple", *made.args)[0]
        made = WanSoundImageToVideoExtend.execute(
            *(scene.positive, scene.negative, scene.vae, 77, first), audio_encoder_output=sound, **picture
        )
        nodes.common_ksampler(scene.model, 2, STEPS, 4.5, "uni_pc", "simple", *made.args)

    what = "small Wan2.2-S2V" if tiny else "Wan2.2-S2V 14B, 832x480x80, CFG"
    return _measured(what, 2 * STEPS, core if who == "core" else _ours(scene, folder, 4.5, "uni_pc"))


def ltx(who: str, tiny: bool) -> dict[str, Any]:
    """LTX-2.3 at 1280x704 (64x64 when tiny): 5 s, no CFG. Core: its KSampler on the same joint latent."""
    folder = import_all(cuda=not tiny)
    import comfy.ldm.lightricks.av_model
    import nodes
    import torch
    from sound_to_video.core.families import recognise
    from sound_to_video.core.sampling import HostSampler, SamplerSettings, plan_scene
    from sound_to_video.tests.checkpoints import LTX_TRANSFORMER

    scene = _ltx_scene(64, 121 / 24)
    if not tiny:
        config = {**LTX_TRANSFORMER, **LTX_23, "caption_channels": 3840}
        config = {name: value for name, value in config.items() if "connector" not in name}
        text = [[torch.randn([1, 1024, 2 * config["caption_channels"]]), {}]]
        model = random_model(comfy.ldm.lightricks.av_model.LTXAVModel, config)
        scene = dataclasses.replace(scene, model=model, positive=text, negative=text, width=1280, height=704)
    what = "small LTX-2" if tiny else "LTX-2.3, 1280x704x121"
    if who == "ours":
        return _measured(what, STEPS, _ours(scene, folder, 1.0, "euler"))

    recorded: list[tuple] = []

    class Recorder(HostSampler):
        def sample(self, model, positive, negative, latent, seed, noise_mask=None, **how):
            recorded.append((model, positive, negative, {"samples": latent, "noise_mask": noise_mask}, seed))
            return latent

    settings = SamplerSettings(1, STEPS, 1.0, "euler", "simple")
    family = recognise(scene.model)
    _run(family.take(scene, plan_scene(family, scene, 1, 0)), Recorder(settings), folder / "temp")

    def core() -> None:
        for model, positive, negative, latent, seed in recorded:
            nodes.common_ksampler(model, seed, STEPS, 1.0, "euler", "simple", positive, negative, latent)

    return _measured(what, STEPS * len(recorded), core)


def _ours(scene: Any, folder: Path, cfg: float, sampler_name: str) -> Any:
    from sound_to_video.core.families import recognise
    from sound_to_video.core.sampling import HostSampler, SamplerSettings, plan_scene
    from sound_to_video.core.segment_store import SegmentStore

    settings = SamplerSettings(1, STEPS, cfg, sampler_name, "simple")
    family = recognise(scene.model)

    def run() -> None:
        with tempfile.TemporaryDirectory(dir=folder) as kept:
            plan = plan_scene(family, scene, settings.seed, Fraction(0))
            _run(family.take(scene, plan), HostSampler(settings, SegmentStore(kept)), folder / "temp")

    return run


def _measured(what: str, steps: int, work: Any) -> dict[str, Any]:
    """Once to load and warm up, once for the numbers."""
    import torch

    with torch.inference_mode():
        work()
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        with Measured() as measured:
            work()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
    peak = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else measured.peak_bytes
    return {"what": what, "step_seconds": measured.seconds / steps, "peak_bytes": peak}
