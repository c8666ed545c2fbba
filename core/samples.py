"""The voice, music, pictures and footage that the bundled workflows open with."""

import contextlib
import logging
import secrets
import shutil
from pathlib import Path

MEDIA = Path(__file__).resolve().parents[1] / "media"
SUFFIXES = (".png", ".wav", ".flac", ".mp4")


def install_samples(input_directory: str | Path) -> list[Path]:
    """Copy the sample files into ComfyUI's input folder where they are missing; return the paths written.

    Core's Load Image and Load Video and our Load Audio list that folder's files, so that a bundled workflow runs as
    opened. A file of that name that is there already stays as it is. A folder that can't be written to is only logged:
    the nodes work without the samples.
    """
    written = []
    for source in sorted(MEDIA.glob("sound_to_video_*")):
        target = Path(input_directory) / source.name
        if source.suffix not in SUFFIXES or target.exists():
            continue
        partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, partial)
            partial.replace(target)
        except OSError as error:
            logging.warning("Sound to Video: could not put the sample %s into the input folder: %s", source.name, error)
            with contextlib.suppress(OSError):
                partial.unlink()
            continue
        written.append(target)
    return written
