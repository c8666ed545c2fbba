"""What is officially set for a model, and at which sizes: a click fills it into the fields of the samplers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

ASPECTS = {
    "16:9": Fraction(16, 9),
    "9:16": Fraction(9, 16),
    "1:1": Fraction(1),
    "4:3": Fraction(4, 3),
    "3:4": Fraction(3, 4),
}
MOST_PIXELS = 1.05  # of what is official: a frame may be so much larger
MOST_ASPECT = 8  # of a frame, the long side by the short one
ASPECT_COUNTS = 3  # how much more a wrong aspect counts than a wrong number of pixels


@dataclass(frozen=True)
class Setting:
    """One way to use a model.

    name: on a button.  words: what it is, and what it costs.
    values: of the samplers' inputs, by name.
    speed_lora: whether a LoRA that makes steps fewer is in force; None: as it is.
    shift: of core's ModelSamplingSD3 in front of the model; None: as it is.
    negative: what should not be seen, as the authors have it; None: as it is.
    stages: 2 with the latent upscale model, 1 without it; None: as it is.
    then: what is left to do in the graph.
    """

    name: str
    words: str
    values: Mapping[str, Any]
    speed_lora: bool | None = None
    shift: float | None = None
    negative: str | None = None
    stages: int | None = None
    then: str = ""


@dataclass(frozen=True)
class Variant:
    """A model of a family as it is published.

    files: words that are all in the name of one of the files that it is loaded from, in small letters.
    pixels: of a frame at the official size.  multiple: width and height are offered in multiples of it.
    aspects: the names of those that it can do, of ``ASPECTS``.
    speed_loras: words of which one is in the file name of a LoRA that makes steps fewer.
    """

    name: str
    files: tuple[str, ...]
    settings: tuple[Setting, ...]
    pixels: int
    multiple: int
    aspects: tuple[str, ...] = tuple(ASPECTS)
    speed_loras: tuple[str, ...] = ("lightx2v", "lightning", "distill", "4step", "4_step", "turbo")

    def size(self, aspect: Fraction | float) -> tuple[int, int]:
        """(width, height) for width / height: on the grid, nearest to the aspect and to the official pixels."""
        aspect = min(max(float(aspect), 1 / MOST_ASPECT), MOST_ASPECT)
        most = int(MOST_PIXELS * self.pixels / self.multiple**2)
        wanted = [
            (rows, math.floor(rows * aspect) + more)
            for rows in range(1, min(most, math.isqrt(MOST_ASPECT * most)) + 1)
            for more in (0, 1)
        ]
        sizes = {(min(max(1, columns), most // rows), rows) for rows, columns in wanted}
        columns, rows = min(sorted(sizes), key=lambda size: self._distance(*size, aspect))
        return columns * self.multiple, rows * self.multiple

    def _distance(self, columns: int, rows: int, aspect: float) -> float:
        off_aspect = abs(math.log(columns / rows / aspect))
        return ASPECT_COUNTS * off_aspect + abs(math.log(columns * rows * self.multiple**2 / self.pixels))
