"""Draw the pack's icon and banner for the ComfyUI registry: ``python media/make_icon.py``. CC0."""

from pathlib import Path

from make_thumbnails import FACE, MEDIA, STAGE, VOICE, loudness
from painting import Colour, Painting, Point
from PIL import Image, ImageOps

ICON_SIZE = 400
BANNER_WIDTH, BANNER_HEIGHT = 840, 360
NIGHT, DUSK = (14, 11, 34), (74, 42, 118)
WARM, COOL = (255, 206, 130), (255, 92, 158)
PICTURES = ((STAGE, 392, 108), (FACE, 546, 132))  # picture, left edge, half its side


def bar(art: Painting, x: float, middle: float, half: float, width: float, colours: tuple[Colour, Colour]) -> None:
    """One upright bar of a waveform with round ends, from ``middle - half`` to ``middle + half``."""
    radius = width / 2
    straight = max(0.0, half - radius)
    corners: list[Point] = [
        (x - radius, middle - straight),
        (x + radius, middle - straight),
        (x + radius, middle + straight),
        (x - radius, middle + straight),
    ]
    mask = art.mask(corners, smooth=False)
    for end in (middle - straight, middle + straight):
        mask.paste(255, mask=art.ellipse(x, end, radius))
    art.paint(mask, *colours)


def draw_icon() -> Image.Image:
    """A waveform in the outline of a play button: [400, 400]."""
    art = Painting(ICON_SIZE, ICON_SIZE)
    art.backdrop((ICON_SIZE * 0.45, ICON_SIZE / 2), DUSK, NIGHT, ICON_SIZE * 0.72)
    outline = (0.62, 1.0, 0.74, 0.9, 0.52, 0.66, 0.36, 0.4, 0.2, 0.1)  # loud and soft, within a triangle
    for index, level in enumerate(outline):
        bar(art, 80 + index * 27, ICON_SIZE / 2, 140 * level, 16, (WARM, COOL))
    return art.finished()


def draw_banner() -> Image.Image:
    """The bundled voice becomes pictures: [360, 840]."""
    art = Painting(BANNER_WIDTH, BANNER_HEIGHT)
    middle = BANNER_HEIGHT / 2
    art.backdrop((BANNER_WIDTH * 0.62, middle), DUSK, NIGHT, BANNER_WIDTH * 0.6)
    levels = loudness(VOICE)[:29]
    for index, level in enumerate(levels):
        bar(art, 40 + index * 11.4, middle, 3 + 118 * level, 5.6, (WARM, COOL))
    for picture, left, half in PICTURES:
        lay_picture(art, picture, left, middle, half)
    return art.finished()


def lay_picture(art: Painting, picture: Path, left: float, middle: float, half: float) -> None:
    """A square picture with a frame and a shadow, its left edge at ``left``, its middle at ``middle``."""
    box = [(left, middle - half), (left + 2 * half, middle - half)]
    box += [(x, middle + half) for x, _ in reversed(box)]
    art.paint(art.mask(box, smooth=False), NIGHT, opacity=0.8, blur=9)
    art.paint(art.mask(box, smooth=False), (250, 236, 226))
    scale = art.size[0] // BANNER_WIDTH
    side = round(2 * (half - 3) * scale)
    with Image.open(picture) as image:
        square = ImageOps.fit(image.convert("RGB"), (side, side), Image.Resampling.LANCZOS)
    art.image.paste(square, (round((left + 3) * scale), round((middle - half + 3) * scale)))


if __name__ == "__main__":
    draw_icon().save(MEDIA / "icon.png", optimize=True)
    draw_banner().save(MEDIA / "banner.png", optimize=True)
