"""The numbers that FLAC frames bear, read at spots of a file: whether it is one stream from beginning to end."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

SPOTS = 64
SPOT_BYTES = 1 << 16
SAME = bytes([0xFF, 0xFF, 0xFF, 0x0F])
"""Of the first bytes of a frame, what all but the last of a stream share: all but the mode of the channels."""


class Header(NamedTuple):
    kind: bytes  # the first four bytes, as far as they are those of all frames
    number: int  # of the frame, or of its first sample where blocks vary


def is_one_stream(path: Path, first_byte: int) -> bool:
    """Whether the numbers of frames rise along the file; files that were joined begin anew with 0.

    A seek by time cannot tell, as it lands in any of the parts.  first_byte: where the first frame begins.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        kind, last = None, -1
        for spot in range(SPOTS):
            file.seek(first_byte + (size - first_byte) * spot // SPOTS)
            header = _first_header(file.read(SPOT_BYTES), kind)
            if header is None:
                continue  # damage, or a picture between
            if header.number < last:
                return False
            kind, last = header.kind, header.number
    return True


def _first_header(content: bytes, kind: bytes | None) -> Header | None:
    at = content.find(b"\xff")
    while 0 <= at < len(content) - 16:
        header = _header_at(content, at)
        if header and kind in (None, header.kind):
            return header
        at = content.find(b"\xff", at + 1)
    return None


def _header_at(content: bytes, at: int) -> Header | None:
    """RFC 9639, section 9.1: two bytes of sync code, codes of size, rate, channels and depth, the number, its CRC."""
    start = content[at : at + 4]
    if start[1] & 0xFE != 0xF8 or start[2] >> 4 == 0 or start[2] & 15 == 15 or start[3] & 1:
        return None
    lead = content[at + 4]
    more = 0 if lead < 0x80 else 7 - (lead ^ 0xFF).bit_length()
    if lead >= 0x80 and not 1 <= more <= 6:
        return None
    number = lead if lead < 0x80 else lead & (0x3F >> more)
    for byte in content[at + 5 : at + 5 + more]:
        if byte & 0xC0 != 0x80:
            return None
        number = number << 6 | byte & 0x3F
    end = at + 5 + more + {6: 1, 7: 2}.get(start[2] >> 4, 0) + {12: 1, 13: 2, 14: 2}.get(start[2] & 15, 0)
    if _crc(content[at:end]) != content[end]:
        return None
    return Header(bytes(byte & mask for byte, mask in zip(start, SAME, strict=True)), number)


def _crc(content: bytes) -> int:
    """x^8 + x^2 + x + 1, from 0."""
    value = 0
    for byte in content:
        value ^= byte
        for _ in range(8):
            value = (value << 1 ^ (0x07 if value & 0x80 else 0)) & 0xFF
    return value
