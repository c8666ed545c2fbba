"""What newer ComfyUIs cut off a file's pictures (Load Video's crop): the VIDEO knows it, its stream does not."""

from __future__ import annotations

from typing import Any, TypeGuard

from comfy_api.latest import InputImpl

try:
    from comfy_api.latest._util import normalize_crop_rect  # pyright: ignore[reportAttributeAccessIssue]
except ImportError:  # an older host, which crops nothing
    normalize_crop_rect = None

OF_THE_HOST = "_VideoFromFile__"
KNOWN = {OF_THE_HOST + name for name in ("file", "start_time", "duration", "crop")}


def is_known(video: Any) -> TypeGuard[InputImpl.VideoFromFile]:
    """Whether what is done to the file's frames is known here: nothing, or a crop. Else they are the host's to read."""
    if not isinstance(video, InputImpl.VideoFromFile):
        return False
    pending = getattr(video, "has_pending_frame_edits", None)
    if not (pending() if pending else _crop(video)):
        return True
    others = {name: value for name, value in vars(video).items() if name.startswith(OF_THE_HOST) and name not in KNOWN}
    return bool(_crop(video)) and normalize_crop_rect is not None and not any(others.values())


def crop_of(video: InputImpl.VideoFromFile, width: int, height: int) -> tuple[slice, slice]:
    """Rows and columns that are left of frames of this size, as they are shown."""
    crop = _crop(video)
    rectangle = normalize_crop_rect(*crop, width, height) if crop and normalize_crop_rect else None
    x, y, wide, high = rectangle or (0, 0, width, height)
    return slice(y, y + high), slice(x, x + wide)


def _crop(video: InputImpl.VideoFromFile) -> Any:
    """Left, top, width and height in pixels, or None."""
    return getattr(video, OF_THE_HOST + "crop", None)
