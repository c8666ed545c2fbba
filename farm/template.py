"""A workflow with places for a row's values: inputs by ``Node Title.input`` or by a name that only one node has."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from .errors import FarmError
from .workflow import WorkflowError, to_prompt

Prompt = dict[str, dict[str, Any]]
Place = tuple[str, str]  # node id, input
UPLOADS = "sound_to_video_render"  # folder of input and output that files of jobs go to
FILE_OPTIONS = {"image_upload": "picture", "audio_upload": "sound", "video_upload": "video"}
# What takes a file of the input folder without saying so in its definition.
FILE_INPUTS = {("SoundToVideo_LoadAudio", "audio"): "sound", ("SoundToVideo_RecordMic", "take"): "sound"}
WORDS = {"picture", "sound", "video", "prompt", "negative", "size"}  # columns that are no name of an input
CONDITIONING = {"prompt": "positive", "negative": "negative"}
TRUTHS = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}


@dataclass(frozen=True)
class JobPrompt:
    """A prompt as the server gets it. files: what has to lie in its input folder, by the name that the prompt has."""

    prompt: Prompt
    files: dict[str, Path] = field(default_factory=dict)


class Template:
    """A workflow, of the UI's format or the API's, on servers whose ``/object_info`` is given.

    folders: where its files may lie; the workflow's own, ComfyUI's input folder.
    """

    def __init__(self, workflow: dict, object_info: dict[str, dict], folders: tuple[Path, ...] = ()):
        self.folders = folders
        self.base = _prompt_of(workflow, object_info)
        kinds = {node["class_type"] for node in self.base.values()}
        unknown = sorted(kinds.difference(object_info))
        if unknown:
            raise FarmError(f"the workflow has nodes that ComfyUI does not: {', '.join(unknown)}.")
        self.definitions = {kind: object_info[kind] for kind in kinds}
        self.titles = {
            node_id: (node.get("_meta") or {}).get("title") or self.definitions[node["class_type"]]["display_name"]
            for node_id, node in self.base.items()
        }

    def prompt(self, values: dict[str, Any], folder: Path, output: str) -> JobPrompt:
        """The prompt for a row.

        values: by column.  folder: where the row's files are looked for first.  output: what saving nodes call theirs.
        Raises FarmError for a column that no node has, a value that does not fit, a file that is not there.
        """
        prompt = {
            node_id: {
                "class_type": node["class_type"],
                "inputs": dict(node["inputs"]),
                "_meta": {"title": self.titles[node_id]},
            }
            for node_id, node in self.base.items()
        }
        asked: set[Place] = set()
        for column, value in values.items():
            for (node_id, name), part in self._places(column, value):
                if (node_id, name) in asked:
                    raise FarmError(f"{column} sets {self.titles[node_id]}.{name}, which another column sets too.")
                asked.add((node_id, name))
                prompt[node_id]["inputs"][name] = self._value(column, (node_id, name), part)
        files: dict[str, Path] = {}
        for node_id, node in prompt.items():
            for name in list(node["inputs"]):
                if name == "filename_prefix" and isinstance(node["inputs"][name], str) and (node_id, name) not in asked:
                    node["inputs"][name] = output
                elif self._file_kind(node_id, name) and isinstance(node["inputs"][name], str):
                    self._take_file(node_id, name, node["inputs"], folder, files)
        return JobPrompt(prompt, files)

    def part_of(self, prompt: Prompt, number: int, count: int) -> Prompt:
        """The prompt for a part of a clip, from 1: the sampler keeps its segments, and nothing is saved behind it."""
        samplers = [node_id for node_id in prompt if self._definition(node_id, "keep_segments")[0]]
        if not samplers:
            raise FarmError("parts are for clips of S2V Sampler and its kin: the workflow has none.")
        parted = {node_id: {**node, "inputs": dict(node["inputs"])} for node_id, node in prompt.items()}
        for node_id in samplers:
            parted[node_id]["inputs"]["sound_to_video_part"] = f"{number}/{count}"
        return parted

    def _places(self, column: str, value: Any) -> list[tuple[Place, Any]]:
        """What a column sets, and to what."""
        if column == "size":
            width, cross, height = str(value).lower().replace("×", "x").partition("x")
            if not cross:
                raise FarmError(f"size is {value!r}: write it as 832x480.")
            return [(self._by_name("width"), width.strip()), (self._by_name("height"), height.strip())]
        if column in FILE_OPTIONS.values():
            return [(self._by_file_kind(column), value)]
        if column in CONDITIONING:
            return [(self._by_role(column), value)]
        return [(self._by_title(column) or self._by_name(column), value)]

    def _by_title(self, column: str) -> Place | None:
        found = []
        for node_id, title in self.titles.items():
            for front in {title, node_id}:
                name = column.removeprefix(f"{front}.")
                if name != column and self._has_widget(node_id, name):
                    found.append((node_id, name))
        if len(found) > 1:
            raise FarmError(f"{column} is in {len(found)} nodes: write {self._in_words(found, ids=True)}.")
        if found:
            self._check_free(column, found[0])
        return found[0] if found else None

    def _by_name(self, column: str) -> Place:
        having = [(node_id, column) for node_id in self.base if self._has_widget(node_id, column)]
        found = [place for place in having if not _is_link(self._current(place))]
        if len(found) > 1:
            raise FarmError(f"{len(found)} nodes have an input {column}: write {self._in_words(found)}.")
        if not found and having:
            self._check_free(column, having[0])
        if not found:
            raise FarmError(f"no node of the workflow has an input {column}. Known columns: {self._known()}.")
        return found[0]

    def _by_file_kind(self, kind: str) -> Place:
        found = [
            (node_id, name)
            for node_id, node in self.base.items()
            for name in node["inputs"]
            if self._file_kind(node_id, name) == kind and not _is_link(node["inputs"][name])
        ]
        if not found:
            raise FarmError(f"the workflow loads no {kind}.")
        if len(found) > 1:
            raise FarmError(f"the workflow loads {len(found)} files as {kind}: write {self._in_words(found)}.")
        return found[0]

    def _by_role(self, column: str) -> Place:
        role = CONDITIONING[column]
        found: dict[Place, None] = {}
        for node in self.base.values():
            if _is_link(node["inputs"].get(role)):
                self._find_text(node["inputs"][role][0], role, found, set())
        if not found:
            raise FarmError(f"the workflow has no text for {column}.")
        if len(found) > 1:
            raise FarmError(f"the workflow has {len(found)} texts for {column}: write {self._in_words(found)}.")
        return next(iter(found))

    def _find_text(self, node_id: str, role: str, found: dict[Place, None], seen: set[str]) -> None:
        """Go up the links from a conditioning to the text it was made of."""
        if node_id in seen or node_id not in self.base:
            return
        seen.add(node_id)
        inputs = self.base[node_id]["inputs"]
        for name, value in inputs.items():
            if isinstance(value, str) and self._definition(node_id, name)[1].get("multiline"):
                found[node_id, name] = None
                return
        links = {name: value for name, value in inputs.items() if _is_link(value)}
        if role in links:
            links = {role: links[role]}
        for name, link in links.items():
            if name == role or self._definition(node_id, name)[0] in ("CONDITIONING", "STRING"):
                self._find_text(link[0], role, found, seen)

    def _value(self, column: str, place: Place, value: Any) -> Any:
        kind, options = self._definition(*place)
        choices = kind if isinstance(kind, list) else options.get("options")
        if self._file_kind(*place):
            return str(value)
        if choices and isinstance(choices[0], str | int | float) and value not in choices:
            by_text = {str(choice): choice for choice in choices}
            if str(value) not in by_text:
                raise FarmError(f"{column} is {value!r}, which is none of: {_some(choices)}.")
            return by_text[str(value)]
        return _number(column, kind, options, value) if kind in ("INT", "FLOAT", "BOOLEAN") else value

    def _take_file(self, node_id: str, name: str, inputs: dict, folder: Path, files: dict[str, Path]) -> None:
        """Put the name that a file will have in the input folder in place of the one a person gave."""
        given = inputs[name]
        found = find_file(given, (folder, *self.folders))
        kind, options = self._definition(node_id, name)
        offered = (kind if isinstance(kind, list) else options.get("options")) or []
        if found is None and given in offered:
            return
        if found is None:
            raise FarmError(f"there is no file {given!r} for {self.titles[node_id]}.{name}.")
        inputs[name] = f"{UPLOADS}/{file_digest(found)[:20]}{found.suffix.lower()}"
        files[inputs[name]] = found

    def _file_kind(self, node_id: str, name: str) -> str | None:
        known = FILE_INPUTS.get((self.base[node_id]["class_type"], name))
        options = self._definition(node_id, name)[1]
        return known or next((kind for option, kind in FILE_OPTIONS.items() if options.get(option)), None)

    def _definition(self, node_id: str, name: str) -> tuple[Any, dict]:
        """The type and options of an input; (None, {}) for those within dynamic inputs."""
        inputs = self.definitions[self.base[node_id]["class_type"]]["input"]
        for group in ("required", "optional"):
            if name in (inputs.get(group) or {}):
                kind, options = (*inputs[group][name], {})[:2]
                return kind, options
        return None, {}

    def _has_widget(self, node_id: str, name: str) -> bool:
        kind = self._definition(node_id, name)[0]
        is_widget = isinstance(kind, list) or kind in ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
        return is_widget or (kind is None and name in self.base[node_id]["inputs"])

    def _current(self, place: Place) -> Any:
        return self.base[place[0]]["inputs"].get(place[1])

    def _check_free(self, column: str, place: Place) -> None:
        if _is_link(self._current(place)):
            source = self.titles.get(self._current(place)[0], "another node")
            raise FarmError(f"{column} comes over a link from {source}: set the input there.")

    def _in_words(self, places: Any, ids: bool = False) -> str:
        titles = list(self.titles.values())
        return " or ".join(
            f"{node_id if ids or titles.count(self.titles[node_id]) > 1 else self.titles[node_id]}.{name}"
            for node_id, name in places
        )

    def _known(self) -> str:
        names = [
            name
            for node_id, node in self.base.items()
            for name, value in node["inputs"].items()
            if not _is_link(value) and self._has_widget(node_id, name)
        ]
        return _some([*sorted(WORDS), *sorted({name for name in names if names.count(name) == 1})], 40)


def _prompt_of(workflow: dict, object_info: dict[str, dict]) -> Prompt:
    if isinstance(workflow.get("nodes"), list):
        try:
            return to_prompt(workflow, object_info)
        except (WorkflowError, KeyError, IndexError, TypeError) as error:
            raise FarmError(f"the workflow cannot be read: {error}.") from error
    if workflow and all(isinstance(node, dict) and "class_type" in node for node in workflow.values()):
        return {str(node_id): {"inputs": {}, **node} for node_id, node in workflow.items()}
    raise FarmError("this is no workflow: save it in ComfyUI with Save or Export (API).")


def _number(column: str, kind: str, options: dict, value: Any) -> Any:
    try:
        if kind == "BOOLEAN":
            return value if isinstance(value, bool) else TRUTHS[str(value).strip().lower()]
        number = int(str(value)) if kind == "INT" else float(value)
    except (ValueError, TypeError, KeyError):
        wanted = {"INT": "a whole number", "FLOAT": "a number", "BOOLEAN": "true or false"}[kind]
        raise FarmError(f"{column} is {value!r}: it must be {wanted}.") from None
    least, most = options.get("min", number), options.get("max", number)
    if not least <= number <= most:
        raise FarmError(f"{column} is {value}: it must be {least} to {most}.")
    return number


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def _some(choices: Any, most: int = 12) -> str:
    words = [str(choice) for choice in choices]
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")


def find_file(given: str, folders: Sequence[Path]) -> Path | None:
    """The file that is meant, in the first of the folders that has it."""
    try:
        return next((path for path in (Path(folder, given) for folder in folders) if path.is_file()), None)
    except (OSError, ValueError):  # no name that a file could have
        return None


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content; read once as long as it stays as it is."""
    state = path.stat()
    return _content_digest(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=1 << 16)
def _content_digest(path: Path, size: int, changed: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
