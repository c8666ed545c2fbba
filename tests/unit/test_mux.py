"""Clips: the sound where it was, the colours as they were, the whole file or none."""

import io
import os
import random
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from comfy_api.latest import Input, InputImpl, Types
from sound_to_video.core.audio import audio_from, open_audio
from sound_to_video.core.audio.probe import samples_of
from sound_to_video.core.clip.formats import FORMATS, QUALITIES
from sound_to_video.core.clip.mux import write_clip
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.frames.reading import frames_of
from sound_to_video.core.timeline import clip_frame_count
from sound_to_video.tests.sound_files import chirp, impulse, write_sound

HEIGHT, WIDTH = 48, 64
COLOURS = torch.tensor(
    [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [0, 0, 0], [0.5, 0.5, 0.5], [0.8, 0.3, 0.1], [0.1, 0.7, 0.9]]
)


def pictures(count, group=5):
    """Groups of frames that move: a bright bar that wanders."""
    column = torch.arange(WIDTH)
    for start in range(0, count, group):
        numbers = torch.arange(start, min(start + group, count))
        bars = torch.exp(-(((column[None] - numbers[:, None] * 3) % WIDTH - 20) ** 2) / 50.0)
        yield bars[:, None, :, None].expand(-1, HEIGHT, WIDTH, 3).contiguous()


def sound(samples, sample_rate):
    return audio_from({"waveform": torch.from_numpy(samples)[None], "sample_rate": sample_rate})


def clip(folder, format, count, frame_rate=Fraction(16), audio=None, **more):
    path = folder / f"clip{FORMATS[format].suffix}"
    write_clip(path, pictures(count), frame_rate, audio, format, **more)
    return path


def heard(path):
    """([C, n] samples, sample rate) as libav decodes the clip, skipping what the container says to skip."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    samples = np.concatenate([samples_of(frame) for frame in frames], axis=1)
    scale = 2.0**31 if samples.dtype == np.int32 else 1.0
    return samples / scale, frames[0].sample_rate


def stream_seconds(path):
    """Seconds that picture and sound last: the sound as it is declared, the picture to the end of its last frame."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        picture = Fraction(len(frames)) / stream.average_rate
        # Timestamps in WebM are whole milliseconds.
        last = frames[-1].pts * stream.time_base + 1 / stream.average_rate
        assert abs(last - picture) <= Fraction(1, 1000)
    return picture, open_audio(path).duration


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("sample_rate", "channels"),
    [(8000, 1), (11025, 2), (22050, 1), (44100, 2), (48000, 3), (44100, 4), (48000, 5), (96000, 2), (192000, 1)],
)
def test_an_impulse_stays_where_it_was(tmp_path, format, sample_rate, channels):
    seconds, at = 1.3, 0.71
    path = clip(tmp_path, format, 21, audio=sound(impulse(seconds, sample_rate, channels, at), sample_rate))
    samples, rate = heard(path)
    assert samples.shape[0] == channels
    peaks = np.abs(samples).argmax(axis=1) / rate
    assert np.abs(peaks - round(at * sample_rate) / sample_rate).max() < 0.001
    if rate == sample_rate:
        assert open_audio(path).sample_count == round(seconds * sample_rate)


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("channels", [6, 7, 8])
def test_each_channel_keeps_its_place(tmp_path, format, channels):
    """A tone of its own in each channel; low ones, as the fourth of these layouts carries nothing else."""
    time = np.arange(48000) / 48000
    tones = np.stack([0.4 * np.sin(2 * np.pi * time * (50 + 10 * channel)) for channel in range(channels)])
    samples, _ = heard(clip(tmp_path, format, 16, audio=sound(tones.astype(np.float32), 48000)))
    if channels == 7 and "webm" in format:
        tones = tones[[0, 1, 2, 3, 4, 4, 5, 6]]  # written as 7.1: the back channel goes to both
    assert len(samples) == len(tones)
    match = np.corrcoef(np.vstack([tones, samples[:, :48000]]))[: len(tones), len(tones) :]
    assert match.diagonal().min() > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30))
def test_picture_and_sound_last_the_same_and_agree_in_time(tmp_path, seed):
    draw = random.Random(seed)
    sample_rate = draw.choice([16000, 22050, 44100, 48000])
    frame_rate = draw.choice([Fraction(16), Fraction(24), Fraction(25), Fraction(30000, 1001)])
    format = draw.choice([name for name in FORMATS if name != "mp4 (H.265)"])
    count = draw.randrange(int(0.3 * sample_rate), 40 * sample_rate)
    at = draw.uniform(0.05, count / sample_rate - 0.05)
    samples = impulse(count / sample_rate, sample_rate, 1, at)
    frame_count = clip_frame_count(Fraction(count, sample_rate), frame_rate)
    path = clip(tmp_path, format, frame_count, frame_rate, sound(samples, sample_rate), quality="low")
    picture, length = stream_seconds(path)
    assert picture == frame_count / frame_rate
    assert abs(picture - length) <= Fraction(1, 2) / frame_rate
    assert abs(length - Fraction(count, sample_rate)) < Fraction(1, 10000)
    decoded, rate = heard(path)
    assert abs(np.abs(decoded[0]).argmax() / rate - round(at * sample_rate) / sample_rate) < 0.001


def test_sound_longer_than_the_picture_is_cut_at_its_end(tmp_path):
    audio = sound(chirp(3.0, 16000, 1), 16000)
    path = clip(tmp_path, "mp4 (H.264)", 16, audio=audio)
    assert open_audio(path).duration == 1
    path = clip(tmp_path, "mp4 (H.264)", 100, audio=audio)
    assert open_audio(path).duration == 3


def test_prores_keeps_the_sound_to_24_bits(tmp_path):
    samples = chirp(1.0, 44100, 2)
    kept = open_audio(clip(tmp_path, "mov (ProRes)", 16, audio=sound(samples, 44100)))["waveform"][0]
    assert np.abs(kept.numpy() - samples).max() <= 2.0**-23


@pytest.mark.parametrize("format", FORMATS)
def test_colours_come_back(tmp_path, format):
    """Patches, read by core's own decoder and by ours; the stream says BT.709, limited range."""
    image = COLOURS.repeat_interleave(32, dim=0)[None, None].expand(4, HEIGHT, 256, 3).contiguous()
    path = tmp_path / f"colours{FORMATS[format].suffix}"
    write_clip(path, [image], Fraction(16), format=format, quality="very high")
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range) == (1, 1)
        context = container.streams.video[0].codec_context
        assert (context.color_primaries, context.color_trc) == (1, 1)
    video = InputImpl.VideoFromFile(str(path))
    for images in (video.get_components().images, torch.cat(list(frames_of(video, 16).groups))):
        patches = torch.stack([images[-1][20:28, 32 * i + 12 : 32 * i + 20].mean(dim=(0, 1)) for i in range(8)])
        assert (patches - COLOURS).abs().max() < 3 / 255


def test_core_reads_the_frames_in_order(tmp_path):
    path = clip(tmp_path, "mp4 (H.264)", 40, quality="very high")
    images = InputImpl.VideoFromFile(str(path)).get_components().images
    meant = torch.cat(list(pictures(40)))
    assert images.shape == meant.shape
    assert (images - meant).abs().mean() < 0.01


@pytest.mark.slow
def test_quality_is_heard_by_the_encoder(tmp_path):
    noise = torch.rand(8, HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(0))
    for format, form in FORMATS.items():
        sizes = []
        for quality in QUALITIES:
            path = tmp_path / f"{quality}{form.suffix}"
            write_clip(path, [noise], Fraction(16), format=format, quality=quality)
            sizes.append(path.stat().st_size)
        assert sizes == sorted(sizes), format
        assert len(set(sizes)) == 4, format
    write_clip(tmp_path / "crf.mp4", [noise], Fraction(16), crf=14)
    write_clip(tmp_path / "named.mp4", [noise], Fraction(16), quality="very high")
    assert (tmp_path / "crf.mp4").stat().st_size == (tmp_path / "named.mp4").stat().st_size


def test_frames_are_taken_as_they_are_written(tmp_path):
    """A stream is never collected: when a group is asked for, those before it are done with."""
    written = []

    def groups():
        for number, group in enumerate(pictures(60, group=4)):
            assert written == [4 * (done + 1) for done in range(number)]
            yield group

    write_clip(tmp_path / "clip.mp4", groups(), Fraction(16), on_frames=written.append)
    assert written[-1] == 60


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_a_full_disk_leaves_nothing_and_says_so(tmp_path, format):
    resource = pytest.importorskip("resource")  # not on Windows
    noise = (torch.rand(4, 240, 320, 3) for _ in range(12))
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
    try:
        with pytest.raises(SoundToVideoError, match=r"the disk is full: clip\.\w+ could not be written"):
            path = tmp_path / f"clip{FORMATS[format].suffix}"
            write_clip(path, noise, Fraction(16), sound(chirp(3.0, 16000, 1), 16000), format)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failing", ["frames", "callback", "sound"])
def test_an_error_on_the_way_leaves_the_old_file(tmp_path, failing):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"the clip of yesterday")

    class Stop(Exception):
        pass

    def groups():
        yield from pictures(20)
        if failing == "frames":
            raise Stop

    def on_frames(count):
        if failing == "callback" and count > 10:
            raise Stop

    samples = write_sound(tmp_path / "voice.wav", "pcm_s16le", chirp(2.0, 16000, 1), 16000)
    audio = open_audio(samples)
    if failing == "sound":
        samples.unlink()
    with pytest.raises((Stop, SoundToVideoError)):
        write_clip(path, groups(), Fraction(16), audio, on_frames=on_frames)
    assert path.read_bytes() == b"the clip of yesterday"
    assert {entry.name for entry in tmp_path.iterdir()} - {"voice.wav"} == {"clip.mp4"}


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ([], "there are no frames"),
        ([torch.zeros(0, 48, 64, 3)], "there are no frames"),
        ([torch.zeros(2, 47, 64, 3)], "even width and height, the frames are 64 x 47. Resize or crop them to 64 x 46"),
        ([torch.zeros(2, 48, 64, 4)], "must be RGB"),
        ([torch.zeros(2, 48, 64, 3), torch.zeros(2, 64, 48, 3)], "frame 2 has another shape"),
        ([torch.zeros(2, 48, 64, 3), torch.full((1, 48, 64, 3), torch.nan)], "frame 2 holds NaN"),
    ],
)
def test_frames_that_cannot_be_written_are_named(tmp_path, groups, words):
    with pytest.raises(SoundToVideoError, match=words):
        write_clip(tmp_path / "clip.mp4", groups, Fraction(16))
    assert list(tmp_path.iterdir()) == []


def test_nine_channels_are_mixed_to_stereo_and_said(tmp_path, caplog):
    loud = sound(np.full((9, 16000), 0.5, np.float32), 16000)
    write_clip(tmp_path / "clip.mov", pictures(16), Fraction(16), loud, "mov (ProRes)")
    heard = open_audio(tmp_path / "clip.mov")["waveform"]
    assert heard.shape == (1, 2, 16000)
    assert (heard - 0.5).abs().max() < 1e-4
    assert "9 are mixed to stereo" in caplog.text


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path):
    with pytest.raises(SoundToVideoError, match=r"clip.mp4 was not written"):
        write_clip(tmp_path / "nowhere" / "clip.mp4", pictures(4), Fraction(16))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are not listed here")
@pytest.mark.parametrize("format", FORMATS)
def test_a_disk_that_is_full_at_once_keeps_no_file_open(tmp_path, format):
    resource = pytest.importorskip("resource")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, limit[1]))
    try:
        with pytest.raises(SoundToVideoError, match="the disk is full"):
            clip(tmp_path, format, 4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    opened = [os.readlink(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd") if _is_open(number)]
    assert [name for name in opened if str(tmp_path) in name] == []


def _is_open(number):
    return os.path.lexists(f"/proc/self/fd/{number}")


@pytest.mark.parametrize("failing", ["frames", "callback", "sound"])
def test_an_error_of_the_source_is_not_told_as_one_of_the_file(tmp_path, failing):
    def fail(where):
        if where == failing:
            raise OSError("the model's file is gone")

    def groups():
        yield from pictures(20)
        fail("frames")

    audio = sound(chirp(2.0, 16000, 1), 16000)
    blocks = audio.blocks

    def breaking(samples):
        for block in blocks(samples):
            yield block
            fail("sound")

    audio.blocks = breaking
    with pytest.raises(OSError, match=r"^the model's file is gone$"):
        write_clip(tmp_path / "clip.mp4", groups(), Fraction(16), audio, on_frames=lambda count: fail("callback"))
    assert list(tmp_path.iterdir()) == []


def test_the_longest_name_that_a_file_may_have(tmp_path):
    path = tmp_path / ("声" * 83 + ".mp4")  # 253 bytes; the file that grows has a name of its own
    write_clip(path, pictures(4), Fraction(16))
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_that_is_too_long_is_said(tmp_path):
    with pytest.raises(SoundToVideoError, match=r"mp4 was not written: File name too long"):
        write_clip(tmp_path / ("a" * 300 + ".mp4"), pictures(4), Fraction(16))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_a_name_that_somebody_took_meanwhile_is_left_to_them(tmp_path, monkeypatch, links):
    if not links:

        def refused(*names):
            raise PermissionError("no links on this file system")

        monkeypatch.setattr(os, "link", refused)

    def groups():
        yield from pictures(4)
        (tmp_path / "clip_00001_.mp4").write_bytes(b"of another worker")

    names = (tmp_path / f"clip_{number:05}_.mp4" for number in range(1, 9))
    assert write_clip(names, groups(), Fraction(16)) == tmp_path / "clip_00002_.mp4"
    assert (tmp_path / "clip_00001_.mp4").read_bytes() == b"of another worker"
    assert len(list(tmp_path.iterdir())) == 2


def video_of_file(folder, frame_count=48):
    audio = sound(chirp(frame_count / 16, 16000, 1), 16000)
    return InputImpl.VideoFromFile(str(clip(folder, "mp4 (H.264)", frame_count, audio=audio)))


def test_a_file_in_memory_is_streamed_too(tmp_path):
    path = Path(video_of_file(tmp_path).get_stream_source())
    video = InputImpl.VideoFromFile(io.BytesIO(path.read_bytes()), start_time=0.5, duration=1.5)
    stream = frames_of(video, 99)
    assert torch.cat(list(stream.groups)).shape == (24, HEIGHT, WIDTH, 3)
    assert stream.audio.sample_count == 24000


@pytest.mark.parametrize(("start", "duration"), [(0, 0), (0.5, 1.0), (1.25, 0), (-1.0, 0), (-2.0, 0.5)])
def test_a_file_is_streamed_within_its_trim(tmp_path, start, duration):
    video = video_of_file(tmp_path).as_trimmed(start, duration)
    components = video.get_components()
    stream = frames_of(video, 99)
    images = torch.cat(list(stream.groups))
    assert images.shape == components.images.shape
    assert (images - components.images).abs().max() < 3 / 255
    assert (stream.frame_rate, stream.frame_count, stream.width, stream.height) == (16, len(images), WIDTH, HEIGHT)
    assert abs(stream.audio.sample_count - len(images) * 1000) <= 1
    meant = open_audio(Path(video.get_stream_source())).trimmed(round((start % 3) * 16000))["waveform"]
    assert torch.equal(stream.audio["waveform"], meant[:, :, : stream.audio.sample_count])


def test_frames_of_components_images_and_streams(tmp_path):
    images = torch.cat(list(pictures(20)))
    audio = {"waveform": torch.rand(1, 2, 4000), "sample_rate": 8000}
    components = Types.VideoComponents(images=images, audio=audio, frame_rate=Fraction(12))
    stream = frames_of(InputImpl.VideoFromComponents(components), 99)
    assert (stream.frame_rate, stream.frame_count, stream.width, stream.height) == (12, 20, WIDTH, HEIGHT)
    assert torch.equal(torch.cat(list(stream.groups)), images)
    assert torch.equal(stream.audio["waveform"], audio["waveform"])

    stream = frames_of(images, 29.97)
    assert (stream.frame_rate, stream.frame_count, stream.audio) == (Fraction(2997, 100), 20, None)

    class Streamed(InputImpl.VideoFromComponents):
        audio = sound(chirp(1.0, 8000, 1), 8000)

        def stream_frames(self):
            return pictures(20)

        def get_components(self):
            raise AssertionError("the frames are not to be collected")

        def get_dimensions(self):
            return WIDTH, HEIGHT

        def get_frame_rate(self):
            return Fraction(12)

        def get_frame_count(self):
            return 20

    assert issubclass(Streamed, Input.Video)
    stream = frames_of(Streamed(components), 99)
    assert stream.audio is Streamed.audio
    assert torch.equal(torch.cat(list(stream.groups)), images)


def test_other_things_are_no_video():
    with pytest.raises(SoundToVideoError, match="expected a VIDEO or an IMAGE, got dict"):
        frames_of({"samples": 1}, 16)
