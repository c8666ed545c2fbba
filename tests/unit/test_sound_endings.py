"""What may be uploaded and is offered by its ending can be read: a real file of each kind that can be made here."""

import struct

import av
import numpy as np
import pytest
from sound_to_video.core.audio import open_audio
from sound_to_video.core.audio.sound_endings import AUDIO_ENDINGS, VIDEO_ENDINGS, may_hold_sound
from sound_to_video.tests.sound_files import chirp, write_sound

WRITTEN = {  # ending: encoder, container, Hz
    **dict.fromkeys(("wav", "wave", "bwf", "rf64"), ("pcm_s16le", "wav", 48000)),
    "w64": ("pcm_s16le", "w64", 48000),
    "mp3": ("libmp3lame", None, 48000),
    **dict.fromkeys(("mp2", "mpa", "mpga"), ("mp2", "mp2", 48000)),
    **dict.fromkeys(("m4a", "m4b", "m4r", "f4a", "mp4", "m4v", "f4v"), ("aac", "mp4", 48000)),
    **dict.fromkeys(("aac", "adts"), ("aac", "adts", 48000)),
    "flac": ("flac", None, 48000),
    **dict.fromkeys(("ogg", "oga", "ogx", "ogv"), ("flac", "ogg", 48000)),
    "opus": ("libopus", "ogg", 48000),
    **dict.fromkeys(("weba", "webm"), ("libopus", "webm", 48000)),
    **dict.fromkeys(("mka", "mkv"), ("flac", "matroska", 48000)),
    **dict.fromkeys(("aif", "aiff", "aifc"), ("pcm_s16be", "aiff", 48000)),
    "caf": ("alac", "caf", 48000),
    **dict.fromkeys(("qta", "mov", "qt"), ("aac", "mov", 48000)),
    **dict.fromkeys(("au", "snd"), ("pcm_s16be", "au", 48000)),
    **dict.fromkeys(("amr", "3ga"), ("libopencore_amrnb", "amr", 8000)),
    **dict.fromkeys(("3gp", "3g2"), ("aac", "3gp", 48000)),
    **dict.fromkeys(("wma", "wmv", "asf"), ("wmav2", "asf", 48000)),
    "wv": ("wavpack", "wv", 48000),
    "tta": ("tta", "tta", 48000),
    "ac3": ("ac3", "ac3", 48000),
    **dict.fromkeys(("eac3", "ec3"), ("eac3", "eac3", 48000)),
    "voc": ("pcm_s16le", "voc", 48000),
    **dict.fromkeys(("avi", "divx"), ("pcm_s16le", "avi", 48000)),
    "flv": ("aac", "flv", 44100),
    **dict.fromkeys(("ts", "mts", "m2ts", "m2t"), ("ac3", "mpegts", 48000)),
    **dict.fromkeys(("mpg", "mpeg", "vob"), ("mp2", "vob", 48000)),
    "nut": ("flac", "nut", 48000),
    "ra": ("real_144", "rm", 8000),
}


@pytest.mark.parametrize("ending", WRITTEN)
def test_a_file_of_this_ending_is_read(tmp_path, ending):
    codec, container, rate = WRITTEN[ending]
    options = {"b": "64000"} if codec == "wmav2" else {}
    path = write_sound(tmp_path / f"x.{ending}", codec, chirp(1.0, rate, 1), rate, None, container, **options)
    assert may_hold_sound(path.name)
    audio = open_audio(path)
    assert audio.sample_rate == rate
    assert abs(float(audio.duration) - 1) < 0.15  # some codecs mark no padding
    assert audio["waveform"].abs().max() > 0.1


def test_gsm_and_dsf(tmp_path):
    gsm = tmp_path / "call.GSM"
    gsm.write_bytes((b"\xd0" + bytes(32)) * 50)
    assert float(open_audio(gsm).duration) == 1
    block = bytes([0b01010101]) * 4096
    form = struct.pack("<IIIIIIQII", 1, 0, 1, 1, 2822400, 1, 4096 * 8, 4096, 0)
    chunks = b"fmt " + struct.pack("<Q", 12 + len(form)) + form + b"data" + struct.pack("<Q", 12 + len(block)) + block
    dsf = tmp_path / "disc.dsf"
    dsf.write_bytes(b"DSD " + struct.pack("<QQQ", 28, 28 + len(chunks), 0) + chunks)
    audio = open_audio(dsf)
    assert (audio.sample_rate, audio.sample_count) == (352800, 4096)
    assert may_hold_sound(gsm.name) and may_hold_sound(dsf.name)


def test_mxf(tmp_path):
    path = tmp_path / "camera.mxf"
    with av.open(str(path), "w") as output:
        video = output.add_stream("mpeg2video", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv422p"
        sound = output.add_stream("pcm_s16le", rate=48000, layout="mono")
        for number in range(25):
            picture = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            picture.pts = number
            output.mux(video.encode(picture))
            samples = av.AudioFrame.from_ndarray(np.full((1, 1920), 9000, np.int16), format="s16", layout="mono")
            samples.sample_rate, samples.pts = 48000, number * 1920
            output.mux(sound.encode(samples))
        output.mux(video.encode(None))
        output.mux(sound.encode(None))
    assert may_hold_sound(path.name)
    assert open_audio(path).sample_count == 48000


def test_each_ending_stands_once():
    assert len({*AUDIO_ENDINGS, *VIDEO_ENDINGS}) == len(AUDIO_ENDINGS + VIDEO_ENDINGS)
    assert may_hold_sound("A.WAV") and not may_hold_sound("wav") and not may_hold_sound(".wav")
