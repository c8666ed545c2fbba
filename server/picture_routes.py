"""GET /sound_to_video/picture: a picture out of a video, for a browser that cannot show the video itself."""

from __future__ import annotations

import base64
import io
from fractions import Fraction
from pathlib import Path

from aiohttp import web
from comfy_api.latest import InputImpl
from PIL import Image

from ..core.frames.images import levels_of
from ..core.frames.reading import FileFrames
from ..core.timeline import rounded
from .files import requested_file
from .queries import seconds_asked
from .workers import in_thread, opening

WIDEST = 960

routes = web.RouteTableDef()


@routes.get("/sound_to_video/picture")
async def picture(request: web.Request) -> web.Response:
    """``{"seconds": 12.5, "picture": "data:image/jpeg;base64,…"}``: its length, and what is seen at ``seconds``.

    ``?filename=…&subfolder=…&type=input|output|temp&seconds=…``; past the end it is the last frame, or the first.
    """
    at = seconds_asked(request, "seconds") or Fraction(0)
    file = await requested_file(request)
    return web.json_response(await in_thread(opening, _picture_of, file.path, at))


def _picture_of(path: Path, at: Fraction) -> dict[str, object]:
    file = FileFrames(InputImpl.VideoFromFile(str(path)))
    number = rounded(at * file.rate)
    if file.seconds is not None:
        number = min(number, max(0, rounded(file.seconds * file.rate) - 1))
    frame = next(file.frames(number), None)
    frame = next(file.frames(0)) if frame is None else frame
    image = Image.fromarray(levels_of(frame).numpy())
    image.thumbnail((WIDEST, WIDEST))
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=85)
    return {
        "seconds": float(file.seconds or 0),
        "picture": f"data:image/jpeg;base64,{base64.b64encode(jpeg.getvalue()).decode('ascii')}",
    }
