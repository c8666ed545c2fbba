"""Pictures that move with a curve: drawn faces whose mouths open, shapes and lights that swell. Numpy, anti-aliased.

A look is drawn from a seed; a curve in 0..1, one value a frame, says how far the mouth is open or the shapes are
swollen. At 0 a face has its mouth closed and shapes have their resting size: what a reference image shows.
"""

from __future__ import annotations

import colorsys
import math

import numpy as np

SIZE = 128
Array = np.ndarray
Random = np.random.Generator


class Canvas:
    """One picture ``[height, width, 3]``, or a stack ``[frames, height, width, 3]`` painted where it changes."""

    def __init__(self, size: int = SIZE):
        self.size = size
        half = size / 2
        self.y, self.x = np.mgrid[0:size, 0:size].astype(np.float32)
        self.x, self.y = (self.x + 0.5 - half) / half, (self.y + 0.5 - half) / half
        self.pixels = np.zeros((size, size, 3), np.float32)

    def ellipse(self, cx: float, cy: float, rx: float, ry: float, turn: float = 0.0) -> Array:
        """The coverage of every pixel, 0..1."""
        return self.inside(ellipse_distance(self.x - cx, self.y - cy, rx, ry, turn))

    def inside(self, distance: Array, blur: float = 1.5) -> Array:
        """Coverage from a signed distance (negative inside); ``blur`` pixels of edge."""
        return np.clip(0.5 - distance * (self.size / 2) / blur, 0, 1)

    def paint(self, mask: Array, color: Array, opacity: float = 1.0) -> None:
        mask = (mask * opacity)[..., None]
        self.pixels += mask * (color - self.pixels)

    def shade(self, mask: Array, top: Array, bottom: Array, opacity: float = 1.0) -> None:
        """Paint ``mask`` with a vertical gradient over its own height."""
        rows = np.nonzero(mask.max(axis=1) > 0.5)[0]
        if len(rows):
            low, high = self.y[rows[0], 0], self.y[rows[-1], 0]
            t = np.clip((self.y - low) / max(high - low, 1e-3), 0, 1)[..., None]
            self.paint(mask, top * (1 - t) + bottom * t, opacity)


def ellipse_distance(x: Array, y: Array, rx: Array | float, ry: Array | float, turn: float = 0.0) -> Array:
    if turn:
        c, s = math.cos(turn), math.sin(turn)
        x, y = x * c + y * s, y * c - x * s
    near = np.sqrt((x / rx) ** 2 + (y / ry) ** 2)
    slope = np.sqrt((x / rx**2) ** 2 + (y / ry**2) ** 2)
    return near * (near - 1) / np.maximum(slope, 1e-4)


def hsv(hue: float, saturation: float, value: float) -> Array:
    return np.array(colorsys.hsv_to_rgb(hue % 1, min(max(saturation, 0), 1), min(max(value, 0), 1)), np.float32)


def backdrop(canvas: Canvas, random: Random, light: tuple[float, float]) -> None:
    """A gradient between two colours that go together, with a few soft spots of light."""
    hue, turn = random.random(), random.uniform(0, 2 * math.pi)
    value = random.uniform(*light)
    first = hsv(hue, random.uniform(0.15, 0.75), value)
    second = hsv(hue + random.uniform(-0.15, 0.15), random.uniform(0.2, 0.8), value * random.uniform(0.45, 0.9))
    t = np.clip(0.5 + 0.5 * (canvas.x * math.cos(turn) + canvas.y * math.sin(turn)), 0, 1)[..., None]
    canvas.pixels[:] = first * (1 - t) + second * t
    for _ in range(random.integers(0, 4)):
        cx, cy, radius = random.uniform(-1, 1), random.uniform(-1, 1), random.uniform(0.2, 0.6)
        spot = np.exp(-((canvas.x - cx) ** 2 + (canvas.y - cy) ** 2) / radius**2)
        canvas.paint(spot, hsv(hue + random.uniform(-0.1, 0.1), 0.3, 1.0), random.uniform(0.05, 0.3))


SKINS = [(0.06, 0.25, 0.98), (0.07, 0.35, 0.93), (0.06, 0.45, 0.80), (0.06, 0.55, 0.62), (0.05, 0.6, 0.45)]
HAIRS = [
    (0.08, 0.6, 0.25),
    (0.09, 0.65, 0.45),
    (0.11, 0.6, 0.85),
    (0.03, 0.75, 0.6),
    (0.6, 0.2, 0.15),
    (0.1, 0.05, 0.8),
]


class Face:
    """A drawn face. ``mouth``: where it is, (cx, cy, half width, most half height), in -1..1 of the picture."""

    kind = "face"

    def __init__(self, random: Random, size: int = SIZE):
        canvas = self.canvas = Canvas(size)
        scale = random.uniform(0.85, 1.12)
        cx, cy = random.uniform(-0.16, 0.16), random.uniform(-0.10, 0.14)
        rx, ry = scale * random.uniform(0.46, 0.58), scale * random.uniform(0.58, 0.70)
        if random.random() < 0.92:
            hue, saturation, value = SKINS[random.integers(len(SKINS))]
            skin = hsv(hue + random.uniform(-0.015, 0.015), saturation * random.uniform(0.8, 1.2), value)
        else:
            skin = hsv(random.random(), random.uniform(0.25, 0.6), random.uniform(0.6, 0.95))
        hue, saturation, value = HAIRS[random.integers(len(HAIRS))]
        if random.random() < 0.2:
            hue, saturation, value = random.random(), 0.7, 0.8
        hair = hsv(hue, saturation, value * random.uniform(0.8, 1.2))
        cloth = hsv(random.random(), random.uniform(0.2, 0.8), random.uniform(0.3, 0.9))
        dark, lit = skin * np.array([0.78, 0.68, 0.66], np.float32), np.clip(skin * 1.08 + 0.03, 0, 1)

        backdrop(canvas, random, (0.5, 0.95))
        style = random.integers(5)  # bald, short, bob, long, round
        top = cy - 0.12 * scale
        if style >= 2:
            drop = (0.0, 0.0, 0.25, 0.6, 0.05)[style] * scale
            wide = rx * (1.28 if style == 4 else 1.18)
            canvas.shade(canvas.ellipse(cx, top + drop, wide, ry * 1.05 + drop * 0.6), hair, hair * 0.65)
        canvas.shade(canvas.ellipse(cx, cy + 1.32 * scale, 0.95 * scale, 0.62 * scale), cloth, cloth * 0.7)
        canvas.shade(canvas.ellipse(cx, cy + 0.72 * scale, 0.24 * scale, 0.34 * scale), dark * 0.9, skin)
        for side in (-1, 1):
            canvas.shade(canvas.ellipse(cx + side * rx * 0.98, cy + 0.02, 0.09 * scale, 0.14 * scale), skin, dark)
        face = canvas.ellipse(cx, cy, rx, ry)
        canvas.shade(face, lit, dark * 0.6 + skin * 0.4)
        for side in (-1, 1):
            cheek = np.exp(-(((canvas.x - cx - side * rx * 0.55) / 0.16) ** 2 + ((canvas.y - cy - 0.2) / 0.12) ** 2))
            canvas.paint(cheek * face, np.array([0.9, 0.35, 0.35], np.float32), 0.18)
        if style >= 1:
            fringe = random.uniform(0.30, 0.52)
            cap = canvas.ellipse(cx, top, rx * 1.08, ry * 1.02)
            below = canvas.inside((canvas.y - (cy - fringe * ry)) + random.uniform(-0.3, 0.3) * (canvas.x - cx), 2.0)
            canvas.shade(cap * below, np.clip(hair * 1.25, 0, 1), hair)

        self.eyes(random, cx, cy, rx, ry, scale)
        nose = random.uniform(0.05, 0.08) * scale
        canvas.paint(canvas.ellipse(cx + 0.01, cy + 0.14 * scale, nose, nose * 0.75), dark, 0.75)
        canvas.paint(canvas.ellipse(cx - 0.01, cy + 0.115 * scale, nose * 0.6, nose * 0.5), lit, 0.7)

        self.skin = skin
        red = np.array([0.80, 0.25, 0.28], np.float32)
        self.lips = np.clip(0.45 * skin + 0.55 * red * random.uniform(0.7, 1.15), 0, 1)
        self.mouth = (cx, cy + 0.385 * scale, random.uniform(0.17, 0.23) * scale, random.uniform(0.13, 0.17) * scale)
        self.brow = (cx, cy - 0.23 * scale, rx, scale, hair * (0.8 if value > 0.3 else 1.6))

    def eyes(self, random: Random, cx: float, cy: float, rx: float, ry: float, scale: float) -> None:
        canvas = self.canvas
        apart, level = rx * random.uniform(0.40, 0.47), cy - 0.06 * scale
        wide, high = random.uniform(0.095, 0.125) * scale, random.uniform(0.07, 0.1) * scale
        iris = hsv(random.choice([0.08, 0.33, 0.58, 0.1]) + random.uniform(-0.03, 0.03), 0.6, random.uniform(0.3, 0.7))
        look = random.uniform(-0.015, 0.015)
        for side in (-1, 1):
            x = cx + side * apart
            white = canvas.ellipse(x, level, wide, high)
            canvas.paint(canvas.ellipse(x, level - 0.012, wide * 1.08, high * 1.06), np.float32(0.16), 0.8)
            canvas.paint(white, np.array([0.97, 0.97, 0.96], np.float32))
            canvas.paint(canvas.ellipse(x + look, level, high * 0.78, high * 0.82) * white, iris)
            canvas.paint(canvas.ellipse(x + look, level, high * 0.42, high * 0.45), np.float32(0.05))
            canvas.paint(canvas.ellipse(x + look + 0.02, level - 0.025, 0.017, 0.017), np.float32(1.0))
        if random.random() < 0.2:
            frame = hsv(random.random(), 0.5, 0.25)
            for side in (-1, 1):
                ring = np.abs(ellipse_distance(canvas.x - cx - side * apart, canvas.y - level, wide * 1.5, high * 1.7))
                canvas.paint(canvas.inside(ring - 0.014), frame)
            bridge = canvas.ellipse(cx, level - 0.02, apart - wide * 1.45, 0.016)
            canvas.paint(bridge, frame)

    def frames(self, curve: Array) -> Array:
        """``[frames, size, size, 3]`` uint8. The brows rise a little with the mean of the last half second."""
        canvas, count = self.canvas, len(curve)
        curve = curve.astype(np.float32)[:, None, None]
        still = np.clip(canvas.pixels, 0, 1)
        stack = np.repeat((still * 255 + 0.5).astype(np.uint8)[None], count, axis=0)
        cx, cy, wide, high = self.mouth
        rows, columns = box(canvas, cx, cy + high * 0.4, wide + 0.06, high * 1.5 + 0.08)
        x, y = canvas.x[rows, columns][None] - cx, canvas.y[rows, columns][None] - cy
        area = np.repeat(still[None, rows, columns], count, axis=0)
        gap = high * curve
        width = wide * (1 - 0.12 * curve)
        middle = y - 0.35 * gap
        lips = canvas.inside(ellipse_distance(x, middle, width + 0.02, gap + 0.048))
        hole = canvas.inside(ellipse_distance(x, middle, np.maximum(width - 0.02, 0.02), np.maximum(gap, 0.004)))
        over(area, lips, self.lips)
        over(
            area,
            canvas.inside(np.abs(y + 0.7 * x**2 - 0.012) - 0.008) * canvas.inside(np.abs(x) - wide * 0.92),
            self.lips * 0.45,
        )
        over(area, hole, np.array([0.16, 0.03, 0.05], np.float32))
        teeth = canvas.inside(ellipse_distance(x, middle + gap * 1.05, width * 0.75, np.maximum(gap * 0.55, 0.004)))
        over(area, teeth * hole * np.clip(curve * 3 - 0.4, 0, 1), np.array([0.96, 0.95, 0.92], np.float32))
        tongue = canvas.inside(ellipse_distance(x, middle - gap * 0.85, width * 0.6, np.maximum(gap * 0.5, 0.004)))
        over(area, tongue * hole * np.clip(curve * 3 - 0.6, 0, 1), np.array([0.80, 0.36, 0.38], np.float32))
        stack[:, rows, columns] = area * 255 + 0.5

        cx, cy, rx, scale, color = self.brow
        slow = np.array([curve[max(0, i - 12) : i + 1].mean() for i in range(count)], np.float32)[:, None, None]
        rows, columns = box(canvas, cx, cy, rx, 0.16 * scale)
        area = np.repeat(still[None, rows, columns], count, axis=0)
        for side in (-1, 1):
            x, y = canvas.x[rows, columns][None] - cx - side * rx * 0.44, canvas.y[rows, columns][None] - cy
            arch = y + 0.07 * slow * scale - 0.9 * x**2 / scale
            brow = canvas.inside(np.abs(arch) - 0.022 * scale) * canvas.inside(np.abs(x) - 0.135 * scale, 2.0)
            over(area, brow, np.clip(color, 0, 1))
        stack[:, rows, columns] = area * 255 + 0.5
        return stack


def box(canvas: Canvas, cx: float, cy: float, rx: float, ry: float) -> tuple[slice, slice]:
    """The rows and columns that a shape of this size may touch."""
    half, size = canvas.size / 2, canvas.size
    low = [min(size, max(0, math.floor((c - r + 1) * half) - 1)) for c, r in ((cy, ry), (cx, rx))]
    high = [min(size, max(0, math.ceil((c + r + 1) * half) + 1)) for c, r in ((cy, ry), (cx, rx))]
    return slice(low[0], high[0]), slice(low[1], high[1])


def over(area: Array, mask: Array, color: Array) -> None:
    area += mask[..., None] * (color - area)


class Shapes:
    """Discs, rings, stars, bars and lights that swell and brighten together."""

    kind = "shapes"

    def __init__(self, random: Random, size: int = SIZE):
        self.canvas = Canvas(size)
        backdrop(self.canvas, random, (0.12, 0.75))
        self.flash = random.choice([0.0, 0.08, 0.16])
        hue = random.random()
        style = random.choice(["mixed", "mixed", "bars", "rings", "lights"])
        count = {
            "mixed": random.integers(1, 4),
            "bars": random.integers(3, 6),
            "rings": 2,
            "lights": random.integers(2, 6),
        }
        self.objects = []
        base = random.uniform(0.25, 0.4)
        centre = random.uniform(-0.25, 0.25, 2)
        for index in range(count[style]):
            color = hsv(
                hue + random.uniform(-0.12, 0.12) + 0.4 * (index % 2), random.uniform(0.35, 0.9), random.uniform(0.7, 1)
            )
            if style == "bars":
                n = count[style]
                x = (index - (n - 1) / 2) * 1.7 / n
                self.objects.append(("bar", x, 0.75, 0.62 / n, random.uniform(0.5, 1.2), color))
            elif style == "rings":
                self.objects.append(("ring", *centre, base * (0.8 + 0.9 * index), 0.08, color))
            else:
                name = "light" if style == "lights" else str(random.choice(["disc", "star", "ring", "light", "square"]))
                where = centre if index == 0 else random.uniform(-0.65, 0.65, 2)
                radius = base if index == 0 else random.uniform(0.14, 0.3)
                extra = {"ring": 0.08, "star": int(random.integers(3, 8))}.get(name, 0)
                self.objects.append((name, *where, radius, extra, color))

    def frames(self, curve: Array) -> Array:
        """``[frames, size, size, 3]`` uint8."""
        canvas, curve = self.canvas, curve.astype(np.float32)[:, None, None]
        stack = np.repeat(canvas.pixels[None], len(curve), axis=0)
        stack *= 1 + self.flash * 2 * curve[..., None]
        swell = 0.8 + 0.4 * curve
        for name, cx, cy, radius, extra, color in self.objects:
            reach = {"bar": extra, "light": 3 * radius, "ring": 1.25 * radius + 0.15}.get(name, 1.25 * radius)
            rows, columns = box(canvas, cx, cy, radius if name == "bar" else reach, reach)
            x, y = canvas.x[rows, columns][None] - cx, canvas.y[rows, columns][None] - cy
            bright = np.clip(color * (0.75 + 0.4 * curve[..., None]), 0, 1)
            if name == "bar":
                height = extra * (0.35 + 0.65 * curve)
                mask = canvas.inside(np.maximum(np.abs(x) - radius, np.abs(y + height / 2) - height / 2))
            elif name == "light":
                mask = np.exp(-(x**2 + y**2) / (radius * swell) ** 2) * (0.35 + 0.6 * curve)
            elif name == "star":
                away, angle = np.sqrt(x**2 + y**2), np.arctan2(y, x)
                mask = canvas.inside(away - radius * swell * (0.78 + 0.22 * np.cos(extra * angle)))
            elif name == "square":
                mask = canvas.inside(np.maximum(np.abs(x), np.abs(y)) - radius * 0.85 * swell)
            elif name == "ring":
                mask = canvas.inside(np.abs(np.sqrt(x**2 + y**2) - radius * swell) - extra * (0.6 + 0.8 * curve))
            else:
                mask = canvas.inside(np.sqrt(x**2 + y**2) - radius * swell)
            over(stack[:, rows, columns], mask, bright)
        return (np.clip(stack, 0, 1) * 255 + 0.5).astype(np.uint8)


LOOKS = {"face": Face, "shapes": Shapes}
