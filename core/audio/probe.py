"""What the beginning of a file tells about its sound, and how its frames become float32."""

import logging
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame, format_dtypes
from av.audio.resampler import AudioResampler
from av.codec.context import Flags2
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream

from ..errors import SoundToVideoError, encodable
from .media import SharedFile, check_sound, demuxed, open_media, picture_stream, streams_by_preference

PIECE_SAMPLES = 65536
MOST_FIRST_LENGTHS = 4096
MOST_UNDECODED_BYTES = 1 << 26
# From here on a sound starts late: MKV rounds times to ms, and no ear or eye notices less.
LATE_SECONDS = Fraction(1, 100)
MOST_LATE_SECONDS = 3600


@dataclass(frozen=True)
class Probe:
    """The audio stream of a file. *Raw* samples are what the decoder puts out from the first packet on; *audible* ones
    are those without the encoder's priming and padding, which the container marks (edit list, CodecDelay, LAME tag,
    Opus pre-skip, granule position).

    When it is heard: a file of sound alone begins with its first sample, and what cannot be decoded leaves no gap, as
    with the ffmpeg command line. Beside a moving picture, time is that of the container, which starts with the first of
    picture and sound: a sound that starts later has silence before it, and a hole in it is silence. A sound that starts
    earlier than the picture is heard from its beginning.
    """

    path: Path
    container: str
    codec: str
    stream: int
    rate: int
    channels: int
    time_base: Fraction
    first_pts: int  # of raw sample 0
    head: int  # raw samples before the first audible one
    first_lengths: tuple[int, ...]  # raw samples of the first packets
    declared_pts: int | None  # the stream's length by its header
    layout: str
    sample_format: str
    keeps_clock: bool  # there is a moving picture, which the sound has to stay with
    delay: int  # samples of silence before the first audible one
    is_even: bool  # of PCM: the header agrees with itself; else seeking and times by it lead to the wrong place

    @property
    def name(self) -> str:
        """As messages have it, whatever bytes it is made of."""
        return encodable(self.path.name)

    @property
    def is_pcm(self) -> bool:
        return self.codec.startswith("pcm_")

    def is_kind_of(self, frame: AudioFrame) -> bool:
        """Whether a frame has the rate, channels and kind of samples that the sound begins with."""
        return (
            frame.sample_rate == self.rate
            and frame.layout.nb_channels == self.channels
            and frame.format.name == self.sample_format
        )

    def raw_position(self, pts: int) -> int:
        return round((pts - self.first_pts) * self.time_base * self.rate)

    def declared_length(self, packet: Packet) -> int:
        """Samples that the container says the last packet has, 0 where it does not.

        MP4 gives it the length that the sound has there; core keeps the padding beyond.
        """
        if "mp4" not in self.container or not packet.duration:
            return 0
        return round(packet.duration * self.time_base * self.rate)

    def pts(self, raw: int) -> int:
        return self.first_pts + int(raw / (self.rate * self.time_base))


class Reading:
    """An open file whose decoder leaves priming and padding in (``raw=True``) or not; a context manager.

    ``offset``: byte of the file at which to begin, for containers that are a bare row of frames.
    """

    def __init__(self, path: Path, stream: int, raw: bool = True, container: str | None = None, offset: int = 0):
        self._file = _FromOffset(path, offset) if offset else None
        self.container: InputContainer = open_media(self._file or path, container if offset else None)
        self.stream = self.container.streams[stream]
        self.context = cast(AudioCodecContext, self.stream.codec_context)
        if raw:
            self.context.flags2 |= Flags2.skip_manual
        for other in self.container.streams:
            if other is not self.stream and hasattr(other, "discard"):  # PyAV 18
                other.discard = type(other.discard).all

    def packets(self) -> Iterator[Packet]:
        """What can be read, up to the end or the first place that cannot be read."""
        packets = demuxed(self.container, self.stream)
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError:
                return
            if packet is None:
                return
            if packet.size:
                yield packet

    def rest(self) -> list[AudioFrame]:
        """What the decoder holds back after the last packet."""
        try:
            return self.context.decode(None)
        except FFmpegError:
            return []

    def __enter__(self) -> "Reading":
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()
        if self._file is not None:
            self._file.close()


class _FromOffset(SharedFile):
    """A file that begins ``offset`` bytes late."""

    def __init__(self, path: Path, offset: int):
        super().__init__(path)
        self._offset = offset
        self._file.seek(offset)

    def seek(self, position: int, whence: int = 0) -> int:
        return self._file.seek(position + self._offset if whence == 0 else position, whence) - self._offset

    def tell(self) -> int:
        return self._file.tell() - self._offset


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
        if not container.streams.audio:
            raise SoundToVideoError(f"{path.name} has no sound. Choose a file that can be heard.")
        candidates = [stream.index for stream in streams_by_preference(container)]
        if not candidates:
            raise SoundToVideoError(f"{path.name} has a sound of an unknown kind. Choose a file that can be heard.")
        picture = picture_stream(container)
        picture_start = _start_of(picture)
    for stream in candidates:
        found = _probe_stream(path, stream, picture is not None, picture_start)
        if found:
            return found
        logging.warning("%s: its sound in stream %d cannot be decoded", encodable(path.name), stream)
    raise SoundToVideoError(f"{path.name} holds 0 samples of sound. Export or record it again.")


def _start_of(stream: Stream | None) -> Fraction | None:
    """Seconds on the container's clock."""
    if stream is None or stream.start_time is None or stream.time_base is None:
        return None
    return stream.start_time * stream.time_base


def _probe_stream(path: Path, stream: int, has_picture: bool, picture_start: Fraction | None) -> Probe | None:
    """None where nothing of the stream can be decoded."""
    lengths: list[int] = []
    head = unmoved = read = 0
    is_even = True
    first: AudioFrame | None = None
    first_pts: int | None = None
    with Reading(path, stream) as raw, Reading(path, stream, raw=False) as plain:
        for raw_packet, plain_packet in zip(raw.packets(), plain.packets(), strict=False):
            found, plain_frames = decoded(raw_packet), frames_of(plain_packet)
            raw_frames = found or []
            length, kept = count(raw_frames), count(plain_frames)
            if first_pts is None and found is not None:  # a damaged beginning is not there
                first_pts = raw_packet.pts
            first = next(iter(raw_frames), None) if first is None else first
            if length and not lengths:
                is_even = _is_even(raw_packet, length)
            lengths = [*lengths, length] if len(lengths) < MOST_FIRST_LENGTHS else lengths
            head += length - kept - min(end_padding(raw_packet), length - kept)
            unmoved = unmoved + 1 if kept == length > 0 else 0
            read += raw_packet.size
            if unmoved == 8 or (first is None and read > MOST_UNDECODED_BYTES):
                break
        if first is None:
            first = next(iter(plain.rest()), None)
        if first is None:
            return None
        check_sound(path.name, first.sample_rate, first.layout.nb_channels)
        time_base = raw.stream.time_base or Fraction(1, first.sample_rate)
        start = (first_pts or 0) * time_base + Fraction(head, first.sample_rate)
        late = start - picture_start if picture_start is not None else Fraction(0)
        return Probe(
            path=path,
            container=raw.container.format.name,
            codec=raw.context.name,
            stream=stream,
            rate=first.sample_rate,
            channels=first.layout.nb_channels,
            time_base=time_base,
            first_pts=first_pts or 0,
            head=head,
            first_lengths=tuple(lengths),
            declared_pts=raw.stream.duration,
            layout=first.layout.name,
            sample_format=first.format.name,
            keeps_clock=has_picture,
            delay=round(late * first.sample_rate) if LATE_SECONDS < late < MOST_LATE_SECONDS else 0,
            is_even=is_even,
        )


def _is_even(packet: Packet, length: int) -> bool:
    """Whether a packet of ``length`` samples holds whole ones, as many a second as the header's bit rate says.

    libav seeks in PCM, and tells its times, by that bit rate (``ff_pcm_read_seek``, the byte rate of a WAV's header).
    """
    sample_bytes = packet.size // length or 1
    context = packet.stream.codec_context
    declared = getattr(context, "bit_rate", None) or 0
    return packet.size % sample_bytes == 0 and declared in (0, 8 * sample_bytes * context.sample_rate)


def frames_of(packet: Packet) -> list[AudioFrame]:
    """The frames of a packet; none where it is damaged."""
    return decoded(packet) or []


def decoded(packet: Packet) -> list[AudioFrame] | None:
    """The frames of a packet, which may be none as yet; None where it is damaged."""
    try:
        return packet.decode()  # type: ignore[return-value]
    except FFmpegError:
        return None


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


def silence(channels: int, samples: int) -> Iterator[np.ndarray]:
    """Pieces of zeros [C, n], float32, of ``samples`` together."""
    while samples > 0:
        yield np.zeros((channels, min(samples, PIECE_SAMPLES)), np.float32)
        samples -= PIECE_SAMPLES


class Conformed:
    """Frames as samples of the rate, channels and kind that the sound begins with, as the ffmpeg command line does."""

    def __init__(self, probe: Probe):
        self._probe = probe
        self._resampler: AudioResampler | None = None
        self._given: tuple | None = None

    def samples(self, frame: AudioFrame) -> Iterator[np.ndarray]:
        if self._probe.is_kind_of(frame):
            yield from self.rest()
            yield samples_of(frame)
            return
        given = frame.sample_rate, frame.layout.name, frame.format.name
        if given != self._given:
            yield from self.rest()
            self._given = given
            self._resampler = AudioResampler(self._probe.sample_format, self._probe.layout, self._probe.rate)
        frame.pts = None
        yield from self._converted(frame)

    def rest(self) -> Iterator[np.ndarray]:
        """What the conversion holds back."""
        if self._resampler:
            yield from self._converted(None)
            self._resampler = self._given = None

    def _converted(self, frame: AudioFrame | None) -> Iterator[np.ndarray]:
        try:
            frames = self._resampler.resample(frame) if self._resampler else []
        except (FFmpegError, ValueError):  # a layout without a name
            return
        yield from (samples_of(frame) for frame in frames if frame.samples)


def floats(stored: Iterable[np.ndarray], say: Callable[[str], None]) -> Iterator[np.ndarray]:
    """Samples [C, n] as stored -> [C, m] float32, full scale 1.0; about PIECE_SAMPLES at a time.

    By the rule of core's Load Audio (``f32_pcm``): int / 2^(bits - 1). Unsigned 8-bit, at which core stops with
    "Unsupported wav dtype", is centred first; float64, which core passes on, is rounded. NaN and infinity become 0, and
    ``say`` is told so.
    """
    held: list[np.ndarray] = []
    count = 0
    for samples in stored:
        if held and (count >= PIECE_SAMPLES or samples.dtype != held[0].dtype):
            yield _floats(held, say)
            held, count = [], 0
        held.append(samples)
        count += samples.shape[1]
    if held:
        yield _floats(held, say)


def _floats(held: list[np.ndarray], say: Callable[[str], None]) -> np.ndarray:
    samples = np.concatenate(held, axis=1)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    if np.issubdtype(samples.dtype, np.integer):
        return samples.astype(np.float32) / 2 ** (8 * samples.itemsize - 1)
    samples = samples.astype(np.float32, copy=False)
    if not np.isfinite(samples).all():
        say("holds samples that are no numbers (NaN or infinite); they are heard as silence")
        samples = np.where(np.isfinite(samples), samples, np.float32(0))
    return samples
