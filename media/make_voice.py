"""Speak the bundled voices: ``python media/make_voice.py`` (needs espeak-ng on PATH; the WAVs lie beside it)."""

import io
import subprocess
import wave
from pathlib import Path

import numpy as np

VOICES = {  # file: (what is said, how)
    "sound_to_video_voice.wav": (
        "Hello! I am only a picture. Give me a voice, and I begin to speak.",
        ("-v", "en-gb+f2", "-s", "158", "-p", "46", "-g", "2"),
    ),
    "sound_to_video_second_voice.wav": (
        "And so do I. Now that there are two of us, we can talk.",
        ("-v", "en-gb+f4", "-s", "150", "-p", "62", "-g", "2"),
    ),
}
PEAK = 0.8
EDGE_SECONDS = 0.12


def main() -> None:
    for name, (text, how) in VOICES.items():
        speak(text, how, Path(__file__).with_name(name))


def speak(text: str, how: tuple[str, ...], path: Path) -> None:
    spoken = subprocess.run(["espeak-ng", *how, "--stdout", text], check=True, capture_output=True).stdout
    with wave.open(io.BytesIO(spoken)) as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
    loud = np.flatnonzero(np.abs(samples) > 300)
    samples = samples[loud[0] : loud[-1]]
    samples = soften(samples)
    samples *= PEAK * 32767 / np.abs(samples).max()
    quiet = np.zeros(round(EDGE_SECONDS * rate))
    samples = np.concatenate([quiet, samples, quiet])
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.round().astype("<i2").tobytes())


def soften(samples: np.ndarray) -> np.ndarray:
    """Take the edge off the synthesiser's highest tones, and round the loudest peaks."""
    kernel = np.hanning(5)
    smoothed = np.convolve(samples, kernel / kernel.sum(), mode="same")
    return np.tanh(1.4 * smoothed / np.abs(smoothed).max())


if __name__ == "__main__":
    main()
