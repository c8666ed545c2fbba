"""Which LTX a model is, by the settings that say so, and what is each one's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from comfy.ldm.lightricks.model import LTXVModel


@dataclass(frozen=True)
class Version:
    """name: as people call it.

    structure_block: the block whose video self-attention structure guidance passes by. LTX-2 and LTX-2.3: Lightricks/
    LTX-2, ltx_pipelines constants.py; LTX-2.5: the host's LTXVSpatioTemporalGuidance (0.33, comfy_extras/nodes_lt.py).
    first_host: the first ComfyUI that knows it; None for every one that the pack runs on.
    """

    name: str
    structure_block: int
    first_host: str | None = None


LTX_2 = Version("LTX-2", structure_block=29)
LTX_2_3 = Version("LTX-2.3", structure_block=28)
LTX_2_5 = Version("LTX-2.5", structure_block=29, first_host="0.32")
KNOWN_VERSIONS = ", ".join(version.name for version in (LTX_2, LTX_2_3, LTX_2_5))

# What LTX-2.5 has otherwise: no bias in feed-forward layers, text modulated by a table, a mark on latents of a single
# frame. The names are those of the original checkpoint's header, the host (0.33, LTXVModel) and diffusers. Which of
# them are set differs: the published distilled one has no bias in the picture's layers and marks single frames.
_UP_TO_LTX_2_3 = {
    "ff_bias": True,
    "audio_ff_bias": True,
    "use_prompt_adaln_single": True,
    "use_keyframes_abs_pos_embedding": False,
}


def ltx_version(setting: Callable[[str, bool], Any], cross_attention_adaln: bool) -> Version:
    """The version of a model.

    setting: ``setting(name, default)`` of the model; the default where it has none of the name.
    cross_attention_adaln: whether text is modulated, from LTX-2.3 on.
    """
    if any(bool(setting(name, value)) is not value for name, value in _UP_TO_LTX_2_3.items()):
        return LTX_2_5
    return LTX_2_3 if cross_attention_adaln else LTX_2


def version_of(model: Any) -> Version:
    """The version of the host's LTX-AV MODEL. Older hosts leave what is new in LTX-2.5 unread in the file's header."""
    network = model.get_model_object("diffusion_model")
    header = getattr(getattr(model.model, "model_config", None), "unet_config", {})
    return ltx_version(
        lambda name, default: getattr(network, name, header.get(name, default)),
        bool(getattr(network, "cross_attention_adaln", False)),
    )


def host_knows(version: Version) -> bool:
    """Whether this ComfyUI runs models of a version, and does not only load what it knows of them."""
    return version.first_host is None or hasattr(LTXVModel, "apply_keyframes_abs_pos_embedding")
