"""How many samples a packet decodes to, told without decoding it.

Positions are raw: samples as the decoder puts them out from the first packet on, encoder priming and padding included.
"""

from collections.abc import Callable

from av.audio.codeccontext import AudioCodecContext
from av.packet import Packet

PacketLength = Callable[[Packet], int]

# Packets of these always hold the same number of samples (but for ALAC's last).
CONSTANT = ("aac", "alac", "mp3", "mp3float")

# Opus frame durations at 48 kHz by TOC configuration, RFC 6716 section 3.1.
OPUS_FRAMES = (480, 960, 1920, 2880) * 3 + (480, 960) * 2 + (120, 240, 480, 960) * 4


def packet_length(context: AudioCodecContext, first_lengths: list[int]) -> PacketLength | None:
    """A function that counts a packet's samples, or None for a codec whose packets have to be decoded for that.

    It has to be given every packet once, in order. ``first_lengths``: what the first packets decoded to.
    """
    codec = context.name
    extradata = bytes(context.extradata or b"")
    if codec.startswith("pcm_") and context.channels and context.format.bytes:
        return _pcm_length(codec, context.channels)
    if codec in CONSTANT and len(set(first_lengths[:-1] or first_lengths)) == 1:
        return lambda packet: first_lengths[0]
    if codec == "opus":
        return _opus_length
    if codec == "vorbis":
        return _vorbis_length(extradata, first_lengths[0])
    if codec == "flac":
        return _flac_length(extradata)
    return None


def _pcm_length(codec: str, channels: int) -> PacketLength | None:
    digits = "".join(filter(str.isdigit, codec))
    bits = 8 if codec in ("pcm_alaw", "pcm_mulaw") else int(digits or 0)
    if bits % 8 or bits == 0:
        return None
    frame_bytes = bits // 8 * channels
    return lambda packet: packet.size // frame_bytes


def _flac_length(extradata: bytes) -> PacketLength | None:
    start = extradata.find(b"fLaC") + 8 if extradata.startswith(b"fLaC") else 0
    smallest = int.from_bytes(extradata[start : start + 2], "big")
    largest = int.from_bytes(extradata[start + 2 : start + 4], "big")
    return (lambda packet: largest) if smallest == largest > 0 else None


def _opus_length(packet: Packet) -> int:
    head = bytes(memoryview(packet)[:2])
    if not head:
        return 0
    frames = (1, 2, 2, head[-1] & 63)[head[0] & 3]
    return frames * OPUS_FRAMES[head[0] >> 3]


def _vorbis_length(extradata: bytes, first_length: int) -> PacketLength | None:
    """Vorbis I specification, 1.3.2, 4.3.8: a packet yields a quarter of its block and a quarter of the last one's."""
    modes = vorbis_modes(extradata)
    if not modes:
        return None
    mask = (1 << (len(modes) - 1).bit_length()) - 1
    previous = 0

    def length(packet: Packet) -> int:
        nonlocal previous
        head = bytes(memoryview(packet)[:1])
        if not head or head[0] & 1 or (head[0] >> 1) & mask >= len(modes):
            return 0
        block = modes[(head[0] >> 1) & mask]
        count = (previous + block) // 4 if previous else first_length
        previous = block
        return count

    return length


def vorbis_modes(extradata: bytes) -> list[int]:
    """The block size of each mode of a Vorbis stream, read backwards from the end of its setup header.

    Modes are the header's last entries, 41 bits each: block flag, two 16-bit zeros, 8-bit mapping; before them their
    number less one in 6 bits, after them one framing bit (Vorbis I specification, 4.2.4).
    """
    headers = _vorbis_headers(extradata)
    if headers is None:
        return []
    identification, setup = headers
    sizes = (1 << (identification[28] & 15), 1 << (identification[28] >> 4))
    bits = int.from_bytes(setup, "little")
    framing = bits.bit_length() - 1
    count = 0
    for modes in range(1, 65):
        start = framing - 41 * modes
        if start < 6 or (bits >> (start + 1)) & 0xFFFFFFFF:
            break
        if (bits >> (start - 6)) & 63 == modes - 1:
            count = modes
    start = framing - 41 * count
    return [sizes[(bits >> (start + 41 * mode)) & 1] for mode in range(count)]


def _vorbis_headers(extradata: bytes) -> tuple[bytes, bytes] | None:
    """Identification and setup header from Xiph-laced or length-prefixed extradata."""
    if extradata[:2] == b"\x00\x1e":
        packets, position = [], 0
        for _ in range(3):
            size = int.from_bytes(extradata[position : position + 2], "big")
            packets.append(extradata[position + 2 : position + 2 + size])
            position += 2 + size
    elif extradata[:1] == b"\x02":
        position, sizes = 1, []
        for _ in range(2):
            size = 0
            while position < len(extradata) and extradata[position] == 255:
                size, position = size + 255, position + 1
            sizes.append(size + extradata[position])
            position += 1
        packets = [
            extradata[position : position + sizes[0]],
            b"",
            extradata[position + sum(sizes) :],
        ]
    else:
        return None
    return (packets[0], packets[2]) if len(packets[0]) >= 30 and packets[2] else None
