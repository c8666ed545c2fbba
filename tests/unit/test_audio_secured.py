"""A sound file that is touched, replaced or deleted while a clip is sampled from it: the clip has its sound."""

import gc
import os
import shutil
from fractions import Fraction

import numpy as np
import pytest
import torch
from sound_to_video.core.audio import audio_from, open_audio
from sound_to_video.core.audio.trim import trim
from sound_to_video.core.clip.mux import write_clip
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.tests.sound_files import chirp, write_sound

RATE = 16000


@pytest.fixture(params=["pcm_s16le", "pcm_f32le", "libmp3lame"])
def song(request, tmp_path):
    suffix = "mp3" if request.param == "libmp3lame" else "wav"
    return write_sound(tmp_path / f"song.{suffix}", request.param, chirp(6.0, RATE, 2), RATE)


def touched(path):
    os.utime(path, (1, 1))


def copied_again(path):
    other = shutil.copyfile(path, path.with_name("again"))
    os.utime(other, (5, 5))
    os.replace(other, path)


def renamed_over(path):
    os.replace(write_sound(path.with_name("other.wav"), "pcm_s16le", chirp(9.0, 8000, 1), 8000), path)


def overwritten(path):
    path.write_bytes(bytes(path.stat().st_size))


def deleted(path):
    path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("happens", [touched, copied_again, renamed_over, overwritten, deleted])
def test_the_clip_has_its_sound_whatever_happens_to_the_file(tmp_path, song, happens):
    whole = open_audio(song)
    wired = trim(whole, 1, 4, 0.5, 0.5)
    before = wired["waveform"].clone()
    temp = tmp_path / "temp"
    secured = trim(whole, 1, 4, 0.5, 0.5).secured(temp)
    happens(song)
    for audio in (secured, wired, secured.between(0, 3), wired.copy()):
        assert torch.equal(audio["waveform"], before)
    assert torch.equal(secured.between(1, 2)["waveform"], before[:, :, RATE : 2 * RATE])
    assert list(temp.iterdir()) == [] or os.name == "nt"
    clips = []
    for name, audio in (("secured", secured), ("wired", wired)):
        write_clip(tmp_path / f"{name}.mov", [torch.zeros(24, 32, 32, 3)], Fraction(8), audio, "mov (ProRes)")
        clips.append(open_audio(tmp_path / f"{name}.mov")["waveform"])
    assert torch.equal(clips[0], clips[1])
    assert (clips[0] - before).abs().max() < 2**-22


@pytest.mark.slow
@pytest.mark.parametrize("happens", [renamed_over, overwritten, deleted])
def test_what_was_not_secured_is_missed(song, tmp_path, happens):
    whole = open_audio(song)
    held = whole.trimmed(0, RATE).secured(tmp_path / "temp")
    before = held["waveform"].clone()
    happens(song)
    with pytest.raises(SoundToVideoError, match=r"has changed since it was loaded|is no longer there"):
        _ = whole["waveform"]
    first = next(whole.blocks(RATE // 2))
    assert torch.equal(first, before[0, :, : RATE // 2]), "a writer of the clip takes the whole song's beginning"
    del held
    gc.collect()
    with pytest.raises(SoundToVideoError):
        _ = whole.trimmed(0, 100)["waveform"]


@pytest.mark.parametrize("happens", [touched, copied_again])
def test_a_file_that_holds_what_it_held_is_the_same(song, happens):
    audio = open_audio(song)
    before = audio.trimmed(0, 100)["waveform"].clone()
    happens(song)
    assert torch.equal(audio.trimmed(0, 100)["waveform"], before)
    assert audio.fingerprint == open_audio(song).fingerprint
    assert audio.sample_count == open_audio(song).sample_count


def test_a_file_of_other_samples_and_the_same_size_is_another(tmp_path):
    path = write_sound(tmp_path / "song.wav", "pcm_s16le", chirp(6.0, RATE, 2), RATE)
    audio = open_audio(path)
    write_sound(path, "pcm_s16le", chirp(6.0, RATE, 2, seed=1), RATE)
    with pytest.raises(SoundToVideoError, match="changed since it was loaded"):
        _ = audio["waveform"]


def test_an_interrupt_ends_it(song, tmp_path):
    class Interrupted(Exception):
        pass

    def interrupt():
        raise Interrupted

    with pytest.raises(Interrupted):
        open_audio(song).secured(tmp_path, interrupt)


def test_a_folder_that_takes_nothing_does_not_stop_it(song, tmp_path):
    (tmp_path / "file").touch()
    audio = open_audio(song)
    before = audio["waveform"].clone()
    secured = audio.secured(tmp_path / "file")
    song.unlink()
    assert torch.equal(secured["waveform"], before)


def test_sound_in_memory_is_secure_as_it_is(tmp_path):
    samples = torch.from_numpy(chirp(1.0, RATE, 6))[None]
    audio = audio_from({"waveform": samples, "sample_rate": RATE})
    assert np.array_equal(audio.secured(tmp_path / "temp")["waveform"], samples)
    assert audio.mixed_to_stereo().secured(tmp_path / "temp").channels == 2
    assert not (tmp_path / "temp").exists()


@pytest.mark.usefixtures("as_in_a_node")
def test_a_file_that_goes_while_the_sampler_runs_does_not_cost_the_clip(ltx_models, tmp_path, monkeypatch):
    from comfy_api.latest import io
    from sound_to_video.nodes import _sampler
    from sound_to_video.nodes.a2v_sampler import A2VSampler
    from sound_to_video.nodes.mux_audio_video import MuxAudioVideo
    from sound_to_video.tests import ltx

    path = write_sound(tmp_path / "song.wav", "pcm_s16le", chirp(1.0, RATE, 2), RATE)
    wired = trim(open_audio(path), 0.25, 0.75)
    before = wired["waveform"].clone()

    def nothing_of_it_stays(text: str) -> None:
        if "segment 1" in text:
            path.unlink()

    monkeypatch.setattr(_sampler, "text_on_node", lambda unique_id: nothing_of_it_stays)
    nodes = [node.PREPARE_CLASS_CLONE({}) for node in (A2VSampler, MuxAudioVideo)]
    names = ("unique_id", "prompt", "extra_pnginfo", "dynprompt", "auth_token_comfy_org", "api_key_comfy_org")
    for node in nodes:
        node.hidden = io.HiddenHolder(**dict.fromkeys(names))
    positive, negative = ltx.conditioning()
    wires = {"model": ltx_models.model, "vae": ltx_models.vae, "positive": positive, "negative": negative}
    sizes = {"width": 64, "height": 64, "frame_rate": 0.0, "segment_seconds": 0.0, "audio_scale": 1.0}
    steps = {"seed": 5, "steps": 1, "cfg": 1.0, "sampler_name": "euler", "scheduler": "simple", "keep_segments": False}
    encoded_audio = ltx.encoded(ltx_models, wired)
    video = nodes[0].execute(encoded_audio=encoded_audio, **wires, **sizes, **steps).args[0]
    assert not path.exists()
    for audio in (None, wired):
        saved = nodes[1].execute(video, "mov (ProRes)", "high", "secured", 16.0, audio=audio).args[0]
        heard = open_audio(saved.get_stream_source())["waveform"]
        assert torch.equal((heard * 32768).round(), before * 32768)
