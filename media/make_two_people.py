"""Draw the two who talk to each other: ``python media/make_two_people.py``. CC0."""

from pathlib import Path

import make_portrait
from PIL import Image, ImageOps

SIZE = 512
SECOND = {  # colours of make_portrait.py, for the other one
    "SKIN": (198, 142, 108),
    "SKIN_SHADE": (158, 104, 78),
    "SKIN_DEEP": (112, 66, 50),
    "HAIR": (34, 32, 40),
    "HAIR_SHADE": (16, 16, 22),
    "HAIR_LIGHT": (92, 92, 112),
    "THROAT": (184, 130, 98),
}
COAT = (172, 78, 58), (98, 36, 34)


def draw() -> Image.Image:
    """Side by side; the second is mirrored, so that the backdrop goes on from one to the other."""
    first = make_portrait.draw().finished()
    vars(make_portrait).update(SECOND)
    second = ImageOps.mirror(make_portrait.draw(coat=COAT).finished())
    both = Image.new("RGB", (2 * SIZE, SIZE))
    for number, person in enumerate((first, second)):
        both.paste(person.resize((SIZE, SIZE), Image.Resampling.LANCZOS), (number * SIZE, 0))
    return both


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("sound_to_video_two_people.png"), optimize=True)
