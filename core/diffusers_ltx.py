"""LTX-2 in the folder layout of the diffusers library, as the host's own MODEL, VAE and audio VAE.

diffusers keeps each part in a folder of its own (``transformer/``, ``connectors/``, ``vae/``, ``audio_vae/``,
``vocoder/``) with a config.json and one or many safetensors files, and has its own names for the same weights. Here
names and settings are put back to those of the original checkpoint, which the host's loaders know. Only the files are
read; the library itself is not needed.

Sources of the names: ``scripts/convert_ltx2_to_diffusers.py`` of huggingface/diffusers, read backwards, and the
modules of both sides (diffusers ``transformer_ltx2.py``, ``autoencoder_kl_ltx2.py``, ``autoencoder_kl_ltx2_audio.py``,
``pipelines/ltx2``; host ``comfy/ldm/lightricks``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import comfy.sd
import comfy.utils
import torch

from .diffusers_ltx_config import audio_vae_config, transformer_config, video_vae_config, vocoder_config
from .errors import SoundToVideoError

Weights = dict[str, torch.Tensor]
Names = tuple[tuple[str, str], ...]  # (regular expression, replacement), applied in order

TRANSFORMER_CLASS = "LTX2VideoTransformer3DModel"
TRANSFORMER_NAMES: Names = (
    (r"^(audio_)?proj_in\.", r"\1patchify_proj."),
    (r"^(audio_)?time_embed\.", r"\1adaln_single."),
    (r"^(audio_)?prompt_adaln\.", r"\1prompt_adaln_single."),
    (r"^av_cross_attn_(video|audio)_scale_shift\.", r"av_ca_\1_scale_shift_adaln_single."),
    (r"^av_cross_attn_(?:video|audio)_(a2v|v2a)_gate\.", r"av_ca_\1_gate_adaln_single."),
    (r"\.(video|audio)_a2v_cross_attn_scale_shift_table$", r".scale_shift_table_a2v_ca_\1"),
    (r"\.norm_(q|k)\.", r".\1_norm."),
)
CONNECTOR_NAMES: Names = (
    (r"^(video|audio)_connector\.", r"\1_embeddings_connector."),
    (r"\.transformer_blocks\.", r".transformer_1d_blocks."),
    (r"\.norm_(q|k)\.", r".\1_norm."),
)
STATISTICS_NAMES: Names = (
    (r"^latents_mean$", "per_channel_statistics.mean-of-means"),
    (r"^latents_std$", "per_channel_statistics.std-of-means"),
)
VOCODER_NAMES: Names = (
    (r"(^|\.)conv_in\.", r"\1conv_pre."),
    (r"(^|\.)conv_out\.", r"\1conv_post."),
    (r"(^|\.)act_out\.", r"\1act_post."),
    (r"(^|\.)upsamplers\.", r"\1ups."),
    (r"(^|\.)resnets\.", r"\1resblocks."),
    (r"\.downsample\.filter$", ".downsample.lowpass.filter"),
)


def is_ltx2_folder(folder: Path) -> bool:
    """Whether a folder holds LTX-2 as diffusers saves it."""
    try:
        return _config(folder, "transformer").get("_class_name") == TRANSFORMER_CLASS
    except SoundToVideoError:
        return False


def load_ltx2_folder(folder: Path) -> tuple[Any, comfy.sd.VAE, comfy.sd.VAE]:
    """The host's MODEL, VAE and audio VAE from a diffusers folder of LTX-2 or LTX-2.3.

    Raises ``SoundToVideoError`` for a folder of another model, a missing part or shard, and weights with names or
    settings that the host has no place for.
    """
    if not is_ltx2_folder(folder):
        raise SoundToVideoError(f"{folder.name} does not hold LTX-2 as diffusers saves it (transformer/config.json).")
    return load_transformer(folder), load_video_vae(folder), load_audio_vae(folder)


def load_transformer(folder: Path) -> Any:
    """The host's MODEL from ``transformer/`` and ``connectors/``."""
    weights = renamed(_weights(folder, "transformer"), TRANSFORMER_NAMES)
    connectors = renamed(_weights(folder, "connectors"), CONNECTOR_NAMES)
    weights.update({name: value for name, value in connectors.items() if "_embeddings_connector." in name})
    config = transformer_config(_config(folder, "transformer"), _config(folder, "connectors"))
    given = set(weights)  # the host empties the dict
    model = comfy.sd.load_diffusion_model_state_dict(weights, metadata=_metadata(transformer=config))
    if model is None:
        raise SoundToVideoError(f"ComfyUI does not recognise the transformer in {folder.name}.")
    _check_names(given, set(model.model.diffusion_model.state_dict()), folder, "transformer")
    return model


def load_video_vae(folder: Path) -> comfy.sd.VAE:
    """The host's VAE from ``vae/``."""
    config = _config(folder, "vae")
    down_blocks = len(config["block_out_channels"])
    weights = renamed(_weights(folder, "vae"), STATISTICS_NAMES, lambda name: video_vae_name(name, down_blocks))
    return _vae(weights, folder, "vae", vae=video_vae_config(config))


def load_audio_vae(folder: Path) -> comfy.sd.VAE:
    """The host's audio VAE from ``audio_vae/`` and ``vocoder/``."""
    weights = {f"autoencoder.{k}": v for k, v in renamed(_weights(folder, "audio_vae"), STATISTICS_NAMES).items()}
    weights.update({f"vocoder.{k}": v for k, v in renamed(_weights(folder, "vocoder"), VOCODER_NAMES).items()})
    audio_config = audio_vae_config(_config(folder, "audio_vae"))
    return _vae(
        weights, folder, "audio_vae", audio_vae=audio_config, vocoder=vocoder_config(_config(folder, "vocoder"))
    )


def _vae(weights: Weights, folder: Path, part: str, **config: Any) -> comfy.sd.VAE:
    given = set(weights)
    vae = comfy.sd.VAE(sd=weights, metadata=_metadata(**config))
    vae.throw_exception_if_invalid()
    network: Any = vae.first_stage_model
    _check_names(given, set(network.state_dict()), folder, part)
    return vae


def video_vae_name(name: str, down_blocks: int) -> str:
    """diffusers' blocks with their samplers inside -> the original's flat list of blocks."""
    name = name.replace(".resnets.", ".res_blocks.")
    name = name.replace("encoder.mid_block.", "encoder.down_blocks.middle.")
    name = name.replace("decoder.mid_block.", "decoder.up_blocks.middle.")
    name = re.sub(r"^encoder\.down_blocks\.(\d+)\.downsamplers\.0\.", lambda m: _down(2 * int(m[1]) + 1), name)
    name = re.sub(r"^encoder\.down_blocks\.(\d+)\.res_blocks\.", lambda m: f"{_down(2 * int(m[1]))}res_blocks.", name)
    name = re.sub(r"^decoder\.up_blocks\.(\d+)\.upsamplers\.0\.", lambda m: _up(2 * int(m[1]) + 1), name)
    name = re.sub(r"^decoder\.up_blocks\.(\d+)\.res_blocks\.", lambda m: f"{_up(2 * int(m[1]) + 2)}res_blocks.", name)
    name = name.replace("encoder.down_blocks.middle.", _down(2 * down_blocks))
    return name.replace("decoder.up_blocks.middle.", _up(0))


def _down(index: int) -> str:
    return f"encoder.down_blocks.{index}."


def _up(index: int) -> str:
    return f"decoder.up_blocks.{index}."


def renamed(weights: Weights, names: Names, more: Callable[[str], str] = lambda name: name) -> Weights:
    """The same tensors under the original checkpoint's names."""

    def original(name: str) -> str:
        for pattern, replacement in names:
            name = re.sub(pattern, replacement, name)
        return more(name)

    return {original(name): tensor for name, tensor in weights.items()}


def _metadata(**config: Any) -> dict[str, str]:
    return {"config": json.dumps(config)}


def _check_names(given: set[str], taken: set[str], folder: Path, part: str) -> None:
    unknown, lacking = sorted(given - taken), sorted(taken - given)
    if unknown:
        raise SoundToVideoError(
            f"{folder.name}/{part} has {len(unknown)} weights that ComfyUI has no place for, such as {unknown[0]}: "
            f"it is a newer LTX than this ComfyUI knows."
        )
    if lacking:
        raise SoundToVideoError(f"{folder.name}/{part} lacks {len(lacking)} weights, such as {lacking[0]}.")


def _config(folder: Path, part: str) -> dict[str, Any]:
    path = folder / part / "config.json"
    if not path.is_file():
        raise SoundToVideoError(f"{folder.name}/{part}/config.json is missing: download the whole {part} folder.")
    return json.loads(path.read_text(encoding="utf-8"))


def _weights(folder: Path, part: str) -> Weights:
    """All tensors of a part, from one safetensors file or from the shards that its index names."""
    directory = folder / part
    indexes = sorted(directory.glob("*.safetensors.index.json"), key=lambda path: len(path.name))
    if indexes:
        index = json.loads(indexes[0].read_text(encoding="utf-8"))
        files = [directory / name for name in sorted(set(index["weight_map"].values()))]
    else:
        files = sorted(directory.glob("*.safetensors"), key=lambda path: len(path.name))[:1]
    missing = [path.name for path in files if not path.is_file()]
    if missing or not files:
        what = ", ".join(missing) or "a safetensors file"
        raise SoundToVideoError(f"{folder.name}/{part} lacks {what}: download the whole {part} folder.")
    weights: Weights = {}
    for file in files:
        weights.update(cast(Weights, comfy.utils.load_torch_file(str(file), safe_load=True)))
    return weights
