"""Which LTX a model is, by the settings that say so: LTX-2 and LTX-2.3, which the pack knows, or a newer one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

KNOWN_VERSIONS = "LTX-2, LTX-2.3"

# What LTX-2.5 has otherwise: no bias in its feed-forward layers, text modulated by a table, a mark on latents of a
# single frame. The names are those of the original checkpoint's header, the host (0.33, LTXVModel) and diffusers.
_UP_TO_LTX_2_3 = {
    "ff_bias": True,
    "audio_ff_bias": True,
    "use_prompt_adaln_single": True,
    "use_keyframes_abs_pos_embedding": False,
}


def newer_ltx(setting: Callable[[str, bool], Any]) -> str | None:
    """The name of an LTX that is newer than the pack; None for those that it knows.

    setting: ``setting(name, default)`` of the model; the default where it has none of the name.
    """
    known = all(bool(setting(name, value)) is value for name, value in _UP_TO_LTX_2_3.items())
    return None if known else "LTX-2.5"
