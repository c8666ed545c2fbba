"""The order of the house: imports go down, floor by floor, and never round; docs/architecture.md draws it."""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
FLOORS = (  # of rooms (folders, or files that stand alone), the lowest first; rooms of one floor do not know each other
    ("core/errors", "core/leftovers"),
    ("core/timeline", "core/tensors", "core/disk", "core/plain_files", "core/samples"),
    ("core/plan", "core/audio"),
    ("core/frames", "core/features", "core/decoding", "core/scene", "core/sampling", "core/sync"),
    ("core/families", "core/clip"),
    ("core/render",),
    ("core/lip_sync",),
    ("nodes", "server"),
    ("__init__",),
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
Arrows = dict[str, set[str]]  # of a file, the files that it imports
PAGE = ROOT / "docs" / "architecture.md"


def room_of(file: str) -> str:
    """``core/audio/lazy.py`` is in ``core/audio``, ``core/plan.py`` in ``core/plan``, ``nodes/x.py`` in ``nodes``."""
    parts = file.removesuffix(".py").split("/")
    return "/".join(parts[:2]) if parts[0] == "core" else parts[0]


@cache
def arrows() -> Arrows:
    """Who imports whom in core/, nodes/ and server/, imports for type checking included; ``core/__init__`` is empty."""
    files = [
        ROOT / "__init__.py",
        *(file for part in ("core", "nodes", "server") for file in (ROOT / part).rglob("*.py")),
    ]
    names = {file.relative_to(ROOT).as_posix() for file in files} - {"core/__init__.py"}
    return {name: set(_imported(name, names)) - {name} for name in names}


def _imported(name: str, names: set[str]) -> Iterator[str]:
    package = Path(name).parent
    for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            parts = package.parts[: len(package.parts) - (node.level - 1)]
            module = "/".join([*parts, *(node.module or "").split(".")]).strip("/")
            for imported in node.names:
                found = _file(f"{module}/{imported.name}".strip("/"), names) or _file(module, names)
                if found:
                    yield found


def _file(module: str, names: set[str]) -> str | None:
    return next((name for name in (f"{module}.py", f"{module}/__init__.py") if name in names), None)


def upward(imports: Arrows) -> list[str]:
    """The imports that do not go down: ``core/plan.py imports core/families/base.py``."""
    return [
        f"{file} imports {other}"
        for file, others in sorted(imports.items())
        for other in sorted(others)
        if room_of(file) != room_of(other) and FLOOR_OF[room_of(file)] <= FLOOR_OF[room_of(other)]
    ]


def circles(imports: Arrows) -> list[str]:
    """Pairs of files that reach each other: ``a.py and b.py import each other``, over others or not."""
    reached = {file: set(_reached(file, imports)) for file in imports}
    return [
        f"{file} and {other} import each other"
        for file in sorted(imports)
        for other in sorted(imports[file])
        if file in reached.get(other, ())
    ]


def _reached(file: str, imports: Arrows) -> Iterable[str]:
    seen: set[str] = set()
    waiting = list(imports[file])
    while waiting:
        other = waiting.pop()
        if other not in seen:
            seen.add(other)
            waiting.extend(imports.get(other, ()))
    return seen


def between_rooms(imports: Arrows) -> Arrows:
    """Which rooms import which, without the small files of the two lowest floors."""
    found: Arrows = {room: set() for floor in FLOORS[2:] for room in floor}
    for file, others in imports.items():
        for room in {room_of(other) for other in others} & set(found) - {room_of(file)}:
            found.get(room_of(file), set()).add(room)
    return found


def direct(rooms: Arrows) -> Arrows:
    """Without the arrows that follow from others."""
    beyond = {room: {far for near in rooms[room] for far in _reached(near, rooms)} for room in rooms}
    return {room: rooms[room] - beyond[room] for room in rooms}


def drawn() -> Arrows:
    """The picture of the page: its full arrows; the browser's is dotted, because it is no import."""
    picture = PAGE.read_text("utf-8").partition("```mermaid")[2].partition("```")[0]
    names = {"entry": "__init__", "nodes": "nodes", "server": "server"}
    arrow = re.compile(r'(\w+)(?:\["([^"]*)"\])?(?: --> (.*))?')
    found: Arrows = {}
    for line in map(str.strip, picture.splitlines()):
        match = arrow.fullmatch(line)
        if not match or line in ("end", "subgraph core"):
            continue
        name, _, others = match.groups()
        rooms = {re.sub(r"\[.*", "", other) for other in (others or "").split(" & ") if other}
        for room in (name, *rooms):
            found.setdefault(names.get(room, f"core/{room}"), set())
        found[names.get(name, f"core/{name}")] |= {names.get(room, f"core/{room}") for room in rooms}
    return found


def test_the_picture_is_the_house():
    """Each room of it is there, and each arrow is an import; what it leaves out follows from what it shows."""
    assert drawn() == direct(between_rooms(arrows()))


def test_the_table_of_floors_is_the_list():
    rows = re.findall(r"^\| (\d) \| (.*?) \|", PAGE.read_text("utf-8"), flags=re.M)
    said = {int(number) - 1: {f"core/{room}" for room in re.findall(r"`(\w+)`", rooms)} for number, rooms in rows}
    assert said == {floor: set(rooms) for floor, rooms in enumerate(FLOORS) if rooms[0].startswith("core/")}


def test_every_room_has_a_floor():
    assert {room_of(file) for file in arrows()} <= set(FLOOR_OF), "put the new room on a floor, in FLOORS"


def test_imports_go_down():
    assert upward(arrows()) == []


def test_no_files_import_each_other():
    assert circles(arrows()) == []


def test_what_breaks_the_order_is_named():
    imports = {
        "core/plan.py": {"core/families/base.py"},
        "core/families/base.py": {"core/families/memory.py"},
        "core/families/memory.py": {"core/plan.py"},
        "nodes/a2v_sampler.py": {"server/files.py"},
        "server/files.py": set(),
    }
    assert upward(imports) == [
        "core/plan.py imports core/families/base.py",
        "nodes/a2v_sampler.py imports server/files.py",
    ]
    assert "core/plan.py and core/families/base.py import each other" in circles(imports)


def test_imports_are_read_in_every_form():
    """For type checking, within a function, of a package, of a module from its package."""
    found = arrows()
    assert {"core/features/encoded.py", "core/sampling/host_sampler.py"} <= found["core/families/base.py"]
    assert "core/audio/__init__.py" in found["core/features/encoders.py"]
    assert "core/families/ltx/options.py" in found["core/families/options.py"]
    assert "core/features/encoders.py" in found["core/families/__init__.py"]
