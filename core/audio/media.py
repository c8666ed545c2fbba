"""The one door through which the pack opens sound and video files for reading."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import ArgumentError
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from ..errors import SoundToVideoError, encodable

CONTAINERS = (
    # General
    *("mov", "matroska", "avi", "asf", "flv", "mpegts", "mpeg", "mxf", "nut", "gxf", "ogg", "rm"),
    *("ivr", "wtv", "dv", "swf", "nsv", "nuv", "live_flv", "yuv4mpegpipe", "ivf", "ty", "pva", "lmlm4", "kux", "asf_o"),
    # Sound
    *("wav", "w64", "aiff", "au", "caf", "voc", "ircam", "nistsphere", "avr", "pvf", "paf", "sds", "sox", "xwma"),
    *("iff", "wve", "dsf", "wsd", "mp3", "aac", "loas", "flac", "ac3", "ac4", "eac3", "dts", "dtshd", "mlp", "truehd"),
    *("spdif", "tta", "wv", "ape", "mpc", "mpc8", "tak", "shn", "osq", "rka", "bonk", "wavarc", "qoa"),
    *("amr", "amrnb", "amrwb", "gsm", "g722", "g726", "g729", "ilbc", "qcp", "codec2", "dss", "sbc", "aptx", "aptx_hd"),
    *("lc3", "oma", "aea", "aa", "aax", "vqf", "act", "sln", "aix", "adx", "hca", "mmf", "hcom", "iamf", "apac", "laf"),
    # Pictures in motion
    *("m4v", "mpegvideo", "h261", "h263", "h264", "hevc", "vvc", "av1", "obu", "vc1", "vc1test", "dirac", "cavsvideo"),
    *("avs2", "avs3", "evc", "apv", "mjpeg", "mjpeg_2000", "dnxhd", "gif", "apng", "webp_pipe", "r3d", "mlv", "cine"),
    *("smjpeg", "smk", "bink", "flic", "film_cpk", "roq", "4xm", "rl2", "mm", "rpl", "bethsoftvid", "wc3movie"),
)
"""Containers that hold their sound and pictures themselves, by libav's names.

Left out are those that name other files or addresses (hls, dash, concat, sdp, rtsp, image2, imf, vobsub, playlists),
devices and scripts (lavfi), subtitles, and samples without a header."""

HIGHEST_RATE = 1_536_000
MOST_CHANNELS = 64
MOST_STREAMS = 1000
MOST_PIXELS = 1 << 27

OPTIONS = {
    "format_whitelist": ",".join(CONTAINERS),
    "protocol_whitelist": "file",
    "enable_drefs": "0",  # MOV and MP4 may name other files for their media
    "use_absolute_path": "0",
    "max_streams": str(MOST_STREAMS),
    "max_pixels": str(1 << 24),  # of a cover that is decoded only to learn what it is: 64 MB
}


def open_media(source: str | Path | IO[bytes] | Any, container: str | None = None) -> InputContainer:
    """Open a media file; a context manager.

    Only the file itself is read: a playlist under the name of a sound, or a container that names other files, opens
    nothing. Tags that cannot be read decide nothing.

    source: A path, or a binary file object that can be sought in.
    container: libav's name of the container, where it is known.
    Raises SoundToVideoError: It is none of ``CONTAINERS``, or has too many streams.
    Raises FFmpegError, OSError: It cannot be opened.
    """
    file = source
    if isinstance(source, str | Path):
        file = WideSamples.of(Path(source)) or str(Path(source).absolute())
    try:
        opened = av.open(file, "r", format=container, options=OPTIONS, metadata_errors="ignore")
    except ArgumentError as error:  # what libav answers where a whitelist does not have the container
        raise _not_media(source) from error
    if not set(opened.format.name.split(",")) & set(CONTAINERS):
        opened.close()
        raise _not_media(source)
    return opened


def demuxed(container: InputContainer, *streams: Stream) -> Iterator[Packet]:
    """The packets of ``streams`` as they lie in the file, then an empty one of each, which flushes its decoder.

    A stream that comes up only after opening, as in a transport stream, is passed over, as by the ffmpeg command line.
    PyAV (to 18.1) looks for it at the end among those it has, and raises an IndexError after the last packet of
    ``streams``.

    Raises FFmpegError: A place cannot be read.
    """
    with suppress(IndexError):
        yield from container.demux(*streams)


class SharedFile:
    """A file as PyAV wants it, to be read otherwise than it is; closed with the last reference to it."""

    def __init__(self, path: Path):
        self._file = path.open("rb")

    def read(self, size: int) -> bytes:
        return self._file.read(size)

    def seek(self, position: int, whence: int = 0) -> int:
        return self._file.seek(position, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()


class WideSamples(SharedFile):
    """A WAV of fewer valid bits than its samples take (24 in 32), read as samples of full width.

    The low bits are 0 then (Microsoft, WAVEFORMATEXTENSIBLE), but libav takes 24 bits in 32 for floating point of Cool
    Edit (``pcm_f24le`` in its wavdec.c).
    """

    def __init__(self, path: Path, place: int, bits: int):
        super().__init__(path)
        self._place = place
        self._bytes = struct.pack("<H", bits)

    @classmethod
    def of(cls, path: Path) -> WideSamples | None:
        """None for all other files."""
        with path.open("rb") as file:
            head = file.read(1 << 14)
        if head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:12] != b"WAVE":
            return None
        at = 12
        while head[at : at + 4] != b"fmt " and at + 8 < len(head):
            size = int.from_bytes(head[at + 4 : at + 8], "little")
            at += 8 + size + size % 2
        form = head[at + 8 : at + 48]
        if len(form) < 40 or form[:2] != b"\xfe\xff" or form[24:26] != b"\x01\x00":
            return None
        bits, valid = struct.unpack("<H2xH", form[14:20])
        return cls(path, at + 8 + 18, bits) if bits == 32 and 16 < valid <= 24 else None

    def read(self, size: int) -> bytes:
        start = self._file.tell()
        content = bytearray(self._file.read(size))
        for offset, byte in enumerate(self._bytes):
            if start <= self._place + offset < start + len(content):
                content[self._place + offset - start] = byte
        return bytes(content)


def _not_media(source: Any) -> SoundToVideoError:
    return SoundToVideoError(
        f"{name_of(source)} is no sound or video file by its content, or of a kind that is not read here (a playlist, "
        "which only names other files, is one). Choose the file that holds the sound itself."
    )


def name_of(source: Any) -> str:
    """How sentences and the log call what is opened."""
    return encodable(Path(source).name) if isinstance(source, str | Path) else "the VIDEO's file"


def check_sound(name: str, sample_rate: int, channels: int) -> None:
    """Raise SoundToVideoError for what no recording has, and a damaged or made-up header says.

    name: How the sentence calls the file.
    sample_rate: Hz, 1 to 1,536,000 (DSD256 as libav decodes it has 1,411,200).
    channels: 1 to 64.
    """
    if not 1 <= sample_rate <= HIGHEST_RATE:
        raise SoundToVideoError(
            f"{name} says that it has {sample_rate} samples a second; up to {HIGHEST_RATE} can be read. Its header is "
            "wrong: export the sound again."
        )
    if not 1 <= channels <= MOST_CHANNELS:
        raise SoundToVideoError(
            f"{name} says that it has {channels} channels; up to {MOST_CHANNELS} can be read. Mix it down first."
        )


def check_picture(name: str, width: int, height: int) -> None:
    """Raise SoundToVideoError for pictures of more than 134 million pixels (16384 x 8192), which fill any memory."""
    if width * height > MOST_PIXELS:
        raise SoundToVideoError(
            f"{name} says that its pictures are {width} x {height}; {MOST_PIXELS // 10**6} million pixels can be read. "
            "Scale it down first, or export it again if that is not its size."
        )


def streams_by_preference(container: InputContainer) -> list[AudioStream]:
    """The streams of sound that there is a decoder for, the one that is to be heard first.

    As the ffmpeg command line chooses (``choose_stream`` of fftools): those marked default before others, then more
    channels before fewer, then as they lie in the file.
    """
    decodable = [stream for stream in container.streams.audio if stream.codec_context is not None]
    return sorted(decodable, key=lambda stream: (not stream.disposition & Disposition.default, -stream.channels))


def picture_stream(container: InputContainer) -> VideoStream | None:
    """The moving picture of a file, None where there is none. A cover is none."""
    moving = (
        stream
        for stream in container.streams.video
        if stream.codec_context is not None and not stream.disposition & Disposition.attached_pic
    )
    return next(moving, None)
