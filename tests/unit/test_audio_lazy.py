"""``Audio`` as the graph meets it: a Mapping, checked where it enters, cut without decoding, named by content."""

import os
import shutil
import wave

import numpy as np
import pytest
import torch
from comfy_extras.nodes_audio import TrimAudioDuration
from sound_to_video.core.audio import Audio, audio_from, open_audio
from sound_to_video.core.audio.trim import trim, write_wav
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.tests.sound_files import chirp, write_silent_video, write_sound

RATE = 8000


@pytest.fixture
def samples():
    return chirp(8.0, RATE, 2)


@pytest.fixture
def song(tmp_path, samples):
    return write_sound(tmp_path / "song.flac", "flac", samples, RATE)


def plain(samples, rate=RATE):
    return {"waveform": torch.from_numpy(samples)[None], "sample_rate": rate}


class Counted:
    """A source that notes what is read of it."""

    sample_rate, channels, sample_count, fingerprint = RATE, 1, 1000000, "counted"

    def __init__(self):
        self.read_ranges = []

    def reaches(self, sample):
        return sample <= self.sample_count

    def read(self, start, stop):
        self.read_ranges.append((start, stop))
        yield np.zeros((1, stop - start), np.float32)


def test_nothing_is_decoded_before_it_is_indexed():
    source = Counted()
    audio = Audio(source).trimmed(1000, 900000).faded(10, 10).trimmed(500, 600)
    assert audio["sample_rate"] == RATE
    assert (audio.sample_count, set(audio), len(audio), bool(audio)) == (100, {"waveform", "sample_rate"}, 2, True)
    assert audio.fingerprint
    assert source.read_ranges == []
    assert audio["waveform"].shape == (1, 1, 100)
    assert source.read_ranges == [(1500, 1600)]


def test_a_waveform_is_kept_only_as_long_as_someone_holds_it():
    source = Counted()
    audio = Audio(source, 0, 100)
    held = audio["waveform"]
    assert audio["waveform"] is held
    assert len(source.read_ranges) == 1
    del held
    _ = audio["waveform"]
    assert len(source.read_ranges) == 2


def test_blocks_are_equal_but_for_the_last(song, samples):
    blocks = list(open_audio(song).blocks(9999))
    assert {block.shape[1] for block in blocks[:-1]} == {9999}
    assert sum(block.shape[1] for block in blocks) == samples.shape[1]


def test_core_nodes_take_it_as_their_own(song):
    ours = open_audio(song)
    theirs = TrimAudioDuration.execute(ours, 2.0, 3.0).args[0]
    assert torch.equal(theirs["waveform"], ours.trimmed(2 * RATE, 5 * RATE)["waveform"])


@pytest.mark.parametrize("seed", range(20))
def test_trim_is_cores_trim(samples, seed):
    draw = np.random.default_rng(seed)
    start = round(float(draw.uniform(-9, 7.9)), 3)
    duration = round(float(draw.uniform(0.01, 9)), 3)
    begin = max(8.0 + start, 0) if start < 0 else start
    theirs = TrimAudioDuration.execute(plain(samples), start, duration).args[0]
    ours = trim(audio_from(plain(samples)), start, round(begin + duration, 3))
    assert torch.equal(ours["waveform"], theirs["waveform"])


@pytest.mark.parametrize(
    ("start", "end", "kept"),
    [
        (0, 0, (0, 8)),
        (2, 0, (2, 8)),
        (2.5, 3, (2.5, 3)),
        (0, -1, (0, 7)),
        (-3, -1, (5, 7)),
        (-3, 0, (5, 8)),
        (-99, 2, (0, 2)),
        (1, 99, (1, 8)),
        (7.999875, 0, (7.999875, 8)),
    ],
)
def test_trim_ranges(song, samples, start, end, kept):
    audio = trim(open_audio(song), start, end)
    first, last = (round(second * RATE) for second in kept)
    assert audio.sample_count == last - first
    assert np.abs(audio["waveform"][0].numpy() - samples[:, first:last]).max() < 2**-15


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (5, 3, "the range 5.0-3.0 s is empty; the audio lasts 8.0 s"),
        (12, 9.5, "the range 12.0-9.5 s is empty; the audio lasts 8.0 s"),
        (8, 0, "the range 8.0-8.0 s is empty; the audio lasts 8.0 s"),
        (2, 2, "the range 2.0-2.0 s is empty; the audio lasts 8.0 s"),
        (2, -7, "the range 2.0-1.0 s is empty; the audio lasts 8.0 s"),
        (0, -9, "the range 0.0--1.0 s is empty; the audio lasts 8.0 s"),
        (9, 12, "the range 9.0-12.0 s is empty; the audio lasts 8.0 s"),
    ],
)
def test_an_empty_range_shows_itself_and_the_length(song, start, end, words):
    with pytest.raises(SoundToVideoError) as error:
        trim(open_audio(song), start, end)
    assert words in str(error.value)


def test_fades_are_raised_cosines_at_the_ends_only(song):
    whole = open_audio(song)
    faded = trim(whole, 1, 3, 0.5, 0.25)["waveform"][0]
    kept = whole.trimmed(RATE, 3 * RATE)["waveform"][0]
    phase = (torch.arange(4000) + 0.5) / 4000
    rise = (0.5 - 0.5 * torch.cos(torch.pi * phase)).float()
    fall = (0.5 - 0.5 * torch.cos(torch.pi * (torch.arange(2000) + 0.5) / 2000)).flip(0).float()
    torch.testing.assert_close(faded[:, :4000], kept[:, :4000] * rise)
    assert torch.equal(faded[:, 4000:-2000], kept[:, 4000:-2000])
    torch.testing.assert_close(faded[:, -2000:], kept[:, -2000:] * fall)
    assert faded[:, 0].abs().max() < 1e-5


def test_a_piece_of_faded_sound_is_a_slice_of_it(song):
    faded = open_audio(song).faded(20000, 30000)
    whole = faded["waveform"]
    assert torch.equal(faded.trimmed(12345, 50000)["waveform"], whole[:, :, 12345:50000])


def test_a_fade_longer_than_the_sound_is_refused(song):
    with pytest.raises(SoundToVideoError, match=r"a fade of 2.0 s does not fit: the audio lasts 1.0 s"):
        trim(open_audio(song), 1, 2, 2.0, 0)


def test_no_gain_is_the_same_sound_and_a_gain_is_so_many_decibels(song):
    audio = open_audio(song)
    assert trim(audio, 0, 0, 0, 0, 0) is audio
    assert trim(audio, 1, 3, 0.5, 0, 0.0).fingerprint == trim(audio, 1, 3, 0.5).fingerprint
    plain, louder = trim(audio, 1, 3, 0.5)["waveform"], trim(audio, 1, 3, 0.5, 0, 6.5)
    torch.testing.assert_close(louder["waveform"], plain * 10 ** (6.5 / 20))
    assert trim(audio, 0, 0, 0, 0, 40)["waveform"].abs().max() > 1, "a later gain can bring it back"
    assert torch.equal(louder.trimmed(1234, 9000)["waveform"], louder["waveform"][:, :, 1234:9000])


@pytest.mark.parametrize(("gain", "words"), [(60.1, "from -60 to 60"), (-61, "from -60"), (float("nan"), "finite")])
def test_a_gain_that_cannot_be_is_refused(song, gain, words):
    with pytest.raises(SoundToVideoError, match=words):
        trim(open_audio(song), 0, 0, 0, 0, gain)


def test_the_fingerprint_is_of_what_is_heard(tmp_path, song, samples):
    audio = open_audio(song)
    copy = open_audio(shutil.copy(song, tmp_path / "another name.flac"))
    assert copy.fingerprint == audio.fingerprint
    assert audio.trimmed(0, audio.sample_count).fingerprint == audio.fingerprint
    assert audio.trimmed(100, 900).trimmed(10, 20).fingerprint == copy.trimmed(110, 120).fingerprint
    other = chirp(8.0, RATE, 2)
    other[0, 40000] += 0.01
    distinct = [
        audio,
        audio.trimmed(0, 100),
        audio.trimmed(1, 100),
        audio.trimmed(0, 100).faded(5, 0),
        audio.trimmed(0, 100).faded(0, 5),
        audio.trimmed(0, 100).amplified(5),
        audio.trimmed(0, 100).amplified(-5),
        open_audio(write_sound(tmp_path / "other.flac", "flac", other, RATE)),
        audio_from(plain(samples)),
        audio_from(plain(samples, 16000)),
        audio_from(plain(other)),
        audio_from(plain(samples[:, ::-1].copy())),
        audio_from(plain(samples.reshape(1, -1))),
    ]
    assert len({entry.fingerprint for entry in distinct}) == len(distinct)


def test_a_file_that_changes_is_noticed(song, samples):
    audio = open_audio(song)
    before = audio.fingerprint
    status = song.stat()
    changed = song.read_bytes()[:-1] + b"!"
    song.write_bytes(changed)
    if os.name == "posix":  # a copy that keeps its time and size; Windows has no time of change beside it
        os.utime(song, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(SoundToVideoError, match="changed since it was loaded"):
        _ = audio["waveform"]
    assert open_audio(song).fingerprint != before
    song.unlink()
    with pytest.raises(SoundToVideoError, match="no longer there"):
        _ = audio["waveform"]


@pytest.mark.parametrize(
    ("audio", "words"),
    [
        (None, "there is no audio"),
        ({"waveform": torch.zeros(1, 1, 10)}, "expected AUDIO"),
        (torch.zeros(1, 1, 10), "expected AUDIO"),
        ({"waveform": torch.zeros(1, 10), "sample_rate": 8000}, r"\[1, channels, samples\]"),
        ({"waveform": torch.zeros(1, 1, 10, dtype=torch.int16), "sample_rate": 8000}, "floating point"),
        ({"waveform": torch.zeros(2, 1, 10), "sample_rate": 8000}, "batch of 2"),
        ({"waveform": torch.zeros(1, 1, 0), "sample_rate": 8000}, "0 samples"),
        ({"waveform": torch.zeros(1, 0, 10), "sample_rate": 8000}, "0 samples"),
        ({"waveform": torch.zeros(1, 1, 10), "sample_rate": 0}, "sample rate"),
        ({"waveform": torch.zeros(1, 1, 10), "sample_rate": 44100.5}, "sample rate"),
        ({"waveform": torch.tensor([[[0.0] * 4000 + [float("nan")]]]), "sample_rate": 8000}, r"NaN .* at 0\.5 s"),
        ({"waveform": torch.tensor([[[0.0, float("inf")]]]), "sample_rate": 2}, r"infinite .* at 0\.5 s"),
    ],
)
def test_audio_that_cannot_be_used_is_refused_where_it_enters(audio, words):
    with pytest.raises(SoundToVideoError, match=words):
        audio_from(audio)


def test_what_can_be_used_is_taken_as_it_is():
    half = {"waveform": torch.rand(1, 2, 50, dtype=torch.float64), "sample_rate": np.int64(48000)}
    audio = audio_from(half)
    assert (audio.sample_rate, audio.channels, audio.sample_count) == (48000, 2, 50)
    assert torch.equal(audio["waveform"], half["waveform"].float())
    assert audio_from(audio) is audio


@pytest.mark.parametrize("codec", ["pcm_f32le", "pcm_f64le"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_in_a_float_wav_is_silence_and_said_once(tmp_path, caplog, codec, value):
    samples = chirp(2.0, RATE, 1)
    samples[0, 12000] = value
    audio = open_audio(write_sound(tmp_path / "nan.wav", codec, samples, RATE))
    heard = audio["waveform"][0, 0].numpy()
    samples[0, 12000] = 0
    assert np.array_equal(heard, samples[0])
    assert np.array_equal(audio.trimmed(11000, 13000)["waveform"][0, 0].numpy(), samples[0, 11000:13000])
    assert [record.message for record in caplog.records if "nan.wav" in record.message] == [
        "nan.wav holds samples that are no numbers (NaN or infinite); they are heard as silence."
    ]


def missing(folder):
    return folder / "nowhere.wav"


def empty(folder):
    (folder / "empty.mp3").touch()
    return folder / "empty.mp3"


def text(folder):
    (folder / "text.mp3").write_text("These are words, and no music.\n" * 400)
    return folder / "text.mp3"


def junk(folder):
    (folder / "junk.wav").write_bytes(np.random.default_rng(0).bytes(5000))
    return folder / "junk.wav"


def silent_video(folder):
    return write_silent_video(folder / "silent.mp4")


def no_samples(folder):
    with wave.open(str(folder / "none.wav"), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
    return folder / "none.wav"


def header_only(folder):
    path = write_sound(folder / "cut.flac", "flac", chirp(1.0, RATE, 1), RATE)
    path.write_bytes(path.read_bytes()[:60])
    return path


def a_folder(folder):
    (folder / "folder.wav").mkdir()
    return folder / "folder.wav"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (missing, "nowhere.wav is not there"),
        (empty, "empty.mp3 is empty"),
        (text, "text.mp3 cannot be read as sound|text.mp3 has no sound|text.mp3 holds 0 samples"),
        (junk, "junk.wav cannot be read as sound|junk.wav has no sound"),
        (silent_video, "silent.mp4 has no sound"),
        (no_samples, "none.wav holds 0 samples|none.wav cannot be read"),
        (header_only, "cut.flac holds 0 samples|cut.flac cannot be read"),
        (a_folder, "folder.wav is not there"),
    ],
)
def test_files_that_hold_no_sound_are_named(tmp_path, make, words):
    path = make(tmp_path)
    with pytest.raises(SoundToVideoError, match=words) as error:
        open_audio(path)
    assert str(tmp_path) not in str(error.value)


@pytest.mark.parametrize(
    ("suffix", "codec", "rate"),
    [("wav", "pcm_s16le", 8000), ("flac", "flac", 8000), ("mp3", "libmp3lame", 8000), ("opus", "libopus", 48000)],
)
def test_a_file_cut_short_is_as_long_as_what_is_left(tmp_path, suffix, codec, rate):
    path = write_sound(tmp_path / f"whole.{suffix}", codec, chirp(6.0, rate, 1), rate)
    whole = open_audio(path)["waveform"]
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    audio = open_audio(cut)
    left = audio.sample_count
    assert 0.4 * whole.shape[2] < left < 0.8 * whole.shape[2]
    heard = audio["waveform"]
    sound = left - 576  # the last MP3 frame is decoded from what there is of it, as core does
    assert torch.equal(heard[:, :, :sound], whole[:, :, :sound])
    assert torch.equal(audio.trimmed(left - 5000)["waveform"], heard[:, :, -5000:])


def test_write_wav_is_what_a_browser_hears(tmp_path, song):
    audio = open_audio(song)
    write_wav(audio, tmp_path / "for the browser.wav")
    again = open_audio(tmp_path / "for the browser.wav")
    assert (again.sample_rate, again.channels, again.sample_count) == (RATE, 2, audio.sample_count)
    assert (again["waveform"] - audio["waveform"]).abs().max() <= 2**-14
    assert [path.name for path in tmp_path.glob(".*")] == []


@pytest.mark.skipif(os.name != "posix", reason="Windows has no time of change of a file's attributes")
def test_a_file_whose_attributes_alone_change_is_the_same(song):
    audio = open_audio(song)
    before = audio.fingerprint
    song.chmod(0o600)
    song.chmod(0o644)
    assert audio.trimmed(0, 100)["waveform"].shape[-1] == 100
    assert audio.fingerprint == before
