"""The program that finds beats with librosa. ``beats.py`` starts it, and asks it through pipes.

librosa is no guest for the host's own process: numba and scikit-learn come with it, 146 thousand objects. Python
collects garbage while they load, and every thread of the host stands still for as long as that takes (0.4 s).

In: a line of JSON, the ``sys.path`` to import from; then for each stretch of sound the number of its bytes (u64,
little-endian), and its float32 samples [n], mono, at SAMPLE_RATE. Out: a line of JSON for each, ``null`` first:
``[[seconds, strength of its onset or 0], …]``, or ``{"missing": why}`` or ``{"error": why}``.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import struct
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # else after the path is known
    import numpy as np

SAMPLE_RATE = 22050
COUNT = struct.Struct("<Q")

FINE_HOP_SAMPLES = 64
FINE_WINDOW_SAMPLES = 512
# librosa's beats come 20 to 35 ms after what is heard (its window is 93 ms long): where to look for the onset.
EARLIER_SECONDS, LATER_SECONDS = 0.06, 0.02
# An onset is one where it is this strong, compared with the median of all beats.
CLEAR_ONSET = 0.25


def beats_in(samples: np.ndarray) -> list[tuple[float, float]]:
    """``(seconds, strength of its onset)`` of each beat of ``librosa.beat.beat_track`` in float32 ``[n]``."""
    import librosa
    import numpy as np

    _, found = librosa.beat.beat_track(y=samples, sr=SAMPLE_RATE, units="time", trim=False)
    return _on_onsets(np.asarray(found), samples)


def _on_onsets(beats: np.ndarray, samples: np.ndarray) -> list[tuple[float, float]]:
    """(seconds, strength) of the strongest onset near each of ``beats``; where there is none, the beat and 0."""
    import librosa
    import numpy as np

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


def main() -> None:
    """Answer until standard input ends, which it does with the process that asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the host's
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what libraries print is no answer

    def say(answer: object) -> None:
        print(json.dumps(answer), file=answers, flush=True)

    asked = sys.stdin.buffer
    sys.path[:] = json.loads(asked.readline())
    import numpy as np

    try:
        importlib.import_module("librosa.beat")
        importlib.import_module("librosa.onset")
    except Exception as error:  # numba raises more than ImportError where it does not fit numpy
        say({"missing": str(error)})
        return
    say(None)
    while count := asked.read(COUNT.size):
        samples = np.frombuffer(asked.read(*COUNT.unpack(count)), np.float32)
        try:
            say(beats_in(samples))
        except Exception as error:
            say({"error": f"librosa cannot find beats in this sound: {type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
