"""Which left-overs of a killed server are looked for, where."""

from pathlib import Path

import folder_paths

from ..core.leftovers import PARTIAL, Kind, sweep_in_background
from . import sound_cache


def sweep_leftovers() -> None:
    """Remove what a killed server left half-written in input, output and the sound cache; in the background."""
    folders = (folder_paths.get_input_directory(), folder_paths.get_output_directory())
    sweep_in_background(
        [Kind(Path(folder), PARTIAL) for folder in folders]
        + [Kind(sound_cache.directory(), sound_cache.PARTIAL, deep=False)]
    )
