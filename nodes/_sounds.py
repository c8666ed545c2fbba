"""Sound files of the host's folders, as the nodes offer and check them."""

import os
from pathlib import Path

import folder_paths

from ..core.audio import file_stamp
from ..server.files import is_sound


def input_sounds() -> list[str]:
    """Audio and video files of the input folder and its subfolders, as ``folder/name``; hidden ones left out."""
    folder = Path(folder_paths.get_input_directory())
    names = []
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        names += [
            Path(parent, name).relative_to(folder).as_posix()
            for name in files
            if is_sound(name) and not name.startswith(".")
        ]
    return sorted(names)


def sound_path(name: str) -> Path:
    """The file of an annotated name (``voice.wav``, ``take.wav [output]``); outside its folder: ValueError."""
    return Path(folder_paths.get_annotated_filepath(name))


def missing(name: str) -> str | None:
    """What is wrong with an annotated name, in words for the node; None when its file is there."""
    if folder_paths.exists_annotated_filepath(name) and sound_path(name).is_file():
        return None
    return f"{name!r} is not in the input folder. Choose another file or upload it again."


def fingerprint(name: str) -> str:
    """Changes when the file of an annotated name does: by size, times of change and inode, as it is asked each run."""
    return str(file_stamp(sound_path(name)))
