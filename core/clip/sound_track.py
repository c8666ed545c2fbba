"""The sound of a clip: the samples that went in, encoded once, in step with the pictures."""

import logging
from bisect import bisect_left
from fractions import Fraction
from typing import cast

from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from torch import Tensor

from ..audio import Audio
from ..timeline import sample_index
from .formats import ClipFormat
from .other_side import from_source

BLOCK_SECONDS = Fraction(1, 4)
BITS_PER_SECOND = 128000  # a channel, at 32 kHz and more


class SoundTrack:
    """An audio stream of ``output`` that is fed from ``audio``, resampled only where the codec has no such rate."""

    def __init__(self, output: OutputContainer, audio: Audio, clip_format: ClipFormat):
        if audio.channels not in clip_format.layouts:
            logging.warning("Sound to Video: a clip holds 8 channels at most; %d are mixed to stereo", audio.channels)
            audio = audio.mixed_to_stereo()
        self._output = output
        self._audio = audio
        self._layout = clip_format.layouts[audio.channels]
        written = clip_format.written_as.get(self._layout, self._layout)
        self._rate = _supported_rate(audio.sample_rate, clip_format.sample_rates)
        self._stream = cast(AudioStream, output.add_stream(clip_format.audio_codec, rate=self._rate, layout=written))
        context = self._stream.codec_context
        context.format = clip_format.sample_format
        context.time_base = Fraction(1, self._rate)
        if clip_format.sample_rates:
            context.bit_rate = audio.channels * min(BITS_PER_SECOND, 4 * self._rate)
        self._resampler = AudioResampler(format=clip_format.sample_format, layout=written, rate=self._rate)
        self._blocks = from_source(audio.blocks(max(1, int(BLOCK_SECONDS * audio.sample_rate))))
        self._block = next(self._blocks, None)
        self._taken = 0  # samples of the audio
        self._given = 0  # samples at the codec's rate

    def write_until(self, seconds: Fraction) -> None:
        """Encode the blocks that are heard before ``seconds``."""
        stop = int(seconds * self._audio.sample_rate)
        while self._block is not None and self._taken + self._block.shape[1] <= stop:
            self._encode(self._block)
            self._block = next(self._blocks, None)

    def finish(self, seconds: Fraction, tolerance: Fraction) -> None:
        """Encode the rest: to the end where that is within ``tolerance`` of ``seconds``, else to ``seconds``."""
        heard = seconds + tolerance if self._audio.duration <= seconds + tolerance else seconds
        self.write_until(heard)
        left = sample_index(heard, self._audio.sample_rate) - self._taken
        if self._block is not None and left > 0:
            self._encode(self._block[:, :left])
        self._pass_on(self._resampler.resample(None))
        self._output.mux(self._stream.encode(None))

    def _encode(self, samples: Tensor) -> None:
        # Interleaved: PyAV to 18.1 cannot fill a planar frame of 8 channels.
        frame = AudioFrame.from_ndarray(samples.T.reshape(1, -1).numpy(), format="flt", layout=self._layout)
        frame.sample_rate = self._audio.sample_rate
        frame.pts = self._taken
        frame.time_base = Fraction(1, self._audio.sample_rate)
        self._taken += samples.shape[1]
        self._pass_on(self._resampler.resample(frame))

    def _pass_on(self, frames: list[AudioFrame]) -> None:
        for frame in frames:
            frame.pts = self._given
            frame.time_base = Fraction(1, self._rate)
            self._given += frame.samples
            self._output.mux(self._stream.encode(frame))


def _supported_rate(rate: int, supported: tuple[int, ...]) -> int:
    """``rate`` where the codec takes it, else the next higher one, else the highest."""
    if not supported or rate in supported:
        return rate
    return supported[min(bisect_left(supported, rate), len(supported) - 1)]
