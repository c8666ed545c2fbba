"""Footage whose sound or picture starts late, or whose frames do not come evenly: what belongs together stays so."""

from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from comfy_api.latest import InputImpl
from sound_to_video.core.frames.reading import frames_of

SOUND_RATE = 16000
TICKS = 90000


def footage(path, frame_times, sound_from=0.0, seconds=4.0, codec="libx264", rotation=0):
    """A flash and a beep at every whole second of the file's clock; frames at ``frame_times``, sound from a time on."""
    with av.open(str(path), "w") as output:
        picture = output.add_stream(codec, rate=30)
        picture.width, picture.height, picture.pix_fmt = 64, 32, "yuv420p"
        picture.time_base = picture.codec_context.time_base = Fraction(1, TICKS)
        sound = output.add_stream("aac" if path.suffix == ".mp4" else "pcm_s16le", rate=SOUND_RATE, layout="mono")
        for number, time in enumerate(frame_times):
            later = frame_times[number + 1] if number + 1 < len(frame_times) else time + 0.01
            bright = 235 if int(later - 1e-6) > int(time - 1e-6) or time % 1 < 1e-6 else 20
            pixels = np.full((32, 64, 3), bright, np.uint8)
            pixels[:16, :32] = 255 - bright
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = round(time * TICKS), Fraction(1, TICKS)
            output.mux(picture.encode(frame))
        output.mux(picture.encode(None))
        count = round((seconds - sound_from) * SOUND_RATE)
        samples = np.zeros((1, count), np.float32)
        for second in range(int(np.ceil(sound_from)), int(seconds)):
            at = round((second - sound_from) * SOUND_RATE)
            samples[:, at : at + 320] = 0.8 * np.sin(np.arange(320))
        for start in range(0, count, 1024):
            frame = av.AudioFrame.from_ndarray(samples[:, start : start + 1024], format="flt", layout="mono")
            frame.sample_rate, frame.time_base = SOUND_RATE, Fraction(1, SOUND_RATE)
            frame.pts = start + round(sound_from * SOUND_RATE)
            output.mux(sound.encode(frame))
        output.mux(sound.encode(None))
    return path


def flashes(stream):
    """Times at which a picture becomes bright."""
    frames = torch.cat(list(stream.groups))
    bright = frames[:, -8:, -8:].mean(dim=(1, 2, 3)) > 0.5
    changes = bright & ~torch.cat([torch.zeros(1, dtype=torch.bool), bright[:-1]])
    return [float(int(index) / stream.frame_rate) for index in changes.nonzero().flatten()]


def beeps(audio):
    loud = audio["waveform"][0, 0].abs() > 0.2
    starts = (
        loud
        & ~torch.nn.functional.max_pool1d(torch.cat([torch.zeros(2000), loud[:-1].float()])[None], 2000, 1)[
            0, : len(loud)
        ].bool()
    )
    return [int(index) / audio.sample_rate for index in starts.nonzero().flatten()]


def evenly(first, last, rate=10):
    return [first + number / rate for number in range(round((last - first) * rate))]


def stream_of(path, **trim):
    video = InputImpl.VideoFromFile(str(path))
    return frames_of(video.as_trimmed(**trim) if trim else video, 1)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_sound_that_starts_late_is_heard_late(tmp_path, suffix):
    stream = stream_of(footage(tmp_path / f"late{suffix}", evenly(0, 4), sound_from=1.5))
    assert flashes(stream) == [0, 1, 2, 3]
    assert beeps(stream.audio) == pytest.approx([2, 3], abs=0.002)
    assert stream.audio["waveform"][0, 0, : SOUND_RATE * 14 // 10].abs().max() == 0
    assert float(stream.audio.duration) == pytest.approx(4, abs=0.07)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("late", [0.8, 0.75])
def test_a_picture_that_starts_late_is_seen_late(tmp_path, suffix, late):
    stream = stream_of(footage(tmp_path / f"late{suffix}", evenly(late, 4)))
    seen, heard = flashes(stream), beeps(stream.audio)
    assert seen[-3:] == pytest.approx(heard[-3:], abs=0.051)
    assert len(heard) == 4 or late % 0.1
    assert heard[-1] == pytest.approx(3, abs=0.051)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_frames_that_come_unevenly_are_shown_at_their_times(tmp_path, suffix):
    times = evenly(0, 3, 30) + evenly(3, 4, 15)
    stream = stream_of(footage(tmp_path / f"varies{suffix}", times))
    assert stream.frame_rate == 30
    assert flashes(stream) == pytest.approx([0, 1, 2, 3], abs=0.004)
    assert beeps(stream.audio) == pytest.approx([0, 1, 2, 3], abs=0.002)


def test_a_frame_that_is_held_for_long_is_given_as_often_as_it_is_seen(tmp_path):
    times = [*evenly(0, 2.2), *evenly(2.9, 4)]
    stream = stream_of(footage(tmp_path / "gap.mp4", times))
    assert flashes(stream) == pytest.approx([0, 1, 2, 3], abs=0.05)
    again = stream_of(footage(tmp_path / "gap.mp4", times))
    total = sum(len(group) for group in again.groups)
    assert total / again.frame_rate == pytest.approx(4, abs=0.11)


@pytest.mark.parametrize("start", [0.5, 1.0, 1.7])
def test_a_part_of_uneven_footage_keeps_its_times(tmp_path, start):
    path = footage(tmp_path / "varies.mp4", evenly(0, 3, 30) + evenly(3, 4, 15), sound_from=0.4)
    stream = stream_of(path, start_time=start, duration=2.0)
    expected = [second - start for second in range(4) if start <= second < start + 2]
    assert flashes(stream)[-len(expected) :] == pytest.approx(expected, abs=0.067)
    assert beeps(stream.audio) == pytest.approx(expected, abs=0.002)


def test_even_frames_are_each_given_once(tmp_path):
    for suffix in (".mp4", ".mkv"):
        stream = stream_of(footage(tmp_path / f"even{suffix}", evenly(0, 4, 30)))
        assert stream.frame_rate == 30
        assert sum(len(group) for group in stream.groups) == 120
