"""Whether an output may be written at a path."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from dreamflow.core.errors import OutputError, named
from dreamflow.media.embedded_settings import FOLDER_SETTINGS_FILE


def check_output(path: Path, overwrite: bool, sources: Iterable[Path] = ()) -> None:
    """Check that an output can be written at a path without destroying anything else.

    Args:
        path: The output; without a suffix it is a folder of PNGs.
        overwrite: Whether it may replace an output that exists.
        sources: Files and folders that it must not replace.

    Raises:
        OutputError: Its folder is missing or read-only; it exists and `overwrite` is False; it is
            one of the sources, or a folder that holds other files than an output's.
    """
    folder = path.resolve().parent
    if not folder.is_dir():
        raise OutputError(f"the folder {folder} does not exist; make it first")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"the folder {folder} cannot be written to")
    if path.resolve() == Path.cwd():
        raise OutputError(f"{path} is the folder you are in; name a new one")
    for source in sources:
        if path.exists() and source.exists() and path.samefile(source):
            raise OutputError(f"{path} is the source itself; give the output another name")
    if not path.exists():
        return
    if path.suffix and path.is_dir():
        raise OutputError(f"{path} is a folder; give the output another name")
    if not path.suffix and path.is_file():
        raise OutputError(f"{path} is a file; name a new folder, or add a suffix such as .mp4")
    is_empty_folder = path.is_dir() and not any(path.iterdir())
    if not overwrite and not is_empty_folder:
        raise OutputError(
            f"{path} exists already; add {named('overwrite')} to replace it", setting="overwrite"
        )
    if path.is_dir():
        check_only_output_files(path)


def check_only_output_files(folder: Path) -> None:
    """Check that a folder holds nothing but the frames and the settings of an output.

    Raises:
        OutputError: It holds another file.
    """
    others = [path.name for path in folder.iterdir() if not _is_output_file(path)]
    if others:
        raise OutputError(f"{folder} holds other files ({others[0]}); name a new folder")


def _is_output_file(path: Path) -> bool:
    return path.name == FOLDER_SETTINGS_FILE or (
        path.name.startswith("frame_") and path.suffix == ".png"
    )
