"""Load Audio, Record Mic, Trim Audio and Mux Audio Video as the host calls them."""

import json
import re
import shutil
import types
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import av
import folder_paths
import numpy as np
import pytest
import torch
from comfy.cli_args import args
from comfy_api.latest import InputImpl, Types
from comfy_execution.utils import CurrentNodeContext
from sound_to_video.core.audio import Audio, open_audio
from sound_to_video.core.audio.widget_sounds import write_offered
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.frames.source import source_of
from sound_to_video.nodes.compare_clips import CompareClips
from sound_to_video.nodes.load_audio import LoadAudio
from sound_to_video.nodes.measure_sync import MeasureSync
from sound_to_video.nodes.mux_audio_video import MuxAudioVideo
from sound_to_video.nodes.record_mic import RecordMic
from sound_to_video.nodes.trim_audio import TrimAudio
from sound_to_video.nodes.video_frame import VideoFrame
from sound_to_video.tests.sound_files import chirp, write_silent_video, write_sound

RATE = 16000


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """Input, output and temp folders of this test alone."""
    for kind in ("input", "output", "temp"):
        (tmp_path / kind).mkdir()
        monkeypatch.setattr(folder_paths, f"{kind}_directory", str(tmp_path / kind))
    return tmp_path


@pytest.fixture
def voice(folders):
    (folders / "input" / "takes").mkdir()
    return write_sound(folders / "input" / "takes" / "voice.wav", "pcm_s16le", chirp(2.0, RATE, 1), RATE)


def hidden(node, **values):
    """The node class as the executor prepares it, with these hidden inputs."""
    from comfy_api.latest import io

    prepared = node.PREPARE_CLASS_CLONE({})
    prepared.hidden = io.HiddenHolder(
        **{name: values.get(name) for name in ("unique_id", "prompt", "extra_pnginfo", "dynprompt")},
        auth_token_comfy_org=None,
        api_key_comfy_org=None,
    )
    return prepared


def frames(count=8, height=48, width=64):
    return torch.linspace(0, 1, count)[:, None, None, None].expand(count, height, width, 3).contiguous()


def mux(video, audio=None, format="mp4 (H.264)", quality="high", filename_prefix="clip", frame_rate=16.0, **values):
    return hidden(MuxAudioVideo, **values).execute(video, format, quality, filename_prefix, frame_rate, audio)


def test_sounds_of_all_subfolders_are_offered(folders, voice):
    write_silent_video(folders / "input" / "clip.mp4")
    (folders / "input" / "notes.txt").write_text("no sound")
    (folders / "input" / "model.safetensors").touch()
    (folders / "input" / ".hidden.wav").touch()
    (combo,) = LoadAudio.define_schema().inputs
    assert combo.options == ["clip.mp4", "takes/voice.wav"]


def test_loading_gives_lazy_sound(voice):
    audio = LoadAudio.execute("takes/voice.wav").args[0]
    assert isinstance(audio, Audio)
    assert torch.equal(audio["waveform"], open_audio(voice)["waveform"])
    assert torch.equal(RecordMic.execute("takes/voice.wav [input]").args[0]["waveform"], audio["waveform"])


@pytest.mark.parametrize("name", ["nowhere.wav", "../secret.wav", "takes", "/etc/passwd", "takes/voice.wav [output]"])
def test_names_that_are_no_file_of_the_folder_are_refused_before_the_run(voice, name):
    (voice.parents[2] / "secret.wav").write_bytes(voice.read_bytes())
    for answer in (LoadAudio.validate_inputs(name), RecordMic.validate_inputs(name)):
        assert "is not in the input folder" in answer


def test_a_link_out_of_the_folder_is_refused(voice):
    outside = voice.parents[2] / "secret.wav"
    outside.write_bytes(voice.read_bytes())
    (voice.parents[1] / "link.wav").symlink_to(outside)
    assert "is not in the input folder" in LoadAudio.validate_inputs("link.wav")


def test_no_take_yet():
    assert "press record" in RecordMic.validate_inputs("")


def test_names_that_are_there_are_accepted(voice):
    assert LoadAudio.validate_inputs("takes/voice.wav") is True
    assert RecordMic.validate_inputs("takes/voice.wav [input]") is True


def test_a_new_take_under_the_same_name_runs_again(voice):
    before = LoadAudio.fingerprint_inputs("takes/voice.wav")
    assert LoadAudio.fingerprint_inputs("takes/voice.wav") == before
    write_sound(voice, "pcm_s16le", chirp(2.0, RATE, 1, seed=1), RATE)
    assert LoadAudio.fingerprint_inputs("takes/voice.wav") != before


@pytest.mark.parametrize(("node", "name"), [(LoadAudio, "Load Audio"), (RecordMic, "Record Mic")])
def test_errors_begin_with_the_nodes_name(folders, node, name):
    (folders / "input" / "empty.wav").touch()
    with pytest.raises(SoundToVideoError, match=f"^{name}: empty.wav is empty"):
        node.execute("empty.wav")


def test_trimming_core_audio_and_ours_is_the_same(voice):
    ours = LoadAudio.execute("takes/voice.wav").args[0]
    core = {"waveform": ours["waveform"], "sample_rate": RATE}
    trimmed = [hidden(TrimAudio).execute(audio, 0.25, -0.5, 0.1, 0.2).args[0] for audio in (ours, core)]
    assert trimmed[0].sample_count == RATE * 5 // 4
    assert torch.equal(trimmed[0]["waveform"], trimmed[1]["waveform"])


def test_trim_errors_name_the_node_the_range_and_the_length(voice):
    audio = LoadAudio.execute("takes/voice.wav").args[0]
    with pytest.raises(SoundToVideoError, match=r"^Trim Audio: the range 3.0-2.5 s is empty; the audio lasts 2.0 s.$"):
        hidden(TrimAudio).execute(audio, 3.0, 2.5, 0, 0)


def test_sound_made_in_the_graph_is_left_for_the_widget(folders, voice):
    audio = LoadAudio.execute("takes/voice.wav").args[0]
    prompt = {
        "1": {"class_type": "EmptyAudio", "inputs": {}},
        "2": {"class_type": "SoundToVideo_TrimAudio", "inputs": {"audio": ["1", 0]}},
    }
    output = hidden(TrimAudio, prompt=prompt, unique_id="2").execute(audio, 0, 0, 0, 0)
    (file,) = output.ui["sound_to_video_source"]
    assert file["type"] == "temp"
    assert list((folders / "temp").glob("*.wav")) == [], "nothing is decoded for a browser that is not there"
    write_offered(folders / "temp", file["filename"])
    made = folders / "temp" / file["filename"]
    assert open_audio(made).sample_count == audio.sample_count
    before = made.stat()
    write_offered(folders / "temp", file["filename"])
    assert made.stat() == before, "asked for again, the file is still the one that the page knows"
    prompt["1"]["class_type"] = "SoundToVideo_LoadAudio"
    assert not hidden(TrimAudio, prompt=prompt, unique_id="2").execute(audio, 0, 0, 0, 0).ui


@pytest.mark.parametrize("prefix", ["12:30/clip", "song?", "con", "nul.clip", "D:/x/clip", "folder. /clip"])
def test_a_prefix_that_windows_does_not_take(prefix):
    from sound_to_video.core.clip.names import _check_for_windows

    with pytest.raises(SoundToVideoError, match="which Windows does not take"):
        _check_for_windows(prefix)
    _check_for_windows("video/2026-11-27/a.clip/../b")


def test_a_sound_that_nobody_keeps_any_more_is_not_there_for_the_widget(folders):
    prompt = {"1": {"class_type": "EmptyAudio"}, "2": {"inputs": {"audio": ["1", 0]}}}
    audio = {"waveform": torch.from_numpy(chirp(1.0, RATE, 6))[None], "sample_rate": RATE}
    for end in (0, 0.5):
        output = hidden(TrimAudio, prompt=prompt, unique_id="2").execute(audio, 0, end, 0, 0)
        name = output.ui["sound_to_video_source"][0]["filename"]
        del output
        write_offered(folders / "temp", name)
        write_offered(folders / "temp", "sound_to_video_../x.wav")
        assert list((folders / "temp").iterdir()) == []
    output = hidden(TrimAudio, prompt=prompt, unique_id="2").execute(audio, 0, 0.5, 0, 0)
    write_offered(folders / "temp", name)
    shown = open_audio(folders / "temp" / name)
    assert (shown.channels, shown.sample_count) == (2, RATE), "the whole, for the widget to choose from"
    assert output.args[0].channels == 6


def test_the_widgets_sounds_have_room_for_so_much(folders, monkeypatch):
    from sound_to_video.core.audio import widget_sounds

    monkeypatch.setattr(widget_sounds, "MOST_WIDGET_BYTES", 3 * (44 + 2 * RATE))
    prompt = {"1": {"class_type": "EmptyAudio"}, "2": {"inputs": {"audio": ["1", 0]}}}
    (folders / "temp" / "preview_of_another_node.wav").write_bytes(bytes(1 << 20))
    for seed in range(6):
        audio = {"waveform": torch.from_numpy(chirp(1.0, RATE, 1, seed))[None], "sample_rate": RATE}
        output = hidden(TrimAudio, prompt=prompt, unique_id="2").execute(audio, 0, 0, 0, 0)
        (shown,) = output.ui["sound_to_video_source"]
        write_offered(folders / "temp", shown["filename"])
        assert (folders / "temp" / shown["filename"]).exists()
    assert len(list((folders / "temp").glob("sound_to_video_*.wav"))) == 3
    assert (folders / "temp" / "preview_of_another_node.wav").exists()


def test_mux_writes_numbered_files_shows_them_and_passes_the_video_on(folders, voice):
    audio = LoadAudio.execute("takes/voice.wav").args[0]
    first = mux(frames(32), audio, filename_prefix="sub/clip")
    second = mux(frames(32), audio, filename_prefix="sub/clip")
    names = sorted(path.name for path in (folders / "output" / "sub").iterdir())
    assert names == ["clip_00001_.mp4", "clip_00002_.mp4"]
    assert second.ui.as_dict()["images"] == [{"filename": names[1], "subfolder": "sub", "type": "output"}]
    video = first.args[0]
    assert (video.get_dimensions(), video.get_frame_count(), video.get_frame_rate()) == ((64, 48), 32, 16)
    assert abs(open_audio(folders / "output" / "sub" / names[0]).duration - 2) < Fraction(1, 1000)


@pytest.mark.parametrize("format", ["mp4 (H.264)", "webm (VP9)", "mov (ProRes)"])
def test_the_workflow_is_in_the_file(folders, format, monkeypatch):
    values = {"prompt": {"1": {"class_type": "X"}}, "extra_pnginfo": {"workflow": {"nodes": [], "name": "häß"}}}
    mux(frames(), format=format, **values)
    monkeypatch.setattr(args, "disable_metadata", True)
    mux(frames(), format=format, **values)
    kept = []
    for path in sorted((folders / "output").iterdir()):
        with av.open(str(path)) as container:
            kept.append({key.lower(): value for key, value in container.metadata.items()})
    assert json.loads(kept[0]["prompt"]) == values["prompt"]
    assert json.loads(kept[0]["workflow"]) == values["extra_pnginfo"]["workflow"]
    assert not {"prompt", "workflow"} & set(kept[1])


def test_a_video_keeps_its_own_sound_and_rate(folders, voice):
    audio = LoadAudio.execute("takes/voice.wav").args[0]
    components = Types.VideoComponents(images=frames(24), audio=audio, frame_rate=Fraction(12))
    again = mux(mux(InputImpl.VideoFromComponents(components)).args[0], frame_rate=99.0).args[0]
    assert (again.get_frame_rate(), again.get_frame_count()) == (12, 24)
    clip = open_audio(Path(again.get_stream_source()))
    assert clip.sample_count == audio.sample_count
    heard, meant = clip["waveform"][0, 0].numpy(), audio["waveform"][0, 0].numpy()
    assert np.corrcoef(heard, meant)[0, 1] > 0.98
    trimmed = mux(again.as_trimmed(0.5, 1.0)).args[0]
    assert trimmed.get_frame_count() == 12
    clip = open_audio(Path(trimmed.get_stream_source()))
    assert clip.duration == 1
    assert np.corrcoef(clip["waveform"][0, 0].numpy(), meant[RATE // 2 : 3 * RATE // 2])[0, 1] > 0.95


@pytest.fixture(params=["of an unknown kind", "damaged"])
def deaf(request, folders) -> InputImpl.VideoFromFile:
    """A VIDEO with pictures, and with a sound that cannot be decoded."""
    path = write_sound(folders / "deaf.mov", "pcm_s16le", chirp(2.0, RATE, 1), RATE, picture=True)
    content = path.read_bytes()
    if request.param == "damaged":
        path = write_sound(folders / "deaf.mp4", "aac", chirp(2.0, RATE, 1), RATE, picture=True)
        content = bytearray(path.read_bytes())
        with av.open(str(path)) as file:
            for packet in file.demux(audio=0):
                if packet.size:
                    content[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    path.write_bytes(bytes(content).replace(b"sowt", b"nope"))
    return InputImpl.VideoFromFile(str(path))


def test_a_sound_that_is_not_needed_may_be_broken(folders, deaf):
    audio = {"waveform": torch.from_numpy(chirp(2.0, RATE, 1))[None], "sample_rate": RATE}
    written = mux(deaf, audio).args[0]
    assert (written.get_frame_count(), open_audio(written.get_stream_source()).sample_count) == (20, 2 * RATE)
    assert hidden(CompareClips).execute(deaf, deaf, audio).ui["sound_to_video_compare"]
    assert len(hidden(MeasureSync).execute(deaf, "loudness", "change", 16.0, 0, 0, 1, 1, audio).args) == 4
    assert hidden(VideoFrame).execute(deaf, "last", 0.0).args[0].shape == (1, 48, 64, 3)
    assert len(list(source_of(deaf).frames(0, 99))) == 20


def test_a_broken_sound_that_is_needed_is_told(deaf):
    with pytest.raises(SoundToVideoError, match=r"^Mux Audio Video: deaf.(mov has a sound of an|mp4 holds 0 samples)"):
        mux(deaf)


def test_interrupting_leaves_nothing(folders, monkeypatch):
    import comfy.model_management

    calls = []

    def interrupted():
        calls.append(1)
        if len(calls) == 3:
            raise comfy.model_management.InterruptProcessingException

    monkeypatch.setattr(comfy.model_management, "throw_exception_if_processing_interrupted", interrupted)
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        mux(frames(80))
    assert list((folders / "output").iterdir()) == []


def test_progress_reaches_its_end(folders, monkeypatch):
    import comfy.utils

    seen = []
    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", lambda value, total, *_, **__: seen.append((value, total)))
    with CurrentNodeContext("prompt", "node"):
        mux(frames(20))
    assert seen[-1] == (20, 20)
    assert [value for value, _ in seen] == sorted(value for value, _ in seen)


@pytest.mark.parametrize(
    ("video", "words"),
    [
        (frames(4, 48, 63), "even width and height, the frames are 63 x 48. Resize or crop them to 62 x 48"),
        (torch.zeros(4, 48, 64, 4), "frames must be RGB"),
        (torch.zeros(0, 48, 64, 3), r"the video is not an image: its shape is \(0, 48, 64, 3\)"),
        (torch.full((4, 48, 64, 3), float("nan")), "frame 0 holds NaN"),
        ("a text", "expected a VIDEO or an IMAGE"),
    ],
)
def test_pictures_that_cannot_be_written_are_named(folders, video, words):
    with pytest.raises(SoundToVideoError, match=f"^Mux Audio Video: .*{words}"):
        mux(video)
    assert list((folders / "output").iterdir()) == []


def saved(result) -> list[str]:
    return [f"{entry['subfolder']}/{entry['filename']}" for entry in result.ui.as_dict()["images"]]


def test_the_names_that_the_prefix_promises(folders):
    now = datetime.now()
    result = mux(frames(), filename_prefix="%year%/%date:yyyy-MM-dd% %width%x%height%/clip")
    assert saved(result) == [f"{now.year}/{now:%Y-%m-%d} 64x48/clip_00001_.mp4"]


@pytest.mark.parametrize("letter", ["a", "声", "🎬"])
def test_a_prefix_of_any_length_is_a_name(folders, letter):
    """Names are limited in bytes; the number and the ending need room."""
    for number in (1, 2):
        (name,) = saved(mux(frames(), filename_prefix=f"video/{letter * 300}"))
        assert len(Path(name).name.encode()) <= 255
        assert name.endswith(f"{letter}_{number:05}_.mp4")
        assert (folders / "output" / name).is_file()
    assert len(list((folders / "output" / "video").iterdir())) == 2


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        ("video/clip", None),
        ("%date:yyyy-MM-dd%/clip", None),
        ("a" * 300, None),
        ("../elsewhere/clip", r"filename_prefix ../elsewhere/clip leads out of the output folder"),
        ("/tmp/clip", r"leads out of the output folder"),
        ("a\0b", r"holds '\\x00', which no file's name can"),
        ("a\ud800b", r"holds '\\ud800'"),
        ("taken/clip", r"taken is a file, not a folder"),
        ("taken/deeper/clip", r"taken is a file, not a folder"),
    ],
)
def test_a_clip_that_could_not_be_written_is_refused_before_any_work(folders, prefix, words):
    (folders / "output" / "taken").write_text("a file")
    answer = MuxAudioVideo.validate_inputs(filename_prefix=prefix)
    assert answer is True if words is None else re.search(f"Mux Audio Video: .*{words}", answer)
    assert [entry.name for entry in (folders / "output").iterdir()] == ["taken"], "asking makes nothing"


def test_a_full_disk_is_said_before_any_work(folders, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: types.SimpleNamespace(free=3 << 20))
    assert "is full (3 MB free): make room first" in MuxAudioVideo.validate_inputs(filename_prefix="clip")
