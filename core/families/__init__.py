"""The model families, and how one is recognised. Adding a family is adding one module and one line here."""

from fractions import Fraction
from typing import Any

from ..errors import SoundToVideoError
from .base import Family, Scene, Take
from .ltx_av import LTXAV
from .wan_s2v import WanS2V

FAMILIES: tuple[Family, ...] = (WanS2V(), LTXAV())

__all__ = ["FAMILIES", "Family", "Scene", "Take", "frame_rate_for_encoder", "recognise"]


def recognise(model: Any) -> Family:
    """The family of the host's MODEL; an error that names what was given and what would do."""
    for family in FAMILIES:
        if family.recognises(model):
            return family
    given = type(model.model).__name__
    known = ", ".join(family.name for family in FAMILIES)
    raise SoundToVideoError(
        f"the connected model ({given}) takes no audio that this node could give it. Load one that does: {known}."
    )


def frame_rate_for_encoder(kind: str) -> Fraction | None:
    """Frames a second of the family that listens to an encoder of this kind; None when no family here does."""
    return next((family.frame_rate for family in FAMILIES if family.encoder_kind == kind), None)
