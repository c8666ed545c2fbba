"""Sound and video files for tests, written with PyAV."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition

LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


def chirp(seconds: float, sample_rate: int, channels: int, seed: int = 0) -> np.ndarray:
    """[C, n] float32 that never repeats: rising tones, another in each channel, in a little noise."""
    count = round(seconds * sample_rate)
    time = np.arange(count) / sample_rate
    noise = np.random.default_rng(seed).standard_normal((channels, count)) * 0.05
    tones = [0.5 * np.sin(2 * np.pi * time * 90 * (channel + 1) * (1 + time / 9)) for channel in range(channels)]
    return (np.stack(tones) + noise).clip(-1, 1).astype(np.float32)


def impulse(seconds: float, sample_rate: int, channels: int, at: float) -> np.ndarray:
    """[C, n] float32: one full sample at ``at`` seconds over a whisper of noise."""
    samples = np.random.default_rng(0).standard_normal((channels, round(seconds * sample_rate))) * 1e-4
    samples[:, round(at * sample_rate)] = 0.9
    return samples.astype(np.float32)


def write_sound(
    path: Path,
    codec: str,
    samples: np.ndarray,
    sample_rate: int,
    sample_format: str | None = None,
    container: str | None = None,
    picture: bool = False,
    **options: str,
) -> Path:
    """Encode ``samples`` [C, n] float32; ``picture`` adds a small video stream before the sound."""
    layout = LAYOUTS[len(samples)]
    with av.open(str(path), "w", format=container) as output:
        video = _picture_stream(output) if picture else None
        stream = output.add_stream(codec, rate=sample_rate, layout=layout, options=options)
        if sample_format:
            stream.codec_context.format = sample_format
        if video:
            _write_picture(output, video, samples.shape[1] / sample_rate)
        for start in range(0, samples.shape[1], 5000):
            block = np.ascontiguousarray(samples[:, start : start + 5000].T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(block, format="flt", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = sample_rate, start, Fraction(1, sample_rate)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def plain_decode(path: Path) -> float:
    """Seconds that libav decodes as the ffmpeg command line does: what fails is left out, up to the first place that
    cannot be read. 0: nothing can be decoded."""
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            stream = container.streams.audio[0]
            if stream.codec_context is None:
                return 0.0
            return float(sum(sum(frames) for frames, *_ in _decoded(container, stream)))
    except (av.FFmpegError, IndexError, ZeroDivisionError):  # no sound, or none of a rate
        return 0.0


def played_seconds(path: Path) -> tuple[float, float]:
    """Seconds that are heard of a file, by the rule of ``core/audio/probe.py`` told anew, without any code of the pack.

    Of a sound alone, what libav decodes. Beside a moving picture a sound keeps to the clock: it begins as much later as
    it lies behind the picture (10 ms to an hour), and a hole in its times of 50 ms to 10 s is silence. Where a packet
    cannot be decoded there is silence by the clock, or, the second number, as long as a packet. MP4 says how much of
    its last packet is heard. 0: nothing can be decoded.
    """
    return _played(path, by_the_clock=True), _played(path, by_the_clock=False)


def _played(path: Path, by_the_clock: bool) -> float:
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            return float(_heard(container, by_the_clock))
    except (av.FFmpegError, IndexError, ZeroDivisionError):
        return 0.0


def _heard(container, by_the_clock: bool) -> Fraction:
    streams = [stream for stream in container.streams.audio if stream.codec_context is not None]
    stream = sorted(streams, key=lambda audio: (not audio.disposition & Disposition.default, -audio.channels))[0]
    pictures = [
        video
        for video in container.streams.video
        if video.codec_context is not None and not video.disposition & Disposition.attached_pic
    ]
    heard, zero, behind, before = Fraction(0), None, Fraction(0), Fraction(0)
    for frames, time, declared, failed in _decoded(container, stream):
        seconds = sum(frames)
        if pictures and time is not None:
            if zero is None:  # on the container's clock: where the clip begins
                began = pictures[0].start_time
                late = Fraction(0) if began is None else time - began * pictures[0].time_base
                zero = time - (late if Fraction(1, 100) < late < 3600 else 0)
                heard = time - zero
            heard += 0 if by_the_clock else failed * before
            missing = time - zero - heard
            heard += missing if Fraction(1, 100 if failed and by_the_clock else 20) < missing < 10 else 0
        heard, before = heard + seconds, seconds
        is_told = declared and "mp4" in container.format.name and (pictures or len(frames) == 1)
        behind = max(Fraction(0), seconds - declared) if is_told else Fraction(0)
    return heard - behind


def _decoded(container, stream) -> Iterator[tuple[list[Fraction], Fraction | None, Fraction, int]]:
    """Of each packet the seconds of its frames, its time, the seconds that it is said to have, and how many packets
    before it cannot be decoded."""
    packets, failed = container.demux(stream), 0
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            packet = None
        if packet is None:
            break
        if packet.size == 0:  # in the middle, where the table of sizes is damaged, or behind the last one
            continue
        try:
            frames = packet.decode()
        except av.FFmpegError:
            failed += 1
            continue
        if not frames:
            continue
        first = frames[0]
        time = None if first.pts is None or first.time_base is None else first.pts * first.time_base
        declared = (packet.duration or 0) * packet.time_base
        yield [Fraction(frame.samples, frame.sample_rate) for frame in frames], time, declared, failed
        failed = 0
    try:
        for frame in stream.codec_context.decode(None):
            yield [Fraction(frame.samples, frame.sample_rate)], None, Fraction(0), failed
    except av.FFmpegError:
        return


def write_silent_video(path: Path, seconds: float = 0.5) -> Path:
    with av.open(str(path), "w") as output:
        _write_picture(output, _picture_stream(output), seconds)
    return path


def _picture_stream(output):
    stream = output.add_stream("libvpx-vp9" if output.format.name == "webm" else "libx264", rate=10)
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    return stream


def _write_picture(output, stream, seconds: float) -> None:
    for number in range(max(1, round(seconds * 10))):
        picture = np.full((48, 64, 3), number * 7 % 256, np.uint8)
        output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
    output.mux(stream.encode(None))
