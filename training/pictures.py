"""Draw the pictures that the quick-start workflows begin with: ``python -m training.pictures``. CC0.

Looks that training does not draw: their seeds are of another series.
"""

import numpy as np
from PIL import Image

from .drawing import LOOKS
from .host import ROOT

SIZE = 512
SEEDS = {"face": (20, 20), "shapes": (20, 2)}


def main() -> None:
    for kind, seed in SEEDS.items():
        frame = LOOKS[kind](np.random.default_rng(seed), SIZE).frames(np.zeros(1))[0]
        Image.fromarray(frame).save(ROOT / "media" / f"sound_to_video_{kind}.png")


if __name__ == "__main__":
    main()
