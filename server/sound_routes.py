"""GET /sound_to_video/peaks, /beats and /sound, each with ?filename=…&subfolder=…&type=input|output|temp.

``stamp`` may be added to any: it is not looked at, and keeps a browser from taking what it kept of an older file.
"""

from __future__ import annotations

import json
from pathlib import Path

from aiohttp import web

from ..core.audio import Audio, open_audio
from ..core.audio.beats import MissingBeatLibrary, detect_beats
from ..core.timeline import sample_index
from . import sound_cache
from .analysis import once, peaks_stream
from .answers import refusal, sending, stream
from .files import requested_file
from .queries import seconds_asked
from .wav_response import wav_response
from .workers import analysing, in_thread, opening

routes = web.RouteTableDef()


@routes.get("/sound_to_video/peaks")
async def peaks(request: web.Request) -> web.StreamResponse:
    """The picture of a sound, as it becomes known: see :class:`~.analysis.PeaksStream` for the messages."""
    file = await requested_file(request)
    response = stream(Content_Type="application/octet-stream", Sound_Stamp=file.stamp)
    async with sending(request, response):
        if request.method != "HEAD":
            async for data in peaks_stream(file).messages():
                await response.write(data)
            await response.write_eof()
    return response


@routes.get("/sound_to_video/beats")
async def beats(request: web.Request) -> web.Response:
    """``{"beats": [seconds, …]}`` of a file. 501 where the library that finds them is not installed."""
    file = await requested_file(request)
    try:
        answer = await once(("beats", file.key), analysing, _beats_of, file.path)
    except MissingBeatLibrary as error:
        raise refusal(501, str(error)) from error
    return web.Response(body=answer, content_type="application/json")


def _beats_of(path: Path) -> bytes:
    content = sound_cache.content_of(path)
    found = sound_cache.load_beats(content)
    if found is None:
        found = detect_beats(open_audio(path))
        sound_cache.keep_beats(content, found)
    return json.dumps({"beats": found}).encode("ascii")


@routes.get("/sound_to_video/sound")
async def sound(request: web.Request) -> web.StreamResponse:
    """The file's sound as a 16-bit WAV, with Range: what is heard is to the sample what a trim takes, in any format.

    ``start`` and ``end`` in seconds take a part of it.
    """
    start, end = seconds_asked(request, "start"), seconds_asked(request, "end")
    file = await requested_file(request)
    audio, sample_count = await once(("sound", file.key), opening, _opened, file.path)
    first = 0 if start is None else min(sample_index(start, audio.sample_rate), sample_count)
    last = sample_count if end is None else min(sample_index(end, audio.sample_rate), sample_count)
    if first >= last:
        raise refusal(400, "the range is empty.")
    part = await in_thread(opening, audio.trimmed, first, last)
    return await wav_response(request, part, last - first)


def _opened(path: Path) -> tuple[Audio, int]:
    """A sound and its length: some formats are read to their end for it."""
    audio = open_audio(path)
    return audio, audio.sample_count
