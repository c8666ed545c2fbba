"""What stops a command or a job, in sentences: what is wrong, then what to do."""

from __future__ import annotations

from collections.abc import Iterable


class FarmError(Exception):
    """Nothing can be done as it was asked."""


class BadRows(FarmError):
    """problems: (line, sentence) of every row that cannot be done as it stands."""

    def __init__(self, problems: Iterable[tuple[int, str]]):
        self.problems = sorted(problems)
        super().__init__("\n".join(f"line {line}: {why}" for line, why in self.problems))


class JobFailed(Exception):
    """A job cannot be done, here or elsewhere: the server's sentence for the node."""


class Lost(Exception):
    """The ComfyUI went away while it had a job.

    began: whether it had begun with it, so that the job itself may be the reason.
    """

    def __init__(self, why: str, began: bool):
        super().__init__(why)
        self.began = began
