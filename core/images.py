"""Pictures as the samplers need them: ``[frames, height, width, 3]``, 0..1, of the clip's size."""

import comfy.utils
import numpy as np
import torch
from PIL import Image

from .errors import SoundToVideoError

IMAGE_FITS = ("crop", "pad")


def check_rgb(image: torch.Tensor, name: str) -> None:
    """Raise for a picture that is not RGB; an alpha channel is not dropped in silence as core's encoders do."""
    if image.ndim != 4 or image.shape[0] < 1:
        raise SoundToVideoError(f"the {name} is not an image: its shape is {tuple(image.shape)}.")
    if image.shape[-1] == 4:
        raise SoundToVideoError(
            f"the {name} has an alpha channel. Flatten it onto a background first, for instance with core's "
            f"Load Image (its IMAGE output has none) or Image Composite."
        )
    if image.shape[-1] != 3:
        raise SoundToVideoError(f"the {name} has {image.shape[-1]} channels; it must have 3 (RGB).")


def resized_cropped(images: torch.Tensor, width: int, height: int, method: str = "bilinear") -> torch.Tensor:
    """Scale to cover width x height and cut the rest off around the centre, as core's video nodes do."""
    scaled = comfy.utils.common_upscale(images.movedim(-1, 1), width, height, method, "center")
    return scaled.movedim(1, -1)


def longer_edge_resized(image: torch.Tensor, longer_edge: int) -> torch.Tensor:
    """The first picture, its longer edge at ``longer_edge`` pixels, as core's Resize Images by Longer Edge has it."""
    picture = Image.fromarray((image[0].cpu().numpy() * 255).clip(0, 255).astype(np.uint8))
    scale = longer_edge / max(picture.size)
    width, height = (longer_edge if side == max(picture.size) else int(side * scale) for side in picture.size)
    pixels = np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS)).astype(np.float32) / 255
    return torch.from_numpy(pixels)[None].to(image.device)


def fitted_reference(image: torch.Tensor, width: int, height: int, fit: str, method: str = "bilinear") -> torch.Tensor:
    """The first picture of an IMAGE at width x height: cropped to fill it, or whole with black bars."""
    image = image[:1]
    if fit == "crop":
        return resized_cropped(image, width, height, method)
    scale = min(width / image.shape[2], height / image.shape[1])
    inner_width = min(width, max(1, round(image.shape[2] * scale)))
    inner_height = min(height, max(1, round(image.shape[1] * scale)))
    inner = resized_cropped(image, inner_width, inner_height, method)
    canvas = torch.zeros([1, height, width, 3], dtype=image.dtype, device=image.device)
    left, top = (width - inner_width) // 2, (height - inner_height) // 2
    canvas[:, top : top + inner_height, left : left + inner_width] = inner
    return canvas
