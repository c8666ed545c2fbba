"""Sound made in a graph, for the widget that draws and plays it: written when a browser asks for it, not before."""

from __future__ import annotations

import logging
import re
import struct
import threading
import weakref
from collections import OrderedDict
from pathlib import Path

from ..errors import SoundToVideoError
from ..leftovers import drop_oldest
from . import Audio
from .trim import write_wav

WIDGET_SOUND = re.compile(r"sound_to_video_[0-9a-f]+\.wav")
# Of what lies in the temp folder for widgets; a sound of an hour has 640 MB. The least recently made go first.
MOST_WIDGET_BYTES = 2 << 30
MOST_OFFERED = 256

_offered: OrderedDict[str, weakref.ref[Audio]] = OrderedDict()
_lock = threading.Lock()
_writing = threading.Lock()


def offer(audio: Audio, output: Audio) -> str:
    """The name of the WAV that ``audio`` will have in the temp folder, once somebody asks for it.

    output: what the node gives out; the sound can be asked for as long as the host keeps that.
    """
    name = f"sound_to_video_{audio.fingerprint}.wav"
    if output is not audio:
        output.__dict__["_offered_with_it"] = audio
    with _lock:
        _offered[name] = weakref.ref(audio)
        _offered.move_to_end(name)
        while len(_offered) > MOST_OFFERED:
            _offered.popitem(last=False)
    return name


def write_offered(folder: Path, name: str) -> None:
    """Write the WAV of that name into ``folder``, if it is one that was offered and is not there yet."""
    if not WIDGET_SOUND.fullmatch(name):
        return
    with _lock:
        reference = _offered.get(name)
    audio = reference() if reference is not None else None
    path = folder / name
    try:
        with _writing:
            # One that is there stays as it is: its time of change is how the page knows the state of a file.
            if not path.exists() and audio is not None:
                folder.mkdir(parents=True, exist_ok=True)
                write_wav(audio, path)
                drop_oldest(folder, WIDGET_SOUND, MOST_WIDGET_BYTES, keep=[path])
    except (SoundToVideoError, OSError, struct.error) as error:  # a full disk, or more than a WAV can hold
        logging.warning("Sound to Video: no waveform for the widget: %s", error)
