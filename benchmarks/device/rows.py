"""A measured row, and how its figures are written."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

GIGABYTE = 1e9
NO_CUDA = "no CUDA device: not measured"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    what: the measure in words.  ours, theirs: as written in the table; ``theirs`` names the other side.
    ratio: ours / theirs.  right: for a check, whether it came out as it must; None for a figure.
    figures: the same as plain numbers.
    """

    what: str
    ours: str = ""
    theirs: str = ""
    ratio: str = ""
    right: bool | None = None
    figures: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def compared(what: str, ours: float, core: float, unit: str) -> Row:
    """A figure of ours against the host's own nodes."""
    return Row(
        what,
        f"{ours:.2f} {unit}",
        f"core {core:.2f} {unit}",
        f"{ours / core:.3f}" if core else "",
        figures={"ours": ours, "core": core, "unit": unit},
    )


def figure(what: str, value: float, unit: str, digits: int = 2) -> Row:
    return Row(what, f"{value:.{digits}f} {unit}", figures={"ours": value, "unit": unit})


def checked(what: str, right: bool, found: str) -> Row:
    return Row(what, found, "as it must be" if right else "NOT as it must be", right=right)
