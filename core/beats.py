"""Where the beats of a piece of music are, found by librosa, in memory that does not grow with its length."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torchaudio

from .errors import SoundToVideoError

if TYPE_CHECKING:
    from .audio import Audio

SAMPLE_RATE = 22050
HOP_SAMPLES = 256
WINDOW_SECONDS = 240
OVERLAP_SECONDS = 12


class MissingBeatLibrary(SoundToVideoError):
    """librosa is not installed; it is large (numba, scikit-learn), so the pack works without it."""


def detect_beats(audio: Audio) -> list[float]:
    """Times of the beats in seconds, ascending; empty where there is no beat.

    The dynamic programming tracker of D. P. W. Ellis, "Beat Tracking by Dynamic Programming" (2007), as in
    ``librosa.beat.beat_track``, on windows of four minutes, each with 12 s of its neighbours.

    Args:
        audio: any rate, channels and length; only one window is decoded at a time.

    Raises:
        MissingBeatLibrary: librosa cannot be imported; the message says how to install it.
    """
    try:
        import librosa
    except ImportError as error:
        raise MissingBeatLibrary(
            "finding beats needs the Python package librosa: run `python -m pip install librosa` "
            "with the Python that runs ComfyUI, then restart it."
        ) from error
    rate = audio.sample_rate
    window, overlap = WINDOW_SECONDS * rate, OVERLAP_SECONDS * rate
    beats: list[float] = []
    for start in range(0, audio.sample_count, window):
        end = min(start + window, audio.sample_count)
        first, last = max(start - overlap, 0), min(end + overlap, audio.sample_count)
        samples = audio.trimmed(first, last)["waveform"][0].mean(dim=0)
        samples = torchaudio.functional.resample(samples, rate, SAMPLE_RATE).numpy()
        envelope = librosa.onset.onset_strength(y=samples, sr=SAMPLE_RATE, hop_length=HOP_SAMPLES)
        _, found = librosa.beat.beat_track(
            onset_envelope=envelope, sr=SAMPLE_RATE, hop_length=HOP_SAMPLES, units="time", trim=False
        )
        times = np.asarray(found) + first / rate
        beats += times[(times >= start / rate) & (times < end / rate)].tolist()
    return beats
