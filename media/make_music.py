"""Play the bundled music: ``python media/make_music.py``. Drums, bass, chords and a tune, four bars at 120 bpm. CC0."""

from pathlib import Path

import av
import numpy as np

RATE = 44100
BEATS_PER_MINUTE = 120
BEAT = RATE * 60 // BEATS_PER_MINUTE
BARS = 4
TOTAL = BARS * 4 * BEAT
CHORDS = ((57, 60, 64, 67), (53, 57, 60, 64), (60, 64, 67, 71), (55, 59, 62, 65))  # MIDI notes: Am7 F C G7
TUNE = ((0, 76), (1.5, 74), (2, 72), (3.5, 74), (4, 76), (6, 72), (8, 79), (9.5, 77), (10, 76), (12, 74), (14, 71))

random = np.random.default_rng(120)
seconds = np.arange(TOTAL) / RATE


def frequency(note: float) -> float:
    return 440.0 * 2 ** ((note - 69) / 12)


def place(track: np.ndarray, beat: float, sound: np.ndarray, gain: float = 1.0) -> None:
    start = round(beat * BEAT)
    end = min(TOTAL, start + len(sound))
    track[start:end] += gain * sound[: end - start]


def envelope(count: int, attack: float, decay: float) -> np.ndarray:
    t = np.arange(count) / RATE
    return np.minimum(1, t / attack) * np.exp(-t / decay)


def kick() -> np.ndarray:
    t = np.arange(int(0.3 * RATE)) / RATE
    return np.sin(2 * np.pi * (48 * t + 11 * (1 - np.exp(-t / 0.03)))) * np.exp(-t / 0.09)


def snare() -> np.ndarray:
    count = int(0.22 * RATE)
    t = np.arange(count) / RATE
    return (
        0.7 * random.standard_normal(count) * np.exp(-t / 0.06) + np.sin(2 * np.pi * 190 * t) * np.exp(-t / 0.05)
    ) / 2


def hat(decay: float) -> np.ndarray:
    noise = np.diff(random.standard_normal(int(0.15 * RATE) + 1))
    return noise * np.exp(-np.arange(len(noise)) / RATE / decay) / 3


def tone(note: float, beats: float, attack: float, decay: float, overtones: int) -> np.ndarray:
    count = int(beats * BEAT)
    t = np.arange(count) / RATE
    wave = sum(np.sin(2 * np.pi * k * frequency(note) * t) / k**1.6 for k in range(1, overtones + 1))
    release = np.minimum(1, (count - np.arange(count)) / (0.02 * RATE))
    return wave * envelope(count, attack, decay) * release


def play() -> np.ndarray:
    """[2, samples] of -1 .. 1."""
    drums, bass, chords, tune = (np.zeros(TOTAL) for _ in range(4))
    for bar, chord in enumerate(CHORDS):
        for beat in range(4):
            now = bar * 4 + beat
            place(drums, now, kick() if beat % 2 == 0 else snare(), 0.9)
            place(drums, now, hat(0.02), 0.3)
            place(drums, now + 0.5, hat(0.05), 0.35)
            root = chord[0] - 24
            place(bass, now, tone(root, 0.5, 0.005, 0.35, 4), 0.55)
            place(bass, now + 0.5, tone(root + (12 if beat == 3 else 0), 0.45, 0.005, 0.3, 4), 0.45)
        for note in chord:
            place(chords, bar * 4, tone(note, 4, 0.06, 2.5, 6), 0.13)
    for beat, note in TUNE:
        place(tune, beat, tone(note, 1.4, 0.01, 0.5, 3), 0.3)
    echo = BEAT * 3 // 4
    delayed = np.concatenate([np.zeros(echo), tune[:-echo]])
    left = drums + bass + chords * 1.1 + tune + 0.25 * delayed
    right = drums + bass + np.roll(chords, 300) * 1.1 + 0.8 * tune + 0.4 * delayed
    mix = np.tanh(0.9 * np.stack([left, right]))
    mix[:, -RATE // 4 :] *= np.linspace(1, 0, RATE // 4) ** 2
    return 0.9 * mix / np.abs(mix).max()


def main() -> None:
    samples = np.ascontiguousarray((play() * 32767).round().astype("<i2").T.reshape(1, -1))
    path = Path(__file__).with_name("sound_to_video_music.flac")
    with av.open(str(path), "w", format="flac") as container:
        stream = container.add_stream("flac", rate=RATE, layout="stereo")
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    main()
