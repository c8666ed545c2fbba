"""Sound files of the host's folders, as the nodes offer and check them."""

from pathlib import Path

import folder_paths

from ..core.audio import file_stamp
from ..core.audio.sound_listing import SoundListing
from ..core.errors import SoundToVideoError, is_encodable

_listing = SoundListing()


def input_sounds() -> list[str]:
    """Audio and video files of the input folder and its subfolders, as ``folder/name``; see ``SoundListing``."""
    return _listing.names(Path(folder_paths.get_input_directory()))


def sound_path(name: str) -> Path:
    """The file of an annotated name (``voice.wav``, ``take.wav [output]``).

    Raises SoundToVideoError where ``missing`` says what is wrong: a name that is wired to the input was not checked.
    """
    problem = missing(name)
    if problem:
        raise SoundToVideoError(problem)
    return _path(name)


def valid(name: str | None) -> bool | str:
    """What ``validate_inputs`` answers for an annotated name: True, or what is wrong. None: it comes from a node."""
    if name is None:
        return True
    return missing(name) or True


def missing(name: str) -> str | None:
    """What is wrong with an annotated name, in words for the node; None when its file is there."""
    if not isinstance(name, str):
        return f"{str(name)[:80]!r} is not the name of a file. Choose a file or upload one."
    if not is_encodable(name):
        return f"{name!a} has a name that is not UTF-8. Rename the file and choose it again."
    if folder_paths.exists_annotated_filepath(name) and _path(name).is_file():
        return None
    return f"{name[:300]!r} is not in the input folder. Choose another file or upload it again."


def fingerprint(name: str) -> str:
    """Changes when the file of an annotated name does: by size, times of change and inode. Asked before each run."""
    return str(file_stamp(sound_path(name)))


def _path(name: str) -> Path:
    return Path(folder_paths.get_annotated_filepath(name))
