"""The order of the house: imports go down, floor by floor, and never round; docs/architecture.md draws it."""

import ast
from collections.abc import Iterable, Iterator
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


def room_of(file: str) -> str:
    """``core/audio/lazy.py`` is in ``core/audio``, ``core/plan.py`` in ``core/plan``, ``nodes/x.py`` in ``nodes``."""
    parts = file.removesuffix(".py").split("/")
    return "/".join(parts[:2]) if parts[0] == "core" else parts[0]


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
    assert "core/families/ltx/audio_latents.py" in found["core/families/__init__.py"]
