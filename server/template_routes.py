"""The bundled workflows for the host's list of templates: under their titles, with what is said of them.

The host lists a pack's workflows by their file names and in the order of the folder. The front end's own templates have
titles, descriptions and tags, so ``web/ui/templates.js`` adds ours to those.
"""

from __future__ import annotations

import json
import logging
import mimetypes
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from aiohttp import web

from .answers import refusal
from .workers import in_thread, quick

WORKFLOWS = Path(__file__).resolve().parents[1] / "workflows"
ENDINGS = (".json", ".jpg")
APP = ".app"  # how the front end names a workflow that opens as an app

routes = web.RouteTableDef()


@dataclass(frozen=True)
class Template:
    """A bundled workflow.

    file: without its ending.  title: without characters that have a meaning in an address or in a file's name.
    place: the order in which they are listed.  models: those that it is made for.
    """

    file: str
    title: str
    description: str = ""
    place: float = float("inf")
    models: tuple[str, ...] = ()
    is_app: bool = False

    @property
    def name(self) -> str:
        """What the front end calls the workflow once it is open."""
        return self.title + (APP if self.is_app else "")

    def listed(self) -> dict[str, object]:
        return {
            "file": self.file,
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "models": list(self.models),
            "isApp": self.is_app,
        }


def templates(folder: Path = WORKFLOWS) -> list[Template]:
    """The workflows of a folder in the order in which they are listed; one that says nothing of itself comes last."""
    return sorted(_read(folder), key=lambda template: (template.place, template.title))


def _read(folder: Path) -> Iterator[Template]:
    for file in folder.glob("*.json"):
        try:
            yield _template(file, file.stat().st_mtime_ns)
        except (OSError, ValueError) as error:
            logging.warning("Sound to Video: the workflow %s is not listed: %s", file.name, error)


@lru_cache(256)
def _template(file: Path, changed: int) -> Template:
    """Of a file as it was at a time: a browser asks for every template's picture, and each is found by its name."""
    extra = json.loads(file.read_text("utf-8")).get("extra", {})
    about = extra.get("sound_to_video", {})
    return Template(
        file.stem,
        about.get("title", file.stem),
        about.get("description", ""),
        about.get("place", float("inf")),
        tuple(about.get("models", ())),
        extra.get("linearMode") is True,
    )


@routes.get("/sound_to_video/templates")
async def list_templates(request: web.Request) -> web.Response:
    """A list in the order of places: file, name, title, description, models, isApp."""
    found = await in_thread(quick, templates)
    return web.json_response([template.listed() for template in found])


@routes.get("/workflow_templates/sound_to_video/{file}")
async def template_file(request: web.Request) -> web.StreamResponse:
    """A workflow or its picture by the name that ``/sound_to_video/templates`` gives, with .json or .jpg behind it."""
    name, ending = Path(request.match_info["file"]).stem, Path(request.match_info["file"]).suffix
    found = await in_thread(quick, templates)
    template = next((template for template in found if template.name == name), None)
    if template is None or ending not in ENDINGS:
        raise refusal(404, "there is no such template.")
    content = await in_thread(quick, (WORKFLOWS / f"{template.file}{ending}").read_bytes)
    return web.Response(body=content, content_type=mimetypes.types_map[ending])
