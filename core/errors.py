"""The one error type of the pack."""


class SoundToVideoError(ValueError):
    """Something the user can mend: the message says what is wrong, then what to do.

    Raised by ``core``; the nodes put their display name in front of it
    (``nodes/_errors.py``), so that the text on the red node reads
    ``Trim Audio: the range 12.0-9.5 s is empty; the audio lasts 8.0 s.``
    """
