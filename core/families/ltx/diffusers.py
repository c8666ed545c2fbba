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
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import comfy.sd
import comfy.utils
import torch
from comfyui_version import __version__
from safetensors import SafetensorError

from ...errors import SoundToVideoError, encodable
from ...plain_files import read_plain
from .diffusers_config import audio_vae_config, transformer_config, video_vae_config, vocoder_config
from .versions import host_knows, ltx_version

Weights = dict[str, torch.Tensor]
Names = tuple[tuple[str, str], ...]  # (regular expression, replacement), applied in order

TRANSFORMER_CLASS = "LTX2VideoTransformer3DModel"
CLASSES = {  # diffusers' classes of the parts that are known
    "transformer": (TRANSFORMER_CLASS,),
    "connectors": ("LTX2TextConnectors",),
    "vae": ("AutoencoderKLLTX2Video",),
    "audio_vae": ("AutoencoderKLLTX2Audio",),
    "vocoder": ("LTX2Vocoder", "LTX2VocoderWithBWE"),
}
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


SHARD = re.compile(r"[^/\\\x00-\x1f:]+\.safetensors")
MOST_CONFIG_BYTES = 1 << 20
MOST_INDEX_BYTES = 1 << 26
_refused: set[str] = set()


def is_ltx2_folder(folder: Path) -> bool:
    """Whether a folder holds LTX-2 as diffusers saves it; of a broken config.json it is logged once."""
    if not os.path.exists(folder / "transformer" / "config.json"):
        return False
    try:
        return _config(folder, "transformer").get("_class_name") == TRANSFORMER_CLASS
    except SoundToVideoError as error:
        if str(error) not in _refused:
            _refused.add(str(error))
            logging.warning("Sound to Video: a folder of models/diffusers is not offered: %s", error)
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
    settings = _settings(folder, "transformer")
    _check_version(settings, folder)
    weights = renamed(_weights(folder, "transformer"), TRANSFORMER_NAMES)
    connectors = renamed(_weights(folder, "connectors"), CONNECTOR_NAMES)
    weights.update({name: value for name, value in connectors.items() if "_embeddings_connector." in name})
    with _settings_of(folder):
        config = transformer_config(settings, _settings(folder, "connectors"))
    given = set(weights)  # the host empties the dict
    with _of_one_shape(folder, "transformer"):
        model = comfy.sd.load_diffusion_model_state_dict(weights, metadata=_metadata(transformer=config))
    if model is None:
        raise SoundToVideoError(f"ComfyUI does not recognise the transformer in {folder.name}.")
    _check_names(given, set(model.model.diffusion_model.state_dict()), folder, "transformer")
    return model


def load_video_vae(folder: Path) -> comfy.sd.VAE:
    """The host's VAE from ``vae/``."""
    with _settings_of(folder):
        settings = _settings(folder, "vae")
        config, down_blocks = video_vae_config(settings), len(settings["block_out_channels"])
    weights = renamed(_weights(folder, "vae"), STATISTICS_NAMES, lambda name: video_vae_name(name, down_blocks))
    return _vae(weights, folder, "vae", vae=config)


def load_audio_vae(folder: Path) -> comfy.sd.VAE:
    """The host's audio VAE from ``audio_vae/`` and ``vocoder/``."""
    weights = {f"autoencoder.{k}": v for k, v in renamed(_weights(folder, "audio_vae"), STATISTICS_NAMES).items()}
    weights.update({f"vocoder.{k}": v for k, v in renamed(_weights(folder, "vocoder"), VOCODER_NAMES).items()})
    with _settings_of(folder):
        config = audio_vae_config(_settings(folder, "audio_vae"))
        vocoder = vocoder_config(_settings(folder, "vocoder"))
    return _vae(weights, folder, "audio_vae", audio_vae=config, vocoder=vocoder)


def _vae(weights: Weights, folder: Path, part: str, **config: Any) -> comfy.sd.VAE:
    given = set(weights)
    with _of_one_shape(folder, part):
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


@contextmanager
def _of_one_shape(folder: Path, part: str) -> Iterator[None]:
    """Weights of other shapes than the settings say are an error of the folder; torch names them over many lines."""
    try:
        yield
    except RuntimeError as error:
        wrong = re.findall(r"size mismatch for (\S+):", str(error))
        if not wrong:
            raise
        raise SoundToVideoError(
            f"{folder.name}/{part} has {len(wrong)} weights of other shapes than its config.json says, such as "
            f"{wrong[0]}: download the whole {part} folder again; if it is whole, it is of a newer LTX than this "
            "version of the pack knows."
        ) from error


def _check_version(transformer: dict[str, Any], folder: Path) -> None:
    version = ltx_version(transformer.get, bool(transformer.get("cross_attn_mod")))
    if version.first_host is not None and not host_knows(version):
        raise SoundToVideoError(
            f"{folder.name} holds {version.name}, which ComfyUI knows from {version.first_host} on; this is "
            f"{__version__}: update ComfyUI, or take the folder of another model."
        )


def _settings(folder: Path, part: str) -> dict[str, Any]:
    """The config.json of a part; SoundToVideoError for a part of a class that is not known."""
    config = _config(folder, part)
    kind = config.get("_class_name", CLASSES[part][0])
    if kind not in CLASSES[part]:
        raise SoundToVideoError(
            f"{folder.name}/{part} holds {encodable(str(kind))[:80]}, which is not of LTX-2 as this version of the "
            f"pack knows it ({' or '.join(CLASSES[part])}): update the pack, or download the folder of LTX-2 again."
        )
    return config


def _config(folder: Path, part: str) -> dict[str, Any]:
    path = folder / part / "config.json"
    if not os.path.exists(path):
        raise SoundToVideoError(f"{folder.name}/{part}/config.json is missing: download the whole {part} folder.")
    return _json_object(path, MOST_CONFIG_BYTES, f"{folder.name}/{part}/config.json")


def _json_object(path: Path, most_bytes: int, name: str) -> dict[str, Any]:
    """The JSON object in a file; SoundToVideoError for what is none, whatever it is instead."""
    try:
        found = json.loads(read_plain(path, most_bytes).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise SoundToVideoError(f"{name} cannot be read ({_reason(error)}): download it again.") from error
    if not isinstance(found, dict):
        raise SoundToVideoError(f"{name} holds {type(found).__name__}, not settings: download it again.")
    return found


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"it is not JSON: {error.msg} at line {error.lineno}"
    return encodable(getattr(error, "strerror", None) or str(error))


@contextmanager
def _settings_of(folder: Path) -> Iterator[None]:
    """Settings that lack what they need, or have it of another type, are an error of the folder."""
    try:
        yield
    except SoundToVideoError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise SoundToVideoError(
            f"the settings (config.json) in {folder.name} are not those of LTX-2: "
            f"{type(error).__name__} {encodable(str(error))}. Download its config.json files again."
        ) from error


def _weights(folder: Path, part: str) -> Weights:
    """All tensors of a part, from one safetensors file or from the shards that its index names."""
    files = _weight_files(folder, part)
    missing = [path.name for path in files if not path.is_file()]
    if missing or not files:
        what = ", ".join(missing) or "a safetensors file"
        raise SoundToVideoError(f"{folder.name}/{part} lacks {what}: download the whole {part} folder.")
    weights: Weights = {}
    for file in files:
        weights.update(_tensors(file, f"{folder.name}/{part}/{file.name}"))
    return weights


def _weight_files(folder: Path, part: str) -> list[Path]:
    directory = folder / part
    indexes = sorted(directory.glob("*.safetensors.index.json"), key=lambda path: len(path.name))
    if not indexes:
        return sorted(directory.glob("*.safetensors"), key=lambda path: len(path.name))[:1]
    name = f"{folder.name}/{part}/{indexes[0].name}"
    shards = _json_object(indexes[0], MOST_INDEX_BYTES, name).get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(shard, str) for shard in shards.values()):
        raise SoundToVideoError(f"{name} does not say which files hold the weights: download it again.")
    outside = [shard for shard in shards.values() if not SHARD.fullmatch(shard)]
    if outside:
        raise SoundToVideoError(
            f"{name} names {outside[0][:80]!r}, which is not a safetensors file beside it. Do not use this folder "
            "unless you trust where it is from; download it again."
        )
    return [directory / shard for shard in sorted(set(shards.values()))]


def _tensors(file: Path, name: str) -> Weights:
    try:
        return cast(Weights, comfy.utils.load_torch_file(str(file), safe_load=True))
    except (ValueError, OSError, SafetensorError) as error:
        raise SoundToVideoError(
            f"{name} cannot be read ({encodable(str(error))[:200]}): download it again. A file of a few lines is a "
            "pointer of git-lfs."
        ) from error
