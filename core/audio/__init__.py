"""Sound that is decoded only where it is looked at.

``open_audio`` for files, ``audio_from`` for any AUDIO of the graph; both return an ``Audio``, which is an AUDIO too.
"""

from .entry import audio_from
from .file import file_stamp, open_audio
from .lazy import Audio, seconds

__all__ = ["Audio", "audio_from", "file_stamp", "open_audio", "seconds"]
