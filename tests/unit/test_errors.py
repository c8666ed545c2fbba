"""Every message can be written to a log: one that cannot ends the host's worker, and all later prompts with it."""

import io
import logging
import os
import traceback

import av
import pytest
from comfy_api.latest import InputImpl
from sound_to_video.core.audio import open_audio
from sound_to_video.core.errors import SoundToVideoError, encodable, is_encodable
from sound_to_video.core.frames.reading import frames_of
from sound_to_video.core.scene.prompts import parse_timeline
from sound_to_video.nodes._errors import named_errors
from sound_to_video.tests.sound_files import chirp, write_sound


def logged(error: BaseException) -> bytes:
    """What the host's handler writes of an error, to a log in UTF-8."""
    raw = io.BytesIO()
    handler = logging.StreamHandler(io.TextIOWrapper(raw, "utf-8"))
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    handler.stream.write(text)
    handler.stream.flush()
    return raw.getvalue()


@pytest.mark.parametrize("text", ["\ud800", "Bj\udcf6rk.wav", "half \udfff", "whole 😀"])
def test_any_message_can_be_logged(text):
    @named_errors("Load Audio")
    def execute():
        raise SoundToVideoError(f"{text} is empty.")

    with pytest.raises(SoundToVideoError) as caught:
        execute()
    assert b"is empty." in logged(caught.value)
    assert str(caught.value) == f"Load Audio: {encodable(text)} is empty."


@pytest.mark.parametrize("damaged", [0, 1], ids=["picture", "sound"])
def test_a_name_in_another_code_page_can_be_logged(tmp_path, caplog, damaged):
    written = write_sound(tmp_path / "a.mp4", "aac", chirp(2.0, 16000, 1), 16000, picture=True)
    content = bytearray(written.read_bytes())
    with av.open(str(written)) as file:
        for packet in list(file.demux(file.streams[damaged]))[5:9]:
            content[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    path = tmp_path / os.fsdecode(b"Bj\xf6rk.mp4")
    try:
        path.write_bytes(content)
    except OSError:
        pytest.skip("this file system takes no such name")
    sum(1 for _ in frames_of(InputImpl.VideoFromFile(str(path)), 10).groups)
    sum(1 for _ in open_audio(path).blocks(9999))
    assert caplog.messages and all(is_encodable(message) for message in caplog.messages)


def test_what_can_be_written_stays_as_it_is():
    assert encodable("Björk 😀 あ") == "Björk 😀 あ"
    assert encodable("Bj\udcf6rk") == "Bj\\udcf6rk"


@pytest.mark.parametrize("text", ["\ud800", "0:00 a singer\n0:05 half \udc00 a letter", "0:00 \udcf6"])
def test_a_broken_letter_in_a_prompt_is_a_sentence(text):
    with pytest.raises(SoundToVideoError, match="broken character") as caught:
        parse_timeline(text)
    logged(caught.value)
