"""The house: rooms import only from below, and no file takes part in a circle of imports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from conftest import REPO_ROOT

PACKAGE = REPO_ROOT / "dreamflow"
FLOORS = (
    {"core"},
    {"networks", "media"},
    {"dream"},
    {"temporal"},
    {"pipelines"},
    {"reports", "jobs"},
    {"studio", "cluster"},
    {"cli"},
)
"""Rooms from the ground up; those of one floor do not import each other."""
LOOSE = {"__init__", "__main__", "_version"}
"""Modules at the package's top, which are in no room."""


def module_name(path: Path) -> str:
    parts = path.relative_to(REPO_ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imported_modules(path: Path, at_load_only: bool) -> set[str]:
    """Return the modules of the package that a file imports, in functions too unless told not."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = ast.walk(tree) if not at_load_only else iter(tree.body)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            parts = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [part if part in MODULES else node.module for part in parts]
        else:
            continue
        found |= {name for name in names if name in MODULES}
    return found


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] not in LOOSE else None


def floor_of(room: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def test_every_module_is_in_a_room() -> None:
    rooms = {room for module in MODULES if (room := room_of(module))}
    assert rooms == set().union(*FLOORS)


@pytest.mark.parametrize("room", [room for rooms in FLOORS for room in sorted(rooms)])
def test_a_room_imports_only_from_below(room: str) -> None:
    upwards = {
        f"{module} -> {other}"
        for module, path in MODULES.items()
        if room_of(module) == room
        for other in imported_modules(path, at_load_only=False)
        if (there := room_of(other)) and there != room and floor_of(there) >= floor_of(room)
    }
    assert not upwards


def test_no_module_takes_part_in_a_circle_of_imports() -> None:
    imports = {module: imported_modules(path, True) for module, path in MODULES.items()}
    open_modules = set(imports)
    while free := {m for m in open_modules if not (imports[m] - {m}) & open_modules}:
        open_modules -= free
    assert not open_modules
