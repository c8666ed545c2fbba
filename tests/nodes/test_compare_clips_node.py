"""Compare Clips as the host calls it: two files that a browser plays, one of them with the sound."""

from fractions import Fraction
from pathlib import Path

import av
import folder_paths
import pytest
import torch
from comfy_api.latest import InputImpl, Types
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.nodes.compare_clips import CompareClips


@pytest.fixture(autouse=True)
def temp_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path))
    return tmp_path


def video(frames: int, rate: int, sound: dict | None = None):
    images = torch.rand([frames, 32, 48, 3], generator=torch.Generator().manual_seed(frames))
    components = Types.VideoComponents(images=images, audio=sound, frame_rate=Fraction(rate))
    return InputImpl.VideoFromComponents(components)


def tone(seconds: float, hertz: int) -> dict:
    samples = torch.sin(torch.arange(round(seconds * 16000)) / 16000 * hertz * 2 * torch.pi)
    return {"waveform": samples[None, None] / 2, "sample_rate": 16000}


def shown(folder: Path, **inputs) -> list[tuple[dict, int]]:
    """What the node says of either clip, and how many tracks of sound its file has."""
    result = CompareClips.execute(**inputs)
    clips = result.ui["sound_to_video_compare"]
    tracks = []
    for clip in clips:
        assert clip["type"] == "temp"
        with av.open(str(folder / clip["subfolder"] / clip["filename"])) as file:
            assert file.streams.video[0].codec.name == "h264"
            assert sum(1 for _ in file.decode(video=0)) == clip["frame_count"]
            tracks.append(len(file.streams.audio))
    assert clips[0]["filename"] != clips[1]["filename"]
    return list(zip(clips, tracks, strict=True))


def test_one_sound_is_in_the_first(temp_folder):
    (one, has_sound), (other, is_heard_too) = shown(
        temp_folder, first=video(8, 16, tone(0.5, 440)), second=video(12, 24, tone(0.5, 880))
    )
    assert (one["frame_rate"], one["frame_count"]) == (16, 8)
    assert (other["frame_rate"], other["frame_count"]) == (24, 12)
    assert (has_sound, is_heard_too) == (1, 0)


@pytest.mark.parametrize(("sounds", "audio", "expected"), [((0, 1), 0, 1), ((0, 0), 1, 1), ((0, 0), 0, 0)])
def test_whose_sound_is_taken(temp_folder, sounds, audio, expected):
    first, second = (video(4, 16, tone(0.25, 440) if has else None) for has in sounds)
    wired = {"audio": tone(0.25, 220)} if audio else {}
    assert [count for _, count in shown(temp_folder, first=first, second=second, **wired)] == [expected, 0]


def test_what_is_no_video():
    with pytest.raises(SoundToVideoError, match="Compare Clips: expected a VIDEO"):
        CompareClips.execute(first="a clip", second=video(2, 16))
