"""GET /sound_to_video/peaks, /beats, /sound and /level, each with ?filename=…&subfolder=…&type=input|output|temp.

``stamp`` may be added to any: it is not looked at, and keeps a browser from taking what it kept of an older file.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from math import isfinite
from pathlib import Path

from aiohttp import web

from ..core.audio import Audio, open_audio
from ..core.audio.beats import MissingBeatLibrary, detect_beats
from ..core.audio.loudness import level_of
from ..core.audio.trim import shaped
from ..core.timeline import sample_index
from . import sound_cache
from .analysis import once, peaks_stream
from .answers import refusal, sending, stream
from .files import requested_file
from .queries import number_asked, seconds_asked
from .wav_response import wav_response
from .workers import analysing, in_thread, opening, while_waited_for

LONGEST_LEVEL_SECONDS = 3600

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

    ``start``, ``end``, ``fade_in`` and ``fade_out`` in seconds and ``gain_db`` make of it what Trim Audio does.
    """
    part = await _part_asked(request)
    return await wav_response(request, part, part.sample_count)


@routes.get("/sound_to_video/level")
async def level(request: web.Request) -> web.Response:
    """``{"peak": dB, "loudness": LUFS}`` of the same part as ``/sound`` gives; null for silence.

    An hour at most: all of it is decoded. It ends where the one who asks has gone.
    """
    part = await _part_asked(request)
    if part.duration > LONGEST_LEVEL_SECONDS:
        raise refusal(400, "more than an hour is not measured: set the gain by hand.")
    found = await while_waited_for(request, analysing, level_of, part)
    return web.json_response({name: value if isfinite(value) else None for name, value in asdict(found).items()})


async def _part_asked(request: web.Request) -> Audio:
    """What Trim Audio would make of a file's sound; its length is known."""
    start, end = seconds_asked(request, "start"), seconds_asked(request, "end")
    fade_in, fade_out = (seconds_asked(request, name) or 0 for name in ("fade_in", "fade_out"))
    gain = number_asked(request, "gain_db")
    file = await requested_file(request)
    audio, sample_count = await once(("sound", file.key), opening, _opened, file.path)
    first = 0 if start is None else min(sample_index(start, audio.sample_rate), sample_count)
    last = sample_count if end is None else min(sample_index(end, audio.sample_rate), sample_count)
    if first >= last:
        raise refusal(400, "the range is empty.")
    part = await in_thread(opening, audio.trimmed, first, last)
    return shaped(part, fade_in, fade_out, gain)


def _opened(path: Path) -> tuple[Audio, int]:
    """A sound and its length: some formats are read to their end for it."""
    audio = open_audio(path)
    return audio, audio.sample_count
