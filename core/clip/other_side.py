"""Errors of what is read while a file is written, kept apart from those of the file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

Item = TypeVar("Item")


class FromSource(Exception):
    """Carries an error of the source through code that handles its own errors of the same types."""

    def __init__(self, error: Exception):
        super().__init__(error)
        self.error = error


def from_source(items: Iterable[Item]) -> Iterator[Item]:
    """The items; what their making raises comes as ``FromSource``."""
    try:
        yield from items
    except Exception as error:
        raise FromSource(error) from error


def told(listener: Callable[[Any], None], value: Any) -> None:
    """Call ``listener``; what it raises comes as ``FromSource``."""
    try:
        listener(value)
    except Exception as error:
        raise FromSource(error) from error
