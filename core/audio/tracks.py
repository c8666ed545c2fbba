"""Where in a file its packets are: four ways, each exact for the containers that it serves."""

from bisect import bisect_right
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import TypeVar

import numpy as np
from av.audio.frame import AudioFrame
from av.packet import Packet

from ..errors import SoundToVideoError
from .flac_numbers import is_one_stream
from .frame_chain import FRAME_KINDS, SYNC, FrameChain
from .packets import PacketLength, packet_length
from .probe import LATE_SECONDS, Conformed, Probe, Reading, decoded, end_padding, floats, silence, skip_samples
from .seeking import CHANGES, HOLES, PREROLL, SECTIONED_PREROLL, IrregularError, Positioned, SeekingTrack, Span, Track

CHECKPOINT_SECONDS = 10
STAMPED = ("wav", "w64", "aiff", "au", "caf", "flac")
BARE = ("mp3", "aac")
SURVEY_SECONDS = 600
MOST_SURVEY_BYTES = 1 << 27
GAP_SECONDS = Fraction(1, 20)
# A longer one is a wrong timestamp, as the ffmpeg command line has it (``dts_delta_threshold``).
MOST_GAP_SECONDS = 10
MORE_FRAMES = 8  # after a checkpoint: libav looks at some before it takes a file for what it is
JOINED = "has something between its frames that is no sound, as where files were joined or cut; it is left out"

T = TypeVar("T")


def track_of(probe: Probe) -> Track:
    """The cheapest exact way into this file."""
    preroll = 0 if probe.is_pcm else {**PREROLL, **SECTIONED_PREROLL}.get(probe.codec)
    if preroll is None or (probe.is_pcm and not probe.is_even):
        return LinearTrack(probe)
    track = _seeking_track(probe, preroll)
    if track is None:
        return LinearTrack(probe)
    return track if probe.is_pcm else CheckedTrack(track)


def _seeking_track(probe: Probe, preroll: int) -> SeekingTrack | None:
    if probe.container in STAMPED and (probe.is_pcm or probe.codec == "flac"):
        return StampedTrack(probe, preroll)
    with Reading(probe.path, probe.stream) as reading:
        length = packet_length(reading.context, list(probe.first_lengths))
    if length is None:
        return None
    if probe.container in BARE:
        return BareTrack(probe, preroll)
    return IndexedTrack(probe, preroll)


class CheckedTrack(Track):
    """A file whose packets may be damaged, or other than its beginning lets expect: then it is decoded from its start.

    A sound of up to ten minutes is decoded once to find that out (0.3 s of work). In a longer one, and in one that
    keeps to the clock of a picture, a packet that cannot be decoded leaves silence in its place.
    """

    def __init__(self, seeking: SeekingTrack):
        super().__init__(seeking.probe)
        self._seeking = seeking

    @cached_property
    def _regular(self) -> Track:
        linear = LinearTrack(self.probe)
        try:
            if self.probe.keeps_clock or linear.is_longer_than(SURVEY_SECONDS):
                return self._seeking
            return self._seeking if linear.is_whole and self._agrees(linear) else linear
        except IrregularError:
            return linear

    def _agrees(self, linear: "LinearTrack") -> bool:
        """Whether both have one length; MP4 tells the end of its last packet, which a decoder does not know."""
        more = linear.sample_count() - self._seeking.sample_count()
        most = max(self.probe.first_lengths) if "mp4" in self.probe.container else 0
        return 0 <= more <= most or abs(more) * 1000 <= self.probe.rate

    def _ask(self, question: Callable[[Track], T]) -> T:
        try:
            return question(self._regular)
        except IrregularError:
            self._regular = LinearTrack(self.probe)
            return question(self._regular)

    def sample_count(self) -> int:
        return self._ask(lambda track: track.sample_count())

    def reaches(self, sample: int) -> bool:
        return self._ask(lambda track: track.reaches(sample))

    def prepare(self, sample: int) -> None:
        self._ask(lambda track: track.prepare(sample))

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        return self._regular.read(start, stop)


class StampedTrack(SeekingTrack):
    """PCM and FLAC in their own containers: timestamps count samples, and seeking is by them."""

    def prepare(self, sample: int) -> None:
        if not self.probe.is_pcm:
            self._raw_end()

    def _measure_end(self) -> int:
        if self.probe.container == "flac" and not self._is_one_stream():
            raise IrregularError
        return super()._measure_end()

    def _is_one_stream(self) -> bool:
        with Reading(self.probe.path, self.probe.stream) as reading:
            first = next(reading.packets(), None)
            return first is None or first.pos is None or is_one_stream(self.probe.path, first.pos)

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
    """MP3 and ADTS: a row of frames without an index. It is walked once, as far as needed, and every tenth second
    kept by its byte.

    What lies between the frames (the tags of files that were joined, a frame that was cut) takes no time; a frame of
    another rate or other channels raises IrregularError.
    """

    def __init__(self, probe: Probe, preroll: int):
        super().__init__(probe, preroll)
        self._length = max(probe.first_lengths)
        self._checkpoints = [(0, 0)]  # raw, byte
        self._last_packet: int | None = None  # raw, once the file has been walked to its end
        self._padding = 0
        self._kind: int | None = None
        self._is_joined = False  # there is something between frames

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
        if reached >= raw or self._last_packet is not None:
            return max(reached, self._last_packet or 0)
        reached = self._walk_chain(raw)
        if reached >= raw:
            return reached
        reading, positioned = self._open_from(*self._checkpoints[-1])
        with reading:
            offset = self._checkpoints[-1][1]
            for packet, reached in positioned:
                if reached >= self._checkpoints[-1][0] + CHECKPOINT_SECONDS * self.probe.rate and packet.pos:
                    self._checkpoints.append((reached, offset + packet.pos))
                    if reached >= raw:
                        return reached
        self._note_end()
        return reached

    def _walk_chain(self, raw: int) -> int:
        """Note checkpoints up to ``raw``, as far as each frame begins where the last one ends: many times faster."""
        chain, byte = self._chain
        reached, offset = self._checkpoints[-1]
        step = CHECKPOINT_SECONDS * self.probe.rate // self._length + 1
        at = offset or byte
        while chain and reached < raw:
            at = chain.walk(at, step)
            if at is None or chain.walk(at, MORE_FRAMES) is None:
                break
            reached += step * self._length
            self._checkpoints.append((reached, at))
        return reached

    @cached_property
    def _chain(self) -> tuple[FrameChain | None, int]:
        """The chain of frames, and the byte of the first."""
        with Reading(self.probe.path, self.probe.stream) as reading:
            packet = next(self._positioned(reading, 0), None)
            if packet is None or packet[0].pos is None:
                return None, 0
            header = int.from_bytes(bytes(memoryview(packet[0])[:4]), "big")
            return FrameChain(self.probe.path, self.probe.container, header), packet[0].pos

    def _note_end(self) -> None:
        # Only a reading from the start has seen the LAME tag, which tells how much of the end is padding.
        self._last_packet, _ = self._checkpoints[-1]
        with Reading(self.probe.path, self.probe.stream) as reading:
            start = 0
            if self._last_packet and not self._is_joined:
                reading.container.seek(self.probe.pts(self._last_packet), stream=reading.stream)
                start = None
            for packet, raw in self._positioned(reading, start):
                self._last_packet = raw
                self._padding += end_padding(packet)

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
        return self._open_from(*max(checkpoint for checkpoint in self._checkpoints if checkpoint[0] <= raw))

    def _open_from(self, raw: int, offset: int) -> tuple[Reading, Positioned]:
        reading = Reading(self.probe.path, self.probe.stream, container=self.probe.container, offset=offset)
        return reading, self._positioned(reading, raw)

    def _positioned(self, reading: Reading, raw: int | None) -> Positioned:
        """``raw``: of the first packet; None: by its timestamp."""
        mask = FRAME_KINDS[self.probe.container]
        sync = mask & SYNC
        is_between = False
        for packet in reading.packets():
            kind = int.from_bytes(bytes(memoryview(packet)[:4]), "big") & mask
            if kind & SYNC != sync:
                is_between = True
                continue
            if is_between:
                self._is_joined, is_between = True, False
                self.say(JOINED)
            self._kind = kind if self._kind is None else self._kind
            if kind != self._kind:
                raise IrregularError
            raw = self.probe.raw_position(packet.pts or 0) if raw is None else raw
            yield packet, raw
            raw += self._length


class IndexedTrack(SeekingTrack):
    """MP4, MKV, WebM, Ogg …: timestamps may be rounded or have holes, so packets are counted, by demuxing once."""

    def prepare(self, sample: int) -> None:
        _ = self._spans

    @cached_property
    def _index(self) -> "_Index":
        first_lengths = self.probe.first_lengths
        index = _Index(cuts=[(0, self.probe.head)])
        clock = Clock(self.probe)
        step = round(CHECKPOINT_SECONDS * self.probe.rate / 5)
        raw, last_pts, last_key = 0, None, None
        with Reading(self.probe.path, self.probe.stream) as reading:
            length_of = self._length_of(reading)
            for number, packet in enumerate(reading.packets()):
                length = length_of(packet)
                length = first_lengths[number] if number < len(first_lengths) else length
                if packet.has_sidedata("new_extradata") and self.probe.codec != "opus":
                    raise IrregularError
                if packet.is_discard and number >= len(first_lengths):
                    index.cuts.append((raw, raw + length))
                if packet.has_sidedata("skip_samples"):
                    skip, padding = skip_samples(packet)
                    index.cuts.append((raw, raw + skip if number >= len(first_lengths) else raw))
                    index.cuts.append((raw + length - padding, raw + length))
                gap = clock.gap_at(packet.pts, raw)
                if gap:
                    index.gaps.append((raw, gap))
                key = _key_of(packet)
                if key != last_key and packet.pts is not None and raw >= index.next_raw(step):
                    index.add(key, raw, packet.pts, length)
                if packet.pts is None or (last_pts is not None and packet.pts <= last_pts):
                    index.can_seek = False
                last_pts, last_key = packet.pts, key
                index.last = raw
                raw += length
        return index

    def _length_of(self, reading: Reading) -> PacketLength:
        length = packet_length(reading.context, list(self.probe.first_lengths))
        if length is None:
            raise IrregularError
        return length

    @cached_property
    def _spans(self) -> list[Span]:
        """What the sound is made of, in order."""
        end = self._raw_end()
        cuts = sorted(cut for cut in self._index.cuts if cut[0] < cut[1])
        spans = [Span(0, self.probe.delay, is_silent=True)] if self.probe.delay else []
        gaps = list(reversed([gap for gap in self._index.gaps if gap[0] < end]))
        at = 0
        for low, high in [*cuts, (end, end)]:
            while gaps and gaps[-1][0] <= low:
                where, length = gaps.pop()
                if at < where:
                    spans.append(Span(at, where))
                    at = where
                spans.append(Span(0, length, is_silent=True))
            if at < min(low, end):
                spans.append(Span(at, min(low, end)))
            at = max(at, high)
        return spans

    def sample_count(self) -> int:
        return sum(span.high - span.low for span in self._spans)

    def spans(self, start: int, stop: int) -> list[Span]:
        wanted, audible = [], 0
        for low, high, is_silent in self._spans:
            first, last = max(start, audible), min(stop, audible + high - low)
            if first < last:
                wanted.append(Span(low + first - audible, low + last - audible, is_silent))
            audible += high - low
        return wanted

    def _rough_end(self) -> int:
        return self._index.last

    def _open_at(self, raw: int) -> tuple[Reading, Positioned]:
        index = self._index
        entry = index.before(raw) if index.can_seek else None
        reading = Reading(self.probe.path, self.probe.stream)
        if entry is None:
            return reading, self._from_the_start(reading)
        reading.container.seek(index.pts[entry], stream=reading.stream)
        return reading, self._after_seeking(reading)

    def _from_the_start(self, reading: Reading) -> Positioned:
        length_of = self._length_of(reading)
        raw = 0
        for number, packet in enumerate(reading.packets()):
            yield packet, raw
            length = length_of(packet)
            raw += self.probe.first_lengths[number] if number < len(self.probe.first_lengths) else length

    def _after_seeking(self, reading: Reading) -> Positioned:
        """From the first packet on whose position is known: by its byte where there is one, as the timestamps of the
        first page after a seek are off by some packets in Ogg."""
        length_of = self._length_of(reading)
        raw = None
        for packet in reading.packets():
            length = length_of(packet)
            if raw is None:
                known = self._index.entries.get(_key_of(packet))
                if known is None:
                    continue
                raw, length = known
            yield packet, raw
            raw += length


@dataclass
class _Index:
    """One entry in two seconds, of packets that can be told from others."""

    cuts: list[tuple[int, int]]  # raw ranges that are not part of the sound
    gaps: list[tuple[int, int]] = field(default_factory=list)  # raw positions before which samples are missing
    entries: dict[tuple[bool, int], tuple[int, int]] = field(default_factory=dict)  # raw position and length of each
    raw: list[int] = field(default_factory=list)
    pts: list[int] = field(default_factory=list)
    last: int = 0  # raw position of the last packet
    can_seek: bool = True  # timestamps rise from packet to packet

    def next_raw(self, step: int) -> int:
        return self.raw[-1] + step if self.raw else 0

    def add(self, key: tuple[bool, int], raw: int, pts: int, length: int) -> None:
        self.entries[key] = raw, length
        self.raw.append(raw)
        self.pts.append(pts)

    def before(self, raw: int) -> int | None:
        """The last entry at or before ``raw``; None for the first, to which there is no need to seek."""
        entry = bisect_right(self.raw, raw) - 1
        return entry if entry > 0 else None


def _key_of(packet: Packet) -> tuple[bool, int]:
    """What names a packet: the byte at which it, or the page that holds it, begins, or its timestamp."""
    if packet.pos is not None and packet.pos >= 0:
        return True, packet.pos
    return False, packet.pts or 0


class Clock:
    """Tells where a sound that keeps to the clock of a picture lacks samples."""

    def __init__(self, probe: Probe):
        self._probe = probe
        self._given = 0  # samples of silence for gaps so far

    def gap_at(self, pts: int | None, raw: int, is_after_damage: bool = False) -> int:
        """Samples that are missing before a packet at ``raw`` by its timestamp."""
        if not self._probe.keeps_clock or pts is None:
            return 0
        missing = self._probe.raw_position(pts) - raw - self._given
        least = LATE_SECONDS if is_after_damage else GAP_SECONDS
        if not self._probe.rate * least < missing < self._probe.rate * MOST_GAP_SECONDS:
            return 0
        self._given += missing
        return missing


class LinearTrack(Track):
    """Any other codec, and files whose packets are not what they should be: decoded from the start each time, in little
    memory, as the ffmpeg command line decodes them."""

    def __init__(self, probe: Probe):
        super().__init__(probe)
        self.is_whole = True
        """Whether the last reading to the end met nothing odd."""
        self._count: int | None = None

    def is_longer_than(self, seconds: float) -> bool:
        """Whether the sound, or what has to be read for it, is longer; read no further than that."""
        most = round(seconds * self.probe.rate)
        if (self.probe.declared_pts or 0) * self.probe.time_base * self.probe.rate > most:
            return True
        at = 0
        self.is_whole = True
        with Reading(self.probe.path, self.probe.stream, raw=False) as reading:
            for samples in self._decoded(reading, MOST_SURVEY_BYTES):
                if samples is None:
                    return True
                at += samples.shape[1]
                if at > most:
                    return True
        self._count = at
        return False

    def sample_count(self) -> int:
        if self._count is None:
            self._count = sum(samples.shape[1] for samples in self._all())
        if self._count == 0:
            raise SoundToVideoError(f"{self.probe.name} holds 0 samples of sound. Export or record it again.")
        return self._count

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        return floats(self._stored(start, stop), self.say)

    def _stored(self, start: int, stop: int) -> Iterator[np.ndarray]:
        at = 0
        with closing(self._all()) as everything:
            for samples in everything:
                wanted = samples[:, max(0, start - at) : max(0, stop - at)]
                if wanted.shape[1]:
                    yield wanted
                at += samples.shape[1]
                if at >= stop:
                    return
        raise self.damaged(at)

    def _all(self) -> Generator[np.ndarray, None, None]:
        yield from silence(self.probe.channels, self.probe.delay)
        with Reading(self.probe.path, self.probe.stream, raw=False) as reading:
            for samples in self._decoded(reading):
                if samples is not None:
                    yield samples

    def _decoded(self, reading: Reading, most_bytes: int | None = None) -> Iterator[np.ndarray | None]:
        """Pieces as stored; None once ``most_bytes`` of packets have been read."""
        conformed = Conformed(self.probe)
        clock = Clock(self.probe)
        failed = False
        read = at = 0
        for frames, size, beyond in self._frames(reading):
            read += size
            if most_bytes and read > most_bytes:
                yield None
                return
            failed |= frames is None
            for frame in frames or ():
                is_after_damage, failed = failed, False
                if is_after_damage:
                    self.is_whole = False
                    self.say(HOLES)
                if not self.probe.is_kind_of(frame):
                    self.is_whole = False
                    self.say(CHANGES)
                gap = clock.gap_at(_pts_of(frame, self.probe), at, is_after_damage)
                if gap:
                    yield from conformed.rest()
                    yield from silence(self.probe.channels, gap)
                at += frame.samples
                for samples in conformed.samples(frame):
                    yield samples[:, : samples.shape[1] - beyond]
        yield from conformed.rest()

    def _frames(self, reading: Reading) -> Iterator[tuple[list[AudioFrame] | None, int, int]]:
        """What each packet decodes to (None: it is damaged), its bytes, and its samples beyond the end of the sound; at
        last what the decoder held back."""
        last: Packet | None = None
        for packet in reading.packets():
            if last is not None:
                yield decoded(last), last.size, 0
            last = packet
        if last is not None:
            frames = decoded(last)
            yield frames, last.size, self._beyond_the_end(last, frames)
        yield reading.rest(), 0, 0

    def _beyond_the_end(self, packet: Packet, frames: list[AudioFrame] | None) -> int:
        if not frames or len(frames) > 1 or not self.probe.is_kind_of(frames[0]):
            return 0
        length = frames[0].samples
        return length - min(length, self.probe.declared_length(packet) or length)


def _pts_of(frame: AudioFrame, probe: Probe) -> int | None:
    """A frame's timestamp such that the first audible sample has that of raw sample 0."""
    if frame.pts is None or frame.time_base is None:
        return None
    return round(frame.pts * frame.time_base / probe.time_base - probe.head / (probe.rate * probe.time_base))
