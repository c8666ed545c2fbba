"""Video Frame: the picture that is asked for, of every kind of VIDEO, and no more of a file than it takes."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import folder_paths
import numpy as np
import pytest
import torch
from comfy_api.latest import InputImpl, Types
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.frames import picking, reading
from sound_to_video.nodes.video_frame import VideoFrame
from sound_to_video.tests.sound_files import write_sound

RATE, FRAMES, STEP = 10, 40, 6
SHARP = 13


@pytest.fixture(autouse=True)
def temp_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path))


def pixels(number: int) -> np.ndarray:
    """A frame as bright as its number says; the one that is ``SHARP`` has a grid in it."""
    frame = np.full((32, 48, 3), STEP * number % 256, np.uint8)
    if number == SHARP:
        frame[::2] = 255
    return frame


def written(path, codec="libx264", frames=FRAMES, gap=10):
    """4 s at 10 frames a second, a key frame a second."""
    with av.open(path, "w", format="mp4" if isinstance(path, io.BytesIO) else None) as output:
        stream = output.add_stream(codec, rate=RATE, options={"crf": "4", "qmin": "1", "qmax": "2"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 48, 32, "yuv420p", gap
        for number in range(frames):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(pixels(number), format="rgb24")))
        output.mux(stream.encode(None))
    return path


def tensor() -> torch.Tensor:
    return torch.from_numpy(np.stack([pixels(number) for number in range(FRAMES)])).float() / 255


@pytest.fixture(params=["mp4", "mkv", "avi", "in memory", "components"])
def video(request, tmp_path):
    if request.param == "components":
        components = Types.VideoComponents(images=tensor(), audio=None, frame_rate=Fraction(RATE))
        return InputImpl.VideoFromComponents(components)
    if request.param == "in memory":
        return InputImpl.VideoFromFile(written(io.BytesIO()))
    codec = "mpeg4" if request.param == "avi" else "libx264"
    return InputImpl.VideoFromFile(written(str(tmp_path / f"clip.{request.param}"), codec))


def number_of(image: torch.Tensor) -> float:
    assert image.shape == (1, 32, 48, 3) and image.dtype == torch.float32
    return float(image.mean() * 255 / STEP)


def taken(video, which: str, seconds: float = 0.0) -> torch.Tensor:
    return VideoFrame.execute(video=video, which=which, seconds=seconds)[0]


@pytest.mark.parametrize(
    ("which", "seconds", "expected"),
    [
        *[("first", 2.0, 0), ("last", 0.0, FRAMES - 1), ("at seconds", 0.0, 0), ("at seconds", 1.0, 10)],
        *[("at seconds", 2.04, 20), ("at seconds", 2.06, 21), ("at seconds", 3.9, 39), ("at seconds", 4.0, 39)],
    ],
)
def test_the_frame_that_is_asked_for(video, which, seconds, expected):
    assert number_of(taken(video, which, seconds)) == pytest.approx(expected, abs=0.4)


@pytest.mark.parametrize(("seconds", "expected"), [(1.0, SHARP), (1.75, SHARP), (3.0, None)])
def test_the_sharpest_within_half_a_second(video, seconds, expected):
    found = taken(video, "sharpest near seconds", seconds)
    is_sharp = (found[0, 0] - found[0, 1]).abs().mean() > 0.3
    assert is_sharp == (expected == SHARP)


@pytest.mark.parametrize("which", ["at seconds", "sharpest near seconds"])
def test_past_the_end(video, which):
    with pytest.raises(
        SoundToVideoError, match=r"Video Frame: there is no frame at 4\.50 s: the video lasts 4\.00 s\. Choose last"
    ):
        taken(video, which, 4.5)


def test_within_a_part_of_a_file(tmp_path):
    path = written(str(tmp_path / "clip.mp4"))
    part = InputImpl.VideoFromFile(path, start_time=1.0, duration=2.0)
    assert number_of(taken(part, "first")) == pytest.approx(10, abs=0.4)
    assert number_of(taken(part, "last")) == pytest.approx(29, abs=0.4)
    assert number_of(taken(part, "at seconds", 0.5)) == pytest.approx(15, abs=0.4)
    with pytest.raises(SoundToVideoError, match=r"lasts 2\.00 s"):
        taken(part, "at seconds", 2.5)
    with pytest.raises(SoundToVideoError, match="cut to nothing"):
        taken(InputImpl.VideoFromFile(path, start_time=9.0), "last")
    from_the_end = InputImpl.VideoFromFile(path, start_time=-1.0)
    assert number_of(taken(from_the_end, "first")) == pytest.approx(30, abs=0.4)


@pytest.mark.parametrize("which", picking.WHICH)
def test_a_long_file_is_not_decoded_whole(tmp_path, monkeypatch, which):
    path = written(str(tmp_path / "long.mp4"), frames=300)
    decoded = []
    timed = reading._timed_frames

    def counted(*args, **how):
        for entry in timed(*args, **how):
            decoded.append(entry)
            yield entry

    monkeypatch.setattr(reading, "_timed_frames", counted)
    taken(InputImpl.VideoFromFile(path), which, 20.0)
    assert 0 < len(decoded) <= 60


def test_a_picture_that_ends_before_its_sound(tmp_path):
    """The last frame is then seconds before the end of the file."""
    path = str(tmp_path / "clip.mkv")
    silence = np.zeros((1, 16000 * 7), np.float32)
    with av.open(path, "w") as output:
        picture, sound = output.add_stream("libx264", rate=RATE), output.add_stream("pcm_s16le", rate=16000)
        picture.width, picture.height, picture.pix_fmt, sound.layout = 48, 32, "yuv420p", "mono"
        for number in range(FRAMES):
            output.mux(picture.encode(av.VideoFrame.from_ndarray(pixels(number), format="rgb24")))
        output.mux(picture.encode(None))
        frame = av.AudioFrame.from_ndarray(silence, format="flt", layout="mono")
        frame.sample_rate = 16000
        output.mux(sound.encode(frame))
        output.mux(sound.encode(None))
    video = InputImpl.VideoFromFile(path)
    assert number_of(taken(video, "last")) == pytest.approx(FRAMES - 1, abs=0.4)
    assert number_of(taken(video, "at seconds", 6.5)) == pytest.approx(FRAMES - 1, abs=0.4)


def test_what_is_no_video_with_pictures(tmp_path):
    with pytest.raises(SoundToVideoError, match="Video Frame: video is a Tensor, not a VIDEO"):
        taken(tensor(), "last")
    path = tmp_path / "sound.wav"
    write_sound(path, "pcm_s16le", np.zeros((1, 1600), np.float32), 16000)
    with pytest.raises(SoundToVideoError, match="Video Frame: the video has no pictures"):
        taken(InputImpl.VideoFromFile(str(path)), "last")
    with pytest.raises(SoundToVideoError, match="choose first, last, at seconds or sharpest near seconds"):
        taken(InputImpl.VideoFromComponents(Types.VideoComponents(tensor(), Fraction(10))), "middle")
