"""What libav plays is played: joined, cut and damaged files, streams that change, containers with a clock."""

import random
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from comfy_api.latest import InputImpl
from sound_to_video.core.audio import open_audio, tracks
from sound_to_video.core.audio.file import FileSource
from sound_to_video.core.audio.flac_numbers import is_one_stream
from sound_to_video.core.audio.lazy import Audio
from sound_to_video.core.audio.peaks import sketch
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.frames.reading import frames_of
from sound_to_video.tests.sound_files import chirp, impulse, plain_decode, write_sound

RATE = 16000


def sound(path: Path, codec: str, seconds: float = 3.0, rate: int = RATE, channels: int = 1, **options) -> Path:
    return write_sound(path, codec, chirp(seconds, rate, channels), rate, **options)


def assert_any_stretch_is_the_slice_of_the_whole(path: Path) -> Audio:
    audio = open_audio(path)
    whole = audio["waveform"]
    assert whole.shape[-1] == audio.sample_count
    assert torch.isfinite(whole).all()
    draw = random.Random(path.name)
    for _ in range(4):
        start = draw.randrange(audio.sample_count)
        stop = draw.randrange(start + 1, min(audio.sample_count, start + 9000) + 1)
        piece = Audio(FileSource(path)).trimmed(start, stop)
        assert torch.equal(piece["waveform"], whole[:, :, start:stop])
    return audio


def id3v2(size: int) -> bytes:
    length = bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\x00\x00" + length + random.Random(0).randbytes(size).replace(b"\xff", b"\xfe")


def joined(folder: Path, what: str) -> Path:
    first = sound(folder / "a.mp3", "libmp3lame").read_bytes()
    second = sound(folder / "b.mp3", "libmp3lame", b="24000").read_bytes()
    other_rate = sound(folder / "c.mp3", "libmp3lame", 2.0, rate=22050).read_bytes()
    stereo = sound(folder / "d.mp3", "libmp3lame", 2.0, channels=2).read_bytes()
    parts = {
        "one after the other": first + second + first,
        "with a picture of 300 kB between": first + id3v2(300_000) + second,
        "with an ID3v1 tag between": first + b"TAG" + bytes(125) + second,
        "another rate between": first + other_rate + first,
        "stereo between": first + stereo + first,
        "cut in mid-frame": first[: len(first) * 2 // 3 + 77] + second[len(second) // 3 + 31 :],
    }
    path = folder / "joined.mp3"
    path.write_bytes(parts[what])
    return path


JOINED = (
    *("one after the other", "with a picture of 300 kB between", "with an ID3v1 tag between"),
    *("another rate between", "stereo between", "cut in mid-frame"),
)


@pytest.mark.slow
@pytest.mark.parametrize("what", JOINED)
@pytest.mark.parametrize("survey_seconds", [600, 1])
def test_mp3s_that_were_joined_play_to_the_end(tmp_path, monkeypatch, what, survey_seconds):
    monkeypatch.setattr(tracks, "SURVEY_SECONDS", survey_seconds)
    path = joined(tmp_path, what)
    audio = assert_any_stretch_is_the_slice_of_the_whole(path)
    assert (audio.sample_rate, audio.channels) == (RATE, 1)
    assert abs(float(audio.duration) - plain_decode(path)) < 0.001


def test_what_is_joined_at_another_rate_keeps_its_pitch(tmp_path):
    time = np.arange(2 * 22050) / 22050
    tone = (0.5 * np.sin(2 * np.pi * 1000 * time)).astype(np.float32)[None]
    first = sound(tmp_path / "a.mp3", "libmp3lame", 2.0)
    second = write_sound(tmp_path / "b.mp3", "libmp3lame", tone, 22050)
    path = tmp_path / "joined.mp3"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    heard = open_audio(path).trimmed(round(2.5 * RATE), round(3.5 * RATE))["waveform"][0, 0]
    assert int(torch.fft.rfft(heard).abs().argmax()) == 1000


def flac_frames(path: Path) -> bytes:
    """A FLAC file without its header and metadata."""
    content = path.read_bytes()
    at, last = 4, False
    while not last:
        last = bool(content[at] & 0x80)
        at += 4 + int.from_bytes(content[at + 1 : at + 4], "big")
    return content[at:]


@pytest.mark.parametrize("survey_seconds", [600, 1])
def test_flacs_joined_under_the_header_of_the_first_are_heard_whole(tmp_path, monkeypatch, survey_seconds):
    """As ``ffmpeg -f concat -c copy`` writes them: the header's length is the first one's."""
    monkeypatch.setattr(tracks, "SURVEY_SECONDS", survey_seconds)
    parts = [write_sound(tmp_path / f"{n}.flac", "flac", chirp(4.0, RATE, 1, seed=n), RATE) for n in range(3)]
    path = tmp_path / "joined.flac"
    path.write_bytes(parts[0].read_bytes() + flac_frames(parts[1]) + flac_frames(parts[2]))
    audio = assert_any_stretch_is_the_slice_of_the_whole(path)
    assert audio.sample_count == 12 * RATE
    expected = torch.cat([open_audio(part)["waveform"] for part in parts], dim=-1)
    assert torch.equal(audio["waveform"], expected)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [(30.0, 30.0), (40.0, 3.0), (5.0, 40.0)])
def test_a_long_flac_whose_parts_have_the_same_times_is_heard_whole(tmp_path, monkeypatch, seconds):
    """A seek to a time near the end of the first part may land in the second."""
    monkeypatch.setattr(tracks, "SURVEY_SECONDS", 1)
    parts = [write_sound(tmp_path / f"{n}.flac", "flac", chirp(n, RATE, 2), RATE) for n in seconds]
    path = tmp_path / "joined.flac"
    path.write_bytes(parts[0].read_bytes() + flac_frames(parts[1]))
    audio = assert_any_stretch_is_the_slice_of_the_whole(path)
    assert audio.sample_count == sum(seconds) * RATE
    first_byte = parts[0].stat().st_size - len(flac_frames(parts[0]))
    assert is_one_stream(parts[0], first_byte)
    assert not is_one_stream(path, first_byte)


def test_an_ogg_whose_second_part_has_another_rate(tmp_path):
    first = sound(tmp_path / "a.ogg", "vorbis", strict="-2", channels=2)
    second = sound(tmp_path / "b.ogg", "vorbis", 2.0, rate=32000, strict="-2", channels=2)
    path = tmp_path / "joined.ogg"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    audio = assert_any_stretch_is_the_slice_of_the_whole(path)
    assert audio.sample_rate == RATE
    assert abs(float(audio.duration) - plain_decode(path)) < 0.001


def test_24_bits_in_32_are_read_at_their_level(tmp_path):
    """WAVE_FORMAT_EXTENSIBLE with 24 valid bits in containers of 32, as interfaces record."""
    samples = (chirp(1.0, RATE, 2) * 2**23).astype(np.int32) << 8
    data = samples.T.astype("<i4").tobytes()
    guid = b"\x01\x00\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
    form = struct.pack("<HHIIHHHHI", 0xFFFE, 2, RATE, RATE * 8, 8, 32, 22, 24, 3) + guid
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    path = tmp_path / "wide.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    audio = open_audio(path)
    assert audio.sample_count == RATE
    assert np.abs(audio["waveform"][0].numpy() - samples / 2**31).max() < 2**-23


@pytest.mark.slow
def test_a_wav_whose_header_contradicts_itself_is_one_sound_wherever_it_is_read(tmp_path):
    """19 channels in blocks of 4 bytes: seeking by blocks would land within a sample."""
    path = sound(tmp_path / "odd.wav", "pcm_s16le", 9.0, channels=2)
    content = bytearray(path.read_bytes())
    content[22:24] = struct.pack("<H", 19)
    path.write_bytes(content)
    assert assert_any_stretch_is_the_slice_of_the_whole(path).channels == 19


@pytest.mark.parametrize("byte_rate", [7, 2 * RATE - 1, 2 * RATE + 1024, 4 * RATE, 2**31 - 1])
def test_a_wav_with_a_wrong_byte_rate_is_the_sound_it_holds(tmp_path, byte_rate):
    """libav tells times and seeks by it."""
    path = sound(tmp_path / "wrong.wav", "pcm_s16le", 9.0)
    right = open_audio(path)["waveform"]
    content = bytearray(path.read_bytes())
    content[28:32] = struct.pack("<I", byte_rate)
    path.write_bytes(content)
    assert torch.equal(assert_any_stretch_is_the_slice_of_the_whole(path)["waveform"], right)


@pytest.mark.parametrize(
    ("suffix", "codec", "rate"), [("mp3", "libmp3lame", RATE), ("flac", "flac", RATE), ("aac", "aac", RATE)]
)
def test_a_hole_in_a_long_sound_is_silence_and_times_are_kept(tmp_path, monkeypatch, caplog, suffix, codec, rate):
    """Long enough not to be decoded twice: the place of what cannot be decoded is known from its packet."""
    monkeypatch.setattr(tracks, "SURVEY_SECONDS", 1)
    path = sound(tmp_path / f"whole.{suffix}", codec, 8.0)
    whole = open_audio(path)["waveform"]
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(audio=0) if packet.size]
    at, size = packets[len(packets) // 2]
    content[at + 6 : at + size] = b"\xff" * (size - 6)
    damaged = tmp_path / f"damaged.{suffix}"
    damaged.write_bytes(content)
    audio = assert_any_stretch_is_the_slice_of_the_whole(damaged)
    assert abs(audio.sample_count - whole.shape[-1]) <= 4608
    assert torch.equal(audio["waveform"][..., : 3 * RATE], whole[..., : 3 * RATE])
    if audio.sample_count == whole.shape[-1] and suffix != "flac":
        assert torch.equal(audio["waveform"][..., 6 * RATE :], whole[..., 6 * RATE :])


def test_damage_is_said_once(tmp_path, caplog):
    path = joined(tmp_path, "cut in mid-frame")
    audio = open_audio(path)
    for _ in range(3):
        _ = audio.trimmed(0, 100)["waveform"]
        _ = audio["waveform"]
    assert [record.message for record in caplog.records if "joined.mp3" in record.message] == [
        "joined.mp3 is damaged: pieces of it cannot be decoded."
    ]


@pytest.mark.parametrize("tag", [b"TAG" + bytes(125), b""])
def test_an_intact_file_with_a_tag_at_its_end_is_not_called_damaged(tmp_path, monkeypatch, caplog, tag):
    monkeypatch.setattr(tracks, "SURVEY_SECONDS", 1)
    path = sound(tmp_path / "tagged.mp3", "libmp3lame", 25.0)
    path.write_bytes(path.read_bytes() + tag)
    audio = assert_any_stretch_is_the_slice_of_the_whole(path)
    assert abs(float(audio.duration) - plain_decode(path)) < 0.001
    assert not [record.message for record in caplog.records if "between its frames" in record.message]


@pytest.mark.parametrize("late", [0.0, 0.75, 1.5])
@pytest.mark.parametrize(("suffix", "codec"), [("mp4", "aac"), ("mkv", "aac"), ("mkv", "libopus"), ("mp4", "ac3")])
def test_a_sound_that_starts_after_the_picture_is_heard_late(tmp_path, suffix, codec, late):
    rate = 48000
    path = write_clip(tmp_path / f"clip.{suffix}", impulse(2.0, rate, 1, 0.5), rate, codec, sound_at=late)
    audio = assert_any_stretch_is_the_slice_of_the_whole(path)
    loudest = int(audio["waveform"].abs().argmax())
    assert abs(loudest / rate - (0.5 + late)) < (0.004 if codec != "ac3" else 0.01)
    assert abs(float(audio.duration) - (2.0 + late)) < 0.05
    if late:
        assert not audio.trimmed(0, round(late * rate) - 2100)["waveform"].any()


def test_a_picture_that_starts_after_the_sound_changes_nothing(tmp_path):
    path = write_clip(tmp_path / "clip.mp4", impulse(2.0, 48000, 1, 0.5), 48000, "aac", picture_at=0.8)
    assert abs(int(open_audio(path)["waveform"].abs().argmax()) / 48000 - 0.5) < 0.004


@pytest.mark.parametrize("codec", ["libopus", "ac3"])
def test_a_hole_in_the_sound_of_a_clip_is_silence(tmp_path, codec):
    """Timestamps jump by half a second, as where a recorder lost data: the sound stays with the picture."""
    rate = 48000
    samples = np.concatenate([impulse(1.0, rate, 1, 0.5), impulse(1.0, rate, 1, 0.5)], axis=1)
    path = write_clip(tmp_path / "clip.mkv", samples, rate, codec, jump=(1.0, 0.5))
    audio = assert_any_stretch_is_the_slice_of_the_whole(path)
    heard = audio["waveform"][0, 0].abs()
    second = rate + int(heard[rate:].argmax())
    assert abs(int(heard[:rate].argmax()) / rate - 0.5) < 0.01
    assert abs(second / rate - 2.0) < 0.05


def write_clip(path, samples, rate, codec, sound_at=0.0, picture_at=0.0, jump=(1e9, 0.0), **tags) -> Path:
    """Picture and sound with the given starts; ``jump``: from when on packets are later, and by how much."""
    with av.open(str(path), "w") as output:
        output.metadata.update(tags)
        picture = output.add_stream("libx264", rate=10, options={"bf": "0"})
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        stream = output.add_stream(codec, rate=rate, layout="mono")
        packets = []
        for number in range(30):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number * 8, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number + round(picture_at * 10), Fraction(1, 10)
            packets += picture.encode(frame)
        packets += picture.encode(None)
        for start in range(0, samples.shape[1], 4800):
            frame = av.AudioFrame.from_ndarray(samples[:, start : start + 4800], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, start + round(sound_at * rate), Fraction(1, rate)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        for packet in packets:
            if packet.stream is stream and packet.pts * packet.time_base >= jump[0]:
                shift = round(jump[1] / packet.time_base)
                packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            output.mux(packet)
    return path


def test_the_track_marked_default_is_heard_then_the_one_with_most_channels(tmp_path):
    marked = two_tracks(tmp_path / "marked.mkv", default=1)
    assert open_audio(marked)["waveform"].abs().max() > 0.1
    unmarked = two_tracks(tmp_path / "unmarked.mkv", default=None, channels=(1, 2))
    assert open_audio(unmarked).channels == 2
    assert open_audio(two_tracks(tmp_path / "first.mkv", default=0))["waveform"].abs().max() < 0.01


def two_tracks(path: Path, default: int | None, channels: tuple[int, int] = (2, 2)) -> Path:
    """The first is silent, the second is not."""
    with av.open(str(path), "w", options={"default_mode": "passthrough"}) as output:
        streams = [
            output.add_stream("pcm_s16le", rate=RATE, layout={1: "mono", 2: "stereo"}[count]) for count in channels
        ]
        for number, stream in enumerate(streams):
            stream.disposition = av.stream.Disposition.default if number == default else av.stream.Disposition(0)
        for number, stream in enumerate(streams):
            samples = (chirp(1.0, RATE, channels[number]) * number * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples.T).reshape(1, -1), format="s16", layout=stream.layout.name
            )
            frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
            output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
    return path


def test_a_default_track_that_cannot_be_decoded_does_not_stop_the_other(tmp_path):
    path = two_tracks(tmp_path / "both.mkv", default=0)
    content = path.read_bytes().replace(b"A_PCM/INT/LIT", b"A_PCM/INT/XXX", 1)
    path.write_bytes(content)
    assert open_audio(path)["waveform"].abs().max() > 0.1


def transport_with_late_streams(path: Path, late: int = 30) -> Path:
    """Picture and sound of 40 s; after 30 s the table of programmes names so many streams more."""
    clip = write_sound(path, "mp2", chirp(40.0, 44100, 1), 44100, container="mpegts", picture=True).read_bytes()
    packets = [clip[at : at + 188] for at in range(0, len(clip), 188)]
    first = next(packet for packet in packets if packet[:3] == b"\x47\x50\x00")  # the table, on PID 0x1000
    end = 8 + (int.from_bytes(first[6:8], "big") & 0xFFF) - 4
    table = bytearray(first[5:end])
    table[5] ^= 2  # its version
    for number in range(late):
        table += struct.pack(">BHH", 3, 0xE200 + number, 0xF000)
    table[1:3] = struct.pack(">H", 0xB000 + len(table) + 4 - 3)
    table += struct.pack(">I", mpeg_crc(table))
    later = (first[:5] + table).ljust(188, b"\xff")
    at = len(packets) * 3 // 4
    path.write_bytes(b"".join([*packets[:at], later, *packets[at:]]))
    return path


def mpeg_crc(content: bytes) -> int:
    """CRC-32/MPEG-2: ISO/IEC 13818-1, annex A."""
    value = 0xFFFFFFFF
    for byte in content:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)) & 0xFFFFFFFF
    return value


@pytest.mark.slow
def test_streams_that_come_up_late_are_passed_over(tmp_path):
    path = transport_with_late_streams(tmp_path / "late.ts")
    with av.open(str(path)) as container:
        assert len(container.streams) == 2, "the others are not known on opening"
    audio = assert_any_stretch_is_the_slice_of_the_whole(path)
    assert abs(float(audio.duration) - 40.0) < 0.1
    assert sketch(path, 50).peaks[:, 1].min() > 20
    assert frame_count(frames_of(video(path), 1)) == 400


def video(path: Path) -> InputImpl.VideoFromFile:
    return InputImpl.VideoFromFile(str(path))


def frame_count(stream) -> int:
    return sum(len(group) for group in stream.groups)


@pytest.mark.parametrize("what", ["no media", "empty", "cut", "gone", "a sound", "a playlist"])
def test_a_video_file_that_is_none_is_told_in_a_sentence(tmp_path, what):
    path = tmp_path / "clip.mp4"
    whole = write_clip(path, impulse(1.0, RATE, 1, 0.5), RATE, "aac").read_bytes()
    contents = {
        "no media": b"not a video" * 99,
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "a playlist": b"#EXTM3U\n",
    }
    if what == "gone":
        path.unlink()
    elif what == "a sound":
        write_sound(path, "aac", chirp(1.0, RATE, 1), RATE)
    else:
        path.write_bytes(contents[what])
    with pytest.raises(SoundToVideoError, match=r"^clip\.mp4 (cannot be read as a video|holds no moving picture)"):
        frames_of(video(path), 16)


def test_a_frame_that_cannot_be_decoded_shows_the_one_before(tmp_path):
    path = write_clip(tmp_path / "clip.mkv", impulse(3.0, RATE, 1, 0.5), RATE, "aac")
    whole = list(frames_of(video(path), 16).groups)
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    for at, size in packets[10:14]:
        content[at + 8 : at + size] = b"\xff" * (size - 8)
    path.write_bytes(content)
    frames = torch.cat(list(frames_of(video(path), 16).groups))
    assert abs(len(frames) - 30) <= 1, "times are kept"
    assert torch.equal(frames[:10], torch.cat(whole)[:10])


def test_a_video_whose_tags_are_in_another_code_page_is_read(tmp_path):
    path = write_clip(tmp_path / "clip.mkv", impulse(1.0, RATE, 1, 0.5), RATE, "aac", title="Bjoerk")
    path.write_bytes(path.read_bytes().replace(b"Bjoerk", b"Bj\xf6rk "))
    with pytest.raises(UnicodeDecodeError):
        av.open(str(path))
    stream = frames_of(video(path), 16)
    assert frame_count(stream) == stream.frame_count == 30


SEEDS = {
    "a.wav": ("pcm_s16le", {}),
    "f.wav": ("pcm_f32le", {}),
    "a.flac": ("flac", {}),
    "a.mp3": ("libmp3lame", {"q": "4"}),
    "n.mp3": ("libmp3lame", {"write_xing": "0", "b": "48000"}),
    "a.aac": ("aac", {"container": "adts"}),
    "a.m4a": ("aac", {}),
    "l.m4a": ("alac", {}),
    "a.opus": ("libopus", {}),
    "a.ogg": ("vorbis", {"strict": "-2"}),
    "a.webm": ("libopus", {}),
    "a.mkv": ("aac", {}),
    "a.ts": ("aac", {}),
    "a.ac3": ("ac3", {}),
    "a.tta": ("tta", {}),
}
MUTANTS_OF_EACH = 4


def mutated(content: bytes, draw: random.Random) -> bytes:
    data = bytearray(content)
    size = len(data)
    at = draw.randrange(size)
    length = draw.choice([20, 100, 1000, 3000])
    kind = draw.randrange(8)
    if kind == 0:
        data[at] ^= 1 << draw.randrange(8)
    elif kind == 1:
        for _ in range(20):
            data[draw.randrange(size)] = draw.randrange(256)
    elif kind == 2:
        del data[at : at + 20]
    elif kind == 3:
        data[at:at] = draw.randbytes(draw.choice([1, 17, 1000]))
    elif kind == 4:
        data = data[: draw.randrange(size // 4, size)]
    elif kind == 5:
        data[at : at + length] = bytes(len(data[at : at + length]))
    elif kind == 6:
        data[at : at + length] = draw.randbytes(len(data[at : at + length]))
    else:
        data = data[: draw.randrange(size // 3, size)] + data[draw.randrange(size) :]
    return bytes(data)


@pytest.mark.slow
@pytest.mark.parametrize("name", SEEDS)
def test_of_mutants_none_that_libav_plays_is_refused_and_lengths_agree(tmp_path, name):
    codec, options = SEEDS[name]
    rate = 48000 if codec in ("libopus", "ac3") else RATE
    samples = chirp(2.0, rate, 2 if codec == "vorbis" else 1)
    seed = write_sound(tmp_path / name, codec, samples, rate, **options).read_bytes()
    draw = random.Random(name)
    for number in range(MUTANTS_OF_EACH):
        path = tmp_path / f"{number}-{name}"
        path.write_bytes(mutated(seed, draw))
        playable = plain_decode(path)
        try:
            audio = assert_any_stretch_is_the_slice_of_the_whole(path)
        except SoundToVideoError as error:
            assert playable == 0, f"{path.name}: {error}"
            continue
        # The end of an MP4's last packet is in its table, not in what the decoder puts out.
        more = playable - float(audio.duration)
        if playable and not (name.endswith("m4a") and 0 < more < 0.064):
            assert abs(more) < 0.001, path.name
