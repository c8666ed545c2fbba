"""A sound as a WAV that is made while it is sent, and of which any range of bytes can be asked for."""

from __future__ import annotations

import asyncio
import re
import struct

import torch
from aiohttp import web

from ..core.audio import Audio

HEADER_BYTES = 44
BLOCK_SAMPLES = 1 << 15
_MOST_BYTES = 0xFFFFFFFF


async def wav_response(request: web.Request, audio: Audio) -> web.StreamResponse:
    """Answer with ``audio`` as 16-bit PCM of one or two channels (more are mixed down); ``Range: bytes=a-b`` works."""
    channels = min(audio.channels, 2)
    frame_bytes = 2 * channels
    total = HEADER_BYTES + audio.sample_count * frame_bytes
    span = _requested_span(request.headers.get("Range"), total)
    headers = {"Content-Type": "audio/wav", "Accept-Ranges": "bytes", "Cache-Control": "no-store"}
    if span is None:
        return web.json_response(
            {"error": f"the range is outside of the {total} bytes."},
            status=416,
            headers={"Content-Range": f"bytes */{total}"},
        )
    first, end = span
    if "Range" in request.headers:
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{total}"
    response = web.StreamResponse(status=206 if "Range" in request.headers else 200, headers=headers)
    response.content_length = end - first
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    header = _header(audio.sample_rate, channels, total)
    if first < HEADER_BYTES:
        await response.write(header[first:end])
    from_byte, to_byte = max(first - HEADER_BYTES, 0), end - HEADER_BYTES
    if to_byte > from_byte:
        from_sample = from_byte // frame_bytes
        to_sample = -(-to_byte // frame_bytes)
        skip, left = from_byte - from_sample * frame_bytes, to_byte - from_byte
        blocks = iter(audio.trimmed(from_sample, to_sample).blocks(BLOCK_SAMPLES))
        while left > 0 and (block := await asyncio.to_thread(next, blocks, None)) is not None:
            data = _pcm(block)[skip : skip + left]
            skip, left = 0, left - len(data)
            await response.write(data)
    await response.write_eof()
    return response


def _requested_span(header: str | None, total: int) -> tuple[int, int] | None:
    """(first, end) bytes, end excluded; None if none of them exists. What is not a single range asks for all."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
        return 0, total
    if match[1] == "":
        first, end = max(total - int(match[2]), 0), total
    else:
        first, end = int(match[1]), min(int(match[2]) + 1, total) if match[2] else total
    return (first, end) if first < end else None


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
