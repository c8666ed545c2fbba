"""Errors on the node that raised them, beginning with the node's name; numbers checked before it begins."""

import functools
from collections.abc import Callable
from typing import TypeVar

from ..core.errors import SoundToVideoError
from ..core.scene.inputs import check_numbers

Result = TypeVar("Result")


def named_errors(node_name: str) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Decorate a node's ``execute``: a ``SoundToVideoError`` from within leaves with ``node_name`` in front.

    Numbers are checked first, against the node's schema: a link may bring any value. Other errors leave as they are.
    """

    def decorate(execute: Callable[..., Result]) -> Callable[..., Result]:
        declared: list = []  # the node's inputs, once they were asked for

        @functools.wraps(execute)
        def named(*args, **kwargs):
            try:
                if not declared and args and hasattr(args[0], "define_schema"):
                    declared.extend(args[0].define_schema().inputs)
                check_numbers(declared, kwargs)
                return execute(*args, **kwargs)
            except SoundToVideoError as error:
                raise type(error)(f"{node_name}: {error}") from error  # the host sees an out-of-memory error as one

        return named

    return decorate
