"""Inputs that several nodes have."""

from collections.abc import Mapping
from typing import Any

from comfy_api.latest import io


def edges_of(box: str, edges: Mapping[str, float], **more: Any) -> list[io.Input]:
    """The four edges of a box in a picture, each in 0..1.

    box: what it is, for the tooltip.  edges: left, top, right and bottom by their inputs' names, with their defaults.
    """
    tooltip = f"Edge of {box}: 0 is left or top, 1 right or bottom."
    return [
        io.Float.Input(name, default=default, min=0.0, max=1.0, step=0.01, tooltip=tooltip, **more)
        for name, default in edges.items()
    ]


def frame_rate_of_images() -> io.Input:
    return io.Float.Input(
        "frame_rate",
        default=16.0,
        min=0.01,
        max=1000.0,
        step=0.01,
        round=0.001,
        tooltip="Frames per second, for an IMAGE. A VIDEO knows its own.",
    )
