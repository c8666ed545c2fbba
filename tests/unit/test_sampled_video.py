"""The VIDEO of a sampler as the host uses it: saved as asked, decoded as it goes."""

import inspect
import io
from fractions import Fraction

import av
import pytest
import torch
from comfy_api.latest import Input, Types
from sound_to_video.core.audio import audio_from
from sound_to_video.core.clip.video import SampledVideo
from sound_to_video.core.decoding.stream import Decoder
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.families.ltx.av import LTXAV
from sound_to_video.core.frames.picking import picked

FRAMES = 17
MP4_H264 = {"format": Types.VideoContainer.MP4, "codec": Types.VideoCodec.H264}


@pytest.fixture
def video(ltx_models) -> SampledVideo:
    plan = LTXAV().plan(Fraction(FRAMES, 24), Fraction(24))
    latents = torch.randn([1, 128, 3, 2, 3], generator=torch.Generator().manual_seed(1))
    tone = torch.sin(torch.arange(34000) * 0.1)[None, None] * 0.5
    audio = audio_from({"waveform": tone, "sample_rate": 48000})
    return SampledVideo(Decoder(ltx_models.vae, plan, 96, 64), [latents], audio)


def test_the_host_gets_frames_sound_and_what_they_are(video):
    components = video.get_components()
    assert components.images.shape == (FRAMES, 64, 96, 3)
    assert components.audio["waveform"].shape[-1] == 34000
    assert (video.get_dimensions(), video.get_frame_count()) == ((96, 64), FRAMES)
    assert video.get_color_space() == "sRGB"


@pytest.mark.parametrize(
    ("name", "asked", "container", "codec", "pixels", "sound"),
    [
        ("clip.mp4", {}, "mp4", "h264", "yuv420p", "aac"),
        (
            "clip.mp4",
            {"format": Types.VideoContainer.MP4, "codec": Types.VideoCodec.H264},
            "mp4",
            "h264",
            "yuv420p",
            "aac",
        ),
        ("clip.mp4", {"bit_depth": 10, "preset": "ultrafast"}, "mp4", "h264", "yuv420p10le", "aac"),
        ("clip.mp4", {"codec": "av1", "crf": 40.0}, "mp4", "av1", "yuv420p", "aac"),
        ("clip.webm", {"color_space": "sRGB"}, "webm", "av1", "yuv420p", "opus"),
        ("clip.mkv", {"format": "mkv", "bit_depth": 10}, "matroska", "h264", "yuv420p10le", "opus"),
    ],
)
def test_what_is_asked_is_written(video, tmp_path, name, asked, container, codec, pixels, sound):
    path = tmp_path / name
    video.save_to(str(path), metadata={"prompt": {"1": {}}}, **asked)
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        assert container in file.format.name
        assert (stream.codec.canonical_name, stream.codec_context.pix_fmt) == (codec, pixels)
        assert file.streams.audio[0].codec.canonical_name == sound
        assert {key.lower(): value for key, value in file.metadata.items()}["prompt"] == '{"1": {}}'
        frames = list(file.decode(stream))
    assert len(frames) == FRAMES
    assert (frames[0].colorspace, frames[0].color_range) == (1, 1), "BT.709, limited range"
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_into_a_stream(video):
    target = io.BytesIO()
    video.save_to(target)
    target.seek(0)
    with av.open(target) as file:
        assert sum(1 for _ in file.decode(video=0)) == FRAMES


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"color_space": "HDR PQ"}, "holds sRGB pictures, not HDR PQ: set color_space to auto"),
        ({"bit_depth": 12}, "8 or 10 bits, not with 12"),
        ({"format": "webm", "codec": "h264"}, "not written as h264 in webm; choose h264 in mp4"),
        ({"codec": "hevc"}, "not written as hevc in mp4"),
    ],
)
def test_what_is_not_written_is_refused(video, tmp_path, asked, words):
    with pytest.raises(SoundToVideoError, match=words):
        video.save_to(str(tmp_path / "clip.mp4"), **asked)
    assert list(tmp_path.iterdir()) == []


HOST_METHODS = [name for name, _ in inspect.getmembers(Input.Video, inspect.isfunction) if not name.startswith("_")]


@pytest.mark.parametrize("name", HOST_METHODS)
def test_all_that_this_host_may_ask_of_a_video(name):
    """By name and in the host's order: what a host newer than those tried has more is named here."""
    theirs, ours = (list(inspect.signature(getattr(kind, name)).parameters) for kind in (Input.Video, SampledVideo))
    assert ours[: len(theirs)] == theirs


def test_what_a_newer_host_asks_is_said_to_be_ignored(video, tmp_path, caplog):
    video.save_to(str(tmp_path / "clip.mp4"), film_grain=3, something=None)
    assert "saved without regard to film_grain." in caplog.text
    assert (tmp_path / "clip.mp4").is_file()


def test_whoever_takes_frames_is_not_left_in_inference_mode(video):
    with torch.inference_mode(False):
        streams = [video.stream_frames(), video.stream_frames()]
        for stream in streams:
            assert next(stream).shape[1:] == (64, 96, 3)
            assert not torch.is_inference_mode_enabled()
        for stream in streams:
            stream.close()
        assert not torch.is_inference_mode_enabled()
        assert torch.zeros(1, requires_grad=True).mul(2).requires_grad


def test_a_picture_of_it_to_go_on_from(video):
    frames = torch.cat(list(video.stream_frames()))
    assert torch.equal(picked(video, "last", 0), frames[-1:])
    assert torch.equal(picked(video, "first", 0), frames[:1])
    assert torch.equal(picked(video, "at seconds", 0.25), frames[6:7])
    assert torch.equal(picked(video.as_trimmed(0.25, 0.25), "last", 0), frames[11:12])
