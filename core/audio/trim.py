"""The stretch of a sound that Trim Audio keeps."""

import secrets
import wave
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..errors import SoundToVideoError
from ..timeline import Number, exact, sample_index
from . import Audio, seconds

WAV_BLOCK_SAMPLES = 1 << 18


def trim(
    audio: Audio,
    start_seconds: Number,
    end_seconds: Number = 0,
    fade_in_seconds: Number = 0,
    fade_out_seconds: Number = 0,
    gain_db: Number = 0,
) -> Audio:
    """``audio`` from ``start_seconds`` to ``end_seconds``, louder by ``gain_db``, with raised-cosine fades.

    An end of 0, or beyond the sound, is the sound's end; negative times count from it, as in core's Trim Audio
    Duration. Nothing is decoded. Raises SoundToVideoError when nothing is left, a fade is longer than what is left, or
    the gain is beyond 60 dB.
    """
    start, end = exact(start_seconds, "start_seconds"), exact(end_seconds, "end_seconds")
    if start < 0:
        start = max(audio.duration + start, Fraction(0))
    if end < 0:
        end += audio.duration
        if end <= start:
            raise _empty(audio, start, end)
    kept = None if end and end <= start else audio.between(start, end or None)
    if kept is None:
        raise _empty(audio, start, end or audio.duration)
    return shaped(kept, fade_in_seconds, fade_out_seconds, gain_db)


def shaped(audio: Audio, fade_in_seconds: Number, fade_out_seconds: Number, gain_db: Number) -> Audio:
    """What is kept, with the fades and the gain of ``trim``; raises as it does."""
    fades = (sample_index(fade, audio.sample_rate) for fade in (fade_in_seconds, fade_out_seconds))
    return audio.faded(*fades).amplified(gain_db)


def _empty(audio: Audio, start: Fraction, end: Fraction) -> SoundToVideoError:
    return SoundToVideoError(
        f"the range {seconds(start)}-{seconds(end)} s is empty; the audio lasts {seconds(audio.duration)} s."
    )


def write_wav(audio: Audio, path: Path) -> None:
    """Write 16-bit PCM of two channels at most for a browser, in blocks; the file appears when it is whole."""
    audio = audio.mixed_to_stereo()
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with wave.open(str(partial), "wb") as file:
            file.setnchannels(audio.channels)
            file.setsampwidth(2)
            file.setframerate(audio.sample_rate)
            for block in audio.blocks(WAV_BLOCK_SAMPLES):
                levels = np.rint(np.clip(block.T.numpy(), -1, 1) * 32767)
                file.writeframes(levels.astype("<i2").tobytes())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
