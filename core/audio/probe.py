"""What the beginning of a file tells about its sound, and how its frames become float32."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, cast

import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame, format_dtypes
from av.codec.context import Flags2
from av.container import InputContainer
from av.error import FFmpegError, InvalidDataError
from av.packet import Packet

from ..errors import SoundToVideoError
from ..media import audio_streams, check_sound, open_media
from .lazy import check_finite

PIECE_SAMPLES = 65536


@dataclass(frozen=True)
class Probe:
    """The audio stream of a file. *Raw* samples are what the decoder puts out from the first packet on; *audible* ones
    are those without the encoder's priming and padding, which the container marks (edit list, CodecDelay, LAME tag,
    Opus pre-skip, granule position)."""

    path: Path
    container: str
    codec: str
    stream: int
    rate: int
    channels: int
    time_base: Fraction
    first_pts: int
    head: int  # raw samples before the first audible one
    first_lengths: tuple[int, ...]  # raw samples of the first packets
    declared_pts: int | None  # the stream's length by its header

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def is_pcm(self) -> bool:
        return self.codec.startswith("pcm_")

    def raw_position(self, pts: int) -> int:
        return round((pts - self.first_pts) * self.time_base * self.rate)

    def pts(self, raw: int) -> int:
        return self.first_pts + int(raw / (self.rate * self.time_base))


class Reading:
    """An open file whose decoder leaves priming and padding in (``raw=True``) or not; a context manager.

    ``offset``: byte of the file at which to begin, for containers that are a bare row of frames.
    """

    def __init__(self, path: Path, stream: int, raw: bool = True, container: str | None = None, offset: int = 0):
        self._file: IO[bytes] | None = _FromOffset(path, offset) if offset else None  # type: ignore[assignment]
        self.container: InputContainer = open_media(self._file or path, container if offset else None)
        self.stream = self.container.streams[stream]
        self.context = cast(AudioCodecContext, self.stream.codec_context)
        if raw:
            self.context.flags2 |= Flags2.skip_manual
        for other in self.container.streams:
            if other is not self.stream and hasattr(other, "discard"):  # PyAV 18
                other.discard = type(other.discard).all

    def packets(self) -> Iterator[Packet]:
        for packet in self.container.demux(self.stream):
            if packet.size:
                yield packet

    def __enter__(self) -> "Reading":
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()
        if self._file is not None:
            self._file.close()


class _FromOffset:
    """A file that begins ``offset`` bytes late, as PyAV wants it."""

    def __init__(self, path: Path, offset: int):
        self._file = path.open("rb")
        self._offset = offset
        self._file.seek(offset)

    def read(self, size: int) -> bytes:
        return self._file.read(size)

    def seek(self, position: int, whence: int = 0) -> int:
        return self._file.seek(position + self._offset if whence == 0 else position, whence) - self._offset

    def tell(self) -> int:
        return self._file.tell() - self._offset

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()


def probe(path: Path) -> Probe:
    """Decode the first packets of ``path``.

    Raises SoundToVideoError when it is missing, empty, not media, without sound or of 0 samples.
    """
    if not path.is_file():
        raise SoundToVideoError(f"{path.name} is not there. Choose another file or upload it again.")
    if path.stat().st_size == 0:
        raise SoundToVideoError(f"{path.name} is empty (0 bytes). Export or record it again.")
    try:
        return _probe(path)
    except (FFmpegError, OSError) as error:
        raise SoundToVideoError(
            f"{path.name} cannot be read as sound ({error.strerror}). It may be another kind of file under this "
            "name, or damaged; open it in an audio editor and export it again."
        ) from error


def _probe(path: Path) -> Probe:
    with open_media(path) as container:
        decodable = audio_streams(container)
        if not decodable:
            what = "a sound of an unknown kind" if container.streams.audio else "no sound"
            raise SoundToVideoError(f"{path.name} has {what}. Choose a file that can be heard.")
        stream = decodable[0].index
    lengths: list[int] = []
    head = unmoved = 0
    first: AudioFrame | None = None
    first_pts: int | None = None
    with Reading(path, stream) as raw, Reading(path, stream, raw=False) as plain:
        for raw_packet, plain_packet in zip(raw.packets(), plain.packets(), strict=False):
            raw_frames, plain_frames = frames_of(raw_packet), frames_of(plain_packet)
            length, kept = count(raw_frames), count(plain_frames)
            first_pts = raw_packet.pts if first_pts is None else first_pts
            first = next(iter(raw_frames), None) if first is None else first
            lengths.append(length)
            head += length - kept - min(end_padding(raw_packet), length - kept)
            unmoved = unmoved + 1 if kept == length > 0 else 0
            if unmoved == 8:
                break
        if first is None:
            raise SoundToVideoError(f"{path.name} holds 0 samples of sound. Export or record it again.")
        check_sound(path.name, first.sample_rate, first.layout.nb_channels)
        return Probe(
            path=path,
            container=raw.container.format.name,
            codec=raw.context.name,
            stream=stream,
            rate=first.sample_rate,
            channels=first.layout.nb_channels,
            time_base=raw.stream.time_base or Fraction(1, first.sample_rate),
            first_pts=first_pts or 0,
            head=head,
            first_lengths=tuple(lengths),
            declared_pts=raw.stream.duration,
        )


def frames_of(packet: Packet) -> list[AudioFrame]:
    """The frames of a packet; none where it is damaged."""
    try:
        return packet.decode()  # type: ignore[return-value]
    except InvalidDataError:
        return []


def count(frames: list[AudioFrame]) -> int:
    return sum(frame.samples for frame in frames)


def end_padding(packet: Packet) -> int:
    """Samples at the end of a packet that the container marks as not part of the sound."""
    return skip_samples(packet)[1]


def skip_samples(packet: Packet) -> tuple[int, int]:
    """Samples that the container takes off at the beginning and the end of a packet."""
    if not packet.has_sidedata("skip_samples"):
        return 0, 0
    return struct.unpack("<II", bytes(packet.get_sidedata("skip_samples"))[:8])


def samples_of(frame: AudioFrame) -> np.ndarray:
    """The samples of a frame, [C, n], as they were stored.

    Not by ``to_ndarray``: PyAV to 18.1 find a ninth plane in a planar frame of 8 channels.
    """
    channels = frame.layout.nb_channels
    if not frame.format.is_planar:
        return frame.to_ndarray().reshape(frame.samples, channels).T
    dtype = np.dtype(format_dtypes[frame.format.name])
    return np.stack([np.frombuffer(memoryview(plane), dtype, frame.samples) for plane in frame.planes[:channels]])


def floats(stored: Iterable[np.ndarray], position: int, sample_rate: int) -> Iterator[np.ndarray]:
    """Samples [C, n] as stored -> [C, m] float32, full scale 1.0; about PIECE_SAMPLES at a time.

    By the rule of core's Load Audio (``f32_pcm``): int / 2^(bits - 1). Unsigned 8-bit, at which core stops with
    "Unsupported wav dtype", is centred first; float64, which core passes on, is rounded. NaN and infinity raise
    SoundToVideoError with their time; ``position`` is the first sample's.
    """
    held: list[np.ndarray] = []
    count = 0
    for samples in stored:
        held.append(samples)
        count += samples.shape[1]
        if count >= PIECE_SAMPLES:
            yield _floats(held, position, sample_rate)
            position += count
            held, count = [], 0
    if held:
        yield _floats(held, position, sample_rate)


def _floats(held: list[np.ndarray], position: int, sample_rate: int) -> np.ndarray:
    samples = np.concatenate(held, axis=1)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    if np.issubdtype(samples.dtype, np.integer):
        return samples.astype(np.float32) / 2 ** (8 * samples.itemsize - 1)
    check_finite(samples, position, sample_rate)
    return samples.astype(np.float32, copy=False)
