"""Jobs: rows with all that is needed to do them, checked before anything runs."""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .digest import digest_of
from .errors import BadRows, FarmError
from .rows import Row
from .template import UPLOADS, JobPrompt, Template

WORKFLOWS = Path(__file__).resolve().parents[1] / "workflows"
OWN_COLUMNS = ("workflow", "out", "parts")
MOST_PARTS = 1000
ODD_CHARACTERS = re.compile(r'[\x00-\x1f<>:"|?*\\]')


@dataclass(frozen=True, slots=True)
class Job:
    """A row and where its clip goes.

    name: of its clip in the output folder, with / and without an ending.
    digest: of all that determines the clip; what lies under the name with another one is made anew.
    folder: of the job file.
    parts: how many workers sample the clip's shots, before one makes the clip of them.
    """

    line: int
    name: str
    workflow: Path
    values: dict[str, Any]
    folder: Path
    digest: str
    parts: int = 1


def make_jobs(
    rows: list[Row], folder: Path, output: Path, default_workflow: str | None, input_folder: Path | None
) -> list[Job]:
    """The jobs of rows: what can be said of them without a server.

    folder: of the job file.  default_workflow: for rows that name none.
    input_folder: of a ComfyUI of this machine, in which files may be meant that are not beside the job file.
    Raises BadRows: a workflow that is not there, a name that cannot be written or is there twice.
    """
    problems: list[tuple[int, str]] = []
    jobs: list[Job] = []
    lines: dict[str, int] = {}
    writable: dict[Path, str | None] = {}
    workflows: dict[Path, str] = {}  # their digests
    digits = len(str(rows[-1].line))
    for row in rows:
        try:
            name = _checked_name(str(row.values.get("out", f"clip_{row.line:0{digits}}")))
            path = _workflow_path(row.values.get("workflow", default_workflow), folder)
            first = lines.setdefault(name.lower(), row.line)
            if first != row.line:
                raise FarmError(f"out is {name!r}, as on line {first}: two clips cannot have one name.")
            where = (output / name).parent
            if where not in writable:
                writable[where] = _why_not_writable(where)
            if writable[where]:
                raise FarmError(f"{where} cannot be written: {writable[where]}.")
            folders = (folder, *file_folders(path, input_folder))
            if path not in workflows:
                workflows[path] = digest_of(read_workflow(path), folders)
            values = {column: value for column, value in row.values.items() if column not in OWN_COLUMNS}
            digest = digest_of([workflows[path], values], folders)
            jobs.append(Job(row.line, name, path, values, folder, digest, _parts(row.values.get("parts", 1))))
        except FarmError as error:
            problems.append((row.line, str(error)))
    if problems:
        raise BadRows(problems)
    return jobs


class Prompts:
    """What the servers get for jobs; made when it is needed, so that ten thousand jobs are small."""

    def __init__(self, object_info: dict[str, dict], input_folder: Path | None = None):
        self._object_info = object_info
        self._input_folder = input_folder
        self._templates: dict[Path, Template | FarmError] = {}

    def of(self, job: Job) -> JobPrompt:
        """Raises FarmError for a row that does not fit its workflow, and for a workflow that the servers cannot do."""
        return self._template_of(job).prompt(job.values, job.folder, f"{UPLOADS}/{job.name}")

    def part_of(self, job: Job, number: int) -> JobPrompt:
        """What a server gets for one of ``job.parts``, from 1."""
        whole = self.of(job)
        return JobPrompt(self._template_of(job).part_of(whole.prompt, number, job.parts), whole.files)

    def check(self, jobs: list[Job]) -> None:
        """Make every job's prompt once. Raises BadRows."""
        problems: list[tuple[int, str]] = []
        for job in jobs:
            try:
                self.part_of(job, 1) if job.parts > 1 else self.of(job)
            except FarmError as error:
                problems.append((job.line, str(error)))
        if problems:
            raise BadRows(problems)
        self._object_info = {}  # tens of megabytes where many packs are installed; the templates keep what they need

    def _template_of(self, job: Job) -> Template:
        if job.workflow not in self._templates:
            self._templates[job.workflow] = self._template(job.workflow)
        template = self._templates[job.workflow]
        if isinstance(template, FarmError):
            raise template
        return template

    def _template(self, path: Path) -> Template | FarmError:
        try:
            return Template(read_workflow(path), self._object_info, file_folders(path, self._input_folder))
        except FarmError as error:
            return FarmError(f"{path.name}: {error}")


def read_workflow(path: Path) -> Any:
    """Raises FarmError where a file holds no JSON object."""
    try:
        workflow = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise FarmError(f"{path} cannot be read: {error}.") from None
    if not isinstance(workflow, dict):
        raise FarmError(f"{path} is no workflow.")
    return workflow


def file_folders(workflow: Path, input_folder: Path | None) -> tuple[Path, ...]:
    """Where the files of a workflow may lie, behind the folder of the job file."""
    return (workflow.parent, *([input_folder] if input_folder else []), WORKFLOWS.parent / "media")


def _workflow_path(given: Any, folder: Path) -> Path:
    if not given:
        raise FarmError("there is no workflow: fill the column workflow, or give --workflow for all rows.")
    tries = [folder / str(given), WORKFLOWS / str(given), WORKFLOWS / f"{given}.json"]
    found = next((path for path in tries if path.is_file()), None)
    if found is None:
        known = ", ".join(sorted(path.stem for path in WORKFLOWS.glob("*.json")))
        raise FarmError(f"there is no workflow {str(given)!r}: give a .json file, or one of {known}.")
    return found


def _parts(given: Any) -> int:
    if not str(given).isdecimal() or not 1 <= int(given) <= MOST_PARTS:
        raise FarmError(f"parts is {given!r}: it must be a whole number, 1 to {MOST_PARTS}.")
    return int(given)


def _checked_name(name: str) -> str:
    parts = name.replace("\\", "/").split("/")
    odd = ODD_CHARACTERS.search("/".join(parts))
    if odd or any(part in ("", ".", "..") or part != part.strip(" .") or part == ".render" for part in parts):
        raise FarmError(f"out is {name!r}: give a name in the output folder, such as night/clip_01.")
    return "/".join(parts)


def _why_not_writable(folder: Path) -> str | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error.strerror or str(error)
