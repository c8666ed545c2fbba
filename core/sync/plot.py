"""The picture of a sync measurement: what is heard as a filled envelope, what moves as a line over it."""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from .measure import Sync

WIDTH, HEIGHT = 960, 320
LEFT, RIGHT, TOP, BOTTOM = 24, 24, 64, 40
FINER = 2
GROUND, PANEL, GRID, INK, FAINT = "#17181c", "#1f2127", "#33363f", "#e8e9ed", "#9a9eab"
FEW_FRAMES = 400  # of more the lines are thin, and where even that is too much, bands
HEARD_FILL, HEARD_LINE, MOVED = "#24506b", "#4aa3d8", "#ffb454"


def draw_sync(sync: Sync, heard: str, motion: str) -> torch.Tensor:
    """``[1, height, width, 3]`` in 0..1, an IMAGE."""
    image = Image.new("RGB", (WIDTH * FINER, HEIGHT * FINER), GROUND)
    draw = ImageDraw.Draw(image)
    box = [LEFT * FINER, TOP * FINER, (WIDTH - RIGHT) * FINER, (HEIGHT - BOTTOM) * FINER]
    draw.rounded_rectangle(box, 8 * FINER, fill=PANEL)
    seconds = len(sync.heard) / sync.frame_rate
    _time_axis(draw, box, seconds)
    low, high = _columns(sync.heard, box)
    draw.polygon(_outline(box, torch.zeros_like(high), high), fill=HEARD_FILL)
    few = len(sync.heard) <= FEW_FRAMES
    _line(draw, box, low, high, HEARD_LINE, 2 if few else 1)
    _line(draw, box, *_columns(sync.moved, box), MOVED, 3 if few else 1)
    _title(draw, sync, heard, motion)
    small = image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.asarray(small).astype(np.float32) / 255)[None]


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * FINER)


def _time_axis(draw: ImageDraw.ImageDraw, box: list[int], seconds: float) -> None:
    steps = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800)
    step = next((step for step in steps if seconds / step <= 12), 3600)
    for index in range(math.floor(seconds / step) + 1):
        at = index * step
        x = box[0] + (box[2] - box[0]) * at / seconds
        draw.line([x, box[1], x, box[3]], fill=GRID, width=FINER)
        text = f"{at:g} s" if seconds < 120 else f"{int(at) // 60}:{int(at) % 60:02}"
        draw.text((min(x, box[2] - 18 * FINER), box[3] + 8 * FINER), text, fill=FAINT, font=_font(13), anchor="ma")


def _columns(curve: torch.Tensor, box: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """The curve's lowest and highest values 0..1 in each column of points; one value where there are few frames."""
    low, high = torch.quantile(curve, 0.005), torch.quantile(curve, 0.995)
    scaled = ((curve - low) / max(float(high - low), 1e-9)).clamp(0, 1) if high > low else torch.zeros_like(curve)
    columns = (box[2] - box[0]) // (2 * FINER)
    if len(scaled) <= columns:
        return scaled, scaled
    parts = scaled.split(-(-len(scaled) // columns))
    return torch.stack([part.min() for part in parts]), torch.stack([part.max() for part in parts])


def _points(box: list[int], values: torch.Tensor) -> list[tuple[float, float]]:
    margin = 10 * FINER
    x = torch.linspace(box[0], box[2], len(values))
    y = box[3] - margin - values * (box[3] - box[1] - 2 * margin)
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _outline(box: list[int], low: torch.Tensor, high: torch.Tensor) -> list[tuple[float, float]]:
    return [*_points(box, high), *reversed(_points(box, low))]


def _line(
    draw: ImageDraw.ImageDraw, box: list[int], low: torch.Tensor, high: torch.Tensor, color: str, width: int
) -> None:
    if low is not high:
        draw.polygon(_outline(box, low, high), fill=color)
    draw.line(_points(box, high), fill=color, width=width * FINER, joint="curve")


def _title(draw: ImageDraw.ImageDraw, sync: Sync, heard: str, motion: str) -> None:
    text = sync.describe()
    draw.text((LEFT * FINER, 14 * FINER), text[0].upper() + text[1:], fill=INK, font=_font(19))
    x = LEFT * FINER
    moved = {"opening": "how far the picture opens", "change": "how much the picture changes"}[motion]
    for color, label in ((HEARD_LINE, f"heard: {heard}"), (MOVED, f"seen: {moved}")):
        draw.rounded_rectangle([x, 46 * FINER, x + 18 * FINER, 51 * FINER], 2 * FINER, fill=color)
        draw.text((x + 26 * FINER, 48 * FINER), label, fill=FAINT, font=_font(13), anchor="lm")
        x += int(26 * FINER + draw.textlength(label, font=_font(13)) + 28 * FINER)
