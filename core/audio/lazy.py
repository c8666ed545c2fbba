"""``Audio``: ComfyUI's AUDIO as a Mapping that decodes when it is indexed, and only the stretch it stands for."""

import hashlib
import weakref
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ..errors import SoundToVideoError


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


class Audio(Mapping[str, Any]):
    """A stretch of sound, decoded when indexed: ``audio["waveform"]`` is ``[1, C, T]`` float32, on the CPU.

    It keeps no samples: a waveform that nobody holds any more is decoded again the next time it is asked for.
    Errors on decoding are ``SoundToVideoError``.
    """

    def __init__(self, source: Source, start_sample: int = 0, end_sample: int | None = None):
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

    def trimmed(self, start_sample: int, end_sample: int | None = None) -> "Audio":
        """From ``start_sample`` up to, not including, ``end_sample`` (None: the end); as lazy as this one.

        Raises SoundToVideoError when the range is empty, inverted, or not within the audio.
        """
        if start_sample < 0 or (end_sample is not None and start_sample >= end_sample):
            raise self._bad_range(start_sample, end_sample)
        if not self.reaches(start_sample + 1 if end_sample is None else end_sample):
            raise self._bad_range(start_sample, end_sample)
        end = self._end if end_sample is None else self._start + end_sample
        return Audio(self._source, self._start + start_sample, end)

    def faded(self, fade_in_samples: int, fade_out_samples: int) -> "Audio":
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

    def __getitem__(self, key: str) -> Any:
        if key == "waveform":
            return self._decode()
        if key == "sample_rate":
            return self.sample_rate
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(("waveform", "sample_rate"))

    def __len__(self) -> int:
        return 2

    def values(self):
        """Without the waveform: the host looks through the values of every output for models (PromptModelTracker in
        comfy/model_patcher.py), which would decode the whole file. Index it, or use ``items()``."""
        return (self.sample_rate,)

    def __contains__(self, key: object) -> bool:
        return key in ("waveform", "sample_rate")

    def __repr__(self) -> str:
        return f"<Audio {self.channels} ch, {self.sample_rate} Hz>"


class _Tensor:
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


class _Faded:
    """An ``Audio`` with raised-cosine gains at its ends."""

    def __init__(self, audio: Audio, fade_in_samples: int, fade_out_samples: int):
        self.audio = audio
        self.fade_in = fade_in_samples
        self.fade_out = fade_out_samples
        self.sample_rate = audio.sample_rate
        self.channels = audio.channels
        self.sample_count = audio.sample_count

    @property
    def fingerprint(self) -> str:
        return digest("faded", self.audio.fingerprint, self.fade_in, self.fade_out)

    def reaches(self, sample: int) -> bool:
        return sample <= self.sample_count

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        for piece in self.audio.trimmed(start, stop)._pieces():
            position = np.arange(start, start + piece.shape[1])
            gain = fade_gain(position, self.fade_in) * fade_gain(self.sample_count - 1 - position, self.fade_out)
            yield piece * gain.astype(np.float32)
            start += piece.shape[1]


def fade_gain(samples_from_edge: np.ndarray, fade_samples: int) -> np.ndarray:
    """Raised cosine 0.5 - 0.5 cos(pi (n + 0.5) / N) for n < N, 1 beyond: no corner at either end of the fade.

    ``samples_from_edge``: any shape. Half-sample centred, so that a fade out mirrors a fade in.
    """
    if fade_samples == 0:
        return np.ones(samples_from_edge.shape)
    return 0.5 - 0.5 * np.cos(np.pi * np.minimum((samples_from_edge + 0.5) / fade_samples, 1.0))


def audio_from(audio: Any) -> Audio:
    """Any AUDIO of the graph (core's dict, another pack's Mapping, an ``Audio``) as an ``Audio``, checked once.

    ``audio["waveform"]``: [1, C, T] floating point, finite, C and T > 0; ``audio["sample_rate"]``: Hz. A tensor is
    kept, not copied, where it is float32 on the CPU already. Raises SoundToVideoError.
    """
    if isinstance(audio, Audio):
        return audio
    if audio is None:
        raise SoundToVideoError("there is no audio: the video it comes from may have no sound.")
    if not isinstance(audio, Mapping) or "waveform" not in audio or "sample_rate" not in audio:
        raise SoundToVideoError(f"expected AUDIO with waveform and sample_rate, got {type(audio).__name__}.")
    waveform, sample_rate = audio["waveform"], audio["sample_rate"]
    if not isinstance(waveform, Tensor) or not waveform.is_floating_point() or waveform.ndim != 3:
        got = f"{waveform.dtype} {list(waveform.shape)}" if isinstance(waveform, Tensor) else type(waveform).__name__
        raise SoundToVideoError(f"the waveform must be floating point of shape [1, channels, samples], got {got}.")
    batch, channels, samples = waveform.shape
    if batch != 1:
        raise SoundToVideoError(f"the audio is a batch of {batch}; give one sound at a time.")
    if channels == 0 or samples == 0:
        raise SoundToVideoError("the audio has 0 samples; give one that lasts longer than nothing.")
    if int(sample_rate) != sample_rate or sample_rate <= 0:
        raise SoundToVideoError(f"the sample rate must be a positive whole number of Hz, got {sample_rate}.")
    waveform = waveform[0].detach().to(device="cpu", dtype=torch.float32)
    check_finite(waveform.numpy(), 0, int(sample_rate))
    return Audio(_Tensor(waveform, int(sample_rate)))


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
