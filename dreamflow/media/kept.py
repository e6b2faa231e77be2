"""Jobs that lie on the disk: what there is of them, and how they are ended."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamflow.errors import DreamFlowWarning, OutputError
from dreamflow.media.folder import (
    STATE,
    SUFFIX,
    JobFolder,
    drop_remains,
    is_held,
    is_job,
    read_facts,
)
from dreamflow.media.formats import format_of
from dreamflow.media.outline import Outline
from dreamflow.media.placing import frames_placed
from dreamflow.media.reel import Reel
from dreamflow.media.writer import check_output, check_target, clear_away, finish_output, reel_of
from dreamflow.options import EncodeOptions


@dataclass(frozen=True)
class Kept:
    """A job on the disk. frames: of its output, that are there; of: how many it is to have."""

    folder: Path
    facts: dict[str, Any]
    frames: int
    of: int
    running: bool

    @property
    def out(self) -> Path:
        """The output that it is the job of."""
        return self.folder.with_name(self.facts["out"])

    @property
    def state(self) -> str:
        """Whether it runs, in words, and where it begins anew where none of it could go on."""
        if self.running:
            return "runs"
        goes_on = "inputs" in self.facts  # one that a program writes only ends
        if goes_on and not (self.folder / STATE).exists():
            return "stopped unsaved: it begins anew"
        return "stopped"

    @property
    def bytes(self) -> int:
        """How much the folder takes on the disk."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())


def look_at(folder: Path) -> Kept:
    """Return what there is of a job. Raises OutputError where a folder is none."""
    facts = read_facts(folder)
    if facts is None:
        raise OutputError(f"{folder} is no job of DreamFlow's: `dreamflow jobs list` shows them")
    outline = Outline.from_plain(facts["outline"])
    reel = _reel(folder, facts, outline)
    return Kept(folder, facts, reel.found(), outline.frames, is_held(folder))


def jobs_in(folder: Path) -> list[Kept]:
    """Return the jobs in a folder, by name; of one that cannot be read only a warning comes."""
    found: list[Kept] = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            if path.is_dir() and read_facts(path) is not None:
                found.append(look_at(path))
        except OutputError as error:
            warnings.warn(f"{error}; `dreamflow jobs remove` removes it", DreamFlowWarning, 2)
    return found


def finish_job(
    folder: Path, target: Path | None = None, overwrite: bool = False
) -> tuple[Path, int]:
    """Make an output of the frames that a job has; return it, and their number.

    target: another output than the job's own, of the same suffix; then the job stays, and can go
    on. Else it is ended, and its plate is made, too. Raises OutputError, also where one of them
    exists and is not to be overwritten.
    """
    kept = look_at(folder)
    out = target or kept.out
    outline = Outline.from_plain(kept.facts["outline"])
    if out.suffix.lower() != kept.out.suffix.lower():
        raise OutputError(
            f"{out}: the frames are encoded for {kept.out.suffix or 'a folder of PNGs'}; give the "
            "output that suffix"
        )
    there = frames_placed(out) if target is None else 0
    if not kept.frames and not there:
        raise OutputError(f"{folder} has no frame yet")
    if target is None:
        plate = kept.facts.get("plate")
        check_target(out, overwrite, False, outline.sources, Path(plate) if plate else None)
    else:
        check_output(out, overwrite, outline.sources)
    record = kept.facts["record"]
    with JobFolder(folder) as held:
        if there:
            clear_away(held, out, record)
            return out, there
        facts = kept.facts if target is None else kept.facts | {"plate": None}
        reel = _reel(folder, facts, outline)
        try:
            reel.go_on(kept.frames)
            finish_output(held, reel, out, outline, record, ends=target is None)
        finally:
            reel.close()
    return out, kept.frames


def remove_job(folder: Path) -> None:
    """Remove a job and its frames, or what is left of one. Raises OutputError: none, or it runs."""
    if drop_remains(folder):
        return
    if not is_job(folder):
        look_at(folder)
    with JobFolder(folder) as held:
        held.remove()


def _reel(folder: Path, facts: dict[str, Any], outline: Outline) -> Reel:
    kind = format_of(Path(facts["out"]))
    return reel_of(folder, kind, outline, EncodeOptions(**facts["encode"]), facts)
