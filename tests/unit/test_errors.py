"""Every message can be written to a log: one that cannot ends the host's worker, and all later prompts with it."""

import io
import logging
import traceback

import pytest
from sound_to_video.core.errors import SoundToVideoError, encodable
from sound_to_video.core.scene.prompts import parse_timeline
from sound_to_video.nodes._errors import named_errors


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


def test_what_can_be_written_stays_as_it_is():
    assert encodable("Björk 😀 あ") == "Björk 😀 あ"
    assert encodable("Bj\udcf6rk") == "Bj\\udcf6rk"


@pytest.mark.parametrize("text", ["\ud800", "0:00 a singer\n0:05 half \udc00 a letter", "0:00 \udcf6"])
def test_a_broken_letter_in_a_prompt_is_a_sentence(text):
    with pytest.raises(SoundToVideoError, match="broken character") as caught:
        parse_timeline(text)
    logged(caught.value)
