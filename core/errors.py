"""The one error type of the pack."""


class SoundToVideoError(ValueError):
    """Something the user can mend: the message says what is wrong, then what to do.

    Raised by ``core``; the nodes put their display name in front of it
    (``nodes/_errors.py``), so that the text on the red node reads
    ``Trim Audio: the range 12.0-9.5 s is empty; the audio lasts 8.0 s.``

    The message can always be written as UTF-8: a text that could not would end the host's worker when it is logged.
    """

    def __init__(self, message: object = ""):
        super().__init__(encodable(str(message)))


def article(noun: str) -> str:
    """``a list``, ``an int``."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def encodable(text: str) -> str:
    """``text`` with what UTF-8 has no place for spelt out: half of a character, a byte of a file name, ``\\udcf6``."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def is_encodable(text: str) -> bool:
    """Whether UTF-8 can carry ``text``: not with a lone surrogate, as names have that are not UTF-8 on the disk."""
    return text == encodable(text)
