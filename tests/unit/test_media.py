"""The one door to media files: what is opened, what is not, and what a header may ask for."""

import ast
import io
import struct
import zlib
from pathlib import Path

import av
import numpy as np
import pytest
from sound_to_video.benchmarks.process import Measured
from sound_to_video.core.audio import media, open_audio
from sound_to_video.core.audio.media import CONTAINERS, open_media
from sound_to_video.core.audio.peaks import sketch
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.tests.sound_files import chirp, write_sound

ROOT = Path(media.__file__).parents[2]
NAMES = ("x.m3u", "x.m3u8", "x.wav", "x.mp3", "x.mp4", "x.mkv", "x.ogg", "x.aac", "x.mpd", "x.ffconcat", "x.sdp")


@pytest.fixture
def secret(tmp_path):
    """A folder outside of the one that playlists lie in, and sounds in it and beside them."""
    outside, inside = tmp_path / "outside", tmp_path / "input"
    outside.mkdir()
    inside.mkdir()
    for folder in (outside, inside):
        for suffix, codec in (("mp3", "libmp3lame"), ("ts", "aac"), ("wav", "pcm_s16le")):
            write_sound(folder / f"secret.{suffix}", codec, chirp(1.0, 16000, 1), 16000)
    return outside


def playlists(outside: Path) -> dict[str, str]:
    """Texts that libav opens as media and that name ``secret``, each by a path, an address and beside itself."""
    texts = {}
    for suffix in ("mp3", "ts", "wav"):
        absolute = (outside / f"secret.{suffix}").as_posix()
        for how, name in (
            ("absolute", absolute),
            ("file", f"file:{absolute}"),
            ("above", f"../outside/secret.{suffix}"),
            ("beside", f"secret.{suffix}"),
            ("concat", f"concat:{absolute}|{absolute}"),
            ("subfile", f"subfile,,start,0,end,0,,:{absolute}"),
        ):
            hls = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n{}#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n"
            texts[f"hls {how} {suffix}"] = hls.format("", name)
            texts[f"hls map {how} {suffix}"] = hls.format(f'#EXT-X-MAP:URI="{name}"\n', name)
            texts[f"master {how} {suffix}"] = f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{name}\n"
            texts[f"concat {how} {suffix}"] = f"ffconcat version 1.0\nfile '{name}'\n"
            texts[f"concat unsafe {how} {suffix}"] = f"ffconcat version 1.0\noption safe 0\nfile '{name}'\n"
            texts[f"dash {how} {suffix}"] = (
                '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet mimeType="audio/mp4">'
                f'<Representation id="0" bandwidth="1"><BaseURL>{name}</BaseURL></Representation></AdaptationSet>'
                "</Period></MPD>"
            )
    texts["sdp"] = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n"
    texts["plain list"] = f"{outside}/secret.mp3\n"
    return texts


def test_a_playlist_under_the_name_of_a_sound_reads_no_other_file(secret):
    read = []
    for what, text in playlists(secret).items():
        for name in NAMES if "absolute mp3" in what or what == "sdp" else NAMES[:4]:
            path = secret.parent / "input" / name
            path.write_text(text)
            try:
                read.append((what, name, open_audio(path)["waveform"].shape))
            except SoundToVideoError as error:
                assert str(secret) not in str(error)
            assert sketch(path, 10) is None
            path.unlink()
    assert read == []


def test_what_is_refused_as_a_playlist_says_what_to_do(tmp_path):
    path = tmp_path / "x.m3u"
    path.write_text(playlists(tmp_path)["hls beside mp3"])
    with pytest.raises(SoundToVideoError, match=r"x\.m3u is no sound or video file .* Choose the file that holds"):
        open_audio(path)


def atom(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def test_a_mov_that_names_another_file_for_its_sound_does_not_read_it(secret):
    """By its data reference, an alias record with an absolute path."""
    own = write_sound(secret.parent / "input" / "own.mov", "pcm_s16le", chirp(1.0, 16000, 1), 16000)
    content = own.read_bytes()
    target = str(secret / "secret.wav").encode()
    name = struct.pack(">hH", 18, len(target)) + target + b"\0" * (len(target) % 2)
    alias = bytearray(150)
    record = bytes(alias) + name + struct.pack(">hH", -1, 0)
    reference = atom(b"alis", struct.pack(">I", 0), record)
    dref = atom(b"dref", struct.pack(">II", 0, 1), reference)
    place = content.index(b"dref") - 4
    size = struct.unpack(">I", content[place : place + 4])[0]
    grown = len(dref) - size
    content = bytearray(content[:place] + dref + content[place + size :])
    for kind in (b"dinf", b"minf", b"mdia", b"trak", b"moov"):
        at = content.index(kind, content.index(b"moov") - 4) - 4
        content[at : at + 4] = struct.pack(">I", struct.unpack(">I", content[at : at + 4])[0] + grown)
    path = own.with_name("names_another.mov")
    path.write_bytes(content)
    meant = write_sound(own.with_name("meant.wav"), "pcm_s16le", chirp(1.0, 16000, 1) * 0, 16000)
    (secret / "secret.wav").write_bytes(meant.read_bytes())
    heard = open_audio(path)["waveform"]
    assert np.abs(heard.numpy()).max() > 0.1, "its own samples, not the silence that the other file holds"


def test_only_the_door_opens_media_for_reading():
    elsewhere = []
    for folder in ("core", "nodes", "server"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in ("av.open", "av.container.open"):
                    writes = len(node.args) > 1 and ast.unparse(node.args[1]).strip("'\"") == "w"
                    if not writes and path.name != "media.py":
                        elsewhere.append(f"{path.name}:{node.lineno}")
    assert elsewhere == []


def test_packets_are_read_in_one_place():
    """``demuxed`` knows what streams that come up late do to PyAV."""
    places = [
        path.name
        for folder in ("core", "nodes", "server")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "demux"
    ]
    assert places == ["media.py"]


def test_no_container_that_names_other_files_is_allowed():
    others = {"hls", "applehttp", "concat", "dash", "imf", "image2", "sdp", "rtsp", "rtp", "sap", "lavfi", "vobsub"}
    assert not others & set(CONTAINERS)
    assert not {name for name in CONTAINERS if "," in name or "*" in name}


@pytest.mark.parametrize(
    ("suffix", "codec", "rate"),
    [
        *(("wav", "pcm_s16le", 44100), ("w64", "pcm_s16le", 44100), ("aiff", "pcm_s16be", 44100)),
        *(
            ("au", "pcm_s16be", 44100),
            ("caf", "pcm_s16be", 44100),
            ("flac", "flac", 44100),
            ("mp3", "libmp3lame", 44100),
        ),
        *(("m4a", "aac", 44100), ("aac", "aac", 44100), ("ogg", "libopus", 48000), ("mkv", "aac", 44100)),
        *(("webm", "libopus", 48000), ("mov", "aac", 44100), ("ts", "aac", 44100), ("avi", "pcm_s16le", 44100)),
        *(("flv", "aac", 44100), ("wma", "wmav2", 44100), ("tta", "tta", 44100), ("wv", "wavpack", 44100)),
        *(("ac3", "ac3", 48000), ("eac3", "eac3", 48000), ("nut", "pcm_s16le", 48000)),
        *(("voc", "pcm_u8", 22050), ("mpg", "mp2", 48000), ("sox", "pcm_s32le", 48000), ("3gp", "aac", 44100)),
    ],
)
def test_files_that_hold_their_sound_themselves_are_opened(tmp_path, suffix, codec, rate):
    more = {"b": "64000"} if codec == "wmav2" else {}
    path = write_sound(
        tmp_path / f"sound.{suffix}", codec, chirp(1.0, rate, 1 if codec == "pcm_u8" else 2), rate, **more
    )
    assert abs(float(open_audio(path).duration) - 1.0) < 0.1


def wav(rate: int, channels: int = 1, samples: int = 500) -> bytes:
    form = struct.pack("<HHIIHH", 1, channels, rate, min(rate * channels * 2, 2**32 - 1), channels * 2, 16)
    data = bytes(samples * channels * 2)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (wav(1_000_000_000), "says that it has 1000000000 samples a second"),
        (wav(1_536_001), "says that it has 1536001 samples a second"),
        (wav(48000, channels=65), "says that it has 65 channels"),
    ],
)
def test_what_a_header_may_ask_for_is_bounded(tmp_path, content, words):
    path = tmp_path / "made_up.wav"
    path.write_bytes(content)
    with pytest.raises(SoundToVideoError, match=words):
        open_audio(path)


@pytest.mark.parametrize("rate", [1, 100, 44101, 384_000, 1_411_200, 1_536_000])
def test_rates_of_recordings_are_read(tmp_path, rate):
    (tmp_path / "sound.wav").write_bytes(wav(rate))
    assert open_audio(tmp_path / "sound.wav").sample_count == 500


def test_a_picture_of_a_size_that_fills_memory_is_refused():
    with pytest.raises(SoundToVideoError, match="its pictures are 30000 x 30000"):
        media.check_picture("clip.mp4", 30000, 30000)
    media.check_picture("clip.mp4", 8192, 8192)


def png(side: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    rows = zlib.compress(bytes(50_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measures memory by Linux's /proc")
@pytest.mark.parametrize("side", [600, 11_000, 30_000])
def test_a_cover_that_says_it_is_huge_takes_no_memory(tmp_path, side):
    """11,000 x 11,000 in 2 kB: 460 MB, if it is decoded to learn what it is."""
    cover = b"\0image/png\0\x03\0" + png(side)
    frame = b"APIC" + struct.pack(">I", len(cover)) + b"\0\0" + cover
    size = bytes((len(frame) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    plain = write_sound(tmp_path / "plain.mp3", "libmp3lame", chirp(1.0, 16000, 1), 16000, id3v2_version="0")
    path = tmp_path / "cover.mp3"
    path.write_bytes(b"ID3\x03\0\0" + size + frame + plain.read_bytes())
    with Measured() as measured:
        audio = open_audio(path)
        assert audio.duration > 0.9
        assert not audio._source._probe.keeps_clock
    assert measured.peak_bytes is not None
    assert measured.peak_bytes < 150 << 20


def info_list(**tags: bytes) -> bytes:
    chunks = b"".join(
        name.encode() + struct.pack("<I", len(text)) + text + b"\0" * (len(text) % 2) for name, text in tags.items()
    )
    return b"LIST" + struct.pack("<I", len(chunks) + 4) + b"INFO" + chunks


@pytest.mark.parametrize(
    "text",
    [
        "Xosé".encode("cp1252"),
        "Тишина".encode("cp1251"),
        "静けさ".encode("shift_jis"),
        b"\xff\xfe\x00\xd8",
        b"\xed\xa0\x80",
    ],
)
@pytest.mark.parametrize("before", [True, False])
def test_tags_in_any_code_page_decide_nothing(tmp_path, text, before):
    plain = wav(8000)
    tags = info_list(INAM=text, IART=text)
    body = plain[8:36] + tags + plain[36:] if before else plain[8:] + tags
    path = tmp_path / "tags.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    assert open_audio(path)["waveform"].shape == (1, 1, 500)
    assert sketch(path, 10) is not None


def test_a_file_in_memory_goes_through_the_same_door(tmp_path):
    path = write_sound(tmp_path / "a.wav", "pcm_s16le", chirp(1.0, 8000, 1), 8000)
    with open_media(io.BytesIO(path.read_bytes())) as container:
        assert container.format.name == "wav"
    with pytest.raises(SoundToVideoError, match="the VIDEO's file is no sound or video file"):
        open_media(io.BytesIO(playlists(tmp_path)["concat beside mp3"].encode()))
    with pytest.raises(av.FFmpegError):
        open_media(io.BytesIO(bytes(5000)))
