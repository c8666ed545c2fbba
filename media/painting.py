"""A few brushes on Pillow: smooth closed curves, soft light, drawn large and reduced once for clean edges."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

Point = tuple[float, float]
Colour = tuple[int, int, int]
SCALE = 3


class Painting:
    """A picture of ``width`` x ``height`` pixels; all coordinates and radii are in its pixels."""

    def __init__(self, width: int, height: int, colour: Colour = (0, 0, 0)):
        self.size = (width * SCALE, height * SCALE)
        self.image = Image.new("RGB", self.size, colour)

    def mask(self, points: Sequence[Point], smooth: bool = True) -> Image.Image:
        """The inside of the closed curve through ``points`` (Catmull-Rom; straight sides when not ``smooth``)."""
        outline = _curve(points) if smooth else np.asarray(points, dtype=float)
        mask = Image.new("L", self.size)
        ImageDraw.Draw(mask).polygon([(x * SCALE, y * SCALE) for x, y in outline], fill=255)
        return mask

    def ellipse(self, x: float, y: float, radius_x: float, radius_y: float | None = None) -> Image.Image:
        radius_y = radius_x if radius_y is None else radius_y
        mask = Image.new("L", self.size)
        box = [(x - radius_x) * SCALE, (y - radius_y) * SCALE, (x + radius_x) * SCALE, (y + radius_y) * SCALE]
        ImageDraw.Draw(mask).ellipse(box, fill=255)
        return mask

    def stroke(self, points: Sequence[Point], width: float, taper: bool = True) -> Image.Image:
        """A brush along the open curve through ``points``, thin at both ends when ``taper``."""
        path = _curve(points, closed=False)
        mask = Image.new("L", self.size)
        draw = ImageDraw.Draw(mask)
        for index, (x, y) in enumerate(path):
            along = index / (len(path) - 1)
            radius = SCALE * width / 2 * (np.sin(np.pi * along) ** 0.6 if taper else 1.0)
            draw.ellipse([x * SCALE - radius, y * SCALE - radius, x * SCALE + radius, y * SCALE + radius], fill=255)
        return mask

    def paint(
        self,
        mask: Image.Image,
        colour: Colour,
        to: Colour | None = None,
        opacity: float = 1.0,
        blur: float = 0.0,
        within: Image.Image | None = None,
        glow: bool = False,
    ) -> None:
        """Lay ``colour`` (shading downwards into ``to``) through ``mask``; ``glow`` adds light instead of covering."""
        if blur:
            mask = _blurred(mask, blur * SCALE)
        if within is not None:
            mask = ImageChops.multiply(mask, within)
        if opacity < 1:
            mask = mask.point(lambda value: round(value * opacity))
        paint = Image.new("RGB", self.size, colour) if to is None else self._shade(mask, colour, to)
        if glow:
            paint = Image.composite(paint, Image.new("RGB", self.size), mask)
            self.image = ImageChops.screen(self.image, paint)
        else:
            self.image = Image.composite(paint, self.image, mask)

    def _shade(self, mask: Image.Image, top: Colour, bottom: Colour) -> Image.Image:
        box = mask.getbbox() or (0, 0, *self.size)
        rows = np.clip((np.arange(self.size[1]) - box[1]) / max(1, box[3] - box[1]), 0, 1)[:, None, None]
        column = np.asarray(top) * (1 - rows) + np.asarray(bottom) * rows
        return Image.fromarray(column.round().astype(np.uint8)).resize(self.size, Image.Resampling.NEAREST)

    def backdrop(self, centre: Point, inner: Colour, outer: Colour, radius: float) -> None:
        """Fill everything with a round gradient."""
        y, x = np.mgrid[0 : self.size[1], 0 : self.size[0]] / SCALE
        far = np.clip(np.hypot(x - centre[0], y - centre[1]) / radius, 0, 1)[..., None]
        far = far * far * (3 - 2 * far)
        colours = np.asarray(inner) * (1 - far) + np.asarray(outer) * far
        self.image = Image.fromarray(colours.round().astype(np.uint8))

    def finished(self) -> Image.Image:
        width, height = self.size
        return self.image.resize((width // SCALE, height // SCALE), Image.Resampling.LANCZOS)


def _curve(points: Sequence[Point], closed: bool = True, steps: int = 64) -> np.ndarray:
    """Catmull-Rom through ``points``: [n, 2]."""
    corners = np.asarray(points, dtype=float)
    before, after = (corners[-1:], corners[:2]) if closed else (corners[:1], corners[-1:])
    extended = np.concatenate([before, corners, after])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    parts = []
    for a, b, c, d in zip(extended, extended[1:], extended[2:], extended[3:], strict=False):
        parts.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.concatenate(parts)


def _blurred(mask: Image.Image, radius: float) -> Image.Image:
    """A wide blur at a tenth of the size: the same to the eye, and quick."""
    factor = max(1, int(radius // 6))
    small = mask.resize((mask.width // factor, mask.height // factor), Image.Resampling.BOX)
    return small.filter(ImageFilter.GaussianBlur(radius / factor)).resize(mask.size, Image.Resampling.BICUBIC)
