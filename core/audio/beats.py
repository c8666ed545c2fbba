"""Where the beats of a piece of music are, found by librosa, in memory that does not grow with its length."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import SoundToVideoError
from .resampling import resampled

if TYPE_CHECKING:
    from . import Audio

SAMPLE_RATE = 22050
WINDOW_SECONDS = 240
OVERLAP_SECONDS = 12

FINE_HOP_SAMPLES = 64
FINE_WINDOW_SAMPLES = 512
# librosa's beats come 20 to 35 ms after what is heard (its window is 93 ms long): where to look for the onset.
EARLIER_SECONDS, LATER_SECONDS = 0.06, 0.02
# An onset is one where it is this strong, compared with the median of all beats.
CLEAR_ONSET = 0.25


class MissingBeatLibrary(SoundToVideoError):
    """librosa is not installed; it is large (numba, scikit-learn), so the pack works without it."""


def detect_beats(audio: Audio) -> list[float]:
    """Times of the beats in seconds, ascending; empty where there is no beat.

    Beats are those of ``librosa.beat.beat_track`` (D. P. W. Ellis, "Beat Tracking by Dynamic Programming", 2007), on
    windows of four minutes, each with 12 s of its neighbours; each is then moved to the onset that is heard, and at the
    ends of the sound those without an onset are left out.

    audio: any rate, channels and length; only one window is decoded at a time.
    Raises MissingBeatLibrary: librosa cannot be imported; the message says how to install it.
    """
    try:
        import librosa
    except ImportError as error:
        raise MissingBeatLibrary(
            "finding beats needs the Python package librosa: run `python -m pip install librosa` "
            "with the Python that runs ComfyUI, then restart it."
        ) from error
    audio = audio.mixed_to_stereo()
    rate = audio.sample_rate
    window, overlap = WINDOW_SECONDS * rate, OVERLAP_SECONDS * rate
    beats: list[tuple[float, float]] = []  # seconds, strength
    for start in range(0, audio.sample_count, window):
        end = min(start + window, audio.sample_count)
        first, last = max(start - overlap, 0), min(end + overlap, audio.sample_count)
        samples = audio.trimmed(first, last)["waveform"][0].mean(dim=0)
        samples = resampled(samples, rate, SAMPLE_RATE).numpy()
        _, found = librosa.beat.beat_track(y=samples, sr=SAMPLE_RATE, units="time", trim=False)
        times = _on_onsets(np.asarray(found), samples)
        beats += [(at + first / rate, power) for at, power in times if start <= at * rate + first < end]
    return _without_guesses_at_the_ends(beats)


def _on_onsets(beats: np.ndarray, samples: np.ndarray) -> list[tuple[float, float]]:
    """(seconds, strength) of the strongest onset near each of ``beats``; where there is none, the beat and 0."""
    import librosa

    rising = librosa.onset.onset_strength(
        y=samples, sr=SAMPLE_RATE, hop_length=FINE_HOP_SAMPLES, n_fft=FINE_WINDOW_SAMPLES, n_mels=40
    )
    rate = SAMPLE_RATE / FINE_HOP_SAMPLES
    spans = [(max(int((beat - EARLIER_SECONDS) * rate), 0), int((beat + LATER_SECONDS) * rate) + 1) for beat in beats]
    onsets = [first + int(np.argmax(rising[first:last])) for first, last in spans]
    clear = CLEAR_ONSET * float(np.median(rising[onsets])) if onsets else 0.0
    return [
        (onset / rate, float(rising[onset])) if rising[onset] > clear else (float(beat), 0.0)
        for beat, onset in zip(beats, onsets, strict=True)
    ]


def _without_guesses_at_the_ends(beats: list[tuple[float, float]]) -> list[float]:
    """librosa goes on counting into the silence before and after the music; between beats that are heard it may."""
    heard = [index for index, (_, strength) in enumerate(beats) if strength > 0]
    return [at for at, _ in beats[heard[0] : heard[-1] + 1]] if heard else []
