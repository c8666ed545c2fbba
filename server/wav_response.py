"""A sound as a WAV that is made while it is sent, and of which any range of bytes can be asked for."""

from __future__ import annotations

import re
import struct
import threading
from collections.abc import Iterator

import torch
from aiohttp import web

from ..core.audio import Audio
from .answers import sending, stream
from .workers import in_thread, playing

HEADER_BYTES = 44
BLOCK_SAMPLES = 1 << 15
_MOST_BYTES = 0xFFFFFFFF


async def wav_response(request: web.Request, audio: Audio, sample_count: int) -> web.StreamResponse:
    """Answer with ``audio`` as 16-bit PCM of one or two channels (more are mixed down); ``Range: bytes=a-b`` works.

    ``sample_count``: the audio's, which may take long to find out.
    """
    channels = min(audio.channels, 2)
    frame_bytes = 2 * channels
    total = HEADER_BYTES + sample_count * frame_bytes
    span = _requested_span(request, total)
    if span == ():
        return web.json_response(
            {"error": f"the range is outside of the {total} bytes."},
            status=416,
            headers={"Content-Range": f"bytes */{total}"},
        )
    first, end = span or (0, total)
    response = stream(206 if span else 200, Content_Type="audio/wav", Accept_Ranges="bytes")
    if span:
        response.headers["Content-Range"] = f"bytes {first}-{end - 1}/{total}"
    response.content_length = end - first
    async with sending(request, response):
        if request.method == "HEAD":
            return response
        header = _header(audio.sample_rate, channels, total)
        if first < HEADER_BYTES:
            await response.write(header[first:end])
        from_byte, to_byte = max(first - HEADER_BYTES, 0), end - HEADER_BYTES
        if to_byte > from_byte:
            await _send_samples(response, audio, frame_bytes, from_byte, to_byte)
        await response.write_eof()
    return response


async def _send_samples(
    response: web.StreamResponse, audio: Audio, frame_bytes: int, from_byte: int, to_byte: int
) -> None:
    from_sample = from_byte // frame_bytes
    skip, left = from_byte - from_sample * frame_bytes, to_byte - from_byte
    blocks = _Blocks(audio, from_sample, -(-to_byte // frame_bytes))
    try:
        while left > 0 and (data := await in_thread(playing, blocks.next)):
            data = data[skip : skip + left]
            skip, left = 0, left - len(data)
            await response.write(data)
    finally:
        blocks.stop()
        playing.submit(blocks.close)  # not waited for: a listener who went away may have left a block being decoded


class _Blocks:
    """A stretch of a sound as PCM, a block at a time, from one thread at a time; its file is open until ``close``."""

    def __init__(self, audio: Audio, start: int, end: int):
        self._audio, self._start, self._end = audio, start, end
        self._blocks: Iterator[torch.Tensor] | None = None
        self._closed = False
        self._lock = threading.Lock()

    def next(self) -> bytes:
        """Nothing after the last."""
        with self._lock:
            if self._closed:
                return b""
            if self._blocks is None:
                self._blocks = self._audio.trimmed(self._start, self._end).blocks(BLOCK_SAMPLES)
            block = next(self._blocks, None)
            return b"" if block is None else _pcm(block)

    def stop(self) -> None:
        """Nothing more is begun."""
        self._closed = True

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._blocks is not None:
                self._blocks.close()  # type: ignore[attr-defined]
                self._blocks = None


def _requested_span(request: web.Request, total: int) -> tuple[int, int] | tuple[()] | None:
    """(first, end) bytes, end excluded; () if none of them exists; None where all is asked for.

    That is also where there is more than one range, or a condition (``If-Range``): no answer names a version of the
    file, so none that is asked for can be met (RFC 9110, 13.1.5 and 14.2).
    """
    header = request.headers.get("Range", "")
    match = re.fullmatch(r"bytes=([0-9]*)-([0-9]*)", header.strip())
    if match is None or match.groups() == ("", "") or "If-Range" in request.headers:
        return None
    start, last = map(_number, match.groups())
    if start is None:
        first, end = max(total - (last or 0), 0), total
    elif last is not None and last < start:
        return None  # not a range
    else:
        first, end = start, total if last is None else min(last + 1, total)
    return (first, end) if first < end else ()


def _number(digits: str) -> int | None:
    """What digits say; of more than 20, which is beyond any file, only so much."""
    return int(digits.lstrip("0")[:20] or "0") if digits else None


def _header(sample_rate: int, channels: int, total: int) -> bytes:
    riff, data = min(total - 8, _MOST_BYTES), min(total - HEADER_BYTES, _MOST_BYTES)
    form = struct.pack("<HHIIHH", 1, channels, sample_rate, sample_rate * channels * 2, channels * 2, 16)
    return (
        b"RIFF"
        + struct.pack("<I", riff)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + form
        + b"data"
        + struct.pack("<I", data)
    )


def _pcm(block: torch.Tensor) -> bytes:
    """[C, n] in -1..1 -> interleaved int16 of one or two channels."""
    if block.shape[0] > 2:
        block = block.mean(dim=0, keepdim=True).expand(2, -1)
    return (block.clamp(-1, 1) * 32767).round().to(torch.int16).T.contiguous().numpy().tobytes()
