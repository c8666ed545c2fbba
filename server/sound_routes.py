"""GET /sound_to_video/peaks, /beats and /sound, each with ?filename=…&subfolder=…&type=input|output|temp."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import web

from ..core.audio import Audio, open_audio
from ..core.beats import MissingBeatLibrary, detect_beats
from ..core.errors import SoundToVideoError
from ..core.timeline import exact, sample_index
from . import sound_cache
from .analysis import once, peaks_stream, threads
from .files import refusal, requested_file, stat_key
from .wav_response import wav_response

routes = web.RouteTableDef()


@routes.get("/sound_to_video/peaks")
async def peaks(request: web.Request) -> web.StreamResponse:
    """The picture of a sound, as it becomes known: see :class:`~.analysis.PeaksStream` for the messages."""
    path = requested_file(request)
    response = web.StreamResponse(headers={"Content-Type": "application/octet-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    async for data in peaks_stream(path).messages():
        await response.write(data)
    await response.write_eof()
    return response


@routes.get("/sound_to_video/beats")
async def beats(request: web.Request) -> web.Response:
    """``{"beats": [seconds, …]}`` of a file. 501 where the library that finds them is not installed."""
    path = requested_file(request)
    loop = asyncio.get_running_loop()

    def start() -> asyncio.Future:
        return loop.run_in_executor(threads, _beats_of, path)

    try:
        found = await asyncio.shield(once(("beats", stat_key(path)), start))
    except MissingBeatLibrary as error:
        raise refusal(501, str(error)) from error
    except SoundToVideoError as error:
        raise refusal(422, str(error)) from error
    return web.json_response({"beats": found})


def _beats_of(path: Path) -> list[float]:
    content = sound_cache.content_of(path)
    found = sound_cache.load_beats(content)
    if found is None:
        found = detect_beats(open_audio(path))
        sound_cache.keep_beats(content, found)
    return found


@routes.get("/sound_to_video/sound")
async def sound(request: web.Request) -> web.StreamResponse:
    """The file's sound as a 16-bit WAV, with Range: what is heard is to the sample what a trim takes, in any format.

    ``start`` and ``end`` in seconds take a part of it.
    """
    path = requested_file(request)
    try:
        audio, sample_count = await asyncio.get_running_loop().run_in_executor(None, _opened, path)
    except SoundToVideoError as error:
        raise refusal(422, str(error)) from error
    start, end = (_sample(request, name, audio, default) for name, default in (("start", 0), ("end", sample_count)))
    if start >= end:
        raise refusal(400, "the range is empty.")
    return await wav_response(request, audio.trimmed(start, end))


def _opened(path: Path) -> tuple[Audio, int]:
    """A sound and its length: some formats are read to their end for it."""
    audio = open_audio(path)
    return audio, audio.sample_count


def _sample(request: web.Request, name: str, audio: Audio, default: int) -> int:
    text = request.rel_url.query.get(name)
    if text is None:
        return default
    try:
        index = sample_index(exact(text), audio.sample_rate)
    except (ValueError, ZeroDivisionError) as error:
        raise refusal(400, f"{name} must be a number of seconds.") from error
    return min(max(index, 0), audio.sample_count)
