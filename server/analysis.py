"""One pass over a sound, in a thread of its own, that any number of browsers watch while it goes on."""

from __future__ import annotations

import asyncio
import json
import logging
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..core.audio import open_audio
from ..core.audio.peaks import PeakMeter, bins_per_second_for, reduced, silences, sketch
from ..core.errors import SoundToVideoError
from . import sound_cache
from .files import SoundFile, StatKey, stat_key
from .sound_cache import SoundPicture
from .workers import DaemonThreads, analysing, in_thread

SKETCH_SPOTS = 800
OVERVIEW_BINS = 2048
SKETCH_FROM_SECONDS = 60.0
BLOCK_SAMPLES = 1 << 17
SECONDS_PER_MESSAGE = 20.0

T = TypeVar("T")

_running: dict[object, asyncio.Future] = {}


async def once(key: object, pool: DaemonThreads, call: Callable[..., T], *arguments: object) -> T:
    """What ``call`` gives in a thread of a pool, once for all who ask for ``key`` while it is under way.

    It goes on where one of those who asked no longer waits.
    """
    if key not in _running:
        _running[key] = asyncio.ensure_future(in_thread(pool, call, *arguments))
        _running[key].add_done_callback(lambda done: (_running.pop(key, None), done.cancelled() or done.exception()))
    return await asyncio.shield(_running[key])


def message(about: dict, payload: bytes = b"") -> bytes:
    """One message of the peaks stream: u32 lengths of JSON and of payload (little-endian), JSON, payload."""
    text = json.dumps(about).encode("utf-8")
    return struct.pack("<II", len(text), len(payload)) + text + payload


class PeaksStream:
    """The messages about one file, in order; those who come late get the ones that were sent already.

    ``sound``     stamp (changes when the file does), duration (a guess until ``end``), sample_rate, channels,
                  bins_per_second
    ``overview``  few peaks [n, 2] of the whole sound, to be drawn at once
    ``peaks``     first_bin, and the peaks [n, 2] from there on
    ``end``       the exact duration, and silences [[start, end], …] in seconds
    ``error``     a sentence
    """

    def __init__(self, stamp: str) -> None:
        self.stamp = stamp
        self._messages: list[bytes] = []
        self._finished = False
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def messages(self) -> AsyncIterator[bytes]:
        sent = 0
        while True:
            news = self._news
            while sent < len(self._messages):
                yield self._messages[sent]
                sent += 1
            if self._finished:
                return
            await news.wait()

    def send(self, about: dict, payload: bytes = b"") -> None:
        """From any thread."""
        self._loop.call_soon_threadsafe(self._add, message(about, payload))

    def finish(self) -> None:
        """From any thread; after the last message."""
        self._loop.call_soon_threadsafe(self._add, None)

    def _add(self, data: bytes | None) -> None:
        if data is None:
            self._finished = True
        else:
            self._messages.append(data)
        news, self._news = self._news, asyncio.Event()
        news.set()


_streams: dict[StatKey, PeaksStream] = {}


def peaks_stream(file: SoundFile) -> PeaksStream:
    """The stream of a file: the one under way, or a new one, from the cache or by decoding it."""
    key = file.key
    if key not in _streams:
        stream = _streams[key] = PeaksStream(file.stamp)
        future = asyncio.get_running_loop().run_in_executor(analysing, _fill, stream, file)

        def finish(_: asyncio.Future) -> None:
            _streams.pop(key, None)
            stream.finish()

        future.add_done_callback(finish)
    return _streams[key]


def _fill(stream: PeaksStream, file: SoundFile) -> None:
    path = file.path
    try:
        content = sound_cache.known_content(path)
        picture = sound_cache.load_picture(content) if content else None
        if picture is None:
            picture = _decode_peaks(stream, path)
            content = sound_cache.content_of(path)
            if stat_key(path) == file.key:  # else part of it may be of another sound
                sound_cache.keep_picture(content, picture)
        else:
            _send_sound(stream, picture.duration_seconds, picture)
            stream.send({"kind": "overview"}, reduced(picture.peaks, OVERVIEW_BINS).tobytes())
            stream.send({"kind": "peaks", "first_bin": 0}, picture.peaks.tobytes())
        stream.send({"kind": "end", "duration": picture.duration_seconds, "silences": picture.silences})
    except SoundToVideoError as error:
        stream.send({"kind": "error", "error": str(error)})
    except Exception as error:
        stream.send({"kind": "error", "error": f"{path.name} cannot be shown: {error}"})
        logging.exception("Sound to Video: %s cannot be shown", path.name)


def _send_sound(stream: PeaksStream, duration: float, sound: SoundPicture) -> None:
    stream.send(
        {
            "kind": "sound",
            "stamp": stream.stamp,
            "duration": duration,
            "sample_rate": sound.sample_rate,
            "channels": sound.channels,
            "bins_per_second": sound.bins_per_second,
        }
    )


def _decode_peaks(stream: PeaksStream, path: Path) -> SoundPicture:
    """Decode the whole file, sending its peaks as they come; a long one is sketched first."""
    rough = sketch(path, SKETCH_SPOTS, SKETCH_FROM_SECONDS)
    if rough:
        stream.send({"kind": "sound", "stamp": stream.stamp, "duration": rough.duration_seconds})
        stream.send({"kind": "overview"}, rough.peaks.tobytes())
    audio = open_audio(path)
    duration = float(audio.duration)
    bins_per_second = bins_per_second_for(duration)
    picture = SoundPicture(duration, audio.sample_rate, audio.channels, bins_per_second, np.zeros((0, 2), np.int8), [])
    _send_sound(stream, duration, picture)
    meter = PeakMeter(audio.sample_rate, bins_per_second)
    parts: list[np.ndarray] = []
    waiting: list[np.ndarray] = []
    sent = 0

    def send_waiting() -> None:
        nonlocal sent
        peaks = np.concatenate(waiting) if waiting else np.zeros((0, 2), np.int8)
        stream.send({"kind": "peaks", "first_bin": sent}, peaks.tobytes())
        sent += len(peaks)
        parts.append(peaks)
        waiting.clear()

    for block in audio.blocks(BLOCK_SAMPLES):
        waiting.append(meter.feed(block.numpy()))
        if sum(map(len, waiting)) >= SECONDS_PER_MESSAGE * bins_per_second:
            send_waiting()
    waiting.append(meter.finish())
    send_waiting()
    peaks = np.concatenate(parts)
    return SoundPicture(duration, audio.sample_rate, audio.channels, bins_per_second, peaks, silences(meter.levels()))
