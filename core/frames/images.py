"""Pictures as the samplers need them: ``[frames, height, width, 3]``, 0..1, of the clip's size."""

from typing import Any

import comfy.utils
import numpy as np
import torch
from PIL import Image

from ..errors import SoundToVideoError
from ..tensors import no_tensor

IMAGE_FITS = ("crop", "pad")
CHECKED_AT_ONCE = 64  # frames
IMAGE_TYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


def pictures_of(frames: torch.Tensor) -> torch.Tensor:
    """Frames of 8 bits (uint8) as float32 in 0..1; those that are floating point, as they are."""
    return frames.float().div_(255) if frames.dtype == torch.uint8 else frames


def levels_of(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures in 0..1 in 8 bits (uint8), as a file gets them; those that have 8 bits, as they are."""
    return pictures if pictures.dtype == torch.uint8 else (pictures * 255).add_(0.5).clamp_(0, 255).to(torch.uint8)


def no_numbers(index: int) -> SoundToVideoError:
    """What to say of a clip's frame that a model made and that holds NaN."""
    return SoundToVideoError(
        f"frame {index} holds NaN: the model or its VAE ran out of range. Try them in another precision."
    )


def check_frames(images: Any, name: str) -> None:
    """Raise for what is no IMAGE: ``[frames, height, width, channels]``, floating point, none of them 0."""
    what = no_tensor(images)
    if what:
        raise SoundToVideoError(f"the {name} is {what}, not an IMAGE: connect an image.")
    if images.dtype not in IMAGE_TYPES:
        raise SoundToVideoError(f"the {name} is not an image: its tensor holds {images.dtype}.")
    if images.ndim != 4 or 0 in images.shape:
        raise SoundToVideoError(f"the {name} is not an image: its shape is {tuple(images.shape)}.")


def check_images(images: Any, name: str, width: int, height: int, fit: str = "crop", count: int | None = None) -> None:
    """Raise for what is no IMAGE that can be brought to width x height.

    count: how many of its pictures matter; None for all.
    An alpha channel is not dropped in silence as core's encoders do, and what is not a number does not become a clip.
    """
    check_frames(images, name)
    images = images[:count]
    if images.shape[-1] == 4:
        raise SoundToVideoError(
            f"the {name} has an alpha channel. Flatten it onto a background first, for instance with core's "
            f"Load Image (its IMAGE output has none) or Image Composite."
        )
    if images.shape[-1] != 3:
        raise SoundToVideoError(f"the {name} has {images.shape[-1]} channels; it must have 3 (RGB).")
    if fit == "crop" and 0 in _covering(images.shape[2], images.shape[1], width, height):
        raise SoundToVideoError(
            f"the {name} is {images.shape[2]} x {images.shape[1]} pixels, too narrow to be cut to {width} x {height}: "
            f"bring it nearer to that shape first."
        )
    for first in range(0, len(images), CHECKED_AT_ONCE):
        finite = images[first : first + CHECKED_AT_ONCE].isfinite()
        if not finite.all():
            number = first + int((~finite).flatten(1).any(dim=1).nonzero()[0])
            which = "" if len(images) == 1 else f" {number}"
            raise SoundToVideoError(
                f"the {name} has pixels{which and ' in frame'}{which} that are no numbers (NaN or infinite): "
                f"something before it failed."
            )


def _covering(old_width: int, old_height: int, width: int, height: int) -> tuple[int, int]:
    """Width and height of what ``common_upscale`` of the host (comfy/utils.py) cuts out around the centre."""
    aspect, wanted = old_width / old_height, width / height
    if aspect > wanted:
        return old_width - 2 * round((old_width - old_width * (wanted / aspect)) / 2), old_height
    return old_width, old_height - 2 * round((old_height - old_height * (aspect / wanted)) / 2)


def resized_cropped(images: torch.Tensor, width: int, height: int, method: str = "bilinear") -> torch.Tensor:
    """Scale to cover width x height and cut the rest off around the centre, as core's video nodes do; float32."""
    scaled = comfy.utils.common_upscale(images.movedim(-1, 1).float(), width, height, method, "center")
    return scaled.movedim(1, -1)


def longer_edge_resized(image: torch.Tensor, longer_edge: int) -> torch.Tensor:
    """The first picture, its longer edge at ``longer_edge`` pixels, as core's Resize Images by Longer Edge has it."""
    picture = Image.fromarray((image[0].detach().cpu().numpy() * 255).clip(0, 255).astype(np.uint8))
    scale = longer_edge / max(picture.size)
    width, height = (longer_edge if side == max(picture.size) else int(side * scale) for side in picture.size)
    pixels = np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS)).astype(np.float32) / 255
    return torch.from_numpy(pixels)[None].to(image.device)


def fitted_reference(
    image: torch.Tensor, width: int, height: int, fit: str, method: str = "bilinear", bars: float = 0.0
) -> torch.Tensor:
    """The first picture of an IMAGE at width x height: cropped to fill it, or whole with bars (0 black ... 1 white)."""
    image = image[:1]
    if fit == "crop":
        return resized_cropped(image, width, height, method)
    scale = min(width / image.shape[2], height / image.shape[1])
    inner_width = min(width, max(1, round(image.shape[2] * scale)))
    inner_height = min(height, max(1, round(image.shape[1] * scale)))
    inner = resized_cropped(image, inner_width, inner_height, method)
    canvas = torch.full([1, height, width, 3], bars, device=image.device)
    left, top = (width - inner_width) // 2, (height - inner_height) // 2
    canvas[:, top : top + inner_height, left : left + inner_width] = inner
    return canvas
