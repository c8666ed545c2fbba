"""``Audio``: ComfyUI's AUDIO, a dict that decodes when its waveform is asked for, and only its stretch."""

from __future__ import annotations

import copy
import hashlib
import sys
import weakref
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, ValuesView
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ..errors import SoundToVideoError
from ..timeline import Number, exact, sample_index
from .channels import MOST_CHANNELS, to_stereo


class Source(Protocol):
    """Where samples come from: a file, a tensor, another ``Audio`` with fades. Positions are samples from its start."""

    sample_rate: int
    channels: int

    @property
    def sample_count(self) -> int: ...

    @property
    def fingerprint(self) -> str: ...

    def reaches(self, sample: int) -> bool:
        """Whether there are at least ``sample`` samples: for files cheaper than ``sample_count``."""
        ...

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        """Consecutive float32 pieces ``[C, n]``, n > 0, that make up ``start`` to ``stop`` exactly; little memory."""
        ...

    def secure(self, start: int, stop: int, folder: str | Path, on_piece: Callable[[], None]) -> object:
        """Something that keeps ``start`` to ``stop`` readable while it lives, whatever happens to files."""
        ...


class _NotDecoded:
    """Stands for the waveform in the storage of an ``Audio`` that nobody has put another into."""

    def __repr__(self) -> str:
        return "(decoded when asked for)"

    def __reduce__(self) -> str:
        return "NOT_DECODED"


NOT_DECODED = _NotDecoded()
MODEL_SEARCH = "comfy.model_patcher"
MOST_GAIN_DB = 60


@dataclass(frozen=True)
class Track:
    """One of the sounds that another one is the mix of.

    audio: as long as the mix, at its own rate.  region: where in the picture it comes from, a ``frames.regions`` one.
    """

    audio: Audio
    region: Any


class Audio(dict[str, Any]):
    """A stretch of sound, decoded when indexed: ``audio["waveform"]`` is ``[1, C, T]`` float32, on the CPU.

    It is the dict that nodes expect of AUDIO: it can be copied, pickled, joined, changed, taken apart. Only what hands
    out the waveform decodes. It keeps no samples: a waveform that nobody holds any more is decoded again the next time
    it is asked for. Errors on decoding are ``SoundToVideoError``.

    Attributes and methods of ours speak of the sound as it was made. Where another node has put in another waveform or
    rate, ``audio_from`` gives the ``Audio`` of these.
    """

    def __init__(self, source: Source, start_sample: int = 0, end_sample: int | None = None):
        super().__init__(waveform=NOT_DECODED, sample_rate=source.sample_rate)
        self._source = source
        self._start = start_sample
        self._end = end_sample
        self._waveform: Any = lambda: None

    @property
    def sample_rate(self) -> int:
        """Samples per second."""
        return self._source.sample_rate

    @property
    def channels(self) -> int:
        return self._source.channels

    @property
    def sample_count(self) -> int:
        """Samples per channel, exact. The whole of a compressed file is counted on the first call, by its packets."""
        return (self._source.sample_count if self._end is None else self._end) - self._start

    @property
    def duration(self) -> Fraction:
        """Seconds, exact."""
        return Fraction(self.sample_count, self.sample_rate)

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digest of what is heard: the content of the file or tensor, the stretch and the fades."""
        if self._start == 0 and self.sample_count == self._source.sample_count:
            return self._source.fingerprint
        return digest("stretch", self._source.fingerprint, self._start, self.sample_count)

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The sounds that this one is the mix of (``speakers.py``), for the same stretch of time; none for any other.

        Of what nodes make of a sound, Trim Audio's keeps them.
        """
        tracks: tuple[Track, ...] = getattr(self._source, "tracks", ())
        first, last = (Fraction(at, self.sample_rate) for at in (self._start, self._start + self.sample_count))
        return tuple(replace(track, audio=track.audio._nearest(first, last)) for track in tracks)

    def _nearest(self, start_seconds: Fraction, stop_seconds: Fraction) -> Audio:
        """From one time to another, of which there is a sample at least."""
        start = min(sample_index(start_seconds, self.sample_rate), self.sample_count - 1)
        stop = min(max(sample_index(stop_seconds, self.sample_rate), start + 1), self.sample_count)
        return self if (start, stop) == (0, self.sample_count) else self.trimmed(start, stop)

    def trimmed(self, start_sample: int, end_sample: int | None = None) -> Audio:
        """From ``start_sample`` up to, not including, ``end_sample`` (None: the end); as lazy as this one.

        Raises SoundToVideoError when the range is empty, inverted, or not within the audio.
        """
        if start_sample < 0 or (end_sample is not None and start_sample >= end_sample):
            raise self._bad_range(start_sample, end_sample)
        if not self.reaches(start_sample + 1 if end_sample is None else end_sample):
            raise self._bad_range(start_sample, end_sample)
        end = self._end if end_sample is None else self._start + end_sample
        return Audio(self._source, self._start + start_sample, end)

    def faded(self, fade_in_samples: int, fade_out_samples: int) -> Audio:
        """With a raised-cosine fade at either end (0: none). Fades that meet are multiplied.

        Raises SoundToVideoError when a fade is longer than the audio.
        """
        if fade_in_samples == 0 and fade_out_samples == 0:
            return self
        longest = max(fade_in_samples, fade_out_samples)
        if min(fade_in_samples, fade_out_samples) < 0 or longest > self.sample_count:
            raise SoundToVideoError(
                f"a fade of {seconds(Fraction(longest, self.sample_rate))} s does not fit: the audio "
                f"lasts {seconds(self.duration)} s. Shorten it."
            )
        return Audio(_Faded(self, fade_in_samples, fade_out_samples))

    def amplified(self, gain_db: Number) -> Audio:
        """Louder by so many decibels, or quieter; by 0 it is this one, to the bit. Nothing is cut off at full scale.

        Raises SoundToVideoError for a gain beyond ``MOST_GAIN_DB``.
        """
        gain = exact(gain_db, "gain_db")
        if abs(gain) > MOST_GAIN_DB:
            raise SoundToVideoError(
                f"gain_db is {float(gain):g}: give a number from -{MOST_GAIN_DB} to {MOST_GAIN_DB}."
            )
        return Audio(_Amplified(self, gain)) if gain else self

    def between(self, start_seconds: Number, stop_seconds: Number | None = None) -> Audio | None:
        """From one time to another (None: the end), as far as there is sound; None where there is none.

        Times become samples by ``timeline.sample_index``.
        """
        first = max(0, sample_index(start_seconds, self.sample_rate))
        last = None if stop_seconds is None else sample_index(stop_seconds, self.sample_rate)
        if last is not None and not self.reaches(last):
            last = None
        if (last is not None and last <= first) or not self.reaches(first + 1):
            return None
        return self if first == 0 and last is None else self.trimmed(first, last)

    def delayed(self, samples: int, silence_after: int = 0) -> Audio:
        """After so many samples of silence, and before so many."""
        return Audio(_Delayed(self, samples, silence_after)) if samples or silence_after else self

    def mixed_to_stereo(self) -> Audio:
        """With two channels at most: more are mixed by ``channels.to_stereo``; mono and stereo stay as they are."""
        return self if self.channels <= MOST_CHANNELS else Audio(_Stereo(self))

    def secured(self, folder: str | Path, on_piece: Callable[[], None] = lambda: None) -> Audio:
        """The same sound, which no longer needs the file that it comes from.

        While the answer lives, nor does any other ``Audio`` of that file, as far as it is of the same stretch. The
        samples are decoded into an unnamed file in ``folder``, or into memory where the disk is full. ``on_piece`` is
        called every second or so; what it raises ends it. Raises SoundToVideoError where the sound cannot be decoded.
        """
        stop = self._start + self.sample_count
        return Audio(_Secured(self._source, self._secure(0, self.sample_count, folder, on_piece)), self._start, stop)

    def _secure(self, start: int, stop: int, folder: str | Path, on_piece: Callable[[], None]) -> object:
        return self._source.secure(self._start + start, self._start + stop, folder, on_piece)

    def reaches(self, sample: int) -> bool:
        """Whether there are at least ``sample`` samples; reads no further into a file than that."""
        if self._end is not None:
            return sample <= self._end - self._start
        return self._source.reaches(self._start + sample)

    def blocks(self, block_samples: int) -> Iterator[Tensor]:
        """The sound as consecutive ``[C, n]`` float32, ``n == block_samples`` but for the last; constant memory."""
        left = self.sample_count
        block, filled = self._room(min(block_samples, left)), 0
        for piece in self._pieces():
            taken = 0
            while taken < piece.shape[1]:
                step = min(piece.shape[1] - taken, block.shape[1] - filled)
                block[:, filled : filled + step] = piece[:, taken : taken + step]
                taken, filled = taken + step, filled + step
                if filled == block.shape[1]:
                    yield torch.from_numpy(block)
                    left -= filled
                    block, filled = self._room(min(block_samples, left)), 0

    def _room(self, samples: int) -> np.ndarray:
        return np.empty((self.channels, samples), dtype=np.float32)

    def _pieces(self) -> Iterator[np.ndarray]:
        return self._source.read(self._start, self._start + self.sample_count)

    def _decode(self) -> Tensor:
        waveform = self._waveform()
        if waveform is None:
            (waveform,) = self.blocks(self.sample_count)
            waveform = waveform.unsqueeze(0)
            self._waveform = weakref.ref(waveform)
        return waveform

    def _bad_range(self, start_sample: int, end_sample: int | None) -> SoundToVideoError:
        start = seconds(Fraction(start_sample, self.sample_rate))
        end = "the end" if end_sample is None else seconds(Fraction(end_sample, self.sample_rate))
        empty = end_sample is not None and end_sample <= start_sample
        what = "is empty" if empty else "is not within the audio"
        return SoundToVideoError(f"the range {start}-{end} s {what}; the audio lasts {seconds(self.duration)} s.")

    # As a dict. Its own storage holds the keys, and for the waveform NOT_DECODED until another one is put in. What only
    # looks at keys, or puts values in, is the dict's own; what hands out values is here.

    def __new__(cls, source: Any = (), *_: Any, **values: Any) -> Audio:
        if hasattr(source, "read"):
            return super().__new__(cls)
        # ``type(audio)({...})`` or ``type(audio)(waveform=..., sample_rate=...)``, as some code rebuilds any dict
        return dict(source, **values)  # type: ignore[return-value]

    @property
    def is_changed(self) -> bool:
        """Whether another waveform or sample rate has been put in, or one of them taken out."""
        waveform, rate = super().get("waveform"), super().get("sample_rate")
        return waveform is not NOT_DECODED or bool(rate != self.sample_rate)

    def _value(self, stored: Any) -> Any:
        return self._decode() if stored is NOT_DECODED else stored

    def __getitem__(self, key: str) -> Any:
        return self._value(super().__getitem__(key))

    def __iter__(self) -> Iterator[str]:
        # Not the dict's own: by this ``dict(audio)``, ``{**audio}`` and ``f(**audio)`` know that they have to ask for
        # each value (dict_merge in CPython's Objects/dictobject.c).
        return super().__iter__()

    def get(self, key: str, default: Any = None) -> Any:
        return self._value(super().get(key, default))

    def items(self):
        return ItemsView(self)

    def values(self):
        """All values; without the waveform for the host's search for models in every node's outputs
        (PromptModelTracker in comfy/model_patcher.py), which would decode the whole file."""
        if sys._getframe(1).f_globals.get("__name__") == MODEL_SEARCH:
            return [value for value in super().values() if value is not NOT_DECODED]
        return ValuesView(self)

    def pop(self, key: str, *default: Any) -> Any:
        return self._value(super().pop(key, *default))

    def popitem(self) -> tuple[str, Any]:
        key, stored = super().popitem()
        return key, self._value(stored)

    def setdefault(self, key: str, default: Any = None) -> Any:
        return self._value(super().setdefault(key, default))

    def copy(self) -> Audio:
        """The same values, as lazy as this one."""
        twin = self._twin(super().items())
        twin._waveform = self._waveform
        return twin

    __copy__ = copy

    def __deepcopy__(self, memo: dict) -> Audio:
        return self._twin((key, copy.deepcopy(stored, memo)) for key, stored in super().items())

    def _twin(self, stored: Iterable[tuple[str, Any]]) -> Audio:
        twin = Audio(self._source, self._start, self._end)
        twin.clear()
        twin.update(stored)
        return twin

    def __reduce__(self) -> tuple:
        return dict, (dict(self),)

    def __or__(self, other: Any) -> Any:
        if not isinstance(other, dict):
            return NotImplemented
        joined = self.copy()
        joined.update(other)
        return joined

    def __ror__(self, other: Any) -> Any:
        if not isinstance(other, dict):
            return NotImplemented
        joined = self._twin(other.items())
        joined.update(super().items())
        return joined

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping) or set(self) != set(other):
            return False
        return self is other or all(_same(self[key], other[key]) for key in self)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Audio {self.channels} ch, {self.sample_rate} Hz>"


def _same(value: Any, other: Any) -> bool:
    if isinstance(value, Tensor) and isinstance(other, Tensor):
        return value is other or torch.equal(value, other)
    return bool(value == other)


class TensorSource:
    """AUDIO that is in memory already. ``waveform``: [C, T] float32."""

    def __init__(self, waveform: Tensor, sample_rate: int):
        self.waveform = waveform
        self.sample_rate = sample_rate
        self.channels, self.sample_count = waveform.shape
        self._fingerprint: str | None = None

    @property
    def fingerprint(self) -> str:
        if self._fingerprint is None:
            samples = self.waveform.contiguous().numpy().data
            self._fingerprint = digest("tensor", self.sample_rate, tuple(self.waveform.shape), samples)
        return self._fingerprint

    def reaches(self, sample: int) -> bool:
        return sample <= self.sample_count

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        yield self.waveform[:, start:stop].numpy()

    def secure(self, start: int, stop: int, folder: str | Path, on_piece: Callable[[], None]) -> object:
        return None  # no file can move under it


class Changed:
    """What is computed from an ``Audio``, sample by sample."""

    def __init__(self, audio: Audio):
        self.audio = audio
        self.sample_rate = audio.sample_rate
        self.channels = audio.channels
        self.sample_count = audio.sample_count

    def reaches(self, sample: int) -> bool:
        return sample <= self.sample_count

    def secure(self, start: int, stop: int, folder: str | Path, on_piece: Callable[[], None]) -> object:
        return self.audio._secure(start, stop, folder, on_piece)


class _Faded(Changed):
    """An ``Audio`` with raised-cosine gains at its ends."""

    def __init__(self, audio: Audio, fade_in_samples: int, fade_out_samples: int):
        super().__init__(audio)
        self.fade_in = fade_in_samples
        self.fade_out = fade_out_samples

    @property
    def fingerprint(self) -> str:
        return digest("faded", self.audio.fingerprint, self.fade_in, self.fade_out)

    @property
    def tracks(self) -> tuple[Track, ...]:
        def faded(audio: Audio) -> Audio:
            lengths = (
                min(sample_index(Fraction(fade, self.sample_rate), audio.sample_rate), audio.sample_count)
                for fade in (self.fade_in, self.fade_out)
            )
            return audio.faded(*lengths)

        return tuple(replace(track, audio=faded(track.audio)) for track in self.audio.tracks)

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        for piece in self.audio.trimmed(start, stop)._pieces():
            position = np.arange(start, start + piece.shape[1])
            gain = fade_gain(position, self.fade_in) * fade_gain(self.sample_count - 1 - position, self.fade_out)
            yield piece * gain.astype(np.float32)
            start += piece.shape[1]


class _Amplified(Changed):
    """An ``Audio`` that is so many decibels louder."""

    def __init__(self, audio: Audio, gain_db: Fraction):
        super().__init__(audio)
        self.gain_db = gain_db
        self._gain = np.float32(10 ** (float(gain_db) / 20))

    @property
    def fingerprint(self) -> str:
        return digest("amplified", self.audio.fingerprint, self.gain_db)

    @property
    def tracks(self) -> tuple[Track, ...]:
        return tuple(replace(track, audio=track.audio.amplified(self.gain_db)) for track in self.audio.tracks)

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        for piece in self.audio.trimmed(start, stop)._pieces():
            yield piece * self._gain


class _Stereo(Changed):
    """An ``Audio`` of more channels, mixed down."""

    def __init__(self, audio: Audio):
        super().__init__(audio)
        self.channels = MOST_CHANNELS

    @property
    def fingerprint(self) -> str:
        return digest("stereo", self.audio.fingerprint)

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        for piece in self.audio.trimmed(start, stop)._pieces():
            yield to_stereo(piece)


class _Delayed(Changed):
    """An ``Audio`` between silences."""

    def __init__(self, audio: Audio, silence: int, silence_after: int):
        super().__init__(audio)
        self.silence, self.silence_after = silence, silence_after
        self._stop = silence + audio.sample_count
        self.sample_count = self._stop + silence_after

    @property
    def fingerprint(self) -> str:
        return digest("delayed", self.audio.fingerprint, self.silence, self.silence_after)

    def secure(self, start: int, stop: int, folder: str | Path, on_piece: Callable[[], None]) -> object:
        start, stop = max(start, self.silence) - self.silence, min(stop, self._stop) - self.silence
        return super().secure(start, stop, folder, on_piece) if start < stop else None

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        yield from self._silent(start, min(stop, self.silence))
        first, last = max(start, self.silence), min(stop, self._stop)
        if first < last:
            yield from self.audio.trimmed(first - self.silence, last - self.silence)._pieces()
        yield from self._silent(max(start, self._stop), stop)

    def _silent(self, start: int, stop: int) -> Iterator[np.ndarray]:
        for first in range(start, stop, self.sample_rate):
            yield np.zeros((self.channels, min(stop - first, self.sample_rate)), np.float32)


class _Secured:
    """A source, and what keeps a stretch of it readable."""

    def __init__(self, source: Source, held: object):
        self.source, self.held = source, held
        self.sample_rate, self.channels = source.sample_rate, source.channels

    @property
    def sample_count(self) -> int:
        return self.source.sample_count

    @property
    def fingerprint(self) -> str:
        return self.source.fingerprint

    def reaches(self, sample: int) -> bool:
        return self.source.reaches(sample)

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        return self.source.read(start, stop)

    def secure(self, start: int, stop: int, folder: str | Path, on_piece: Callable[[], None]) -> object:
        return self.source.secure(start, stop, folder, on_piece)


def fade_gain(samples_from_edge: np.ndarray, fade_samples: int) -> np.ndarray:
    """Raised cosine 0.5 - 0.5 cos(pi (n + 0.5) / N) for n < N, 1 beyond: no corner at either end of the fade.

    ``samples_from_edge``: any shape. Half-sample centred, so that a fade out mirrors a fade in.
    """
    if fade_samples == 0:
        return np.ones(samples_from_edge.shape)
    return 0.5 - 0.5 * np.cos(np.pi * np.minimum((samples_from_edge + 0.5) / fade_samples, 1.0))


def check_finite(samples: np.ndarray, position: int, sample_rate: int) -> None:
    """Raise SoundToVideoError with the time of the first NaN or infinity in ``samples`` [C, n], which begin at
    ``position``."""
    finite = np.isfinite(samples)
    if not finite.all():
        when = seconds(Fraction(position + int(np.argmin(finite.all(axis=0))), sample_rate))
        raise SoundToVideoError(
            f"the audio holds NaN or infinite samples, the first at {when} s. "
            "Export it again, or mend the node that made it."
        )


def seconds(duration: Fraction) -> str:
    """A time as users read it: ``8.0``, ``9.125``."""
    text = f"{float(duration):.3f}".rstrip("0")
    return text + "0" if text.endswith(".") else text


def digest(*parts: Any) -> str:
    """Hexadecimal digest of a tuple of numbers, texts and buffers."""
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        state.update(part if isinstance(part, memoryview) else f"{part}\0".encode())
    return state.hexdigest()
