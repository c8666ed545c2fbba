"""GET /sound_to_video/video, /frame and /frames, each with ?filename=…&subfolder=…&type=input|output|temp.

What a file of moving pictures is, one of its pictures, small ones side by side. ``stamp`` may be added, as with sound.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from aiohttp import web
from PIL import Image

from ..core.frames.thumbnails import Footage
from .analysis import once
from .answers import refusal
from .files import SoundFile, requested_file
from .queries import seconds_asked, seconds_of
from .workers import looking

routes = web.RouteTableDef()

MOST_PICTURES = 24
MOST_HEIGHT = 720
MOST_WIDTH = 8192  # of pictures side by side
MOST_SECONDS = 15.0  # that pictures are looked for; then the ones that were found have to do


@routes.get("/sound_to_video/video")
async def video(request: web.Request) -> web.Response:
    """``{"duration": 6, "frame_rate": 24, "width": 832, "height": 480}``."""
    file = await requested_file(request)
    return web.json_response(await once(("video", file.key), looking, _about, file.path))


def _about(path: Path) -> dict[str, float]:
    found = Footage(path)
    return {
        "duration": float(found.duration),
        "frame_rate": float(found.frame_rate),
        "width": found.width,
        "height": found.height,
    }


@routes.get("/sound_to_video/frame")
async def frame(request: web.Request) -> web.Response:
    """The picture at ``seconds`` as a JPEG, ``height`` pixels high at most: the one that Video Frame takes there."""
    return await _answered(request, [seconds_asked(request, "seconds") or Fraction(0)])


@routes.get("/sound_to_video/frames")
async def frames(request: web.Request) -> web.Response:
    """The pictures at ``times``, seconds with commas between, as one JPEG side by side, each ``height`` pixels high."""
    written = list(filter(None, request.rel_url.query.get("times", "").split(",")))
    if not 0 < len(written) <= MOST_PICTURES:
        raise refusal(400, f"times must be 1 to {MOST_PICTURES} numbers of seconds.")
    return await _answered(request, [seconds_of(text, "times") for text in written])


async def _answered(request: web.Request, times: Sequence[Fraction]) -> web.Response:
    height = int(request.rel_url.query.get("height", MOST_HEIGHT))
    if not 16 <= height <= MOST_HEIGHT:
        raise refusal(400, f"height must be 16 to {MOST_HEIGHT} pixels.")
    file = await requested_file(request)
    body = await once(("frames", file.key, tuple(times), height), looking, _jpeg, file, times, height)
    return web.Response(body=body, content_type="image/jpeg")


def _jpeg(file: SoundFile, times: Sequence[Fraction], height: int) -> bytes:
    found = Footage(file.path)
    pictures = found.pictures(times, _fitting(found, height, len(times)), MOST_SECONDS)
    strip = Image.new("RGB", (sum(picture.width for picture in pictures), pictures[0].height))
    left = 0
    for picture in pictures:
        strip.paste(picture, (left, 0))
        left += picture.width
    written = io.BytesIO()
    strip.save(written, "JPEG", quality=85)
    return written.getvalue()


def _fitting(found: Footage, height: int, count: int) -> tuple[int, int]:
    """Width and height of each of ``count`` pictures side by side."""
    height = min(height, found.height)
    width = max(1, round(found.width * height / found.height))
    most = MOST_WIDTH // count
    return (width, height) if width <= most else (most, max(1, round(height * most / width)))
