"""What every web page in a folder of its own needs: its template, its files, its folder."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from dreamflow.core.errors import OutputError
from dreamflow.media.files.atomic_file import atomic_write

if TYPE_CHECKING:
    from jinja2 import Template

INDEX_FILE = "index.html"
"""File name of a page."""


@lru_cache
def load_page_template(path: Path) -> Template:
    """Return the template in a file, which escapes all values."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(path.read_text(encoding="utf-8"))


def write_page_text(path: Path, text: str) -> None:
    """Write a text file, completely or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    with atomic_write(path) as part:
        # File names that are not in the system's encoding cannot be written as UTF-8.
        part.write_text(text, encoding="utf-8", errors="replace")


def check_can_be_folder(out: Path, kind: str) -> None:
    """Check that a path is a folder or can become one.

    Args:
        out: The path.
        kind: What is written there, such as "a guide".

    Raises:
        OutputError: It is a file or named like a page, or the folder that it is in does not exist.
    """
    if out.suffix.lower() in (".html", ".htm"):
        raise OutputError(f"{out}: {kind} is a folder; give it a name without suffix")
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out} is a file; {kind} is a folder: give it another name")
    if not out.resolve().parent.is_dir():
        raise OutputError(f"the folder {out.resolve().parent} does not exist; make it first")
