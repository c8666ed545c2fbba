"""Tensors that live on disk."""

import logging
import math
import os
import tempfile
from pathlib import Path
from typing import BinaryIO

import torch

from .errors import SoundToVideoError


def mapped_tensor(folder: str | Path, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """A zero tensor in a temporary file of ``folder``: the system keeps of it in memory what it has room for.

    The file goes as soon as the system lets it: at once, or on Windows when the host next empties the folder.
    A disk that does not take it gives an ordinary tensor.
    """
    count, path = math.prod(shape), None
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix="sound_to_video_", suffix=".tensor", delete=False) as file:
            path = Path(file.name)
            if hasattr(os, "posix_fallocate"):  # else a full disk would end the process when the tensor is written
                os.posix_fallocate(file.fileno(), 0, count * dtype.itemsize)
            else:
                file.truncate(count * dtype.itemsize)
        tensor = torch.from_file(str(path), shared=True, size=count, dtype=dtype).view(shape)
    except (OSError, RuntimeError) as error:  # RuntimeError: torch cannot map it
        logging.warning("Sound to Video: %s cannot be written, using memory instead: %s", folder, error)
        if path is not None:  # what it took of a full disk is needed by others
            remove_when_possible(path)
        return torch.zeros(shape, dtype=dtype)
    remove_when_possible(path)
    return tensor


def remove_when_possible(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:  # Windows, while it is mapped
        logging.debug("Sound to Video: %s stays until the next start: %s", path, error)


def write_whole(file: BinaryIO, data: memoryview) -> None:
    """Write all bytes into a file without a buffer, which may take them piece by piece."""
    while data:
        data = data[file.write(data) :]


def read_whole(file: BinaryIO, data: memoryview, what: str) -> None:
    """Fill ``data`` from a file without a buffer; raises SoundToVideoError where the file ends before, naming it."""
    while data:
        count = file.readinto(data)  # type: ignore[attr-defined]
        if not count:
            raise SoundToVideoError(
                f"{what} in the temp folder were cut off by another program: free the node cache (or restart ComfyUI) "
                "and run again. Finished segments are not sampled again."
            )
        data = data[count:]
