"""The frames of MP3 and ADTS by the lengths in their headers: each begins where the last one ends, in an intact file.

Sources: ISO 11172-3 and 13818-3, 2.4.2.3 (MP3); ISO 13818-7, 6.2 (ADTS).
"""

from __future__ import annotations

from pathlib import Path

SYNC = 0xFFE00000
# What all frames of one sound have in common: MP3 has version, layer and rate, ADTS has layer, profile, rate and
# channels after the bits of the sync word.
FRAME_KINDS = {"mp3": 0xFFFE0C00, "aac": 0xFFF6FDC0}

CHUNK_BYTES = 1 << 20
KILOBITS = {
    1: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


class FrameChain:
    """``header``: the first four bytes of a frame, as a big-endian number."""

    def __init__(self, path: Path, container: str, header: int):
        self._path = path
        self._mask = FRAME_KINDS[container]
        self._kind = header & self._mask
        self._sizes = _mp3_sizes(header) if container == "mp3" else None

    def walk(self, byte: int, frames: int) -> int | None:
        """The byte that follows ``frames`` frames, the first at ``byte``; None where the chain breaks before."""
        with self._path.open("rb") as file:
            while frames:
                file.seek(byte)
                chunk = file.read(CHUNK_BYTES)
                walked, frames = self._walk_chunk(chunk, frames)
                if not walked:
                    return None
                byte += walked
        return byte

    def _walk_chunk(self, chunk: bytes, frames: int) -> tuple[int, int]:
        """Bytes of whole frames, and how many frames are left to walk."""
        at, mask, kind, sizes = 0, self._mask, self._kind, self._sizes
        end = len(chunk) - 8
        while frames and at < end:
            if int.from_bytes(chunk[at : at + 4], "big") & mask != kind:
                return 0, frames
            if sizes:
                size = sizes[chunk[at + 2]]
            else:
                size = (chunk[at + 3] & 3) << 11 | chunk[at + 4] << 3 | chunk[at + 5] >> 5
            if size < 7:
                return 0, frames
            if at + size > len(chunk):
                break
            at += size
            frames -= 1
        return at, frames


def _mp3_sizes(header: int) -> list[int]:
    """Bytes of a Layer III frame by the third byte of its header; 0 for what is not allowed."""
    version = {3: 1, 2: 2, 0: 2.5}.get(header >> 19 & 3, 1)
    rates = {1: (44100, 48000, 32000), 2: (22050, 24000, 16000), 2.5: (11025, 12000, 8000)}[version]
    kilobits = KILOBITS[1 if version == 1 else 2]
    sizes = []
    for byte in range(256):
        rate, bits = byte >> 2 & 3, byte >> 4
        allowed = rate < 3 and 0 < bits < 15
        scale = 144000 if version == 1 else 72000
        sizes.append(scale * kilobits[bits - 1] // rates[rate] + (byte >> 1 & 1) if allowed else 0)
    return sizes
