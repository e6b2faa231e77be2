"""A fault of DreamFlow's own as a file to report: versions, command and traceback.

Nothing private is in it: of a path only the last name is kept outside of libraries, and there are
neither variables nor the environment.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import sysconfig
import tempfile
import time
import traceback
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import dreamflow
from dreamflow._version import __version__
from dreamflow.cli.output.escaping import escape_text

REPORTED_LIBRARIES = (
    *("torch", "torchvision", "opencv-python", "opencv-python-headless", "av", "numpy", "pillow"),
    *("imageio", "imageio-ffmpeg", "safetensors", "typer", "rich"),
)
PACKAGE_FOLDER = Path(dreamflow.__file__).parent
"""The folder of DreamFlow's modules."""
MAX_REPORTS = 20
"""Reports that are kept; older ones are removed."""
_PATH = re.compile(r"(?<![\w/\\.~-])(?:~|[A-Za-z]:)?(?:[/\\][^/\\\s'\"<>|:*?,;]+)+[/\\]?")
_QUOTED = re.compile(r"(['\"])([^'\"\n]*[/\\][^'\"\n]*)\1")
"""A path in quotes, which may hold spaces."""
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"]+")


def write_fault_report(error: BaseException, command: Sequence[str]) -> Path | None:
    """Write a report of an error that DreamFlow did not foresee.

    Args:
        error: The error, with its traceback.
        command: The words of the command line.

    Returns:
        The file, in the user's folder for logs or else the one for temporary files; None where
        neither can be written.
    """
    import platformdirs

    text = format_fault_report(error, command)
    prefix = f"fault-{time.strftime('%Y%m%d-%H%M%S')}-"
    for folder in (Path(platformdirs.user_log_dir("dreamflow")), Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(".txt", prefix, folder)
            with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
        except OSError:
            continue
        for old in sorted(folder.glob("fault-*.txt"))[:-MAX_REPORTS]:
            with contextlib.suppress(OSError):
                old.unlink()
        return Path(name)
    return None


def format_fault_report(error: BaseException, command: Sequence[str]) -> str:
    """Return the text of a report; see `write_fault_report`."""
    lines = [f"DreamFlow {__version__}, Python {platform.python_version()}, {platform.platform()}"]
    for library in REPORTED_LIBRARIES:
        try:
            lines.append(f"{library} {metadata.version(library)}")
        except metadata.PackageNotFoundError:
            continue
    words = " ".join(shorten_word(word) for word in command)
    trace = "".join(traceback.format_exception(error))
    return escape_text("\n".join([*lines, "", f"command: {words}", "", shorten_paths(trace)]))


def shorten_word(word: str) -> str:
    """Return a word of a command line without folders and addresses: `--out=...dream.mp4`."""
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    if "://" in value:
        return f"{option}{equals}[address]"
    name = _last_name(value)
    return f"{option}{equals}{'.../' if name != value else ''}{name}"


def shorten_paths(text: str) -> str:
    """Return a text in which a path is its last name; of a module, the part within its library."""
    text = _ADDRESS.sub("[address]", text)
    text = _QUOTED.sub(lambda found: f"{found[1]}{_shorten_quoted(found[2])}{found[1]}", text)
    return _PATH.sub(lambda found: ".../" + _last_name(found[0]), text)


def _shorten_quoted(path: str) -> str:
    """Return a path in quotes without its folders, but for those of a module within its library."""
    if path.startswith(str(PACKAGE_FOLDER) + os.sep):
        return path.removeprefix(str(PACKAGE_FOLDER.parent) + os.sep)
    for folder in sorted(set(sysconfig.get_paths().values()), key=len, reverse=True):
        if path.endswith(".py") and path.startswith(folder + os.sep):
            return path.removeprefix(folder + os.sep)
    return f".../{_last_name(path)}"


def _last_name(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]
