"""Errors on the node that raised them, beginning with the node's name."""

import functools
from collections.abc import Callable
from typing import TypeVar

from ..core.errors import SoundToVideoError

Result = TypeVar("Result")


def named_errors(node_name: str) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Decorate a node's ``execute``: a ``SoundToVideoError`` from within leaves with ``node_name`` in front."""

    def decorate(execute: Callable[..., Result]) -> Callable[..., Result]:
        @functools.wraps(execute)
        def named(*args, **kwargs):
            try:
                return execute(*args, **kwargs)
            except SoundToVideoError as error:
                raise type(error)(f"{node_name}: {error}") from error  # the host sees an out-of-memory error as one

        return named

    return decorate
