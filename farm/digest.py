"""What a clip is made of, in 40 letters: known without a server, the same on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .template import file_digest, find_file

LONGEST_NAME = 1000


def digest_of(value: Any, folders: Sequence[Path]) -> str:
    """Of a workflow or a row's values, with the content of every file that they name.

    folders: where files are looked for.  Other names that stand in them, of models say, count as they are.
    """
    contents = {}
    for text in sorted(set(_texts(value))):
        found = find_file(text, folders) if 0 < len(text) <= LONGEST_NAME else None
        if found is not None:
            contents[text] = file_digest(found)
    return hashlib.sha256(json.dumps([value, contents], sort_keys=True).encode()).hexdigest()[:40]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
