"""Footage under a sound: which of its frames is shown when, and that each is the one that the file holds."""

import io
import struct
from fractions import Fraction
from itertools import islice
from typing import Any

import av
import numpy as np
import pytest
import torch
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from comfy_api.latest import InputImpl, Types
from sound_to_video.core.clip.mux import write_clip
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.frames import footage as footage_module
from sound_to_video.core.frames import host_edits, reading
from sound_to_video.core.frames.footage import Footage
from sound_to_video.core.frames.footage_time import WHEN_LONGER, footage_frame, frame_step, jumps, step_in_words
from sound_to_video.core.frames.images import pictures_of
from sound_to_video.core.frames.picking import picture_at
from sound_to_video.core.frames.reading import frames_of
from sound_to_video.core.frames.source import source_of


def write_footage(path, times=range(30), rate=25, size=(48, 32), codec="libx264", pixel_format="yuv420p", **options):
    """A frame of another brightness at each of ``times`` (frames of ``rate`` a second); a key frame every 12."""
    noise = np.random.default_rng(0).integers(0, 80, (size[1], size[0], 3))
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=rate, options={"g": "12", "crf": "12", **options})
        stream.width, stream.height, stream.pix_fmt = *size, pixel_format
        stream.codec_context.time_base = Fraction(1, rate)
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray((noise + 5 * (number % 35)).astype(np.uint8), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, rate)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def turn_upright(path) -> None:
    """Set the matrix of the track's header (ISO 14496-12, tkhd) to a quarter turn, as phones held upright do."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44
    content[place : place + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    path.write_bytes(content)


def whole(video) -> torch.Tensor:
    return torch.cat(list(frames_of(video, 1).groups))


def test_when_the_sound_is_longer():
    shown = {way: [footage_frame(index, 4, way) for index in range(10)] for way in WHEN_LONGER}
    assert shown["hold"] == [0, 1, 2, 3, 3, 3, 3, 3, 3, 3]
    assert shown["forth and back"] == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3]
    assert shown["loop"] == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    assert all(footage_frame(index, 1, way) == 0 for way in WHEN_LONGER for index in range(5))


def test_a_scene_begins_at_cuts_in_both_directions_and_where_a_loop_begins_anew():
    assert jumps(10, 10, "hold", [3]) == [3]
    assert jumps(9, 4, "forth and back", [2]) == [2, 5, 8]
    assert jumps(9, 4, "loop", [2]) == [2, 4, 6, 8]
    assert jumps(9, 4, "hold", []) == []


def test_fast_footage_is_sampled_at_a_part_of_its_frames():
    rates = [24, Fraction(30000, 1001), 32, 48, Fraction(60000, 1001), 120]
    assert [frame_step(rate) for rate in rates] == [1, 1, 1, 2, 2, 4]
    assert step_in_words(Fraction(30)) is None
    assert "every second frame and blended in between" in (step_in_words(Fraction(60000, 1001)) or "")


@pytest.mark.parametrize(
    "times", [range(30), [0, 1, 2, 5, 6, 10, 11, 12, 13, 20, 21, 22, 23, 24, 29]], ids=["cfr", "vfr"]
)
@pytest.mark.parametrize("start", [0, 0.3], ids=["whole", "trimmed"])
def test_any_stretch_of_a_file_is_the_one_read_from_its_beginning(tmp_path, times, start):
    path = write_footage(tmp_path / "footage.mp4", times)
    video = InputImpl.VideoFromFile(str(path), start_time=start)
    expected, source = whole(video), source_of(video)
    assert (source.width, source.height) == (48, 32)
    for first, last in ((0, 5), (3, 9), (13, 14), (12, 30), (len(expected) - 2, len(expected) + 5)):
        got = list(source.frames(first, last))
        assert torch.equal(torch.stack(got), expected[first:last]), (first, last)
    assert list(source.frames(len(expected), len(expected) + 3)) == []


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv420p10le", "nv12"])
@pytest.mark.parametrize("size", [(64, 48), (17, 9)])
def test_colours_of_a_file_are_read_as_its_matrix_says(pixel_format, size):
    """ITU-R BT.709; a converter that is fast and two levels too dark is no reader."""
    is_deep, is_full = "10" in pixel_format, "j" in pixel_format
    black, span, colour_span = (0, 255, 255) if is_full else (16, 219, 224)
    for luma, blue, red in ((126, 128, 128), (100, 100, 150), (200, 120, 110), (60, 140, 140)):
        frame = av.VideoFrame(*size, pixel_format)
        planes: Any = frame.planes
        held = ([luma], [blue, red]) if pixel_format == "nv12" else ([luma], [blue], [red])
        for plane, values in zip(planes, held, strict=True):
            samples = np.frombuffer(plane, np.uint16 if is_deep else np.uint8)
            samples[:] = np.resize(values, len(samples)) * (4 if is_deep else 1)
        frame.colorspace, frame.color_range = Colorspace.ITU709, ColorRange.JPEG if is_full else ColorRange.MPEG
        y, b, r = (luma - black) / span, (blue - 128) / colour_span, (red - 128) / colour_span
        expected = torch.tensor([y + 1.5748 * r, y - 0.1873 * b - 0.4681 * r, y + 1.8556 * b])
        read = pictures_of(reading._to_rgb(frame, VideoReformatter()))
        assert read.shape == (size[1], size[0], 3)
        assert (read - expected).abs().max() < 1.1 / 255


def planes_of(path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [np.stack([next(islice(reading._samples(frame), place, None)) for frame in frames]) for place in range(3)]


def test_what_is_read_and_written_again_has_the_footages_own_samples(tmp_path):
    """Its colour, too, of which it has one sample for four pixels: before the encoder nothing is lost."""
    smooth = torch.nn.functional.interpolate(torch.rand(30, 3, 6, 8), (96, 128), mode="bicubic").clamp(0.1, 0.9)
    path = write_clip(tmp_path / "footage.mp4", [smooth.movedim(1, -1).contiguous()], Fraction(25))
    stream = frames_of(InputImpl.VideoFromFile(str(path)), 25, as_levels=True)
    again = write_clip(tmp_path / "again.mp4", stream.groups, stream.frame_rate, crf=0)
    for ours, theirs in zip(planes_of(again), planes_of(path), strict=True):
        assert np.abs(ours.astype(int) - theirs).max() <= 1


class NewerVideo(InputImpl.VideoFromFile):
    """As ComfyUI from 0.34 on has it: what Load Video cuts off is known to the VIDEO alone."""

    def __init__(self, file: str, crop: tuple[int, int, int, int] | None, other: object = None):
        super().__init__(file)
        self._VideoFromFile__crop, self._VideoFromFile__ops = crop, other

    def has_pending_frame_edits(self) -> bool:
        return bool(self._VideoFromFile__crop or self._VideoFromFile__ops)

    def get_components(self) -> Types.VideoComponents:
        components = super().get_components()
        x, y, width, height = self._VideoFromFile__crop or (0, 0, 48, 32)
        components.images = components.images[:, y : y + height, x : x + width] * (
            0.5 if self._VideoFromFile__ops else 1
        )
        return components


def test_a_crop_of_the_host_is_honoured_as_the_footage_is_read(tmp_path, monkeypatch):
    path = str(write_footage(tmp_path / "footage.mp4"))
    monkeypatch.setattr(host_edits, "normalize_crop_rect", lambda x, y, w, h, width, height: (x, y, w, h))
    cropped = NewerVideo(path, (8, 4, 32, 16))
    expected = torch.stack(list(source_of(InputImpl.VideoFromFile(path)).frames(0, 30)))[:, 4:20, 8:40]
    monkeypatch.setattr(NewerVideo, "get_components", lambda self: pytest.fail("all frames were read at once"))
    source = source_of(cropped)
    assert (source.width, source.height) == (32, 16)
    assert torch.equal(torch.stack(list(source.frames(3, 9))), expected[3:9])
    stream = frames_of(cropped, 25)
    assert (stream.width, stream.height) == (32, 16)
    assert torch.equal(torch.cat(list(stream.groups)), expected)
    assert torch.equal(picture_at(cropped, 0)[0], expected[0])


@pytest.mark.parametrize("crop", [None, (8, 4, 32, 16)])
def test_what_else_a_host_does_to_the_frames_is_the_hosts_to_read(tmp_path, monkeypatch, crop):
    path = str(write_footage(tmp_path / "footage.mp4"))
    monkeypatch.setattr(host_edits, "normalize_crop_rect", lambda x, y, w, h, width, height: (x, y, w, h))
    edited = NewerVideo(path, crop, other="scaled")
    expected = edited.get_components().images
    assert torch.equal(torch.stack(list(source_of(edited).frames(3, 9))), expected[3:9])
    assert torch.equal(torch.cat(list(frames_of(edited, 25).groups)), expected)


def test_footage_in_memory_of_components_and_of_a_stream(tmp_path):
    path = write_footage(tmp_path / "footage.mp4")
    expected = whole(InputImpl.VideoFromFile(str(path)))
    components = Types.VideoComponents(images=expected, audio=None, frame_rate=Fraction(25))
    videos = [InputImpl.VideoFromFile(io.BytesIO(path.read_bytes())), InputImpl.VideoFromComponents(components)]

    begun: list[int] = []

    class Streamed(InputImpl.VideoFromComponents):
        def stream_frames(self):
            begun.append(0)
            yield from expected.split(7)

    streamed = source_of(Streamed(components))
    for first, last in ((0, 5), (4, 9), (8, 8), (8, 20), (19, 20)):
        found = list(streamed.frames(first, last))
        assert len(found) == last - first and all(map(torch.equal, found, expected[first:last]))
    assert begun == [0], "a window that begins with the last frame of the one before reads on"

    for video in [*videos, Streamed(components)]:
        source = source_of(video)
        for first, last in ((4, 9), (9, 12), (2, 20)):
            assert torch.equal(torch.stack(list(source.frames(first, last))), expected[first:last])
        assert list(source.frames(20, 20)) == []
        beside = list(zip(source.frames(3, 9), source.frames(5, 11), strict=True))
        assert torch.equal(torch.stack([ours for ours, _ in beside]), expected[3:9])
        assert torch.equal(torch.stack([theirs for _, theirs in beside]), expected[5:11])


@pytest.mark.parametrize("when_longer", WHEN_LONGER)
def test_frames_are_shown_in_their_order(tmp_path, when_longer, monkeypatch):
    monkeypatch.setattr(footage_module, "BACKWARD_BYTES", 5 * 48 * 32 * 3)  # five frames at a time
    video = InputImpl.VideoFromFile(str(write_footage(tmp_path / "footage.mp4")))
    frames = whole(video)
    footage = Footage(source_of(video), 4, 20, when_longer)
    for start, stop in ((0, 30), (17, 45), (38, 39)):
        expected = torch.stack([frames[4 + footage_frame(index, 20, when_longer)] for index in range(start, stop)])
        assert torch.equal(torch.stack(list(footage.frames(start, stop))), expected)


def test_what_is_no_footage_says_so(tmp_path):
    from sound_to_video.tests.sound_files import chirp, write_sound

    sound = write_sound(tmp_path / "sound.m4a", "aac", chirp(1, 44100, 1), 44100)
    with pytest.raises(SoundToVideoError, match="holds no moving picture that can be read"):
        source_of(InputImpl.VideoFromFile(str(sound)))
    with pytest.raises(SoundToVideoError, match="expected a VIDEO, got an int"):
        source_of(7)


def test_a_file_that_was_changed_is_not_read_on(tmp_path):
    path = write_footage(tmp_path / "footage.mp4")
    source = source_of(InputImpl.VideoFromFile(str(path)))
    write_footage(path, range(20))
    with pytest.raises(SoundToVideoError, match=r"footage\.mp4 was changed or moved: run the sampler again"):
        list(source.frames(0, 3))


@pytest.mark.slow
def test_a_phones_clip(tmp_path):
    """HEVC in 4K, held upright, its frames at uneven times: as a phone writes it."""
    times = [0, 1, 2, 3, 5, 6, 8, 9, 10, 11]
    path = write_footage(tmp_path / "phone.mp4", times, 30, (3840, 2160), "libx265", preset="ultrafast")
    turn_upright(path)
    video = InputImpl.VideoFromFile(str(path))
    source = source_of(video)
    assert (source.width, source.height) == (2160, 3840)
    expected = whole(video)
    assert torch.equal(torch.stack(list(source.frames(7, 9))), expected[7:9])
