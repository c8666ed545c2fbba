"""Where in a file its packets are: four ways, each exact for the containers that it serves."""

from collections.abc import Iterator
from contextlib import closing
from functools import cached_property
from typing import NamedTuple

import numpy as np
from av.packet import Packet

from .packets import PacketLength, packet_length
from .probe import Probe, Reading, end_padding, floats, samples_of, skip_samples
from .seeking import PREROLL, SECTIONED_PREROLL, Positioned, SeekingTrack, Track

CHECKPOINT_SECONDS = 10
STAMPED = ("wav", "w64", "aiff", "au", "caf", "flac")
BARE = ("mp3", "aac")
UNKNOWN = -(2**62)


def track_of(probe: Probe) -> Track:
    """The cheapest exact way into this file."""
    preroll = 0 if probe.is_pcm else {**PREROLL, **SECTIONED_PREROLL}.get(probe.codec)
    if preroll is None:
        return LinearTrack(probe)
    if probe.container in STAMPED and (probe.is_pcm or probe.codec == "flac"):
        return StampedTrack(probe, preroll)
    with Reading(probe.path, probe.stream) as reading:
        length = packet_length(reading.context, list(probe.first_lengths))
    if length is None:
        return LinearTrack(probe)
    if probe.container in BARE:
        return BareTrack(probe, preroll)
    return IndexedTrack(probe, preroll, length)


class StampedTrack(SeekingTrack):
    """PCM and FLAC in their own containers: timestamps count samples, and seeking is by them."""

    def _rough_end(self) -> int:
        if self.probe.declared_pts:
            declared = self.probe.raw_position(self.probe.first_pts + self.probe.declared_pts)
            with closing(self.packets(max(0, declared - self.probe.rate))) as packets:
                if next(packets, None):
                    return declared
        reading, positioned = self._open_at(0)
        with reading:
            return max((raw for _, raw in positioned), default=0)

    def _open_at(self, raw: int) -> tuple[Reading, Positioned]:
        reading = Reading(self.probe.path, self.probe.stream)
        if raw:
            reading.container.seek(self.probe.pts(raw), stream=reading.stream)
        return reading, self._positioned(reading)

    def _positioned(self, reading: Reading) -> Positioned:
        for packet in reading.packets():
            yield packet, self.probe.raw_position(packet.pts or 0)


class BareTrack(SeekingTrack):
    """MP3 and ADTS: a row of frames without an index. It is walked once (libav's parser: 0.08 s for an hour), as far as
    needed, and every tenth second kept by its byte."""

    def __init__(self, probe: Probe, preroll: int):
        super().__init__(probe, preroll)
        self._checkpoints = [(0, 0)]  # raw, byte
        self._last_packet: int | None = None  # raw, once the file has been walked to its end
        self._padding = 0

    def reaches(self, sample: int) -> bool:
        # Padding at the end may take off several packets, so a packet just there proves nothing.
        beyond = sample + self.probe.head + 16384
        if self._end is None and self._walk(beyond) >= beyond:
            return True
        return sample <= self.sample_count()

    def prepare(self, sample: int) -> None:
        self._walk(sample + self.probe.head)

    def _walk(self, raw: int) -> int:
        """Note checkpoints up to ``raw``; the last position seen, short of ``raw`` at the file's end."""
        reached = self._checkpoints[-1][0]
        step = CHECKPOINT_SECONDS * self.probe.rate
        if reached >= raw or self._last_packet is not None:
            return max(reached, self._last_packet or 0)
        with Reading(self.probe.path, self.probe.stream) as reading:
            while reached < raw:
                target = self._checkpoints[-1][0] + step
                reading.container.seek(self.probe.pts(target), stream=reading.stream)
                packet = next(reading.packets(), None)
                reached = self.probe.raw_position(packet.pts or 0) if packet else self._checkpoints[-1][0]
                if packet is None or reached < target - 2 * max(self.probe.first_lengths):
                    self._note_end(reading)
                    break
                self._checkpoints.append((reached, packet.pos or 0))
        return reached

    def _note_end(self, reading: Reading) -> None:
        # Only a reading from the start has seen the LAME tag, which tells how much of the end is padding.
        last, _ = self._checkpoints[-1]
        reading.container.seek(self.probe.pts(last), stream=reading.stream)
        for packet in reading.packets():
            last = self.probe.raw_position(packet.pts or 0)
            self._padding += end_padding(packet)
        self._last_packet = last

    def _end_padding(self, packet: Packet) -> int:
        return 0

    def _measure_end(self) -> int:
        return super()._measure_end() - self._padding

    def _rough_end(self) -> int:
        while self._last_packet is None:
            self._walk(self._checkpoints[-1][0] + 3600 * self.probe.rate)
        return self._last_packet

    def _open_at(self, raw: int) -> tuple[Reading, Positioned]:
        self._walk(raw)
        start, offset = max(checkpoint for checkpoint in self._checkpoints if checkpoint[0] <= raw)
        reading = Reading(self.probe.path, self.probe.stream, container=self.probe.container, offset=offset)
        return reading, self._positioned(reading, start)

    def _positioned(self, reading: Reading, start: int) -> Positioned:
        first_pts = None
        for packet in reading.packets():
            pts = packet.pts or 0
            first_pts = pts if first_pts is None else first_pts
            yield packet, start + self.probe.raw_position(pts - first_pts + self.probe.first_pts)


class IndexedTrack(SeekingTrack):
    """MP4, MKV, WebM, Ogg …: timestamps may be rounded or have holes, so packets are counted, by demuxing once."""

    def __init__(self, probe: Probe, preroll: int, length: PacketLength):
        super().__init__(probe, preroll)
        self._length = length

    def prepare(self, sample: int) -> None:
        _ = self._kept

    @cached_property
    def _index(self) -> "_Index":
        rows, cuts = [], [(0, self.probe.head)]
        raw = 0
        with Reading(self.probe.path, self.probe.stream) as reading:
            for number, packet in enumerate(reading.packets()):
                length = self._length(packet)
                if number < len(self.probe.first_lengths):
                    length = self.probe.first_lengths[number]
                elif packet.is_discard:
                    cuts.append((raw, raw + length))
                if packet.has_sidedata("skip_samples"):
                    skip, padding = skip_samples(packet)
                    cuts.append((raw, raw + skip if number >= len(self.probe.first_lengths) else raw))
                    cuts.append((raw + length - padding, raw + length))
                rows.append((raw, UNKNOWN if packet.pts is None else packet.pts, _byte_of(packet), packet.size))
                raw += length
        raw_positions, stamps, offsets, sizes = np.array(rows, dtype=np.int64).T
        return _Index(raw_positions, stamps, offsets, sizes, cuts)

    @cached_property
    def _kept(self) -> list[tuple[int, int]]:
        """Raw ranges of the sound."""
        if self._end is None:
            self._end = self._measure_end()
        kept, at = [], 0
        cuts = sorted(cut for cut in self._index.cuts if cut[0] < cut[1])
        for low, high in [*cuts, (self._end, self._end)]:
            if low > at:
                kept.append((at, min(low, self._end)))
            at = max(at, high)
        return kept

    def sample_count(self) -> int:
        return sum(high - low for low, high in self._kept)

    def spans(self, start: int, stop: int) -> list[tuple[int, int]]:
        wanted, audible = [], 0
        for low, high in self._kept:
            first, last = max(start, audible), min(stop, audible + high - low)
            if first < last:
                wanted.append((low + first - audible, low + last - audible))
            audible += high - low
        return wanted

    def _rough_end(self) -> int:
        return int(self._index.raw[-1])

    def _open_at(self, raw: int) -> tuple[Reading, Positioned]:
        number = self._index.before(raw)
        reading = Reading(self.probe.path, self.probe.stream)
        if number > 0:
            reading.container.seek(int(self._index.pts[number]), stream=reading.stream)
        return reading, self._positioned(reading, None if number > 0 else 0)

    def _positioned(self, reading: Reading, number: int | None) -> Positioned:
        """``number``: of the first packet, None after seeking."""
        for packet in reading.packets():
            number = self._index.find(packet) if number is None else number
            if number is not None and self._index.sizes[number] == packet.size:
                yield packet, int(self._index.raw[number])
                number = number + 1 if number + 1 < len(self._index.raw) else None


class _Index(NamedTuple):
    """One entry a packet, in the order of the file."""

    raw: np.ndarray  # position of its first sample
    pts: np.ndarray
    bytes: np.ndarray  # where in the file it, or the page that holds it, begins
    sizes: np.ndarray
    cuts: list[tuple[int, int]]  # raw ranges that are not part of the sound

    def before(self, raw: int) -> int:
        """The packet that holds ``raw``, 0 where timestamps do not allow to seek to it."""
        if np.any(np.diff(self.pts) <= 0):
            return 0
        return int(np.searchsorted(self.raw, raw, side="right")) - 1

    def find(self, packet: Packet) -> int | None:
        """Which one a packet is that comes first after seeking.

        By its byte where there is one: in Ogg the timestamps of the first page after a seek are off by some packets.
        """
        known, column = (packet.pts, self.pts) if _byte_of(packet) == UNKNOWN else (packet.pos, self.bytes)
        matches = np.flatnonzero(column == known)
        return int(matches[0]) if len(matches) else None


def _byte_of(packet: Packet) -> int:
    return UNKNOWN if packet.pos is None or packet.pos < 0 else packet.pos


class LinearTrack(Track):
    """Any other codec: decoded from the start each time, in little memory."""

    @cached_property
    def _count(self) -> int:
        return sum(samples.shape[1] for samples in self._all())

    def sample_count(self) -> int:
        return self._count

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        return floats(self._stored(start, stop), start, self.probe.rate)

    def _stored(self, start: int, stop: int) -> Iterator[np.ndarray]:
        at = 0
        for samples in self._all():
            wanted = samples[:, max(0, start - at) : max(0, stop - at)]
            if wanted.shape[1]:
                yield wanted
            at += samples.shape[1]
            if at >= stop:
                return
        raise self.damaged(at)

    def _all(self) -> Iterator[np.ndarray]:
        at = 0
        with Reading(self.probe.path, self.probe.stream, raw=False) as reading:
            for packet in reading.packets():
                for frame in packet.decode():
                    self.check_frame(frame, at)
                    yield samples_of(frame)
                    at += frame.samples
