"""The endings of files that may hold sound: what Load Audio offers, what may be uploaded, what the routes read.

One list, whatever the system's table of types says. ``web/lib/endings.js`` has the same; a test compares them.
Endings of playlists (m3u, pls, cue …) are not among them: those name other files.
"""

from pathlib import PurePosixPath

AUDIO_ENDINGS = (
    *("wav", "wave", "bwf", "rf64", "w64", "mp3", "mp2", "mpa", "mpga", "m4a", "m4b", "m4r", "f4a", "aac", "adts"),
    *("flac", "ogg", "oga", "ogx", "opus", "spx", "weba", "mka", "aif", "aiff", "aifc", "caf", "qta", "au", "snd"),
    *("amr", "awb", "3ga", "gsm", "wma", "ape", "wv", "tta", "tak", "shn", "mpc", "ac3", "eac3", "ec3", "dts", "mlp"),
    *("thd", "dsf", "dff", "voc", "oma", "aa3", "sph", "nist", "iff", "8svx", "xwma", "ra"),
)
VIDEO_ENDINGS = (
    *("mp4", "m4v", "mov", "qt", "mkv", "webm", "ogv", "avi", "divx", "flv", "f4v", "3gp", "3g2", "wmv", "asf"),
    *("mpg", "mpeg", "vob", "ts", "mts", "m2ts", "m2t", "mxf", "nut", "dv", "rm", "rmvb"),
)
SOUND_ENDINGS = frozenset(f".{ending}" for ending in AUDIO_ENDINGS + VIDEO_ENDINGS)


def may_hold_sound(name: str) -> bool:
    """Whether a file's name says that sound may be in it."""
    return PurePosixPath(name).suffix.lower() in SOUND_ENDINGS
