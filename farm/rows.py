"""Job files: .csv or .jsonl, a job a row."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import BadRows, FarmError


@dataclass(frozen=True, slots=True)
class Row:
    """line: where it begins in the file, from 1.  values: by column; what is empty is left out."""

    line: int
    values: dict[str, Any]


def read_rows(path: Path) -> list[Row]:
    """The rows of a job file, in order; empty lines are passed over.

    Raises:
        FarmError: it cannot be read, or its ending is another.
        BadRows: rows that are none.
    """
    readers = {".csv": _csv_rows, ".tsv": _csv_rows, ".jsonl": _json_rows}
    if path.suffix.lower() not in readers:
        raise FarmError(f"{path} is no job file: its name must end in {', '.join(readers)}.")
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise FarmError(f"{path} is not UTF-8: save it as UTF-8 (in a spreadsheet: CSV UTF-8).") from None
    except OSError as error:
        raise FarmError(f"{path} cannot be read: {error.strerror}.") from None
    rows, problems = readers[path.suffix.lower()](text)
    if problems:
        raise BadRows(problems)
    if not rows:
        raise FarmError(f"{path} has no rows.")
    return rows


def _csv_rows(text: str) -> tuple[list[Row], list[tuple[int, str]]]:
    rows: list[Row] = []
    problems: list[tuple[int, str]] = []
    header: list[str] | None = None
    first_line = text.partition("\n")[0]
    delimiter = max(",;\t", key=first_line.count)  # what spreadsheets write depends on the country
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            problems.append((line, f"this is no row ({error}): is a quote open?"))
            break
        begins, line = line, reader.line_num + 1
        cells = [cell.strip() for cell in cells]
        if not any(cells):
            continue
        if header is None:
            header = cells
            twice = sorted({name for name in header if name and header.count(name) > 1})
            if twice:
                problems.append((begins, f"the column {twice[0]} is there twice."))
        elif any(cells[len(header) :]):
            problems.append(
                (begins, f"it has {len(cells)} cells, the header {len(header)}: quote what has a {delimiter!r}.")
            )
        else:
            named = zip(header, cells, strict=False)
            rows.append(Row(begins, {name: cell for name, cell in named if name and cell}))
    return rows, problems


def _json_rows(text: str) -> tuple[list[Row], list[tuple[int, str]]]:
    rows: list[Row] = []
    problems: list[tuple[int, str]] = []
    for line, content in enumerate(text.split("\n"), 1):  # splitlines() breaks at U+2028 too, which JSON may hold
        if not content.strip():
            continue
        try:
            values = json.loads(content)
        except ValueError as error:
            problems.append((line, f"this is no JSON: {error}."))
            continue
        if not isinstance(values, dict):
            problems.append((line, 'a row is an object, {"sound": "voice.wav", ...}.'))
            continue
        rows.append(Row(line, {name: value for name, value in values.items() if value is not None and value != ""}))
    return rows, problems
