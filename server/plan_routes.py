"""GET /sound_to_video/families, /plan and /size: the models, and what a choice of sound or picture will become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from fractions import Fraction

from aiohttp import web

from ..core.errors import SoundToVideoError
from ..core.families import FAMILIES
from ..core.families.base import Family
from ..core.families.settings import ASPECTS, Variant
from ..core.plan import Plan
from ..core.scene.prompts import parse_timeline, placed
from ..core.timeline import exact, sample_index, sample_time
from .answers import refusal
from .workers import in_thread, quick

LARGEST_PICTURE = 1_000_000  # pixels of a side

routes = web.RouteTableDef()


@routes.get("/sound_to_video/families")
async def families(request: web.Request) -> web.Response:
    """What a browser needs to know of the model families, as a list in the order of their registry."""
    return web.json_response(await in_thread(quick, lambda: [_about(family) for family in FAMILIES]))


def _about(family: Family) -> dict[str, object]:
    return {
        "id": family.id,
        "display_name": family.name,
        "audio_input": family.audio_input,
        "encoder": family.encoder_kind,
        "frame_rate": float(family.frame_rate),
        "frame_rate_is_free": family.frame_rate_is_free,
        "options": [option.name for option in family.options],
        "variants": [_about_variant(variant) for variant in family.variants],
    }


def _about_variant(variant: Variant) -> dict[str, object]:
    sizes = [(name, *variant.size(ASPECTS[name])) for name in variant.aspects]
    return {
        "name": variant.name,
        "files": variant.files,
        "settings": [asdict(setting) for setting in variant.settings],
        "sizes": [{"name": name, "width": width, "height": height} for name, width, height in sizes],
        "multiple": variant.multiple,
        "speed_loras": variant.speed_loras,
    }


@routes.get("/sound_to_video/size")
async def size(request: web.Request) -> web.Response:
    """``{"width": 640, "height": 640}``: the size for a picture.

    Query: ``variant``, its name as ``/sound_to_video/families`` tells it, ``width`` and ``height`` of the picture.
    """
    query = request.rel_url.query
    variants = {variant.name: variant for family in FAMILIES for variant in family.variants}
    variant = variants.get(query.get("variant", ""))
    if variant is None:
        raise refusal(404, f"there is no model {query.get('variant')!r}.")
    try:
        width, height = int(query["width"]), int(query["height"])
    except (KeyError, ValueError) as error:
        raise refusal(400, "width and height must be whole numbers.") from error
    if not (0 < width <= LARGEST_PICTURE and 0 < height <= LARGEST_PICTURE):
        raise refusal(400, f"width and height must be 1 to {LARGEST_PICTURE}.")
    width, height = await in_thread(quick, variant.size, Fraction(width, height))
    return web.json_response({"width": width, "height": height})


@routes.get("/sound_to_video/plan")
async def plan(request: web.Request) -> web.Response:
    """``{"words": "8.00 s → 128 frames at 16 fps, 2 segments", "frame_count": 128, "frame_rate": 16, "segments": 2,
    "starts": [0, 4.8125], "cuts": []}``: starts of the segments, those of them at which the picture starts afresh.

    And ``numbers``, of which a page makes the words in another language.

    Query: ``family`` (an id), ``start`` and ``end`` in seconds, ``sample_rate`` in Hz, and what the sampler's inputs
    say: ``frame_rate``, ``segment_seconds`` and ``preview_seconds`` (0 or absent = the family's own, everything), and
    the times of a Prompt Timeline: ``timeline``, its text, with ``timeline_cuts=1`` where it cuts at every prompt; or
    in seconds of the clip with commas between, ``prompts``, and ``cuts`` for those at which the picture starts afresh.
    """
    return web.json_response(await in_thread(quick, _told, request.rel_url.query))


def _told(query: Mapping[str, str]) -> dict[str, object]:
    planned = plan_for(query)
    starts = [float(planned.start_seconds(segment)) for segment in planned.segments]
    return {
        "words": planned.describe(),
        "numbers": planned.numbers(),
        "frame_count": planned.frame_count,
        "frame_rate": float(planned.frame_rate),
        "segments": len(planned.segments),
        "starts": starts,
        "cuts": [start for start, segment in zip(starts, planned.segments, strict=True) if segment.starts_afresh][1:],
    }


def plan_for(query: Mapping[str, str]) -> Plan:
    """The plan that a query asks for: see ``plan``.

    Raises web.HTTPException: 404 for an unknown family, 400 for what are no numbers in range, 422 for what the family
        or the planner refuses.
    """
    family = next((family for family in FAMILIES if family.id == query.get("family")), None)
    if family is None:
        raise refusal(404, f"there is no model family {query.get('family')!r}.")
    try:
        start, end = (exact(query[name], name) for name in ("start", "end"))
        sample_rate = int(query["sample_rate"])
        frame_rate, segment_seconds, preview_seconds = (
            exact(query.get(name) or 0, name) for name in ("frame_rate", "segment_seconds", "preview_seconds")
        )
        timeline = [*_timeline(query, "prompts", cut=False), *_timeline(query, "cuts", cut=True)]
    except SoundToVideoError as error:
        raise refusal(400, str(error)) from error
    except (KeyError, ValueError) as error:
        raise refusal(400, "start, end and sample_rate must be numbers.") from error
    if not 0 < sample_rate <= 10_000_000 or not 0 <= start < end <= 1_000_000:
        raise refusal(400, "start, end and sample_rate are out of range.")
    if frame_rate < 0 or segment_seconds < 0 or preview_seconds < 0:
        raise refusal(400, "frame_rate, segment_seconds and preview_seconds must be 0 or more.")
    duration = sample_time(sample_index(end, sample_rate) - sample_index(start, sample_rate), sample_rate)
    try:
        rate = family.rate(frame_rate)
        timeline += _written(query)
        return family.plan(duration, rate, segment_seconds, preview_seconds=preview_seconds, conditionings=[timeline])
    except SoundToVideoError as error:
        raise refusal(422, str(error)) from error


def _timeline(query: Mapping[str, str], name: str, cut: bool) -> list:
    """A CONDITIONING without content at the times that the query names, as Prompt Timeline makes one."""
    times = filter(None, query.get(name, "").split(","))
    return [entry for time in times for entry in placed([[None, {}]], exact(time, name), cut)]


def _written(query: Mapping[str, str]) -> list:
    """The same for the times in a Prompt Timeline's text."""
    if not query.get("timeline", "").strip():
        return []
    try:
        entries = parse_timeline(query["timeline"])
    except SoundToVideoError as error:
        raise SoundToVideoError(f"Prompt Timeline: {error}") from error
    cut = query.get("timeline_cuts") == "1"
    return [entry for time, _ in entries for entry in placed([[None, {}]], time, cut)]
