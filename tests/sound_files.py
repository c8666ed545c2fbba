"""Sound and video files for tests, written with PyAV."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

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
            return float(sum(Fraction(frame.samples, frame.sample_rate) for frame in _decoded(container, stream)))
    except (av.FFmpegError, IndexError, ZeroDivisionError):  # no sound, or none of a rate
        return 0.0


def _decoded(container, stream):
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            packet = None
        if packet is None or packet.size == 0:
            break
        try:
            yield from packet.decode()
        except av.FFmpegError:
            continue
    try:
        yield from stream.codec_context.decode(None)
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
