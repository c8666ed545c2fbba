"""Reading from the middle of a file so that each sample is the one that a decode from its start gives.

Packets are decoded with skipping left to us, so that priming and padding are taken off once, and the same way wherever
reading begins. See ``Probe`` for raw and audible samples.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from contextlib import closing
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from av.error import FFmpegError
from av.packet import Packet

from ..errors import SoundToVideoError
from .lazy import seconds
from .probe import Conformed, Probe, Reading, count, end_padding, floats, frames_of, samples_of, silence

# Raw samples for which a decoder is fed before the wanted one to be in the state that a decode from the start has left
# it in, to the bit (measured). MP3: 128 frames, as its bit reservoir spans up to 85 of them at 8 kbit/s.
PREROLL = {"flac": 0, "alac": 0, "mp3float": 128 * 1152, "mp3": 128 * 1152, "vorbis": 4 * 8192}
# Decoders that never quite forget: AAC draws its noise substitution from one generator for the whole stream. They
# begin anew every SECTION_SECONDS whatever is asked for, so that each sample has one value.
SECTIONED_PREROLL = {"aac": 16 * 1024, "opus": 48000}
SECTION_SECONDS = 30

Positioned = Generator[tuple[Packet, int], None, None]


class Track(ABC):
    """Positions are audible samples unless named raw."""

    def __init__(self, probe: Probe):
        self.probe = probe
        self._said: set[str] = set()

    @abstractmethod
    def sample_count(self) -> int: ...

    def reaches(self, sample: int) -> bool:
        return sample <= self.sample_count()

    def prepare(self, sample: int) -> None:  # noqa: B027 - most have nothing to prepare
        """Find out, and keep, what reading up to ``sample`` needs to know; ``read`` then changes nothing."""

    @abstractmethod
    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        """Pieces [C, n] that make up ``start`` to ``stop``; raises SoundToVideoError where the file is damaged."""
        ...

    def say(self, what: str) -> None:
        """Tell the log, once a file, what is odd about it; ``what`` follows the file's name."""
        if what not in self._said:
            self._said.add(what)
            logging.warning("%s %s.", self.probe.name, what)

    def damaged(self, sample: int) -> SoundToVideoError:
        when = seconds(Fraction(max(sample, 0), self.probe.rate))
        return SoundToVideoError(
            f"{self.probe.name} ends at {when} s, earlier than when it was first read. Load it again; copy it to "
            "another disk if that does not help."
        )


HOLES = "is damaged: pieces of it cannot be decoded"
CHANGES = "changes its sample rate or channels on the way; all of it is heard at the first ones"


class IrregularError(Exception):
    """The packets of a file are not where its beginning lets expect them: it has to be decoded from its start."""


class SeekingTrack(Track):
    """Begins at any packet, some way before the wanted sample."""

    def __init__(self, probe: Probe, preroll: int):
        super().__init__(probe)
        self.preroll = preroll
        self._end: int | None = None  # raw

    @abstractmethod
    def _open_at(self, raw: int) -> "tuple[Reading, Positioned]":
        """A reading that begins at or, as far as it can, before ``raw``; its packets with their raw positions."""
        ...

    @abstractmethod
    def _rough_end(self) -> int:
        """A raw position near the end."""
        ...

    def sample_count(self) -> int:
        return self._raw_end() - self.probe.head

    def _raw_end(self) -> int:
        if self._end is None:
            self._end = self._measure_end()
        return self._end

    def packets(self, raw: int) -> Positioned:
        """Packets from the last one on that begins at or before ``raw``."""
        for start in sorted({max(0, raw - back * self.probe.rate) for back in (0, 5, raw)}, reverse=True):
            try:
                reading, positioned = self._open_at(start)
            except FFmpegError:
                continue
            with reading:
                held = None
                for packet, position in positioned:
                    if held is not None and position > raw:
                        yield held
                        held = None
                        yield packet, position
                        yield from positioned
                        return
                    if position > raw:
                        break
                    held = packet, position
                if held is not None:
                    yield held
                    return

    def _measure_end(self) -> int:
        """Raw end of the sound, from what the last packets really decode to."""
        rough = self._rough_end()
        for back in (2, 60, rough // self.probe.rate + 1):
            end, failed, before = 0, 0, -1
            with closing(self.packets(max(0, rough - back * self.probe.rate - self.preroll))) as packets:
                for packet, raw in packets:
                    if raw < before:
                        raise IrregularError
                    before = raw
                    length = count(frames_of(packet))
                    failed = 0 if length else failed + 1
                    length = min(length, self.probe.declared_length(packet) or length) - self._end_padding(packet)
                    end = raw + length if length > 0 else end
            if end:
                break
        if failed:
            self.say(f"is cut short: its last {failed} packets cannot be decoded")
        if end <= self.probe.head:
            raise SoundToVideoError(f"{self.probe.name} holds 0 samples of sound. Export or record it again.")
        return end

    def _end_padding(self, packet: Packet) -> int:
        return end_padding(packet)

    def spans(self, start: int, stop: int) -> "list[Span]":
        """What an audible range is made of."""
        return [Span(start + self.probe.head, stop + self.probe.head)]

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        return floats(self._stored(start, stop), self.say)

    def _stored(self, start: int, stop: int) -> Iterator[np.ndarray]:
        for low, high, is_silent in self.spans(start, stop):
            if is_silent:
                yield from silence(self.probe.channels, high - low)
                continue
            if self.probe.codec not in SECTIONED_PREROLL:
                yield from self._run(low, low, high)
                continue
            section = SECTION_SECONDS * self.probe.rate
            for anchor in range(low // section * section, high, section):
                yield from self._run(anchor, max(low, anchor), min(high, anchor + section))

    def _run(self, anchor: int, low: int, high: int) -> Iterator[np.ndarray]:
        """Raw samples ``low`` to ``high`` from a decoder started anew ``preroll`` before ``anchor``.

        Where a packet does not decode to what it should, its place is silent, and what follows keeps its own.
        """
        at = low
        with closing(self.packets(max(0, anchor - self.preroll))) as packets:
            for packet, raw in packets:
                if raw >= high:
                    break
                for piece in self._pieces_of(packet):
                    if raw + piece.shape[1] > at:
                        yield from self._hole(min(raw, high) - at)
                        at = max(at, raw)
                        piece = piece[:, at - raw : high - raw]
                        raw = at
                        if piece.shape[1]:
                            yield piece
                        at += piece.shape[1]
                        if at >= high:
                            return
                    raw += piece.shape[1]
        yield from self._hole(high - at)

    def _pieces_of(self, packet: Packet) -> Iterator[np.ndarray]:
        for frame in frames_of(packet):
            if self.probe.is_kind_of(frame):
                yield samples_of(frame)
                continue
            conformed = Conformed(self.probe)
            yield from conformed.samples(frame)
            yield from conformed.rest()
            self.say(CHANGES)

    def _hole(self, samples: int) -> Iterator[np.ndarray]:
        if samples > 0:
            self.say(f"{HOLES}; they are heard as silence")
            yield from silence(self.probe.channels, samples)


class Span(NamedTuple):
    """A stretch of raw samples, or of silence that the file does not hold."""

    low: int
    high: int
    is_silent: bool = False
