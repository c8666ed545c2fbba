"""Sounds to learn from, mono at 16 kHz: synthesised speech of many voices, drums, tones, noise, silence. From a seed.

Speech is espeak-ng's (the command must be installed), in several languages, voices, speeds and pitches. Everything
else is computed here.
"""

from __future__ import annotations

import io
import shutil
import subprocess

import av
import numpy as np

RATE = 16000
Array = np.ndarray
Random = np.random.Generator

LANGUAGES = ("en-us", "en-gb", "de", "fr", "es", "it", "pt", "nl", "sv", "pl", "tr", "fi")
VARIANTS = ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "f1", "f2", "f3", "f4", "croak", "whisper")
HELD_OUT_LANGUAGES = ("en-gb-scotland", "ro", "cs", "hu")
HELD_OUT_VARIANTS = ("m8", "f5", "klatt2", "klatt4")
SYLLABLES = [
    *("ba", "be", "bo", "da", "di", "do", "fa", "fi", "go", "ha", "hi", "ka", "ke", "ko", "la", "le", "lo", "ma"),
    *("me", "mi", "na", "ne", "no", "pa", "pi", "po", "ra", "re", "ro", "sa", "se", "so", "ta", "ti", "to", "va"),
    *("vo", "wa", "we", "ya", "yo", "za", "zu", "am", "en", "is", "on", "ur", "el", "at", "ish", "ong", "ime"),
]


def speech(random: Random, seconds: float, held_out: bool = False) -> Array:
    """Somebody talks, in invented words, with pauses."""
    languages, variants = (HELD_OUT_LANGUAGES, HELD_OUT_VARIANTS) if held_out else (LANGUAGES, VARIANTS)
    words = ["".join(random.choice(SYLLABLES, random.integers(1, 4))) for _ in range(int(seconds * 4) + 4)]
    marks = random.choice(["", "", "", ",", ".", "!"], len(words))
    text = " ".join(word + mark for word, mark in zip(words, marks, strict=True))
    voice = f"{random.choice(languages)}+{random.choice(variants)}"
    speed, pitch = random.integers(110, 210), random.integers(15, 90)
    command = [espeak(), "--stdout", "-v", voice, "-s", str(speed), "-p", str(pitch), "-g", str(random.integers(0, 12))]
    wave = subprocess.run([*command, text], check=True, capture_output=True).stdout
    samples = read(io.BytesIO(wave))
    quiet = np.zeros(int(random.uniform(0, 0.7) * RATE), np.float32)
    return fitted(np.concatenate([quiet, samples]), seconds)


def espeak() -> str:
    command = shutil.which("espeak-ng")
    if command is None:
        raise FileNotFoundError("espeak-ng is needed for speech to learn from: apt install espeak-ng (or brew, choco)")
    return command


def read(file: object) -> Array:
    """A sound file as mono float32 at 16 kHz."""
    with av.open(file) as container:
        resampler = av.AudioResampler("fltp", "mono", RATE)
        pieces = [piece.to_ndarray()[0] for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
        pieces += [piece.to_ndarray()[0] for piece in resampler.resample(None)]
    return np.concatenate(pieces).astype(np.float32)


def fitted(samples: Array, seconds: float) -> Array:
    count = round(seconds * RATE)
    return np.pad(samples[:count], (0, max(0, count - len(samples)))).astype(np.float32)


def at(track: Array, seconds: float, sound: Array, gain: float) -> None:
    start = round(seconds * RATE)
    if 0 <= start < len(track):
        end = min(len(track), start + len(sound))
        track[start:end] += gain * sound[: end - start]


def ramp(seconds: float) -> Array:
    return np.arange(int(seconds * RATE), dtype=np.float32) / RATE


def drums(random: Random, seconds: float, held_out: bool = False) -> Array:
    """A drum pattern, with bass or a held chord under it at times."""
    bpm = random.uniform(150, 172) if held_out else random.uniform(66, 150)
    step = 60 / bpm / 2
    t = ramp(0.3)
    low = random.uniform(42, 70)
    kick = np.sin(2 * np.pi * (low * t + random.uniform(5, 14) * (1 - np.exp(-t / 0.03)))) * np.exp(
        -t / random.uniform(0.05, 0.12)
    )
    noise = random.standard_normal(len(t)).astype(np.float32)
    snare = (0.7 * noise + np.sin(2 * np.pi * random.uniform(160, 240) * t)) * np.exp(-t / random.uniform(0.04, 0.1))
    hat = np.diff(noise, prepend=0) * np.exp(-t / random.uniform(0.015, 0.05))
    clap = noise * np.exp(-((t % 0.012) / 0.004)) * np.exp(-t / 0.08)
    pattern = random.choice([0, 1, 2, 3, 3], 8)
    pattern[0] = 1
    track = np.zeros(round(seconds * RATE), np.float32)
    hats, offset = random.random() < 0.6, random.uniform(0, 0.5)
    for index in range(int((seconds - offset) / step) + 1):
        now = offset + index * step
        hit = pattern[index % 8]
        if hit == 1:
            at(track, now, kick, 0.9)
        elif hit == 2:
            at(track, now, snare if index % 2 else clap, 0.6)
        if hats:
            at(track, now, hat, random.uniform(0.1, 0.25))
    if random.random() < 0.5:
        track += random.uniform(0.05, 0.3) * chord(random, seconds)
    return track


def chord(random: Random, seconds: float) -> Array:
    t = ramp(seconds + 0.01)[: round(seconds * RATE)]
    root = random.uniform(80, 260)
    return sum(np.sin(2 * np.pi * root * r * t + random.uniform(0, 6)) for r in (1, 1.26, 1.5, 2.0)) / 4


def notes(random: Random, seconds: float, held_out: bool = False) -> Array:
    """A tune of struck or blown tones of uneven length and loudness."""
    track, now = np.zeros(round(seconds * RATE), np.float32), random.uniform(0, 0.5)
    attack, overtones = random.uniform(0.005, 0.06), random.integers(1, 7)
    while now < seconds:
        length = random.uniform(0.12, 0.9)
        t = ramp(length)
        pitch = random.uniform(110, 700)
        wave = sum(np.sin(2 * np.pi * pitch * k * t) / k**1.3 for k in range(1, overtones + 1))
        shape = np.minimum(1, t / attack) * np.exp(-t / (length * random.uniform(0.3, 2)))
        at(track, now, wave * shape * np.minimum(1, (length - t) / 0.02), random.uniform(0.15, 1))
        now += length * random.uniform(0.7, 1.6)
    return track


def music(random: Random, seconds: float, held_out: bool = False) -> Array:
    """Drums, soft or hard, under a tune or two."""
    track = random.uniform(0.2, 1.0) * drums(random, seconds, held_out)
    for _ in range(random.integers(1, 3)):
        track = track + random.uniform(0.15, 0.9) * notes(random, seconds, held_out)
    return track


def bursts(random: Random, seconds: float, held_out: bool = False) -> Array:
    """Noise, or a hum like a voice's, that comes and goes: as syllables do, but nobody's."""
    count = round(seconds * RATE)
    source = random.standard_normal(count).astype(np.float32)
    if random.random() < 0.6:
        t = ramp(seconds + 0.01)[:count]
        bend = np.interp(t, np.linspace(0, seconds, 9), random.uniform(0.8, 1.25, 9))
        phase = 2 * np.pi * np.cumsum(random.uniform(80, 260) * bend) / RATE
        source = sum(np.sin(k * phase) / k for k in range(1, 12)) + 0.1 * source
    times, levels, now = [0.0], [0.0], random.uniform(0, 0.4)
    while now < seconds:
        length, high = random.uniform(0.06, 0.45), 10 ** random.uniform(-1.2, 0)
        times += [now, now + random.uniform(0.01, 0.05), now + length, now + length + random.uniform(0.02, 0.1)]
        levels += [0.0, high, high * random.uniform(0.3, 1), 0.0]
        now = times[-1] + random.choice([0.02, 0.05, 0.1, 0.5]) * random.uniform(0.5, 1.5)
    return source * np.interp(np.arange(count) / RATE, times, levels).astype(np.float32)


def silence(random: Random, seconds: float, held_out: bool = False) -> Array:
    return np.zeros(round(seconds * RATE), np.float32)


SOUNDS = {"speech": speech, "drums": drums, "notes": notes, "music": music, "bursts": bursts, "silence": silence}


def mastered(random: Random, samples: Array) -> Array:
    """Brought to a usual level, coloured and with a little hiss, as recordings are."""
    samples = samples.astype(np.float32)
    if random.random() < 0.5:
        tilt = random.uniform(-0.5, 0.5)
        samples = samples + tilt * np.concatenate([[0], samples[:-1]]).astype(np.float32)
    peak = np.abs(samples).max()
    if peak > 0:
        samples = samples / peak * 10 ** (random.uniform(-9, -0.5) / 20)
    hiss = 10 ** (random.uniform(-75, -48) / 20)
    return (samples + hiss * random.standard_normal(len(samples))).astype(np.float32)
