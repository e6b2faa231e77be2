"""Whether an output may be written at a path."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from dreamflow.core.errors import OutputError, named
from dreamflow.media.files.sequence_name import SequenceName
from dreamflow.media.records.embedded_settings import FOLDER_SETTINGS_FILE, is_record_file


def check_output(path: Path, overwrite: bool, sources: Iterable[Path] = ()) -> None:
    """Check that an output can be written at a path without destroying anything else.

    Args:
        path: The output; without a suffix it is a folder of PNGs, and with a place for a number
            in its name it is numbered pictures.
        overwrite: Whether it may replace an output that exists.
        sources: Files and folders that it must not replace.

    Raises:
        OutputError: Its folder is missing or read-only; it exists and `overwrite` is False; it is
            one of the sources, or a folder that holds other files than an output's.
    """
    try:
        here = Path.cwd()
    except OSError as error:
        raise OutputError("the folder you are in is gone; change into another one") from error
    folder = path.resolve().parent
    if not folder.is_dir():
        raise OutputError(f"the folder {folder} does not exist; make it first")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"the folder {folder} cannot be written to")
    if path.resolve() == here:
        raise OutputError(f"{path} is the folder you are in; name a new one")
    sources = list(sources)
    if (source := find_same_file(path, sources)) is not None:
        raise OutputError(
            f"{path} is {_describe_source(path, source)}; give the output another name",
            value=str(path),
            where=str(source),
        )
    if (sequence := SequenceName.parse(path)) is not None:
        _check_sequence(sequence, overwrite, sources)
        return
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


def _check_sequence(sequence: SequenceName, overwrite: bool, sources: Iterable[Path]) -> None:
    """Check that a sequence replaces none of the sources, and nothing that it must not replace."""
    existing = sequence.list_files()
    for source in sources:
        if source.is_file() and find_same_file(source, existing) is not None:
            raise OutputError(
                f"the output's names are those of {source}, a source; give the output another name",
                value=source.name,
                where=str(source),
            )
    if existing and not overwrite:
        raise OutputError(
            f"{existing[0]} exists already; add {named('overwrite')} to replace it, or give the "
            "output another name",
            setting="overwrite",
            where=str(existing[0]),
        )


def find_same_file(path: Path, others: Iterable[Path]) -> Path | None:
    """Return which of some files a path is, by whatever name: through links, or in other case.

    Args:
        path: The path.
        others: Files, and folders: of these, the files in them count too.

    Returns:
        The file that it is, or that lies in it where it is a folder; None where it is none.
    """
    found = _identify(path)
    for other in others:
        if found is None:
            if _is_same_name(path, other):
                return other
            continue
        if _identify(other) == found:
            return other
        if path.is_dir() and other.is_file() and other.resolve().is_relative_to(path.resolve()):
            return other
        if other.is_dir() and not path.is_dir():
            with contextlib.suppress(OSError), os.scandir(other) as entries:
                for entry in entries:
                    if _identify(Path(entry)) == found:
                        return Path(entry)
    return None


def _identify(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from all others; None where there is none."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


def _is_same_name(path: Path, other: Path) -> bool:
    """Return whether two paths, of which one is no file yet, would be one file."""
    return os.path.normcase(path.resolve()) == os.path.normcase(other.resolve())


def _describe_source(path: Path, source: Path) -> str:
    name = "the source itself" if path.absolute() == source.absolute() else f"{source}, a source"
    return f"a folder that holds {source}, a source" if path.is_dir() != source.is_dir() else name


def check_only_output_files(folder: Path) -> None:
    """Check that a folder holds nothing but the frames and the settings of an output.

    Raises:
        OutputError: It holds another file.
    """
    others = [path.name for path in folder.iterdir() if not _is_output_file(path)]
    if others:
        raise OutputError(f"{folder} holds other files ({others[0]}); name a new folder")


def _is_output_file(path: Path) -> bool:
    if path.name == FOLDER_SETTINGS_FILE:
        return is_record_file(path)
    return path.name.startswith("frame_") and path.suffix == ".png"
