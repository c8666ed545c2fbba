"""An option: an input of the samplers that belongs to families; and those that several makes share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Option:
    """An optional input of the samplers.

    name: of the input, as workflows save it; once shipped it never changes.
    kind: the class of ComfyUI's node API for its type: "Float", "Int", "Boolean", "Combo", "Sigmas", "Model" ...; the
    type itself where that has no class for it.
    tooltip: what it does; the sampler puts the families that know it in front.
    default: what counts where nothing is given; None for what comes over a link only.
    minimum, maximum, step, rounding: of a number.  choices: of a Combo.
    advanced: whether ComfyUI shows it only on request.
    of_picture: whether only samplers with a reference image have it.  of_footage: only the one of footage.
    """

    name: str
    kind: str
    tooltip: str
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    rounding: float | None = None
    choices: tuple[str, ...] = ()
    advanced: bool = False
    of_picture: bool = False
    of_footage: bool = False


AUDIO_GUIDANCE = Option(
    "audio_guidance",
    "Float",
    "How far to move away from what the model would show without hearing the sound. Raise it when lips do not move. "
    "1 is off, as distilled models are used; for a full model 3 is usual. Takes one more pass of the model per step.",
    default=1.0,
    minimum=0.0,
    maximum=20.0,
    step=0.1,
    rounding=0.01,
    advanced=True,
)
KEY_FRAMES = Option(
    "key_frames",
    "SOUND_TO_VIDEO_KEY_FRAMES",
    "From Key Frames: pictures at times, which the clip comes to and goes on from.",
)
