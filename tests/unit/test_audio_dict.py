"""``Audio`` as other packs meet it: the dict that they expect of AUDIO, in all the ways in which they use one."""

import collections
import copy
import json
import pickle

import numpy as np
import pytest
import torch
from sound_to_video.core.audio import Audio, audio_from, open_audio
from sound_to_video.core.audio.trim import trim
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.tests.sound_files import chirp, write_sound

RATE = 8000


@pytest.fixture(scope="module")
def samples():
    return chirp(1.0, RATE, 2)


@pytest.fixture
def audio(tmp_path, samples):
    return open_audio(write_sound(tmp_path / "song.wav", "pcm_f32le", samples, RATE))


class Watched:
    """A source that counts how often it is read."""

    sample_rate, channels, sample_count, fingerprint = RATE, 1, 100, "watched"

    def __init__(self):
        self.reads = 0

    def reaches(self, sample):
        return sample <= self.sample_count

    def read(self, start, stop):
        self.reads += 1
        yield np.ones((1, stop - start), np.float32)


def keywords(**audio):
    return audio


def matched(audio):
    match audio:
        case {"waveform": waveform, "sample_rate": rate}:
            return {"waveform": waveform, "sample_rate": rate}


def rebuilt(audio):
    """As accelerate's ``send_to_device`` and others rebuild any dict."""
    return type(audio)(dict(audio.items()))


def rebuilt_by_keywords(audio):
    return type(audio)(**{**audio, "sample_rate": audio["sample_rate"]})


def emptied(audio):
    values = {}
    while audio:
        key, value = audio.popitem()
        values[key] = value
    return values


AS_A_PLAIN_DICT = {
    "dict": dict,
    "unpacked": lambda audio: {**audio},
    "keywords": lambda audio: keywords(**audio),
    "items": lambda audio: dict(audio.items()),
    "keys": lambda audio: {key: audio[key] for key in audio.keys()},  # noqa: SIM118
    "zipped": lambda audio: dict(zip(audio, audio.values(), strict=True)),
    "get": lambda audio: {key: audio.get(key) for key in ("waveform", "sample_rate")},
    "pop": lambda audio: {key: audio.pop(key) for key in ("waveform", "sample_rate")},
    "popitem": emptied,
    "setdefault": lambda audio: {key: audio.setdefault(key, None) for key in ("waveform", "sample_rate")},
    "copy method": lambda audio: audio.copy(),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "deepcopy in a list": lambda audio: copy.deepcopy([audio])[0],
    "pickle": lambda audio: pickle.loads(pickle.dumps(audio)),
    "update": lambda audio: updated({}, audio),
    "or": lambda audio: audio | {},
    "or, the other way": lambda audio: {} | audio,
    "or in place": lambda audio: joined_in_place({}, audio),
    "OrderedDict": collections.OrderedDict,
    "ChainMap": lambda audio: dict(collections.ChainMap(audio)),
    "match": matched,
    "rebuilt": rebuilt,
    "rebuilt by keywords": rebuilt_by_keywords,
}


def updated(plain, audio):
    plain.update(audio)
    return plain


def joined_in_place(plain, audio):
    plain |= audio
    return plain


@pytest.mark.parametrize("way", AS_A_PLAIN_DICT)
def test_every_way_to_take_a_dict_gives_the_sound(audio, samples, way):
    taken = AS_A_PLAIN_DICT[way](audio)
    assert isinstance(taken, dict)
    assert set(taken) == set(taken.keys()) == {"waveform", "sample_rate"}
    assert len(taken) == 2
    assert torch.equal(taken["waveform"], torch.from_numpy(samples)[None])
    assert taken["sample_rate"] == RATE
    assert torch.equal(audio_from(taken)["waveform"], torch.from_numpy(samples)[None])


def test_what_keeps_it_a_lazy_sound_decodes_nothing():
    source = Watched()
    audio = Audio(source)
    assert isinstance(audio, dict)
    copies = [audio.copy(), copy.copy(audio), copy.deepcopy(audio), audio | {"title": "x"}, {"title": "x"} | audio]
    for entry in copies:
        entry["path"] = "song.wav"
        assert "waveform" in entry
        assert json.dumps([list(entry), len(entry), entry["sample_rate"], repr(entry)])
        assert audio_from(entry).sample_count == 100
    assert source.reads == 0
    assert [list(entry) for entry in copies[3:]] == [
        ["waveform", "sample_rate", "title", "path"],
        ["title", "waveform", "sample_rate", "path"],
    ]
    assert copies[3]["title"] == copies[4]["title"] == "x"
    assert "title" not in audio


def louder_in_place(audio):
    """As packs do it: a copy of the dict, and another waveform in it."""
    audio = audio.copy()
    audio["waveform"] = audio["waveform"] * 0.5
    return audio


def slower(audio):
    return {**audio, "sample_rate": audio["sample_rate"] // 2}


def slower_in_the_same_dict(audio):
    changed = copy.deepcopy(audio)
    changed.update(sample_rate=changed["sample_rate"] // 2)
    return changed


def test_what_another_pack_puts_in_is_what_we_take(audio, samples):
    louder = louder_in_place(audio)
    assert louder.is_changed
    assert torch.equal(audio_from(louder)["waveform"][0], torch.from_numpy(samples) * 0.5)
    assert audio_from(louder).fingerprint != audio.fingerprint
    for change in (slower, slower_in_the_same_dict):
        assert audio_from(change(audio)).duration == 2
    assert torch.equal(audio["waveform"][0], torch.from_numpy(samples)), "the one it was copied from is as it was"
    assert not audio.is_changed


def test_items_put_in_are_the_ones_taken_out(audio):
    mine = torch.zeros(1, 1, 5)
    audio["waveform"] = mine
    assert audio["waveform"] is mine
    assert audio.get("waveform") is mine
    assert dict(audio)["waveform"] is mine
    assert audio.pop("waveform") is mine
    assert audio.get("waveform") is None
    assert audio.pop("waveform", 7) == 7
    with pytest.raises(KeyError):
        _ = audio["waveform"]
    with pytest.raises(SoundToVideoError, match="expected AUDIO with waveform and sample_rate"):
        audio_from(audio)
    audio.update(waveform=mine, sample_rate=5)
    assert audio_from(audio).duration == 1


def test_a_deep_copy_can_be_changed_in_place(audio, samples):
    held = audio["waveform"]
    deep = copy.deepcopy(audio)
    deep["waveform"] *= 0
    assert torch.equal(held[0], torch.from_numpy(samples))
    assert audio_from(deep)["waveform"].abs().max() == 0


def test_equal_is_what_sounds_equal(audio, samples):
    same = {"waveform": torch.from_numpy(samples)[None], "sample_rate": RATE}
    assert audio == audio.copy() == same
    assert same == audio
    assert audio != {**same, "sample_rate": 1}
    assert audio != {**same, "more": 1}
    assert audio != trim(audio, 0, 0.5)
    assert audio != 5
    with pytest.raises(TypeError):
        hash(audio)


def test_the_hosts_search_for_models_finds_what_another_pack_put_in(audio):
    from comfy.model_patcher import PromptModelTracker

    asked = []

    class Carrier:
        def get_models(self):
            asked.append(self)
            return []

    source = Watched()
    audio = Audio(source)
    audio["carrier"] = Carrier()
    PromptModelTracker().add([[audio]])
    assert asked
    assert source.reads == 0
    assert len(list(audio.values())) == 3


class Failing(collections.UserDict):
    def __getitem__(self, key):
        raise RuntimeError("ffmpeg\nended with 1")


def sound_with(**changes):
    return {"waveform": torch.zeros(1, 1, 10), "sample_rate": RATE, **changes}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (5, "expected AUDIO with waveform and sample_rate, got int"),
        ([1], "got list"),
        ("song.wav", "got str"),
        ({"samples": 1}, "got dict with samples"),
        ({}, "got dict with nothing in it"),
        (Failing(sound_with()), "cannot be had from the node that made it .RuntimeError ffmpeg ended with 1."),
        (sound_with(sample_rate=float("nan")), "whole number of Hz from 1 to 16777216, got nan"),
        (sound_with(sample_rate=float("inf")), "got inf"),
        (sound_with(sample_rate=None), "got NoneType"),
        (sound_with(sample_rate=[8000]), "got list"),
        (sound_with(sample_rate="8000"), "got str"),
        (sound_with(sample_rate=torch.zeros(2)), "got Tensor"),
        (sound_with(sample_rate=10**9), "got 1000000000"),
        (sound_with(waveform=None), "got a NoneType"),
        (sound_with(waveform=[0.0]), "got a list"),
        (sound_with(waveform=np.zeros((1, 1, 10), np.float32)), "got a ndarray"),
        (sound_with(waveform=torch.zeros(1, 1, 10, device="meta")), r"got a tensor without data \(meta\)"),
        (sound_with(waveform=torch.zeros(1, 1, 10).to_sparse()), "got a sparse tensor"),
        (sound_with(waveform=torch.nested.nested_tensor([torch.zeros(1, 10)])), "got a nested tensor"),
        (sound_with(waveform=torch.zeros(1, 1, 10, dtype=torch.complex64)), "complex64"),
    ],
)
def test_what_is_not_audio_is_told_in_a_sentence(value, words):
    with pytest.raises(SoundToVideoError, match=words):
        audio_from(value)


def test_an_interrupt_while_another_packs_audio_decodes_is_the_hosts():
    from comfy.model_management import InterruptProcessingException

    class Interrupted(Failing):
        def __getitem__(self, key):
            raise InterruptProcessingException

    with pytest.raises(InterruptProcessingException):
        audio_from(Interrupted(sound_with()))


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 6, 7, 8, 16])
def test_any_number_of_channels_becomes_stereo_and_never_too_loud(channels):
    loud = audio_from({"waveform": torch.ones(1, channels, 50), "sample_rate": RATE})
    mixed = loud.mixed_to_stereo()
    assert mixed.channels == min(channels, 2)
    assert (mixed is loud) == (channels <= 2)
    assert mixed["waveform"].max() <= 1 + 1e-6
    assert torch.equal(mixed.trimmed(20, 30)["waveform"], mixed["waveform"][:, :, 20:30])


@pytest.mark.parametrize(
    ("channels", "layout"), [(3, "3.0"), (4, "4.0"), (5, "5.0"), (6, "5.1"), (7, "6.1"), (8, "7.1")]
)
def test_the_mix_is_that_of_libav_for_whole_numbers(channels, layout):
    import av

    spoken = (chirp(0.1, RATE, channels) * 32767).round().astype(np.int16)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(spoken.T).reshape(1, -1), format="s16", layout=layout)
    frame.sample_rate = RATE
    theirs = av.AudioResampler(format="s16", layout="stereo", rate=RATE).resample(frame)[0].to_ndarray()
    theirs = theirs.reshape(-1, 2).T / 32768
    ours = audio_from({"waveform": torch.from_numpy(spoken / 32768).float()[None], "sample_rate": RATE})
    assert np.abs(ours.mixed_to_stereo()["waveform"][0].numpy() - theirs).max() < 2 / 32768


@pytest.mark.parametrize(
    ("start", "stop", "kept"),
    [(0, None, (0, 8000)), (0.25, 0.5, (2000, 4000)), (0.5, 9, (4000, 8000)), (-1, 0.5, (0, 4000))],
)
def test_between_two_times(audio, start, stop, kept):
    part = audio.between(start, stop)
    assert torch.equal(part["waveform"], audio["waveform"][:, :, slice(*kept)])


@pytest.mark.parametrize(("start", "stop"), [(1, None), (5, 9), (0.5, 0.5), (0.7, 0.2)])
def test_between_is_nothing_where_there_is_no_sound(audio, start, stop):
    assert audio.between(start, stop) is None
