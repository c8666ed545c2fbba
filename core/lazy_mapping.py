"""A Mapping whose values are made when they are indexed, and only then."""

from __future__ import annotations

from collections.abc import Mapping, ValuesView
from typing import Any

NOTHING: dict[str, Any] = {}


class LazyMapping(Mapping[str, Any]):
    """Base of the AUDIO and AUDIO_ENCODER_OUTPUT of this pack.

    For each link the host walks ``values()`` of what passes, to find models in it (comfy/model_patcher.py
    PromptModelTracker.add); a Mapping's own view would decode a whole file there, or encode a song anew. There are no
    models in here, so the view is empty. Indexing, ``items()``, ``dict(...)`` and ``{**...}`` give everything.
    """

    def values(self) -> ValuesView[Any]:
        return NOTHING.values()
