"""Where the beats of a piece of music are, found by librosa, in memory that does not grow with its length."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import SoundToVideoError
from . import beat_search
from .beat_search import COUNT, SAMPLE_RATE
from .resampling import resampled

if TYPE_CHECKING:
    from . import Audio

WINDOW_SECONDS = 240
OVERLAP_SECONDS = 12

KEPT_SECONDS = 60.0  # librosa, which takes seconds to load and 260 MB, after the last time that it was asked


class MissingBeatLibrary(SoundToVideoError):
    """librosa is not installed; it is large (numba, scikit-learn), so the pack works without it."""


def _missing_library(why: str = "") -> MissingBeatLibrary:
    return MissingBeatLibrary(
        "finding beats needs the Python package librosa: run `python -m pip install librosa` "
        f"with the Python that runs ComfyUI, then restart it{f' (it cannot be loaded: {why})' if why else ''}."
    )


def detect_beats(audio: Audio) -> list[float]:
    """Times of the beats in seconds, ascending; empty where there is no beat.

    Beats are those of ``librosa.beat.beat_track`` (D. P. W. Ellis, "Beat Tracking by Dynamic Programming", 2007), on
    windows of four minutes, each with 12 s of its neighbours; each is then moved to the onset that is heard, and at the
    ends of the sound those without an onset are left out. librosa runs in a process of its own.

    audio: any rate, channels and length; only one window is decoded at a time.
    Raises MissingBeatLibrary: librosa cannot be imported; the message says how to install it.
    """
    if not _is_installed():
        raise _missing_library()
    audio = audio.mixed_to_stereo()
    rate = audio.sample_rate
    window, overlap = WINDOW_SECONDS * rate, OVERLAP_SECONDS * rate
    beats: list[tuple[float, float]] = []  # seconds, strength
    for start in range(0, audio.sample_count, window):
        end = min(start + window, audio.sample_count)
        first, last = max(start - overlap, 0), min(end + overlap, audio.sample_count)
        samples = audio.trimmed(first, last)["waveform"][0].mean(dim=0)
        times = _librosa.beats_in(resampled(samples, rate, SAMPLE_RATE).numpy())
        beats += [(at + first / rate, power) for at, power in times if start <= at * rate + first < end]
    return _without_guesses_at_the_ends(beats)


def _without_guesses_at_the_ends(beats: list[tuple[float, float]]) -> list[float]:
    """librosa goes on counting into the silence before and after the music; between beats that are heard it may."""
    heard = [index for index, (_, strength) in enumerate(beats) if strength > 0]
    return [at for at, _ in beats[heard[0] : heard[-1] + 1]] if heard else []


def _is_installed() -> bool:
    try:
        return importlib.util.find_spec("librosa") is not None
    except ValueError:  # a module that another pack has put in its place; the program that searches sees the real one
        return True


class BeatSearch:
    """``beat_search.py`` in a process that starts when it is first asked, and ends when it was not for a while."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._end_later = threading.Timer(0, self.end)

    def beats_in(self, samples: np.ndarray) -> list[tuple[float, float]]:
        """As ``beat_search.beats_in``, from any thread; one stretch after the other."""
        with self._lock:
            self._end_later.cancel()
            try:
                return self._ask(samples)
            except BaseException:
                self._end()
                raise
            finally:
                self._end_later = threading.Timer(KEPT_SECONDS, self.end)
                self._end_later.daemon = True
                self._end_later.start()

    def end(self) -> None:
        """End the process; the next stretch starts another one."""
        with self._lock:
            self._end()

    def _ask(self, samples: np.ndarray) -> list[tuple[float, float]]:
        data = np.ascontiguousarray(samples, np.float32).tobytes()
        try:
            if self._process is None or self._process.poll() is not None:
                self._end()
                self._process = _started()
                path = [entry for entry in sys.path if isinstance(entry, str)]  # Python passes over others, too
                _answer(self._process, json.dumps(path).encode("ascii") + b"\n")
            found = _answer(self._process, COUNT.pack(len(data)), data)
        except (OSError, EOFError, json.JSONDecodeError) as error:
            raise SoundToVideoError(
                f"the program that finds beats did not start, or was ended ({error}): try again. "
                "Where that does not help, ComfyUI's log may say why."
            ) from error
        return [(at, strength) for at, strength in found]

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            with contextlib.suppress(OSError), self._process:  # closes its pipes, into which more may have to go
                pass
            self._process = None


def _started() -> subprocess.Popen[bytes]:
    """In the Python that runs the host, without a window on Windows."""
    return subprocess.Popen(
        [sys.executable, beat_search.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )


def _answer(process: subprocess.Popen[bytes], *parts: bytes) -> Any:
    assert process.stdin is not None and process.stdout is not None
    for part in parts:
        process.stdin.write(part)
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise EOFError("no answer")
    answer = json.loads(line)
    if isinstance(answer, dict):
        raise _missing_library(answer["missing"]) if "missing" in answer else SoundToVideoError(answer["error"])
    return answer


_librosa = BeatSearch()
