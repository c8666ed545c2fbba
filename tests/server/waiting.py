"""Waiting for what a server does in its own time."""

import time
from collections.abc import Callable
from typing import Any


def wait_until(condition: Callable[[], Any], attempts: int = 200) -> None:
    for _ in range(attempts):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen")
