"""The options of all families, also of those that this ComfyUI cannot load: workflows have saved them.

A make declares its own in the ``options.py`` of its folder; what several makes share is in ``option.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..scene.inputs import checked_sigmas
from .ltx import options as ltx
from .option import AUDIO_GUIDANCE, Option
from .wan import options as wan

OPTIONS: dict[str, Option] = {option.name: option for option in (AUDIO_GUIDANCE, *ltx.OPTIONS, *wan.OPTIONS)}
SCHEDULES: tuple[str, ...] = tuple(ltx.SCHEDULES)


def given_options(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Of a sampler's inputs, by name, those that are options; raises for noise levels that are none."""
    given = {name: inputs[name] for name in OPTIONS if inputs.get(name) is not None}
    return {
        name: checked_sigmas(value, name) if OPTIONS[name].kind == "Sigmas" else value for name, value in given.items()
    }
