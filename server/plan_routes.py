"""GET /sound_to_video/families and /sound_to_video/plan: what a choice of sound will become, as the planner says it."""

from __future__ import annotations

from aiohttp import web

from ..core.errors import SoundToVideoError
from ..core.families import FAMILIES
from ..core.families.base import Family
from ..core.plan import plan_clip, window_of
from ..core.timeline import exact, sample_index, sample_time
from .files import refusal

routes = web.RouteTableDef()


@routes.get("/sound_to_video/families")
async def families(request: web.Request) -> web.Response:
    """What a browser needs to know of the model families, as a list in the order of their registry."""
    return web.json_response([_about(family) for family in FAMILIES])


def _about(family: Family) -> dict[str, object]:
    return {
        "id": family.id,
        "display_name": family.name,
        "audio_input": family.audio_input,
        "frame_rate": float(family.frame_rate),
        "frame_rate_is_free": family.frame_rate_is_free,
    }


@routes.get("/sound_to_video/plan")
async def plan(request: web.Request) -> web.Response:
    """``{"words": "8.00 s → 128 frames at 16 fps, 2 segments", "frame_count": 128, "frame_rate": 16, "segments": 2}``.

    Query: ``family`` (an id), ``start`` and ``end`` in seconds, ``sample_rate`` in Hz, and what the sampler's inputs
    say: ``frame_rate`` and ``segment_seconds`` (0 or absent = the family's own).
    """
    query = request.rel_url.query
    family = next((family for family in FAMILIES if family.id == query.get("family")), None)
    if family is None:
        raise refusal(404, f"there is no model family {query.get('family')!r}.")
    try:
        start, end = exact(query["start"]), exact(query["end"])
        sample_rate = int(query["sample_rate"])
        frame_rate = float(query.get("frame_rate") or 0)
        segment_seconds = float(query.get("segment_seconds") or 0)
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise refusal(400, "start, end and sample_rate must be numbers.") from error
    if not 0 < sample_rate <= 10_000_000 or not 0 <= start < end <= 1_000_000 or frame_rate < 0 or segment_seconds < 0:
        raise refusal(400, "start, end and sample_rate are out of range.")
    try:
        rate = family.rate(frame_rate)
    except SoundToVideoError as error:
        raise refusal(422, str(error)) from error
    duration = sample_time(sample_index(end, sample_rate) - sample_index(start, sample_rate), sample_rate)
    window = window_of(segment_seconds, rate, family.grid, family.window)
    planned = plan_clip(duration, rate, family.grid, window)
    return web.json_response(
        {
            "words": planned.describe(),
            "frame_count": planned.frame_count,
            "frame_rate": float(planned.frame_rate),
            "segments": len(planned.segments),
        }
    )
