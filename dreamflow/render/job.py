"""A journey written to a file, in a way that cannot be lost: the job.

A job lives in a folder beside its output, `dream.mp4.job`:

    job.json      what it is: settings, sources, machine; at the end, that the output is placed
    state.npz     where it is: how many frames there are, and the journey's state behind them
    chunk_*       the frames, joined at the end; pending_*.rgb those not encoded yet
    whole*        the output, until it is placed; see `media.placing`
    lock          held by the process at work

Each is whole at any moment. The frames are written first, and the state after them: those behind
the state are made once more. To go on, the same command is given again.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from dreamflow.errors import MemoryFullError, OutputError
from dreamflow.frames import Frame
from dreamflow.journeys.journey import Journey, State
from dreamflow.media.folder import STATE, JobFolder, job_path, read_facts
from dreamflow.media.formats import format_of
from dreamflow.media.interrupt import finished_first
from dreamflow.media.outline import Outline
from dreamflow.media.placing import frames_placed
from dreamflow.media.reel import Reel
from dreamflow.media.writer import check_target, clear_away, finish_output, job_facts, reel_of
from dreamflow.memory import MB, pass_memory
from dreamflow.options import EncodeOptions, MachineOptions
from dreamflow.render.inputs import (
    BEFORE_A_CHOICE,
    INPUTS,
    Inputs,
    check_sources,
    check_unchanged,
    fingerprints,
    hashed,
)
from dreamflow.render.room import check_space, memory_full, out_of_memory
from dreamflow.render.state import read_state, write_state
from dreamflow.render.watch import Watch
from dreamflow.stages import stage
from dreamflow.wording import counted

SAVE_EVERY_S = 10.0
"""Of work, so much is lost at most when the process is killed, or one frame."""
SAVE_SHARE = 0.03
"""Of the time of a render that may go into saving where it is."""

Progress = Callable[[int], None]
"""Called with how much is done, in frames."""
Follow = Callable[[int, int], None]
"""Called with how much of a journey is done, and how much there is: frames, unseen ones too."""
Say = Callable[[str], None]
"""Called with a line for the user."""


@dataclass
class Handles:
    """What a render can be followed and steered by. watch: a picture file of the latest frame."""

    progress: Follow = lambda done, total: None
    say: Say = lambda line: None
    _: KW_ONLY
    watch: Path | None = None
    overwrite: bool = False
    fresh: bool = False
    """Start over where there is a job already."""
    plate: Path | None = None
    """What the dream changed, as an output of its own."""
    command: Sequence[str] = ()
    """The words of the command that goes on with the job, kept with it for `jobs show`."""


@dataclass(frozen=True)
class Rendered:
    """What came of a render. frames: of the output. dreamed: by this process, unseen ones too."""

    frames: int
    dreamed: int


def remembered(out: Path, machine: MachineOptions) -> MachineOptions:
    """Return where to work: as the job of an output did, where there is one and it is not said."""
    facts = read_facts(job_path(out))
    if facts is None:
        return machine
    kept = BEFORE_A_CHOICE | facts.get("machine", {})
    device = kept.get("device", "auto") if machine.device == "auto" else machine.device
    precision = kept.get("precision") if machine.precision == "auto" else None
    return replace(
        machine,
        device=device,
        threads=machine.threads or kept.get("threads", 0),
        memory=machine.memory or kept.get("memory", 0),
        precision=precision or machine.precision,
    )


def render(
    journey: Journey,
    out: Path,
    outline: Outline,
    encode: EncodeOptions,
    record: dict[str, Any],
    inputs: Inputs,
    device: torch.device,
    handles: Handles | None = None,
    chunk: int | None = None,
) -> Rendered:
    """Write the frames of a journey to an output, and go on where the same was begun before.

    record: the settings; `inputs`: the files that the frames depend on; both must be those that the
    job was begun with. chunk: frames of a chunk; None for what suits the size.

    Raises SettingsError where something has changed, OutputError where the output cannot be
    written or another process is at it, MemoryFullError, and what the journey raises. Then, and on
    KeyboardInterrupt, what was made so far is in the job's folder, and the error says so.
    """
    handles = handles or Handles()
    kind = format_of(out)
    out = out if kind else out.resolve()
    there = 0 if handles.fresh else frames_placed(out)
    check_target(out, handles.overwrite, handles.fresh, outline.sources, handles.plate)
    watch = Watch(handles.watch, [out, *outline.sources]) if handles.watch else None
    prints = fingerprints(inputs)
    record = record | {INPUTS: hashed(prints)}
    facts = job_facts(out, outline, encode, record, chunk, handles.plate) | {
        "inputs": prints,
        "machine": {
            "device": str(device).removesuffix(":0"),
            "threads": torch.get_num_threads(),
            "memory": pass_memory(device) // MB,
            "precision": record["precision"],
        },
        "command": {"words": list(handles.command), "folder": text_of(Path.cwd())},
    }
    with JobFolder(job_path(out)) as folder:
        begun = None if handles.fresh else read_facts(folder.path)
        at = None
        if begun is None:
            folder.begin(facts)
        else:
            at = read_state(folder.path / STATE) if (folder.path / STATE).exists() else None
            check_unchanged(folder.path, begun, facts, at["journey"].get("read", 0) if at else 0)
            record = begun["record"] | {INPUTS: record[INPUTS]}
            facts = begun | {"inputs": prints, "record": record}
            if there:
                handles.say(f"{all_done(there)}: clearing away")
                clear_away(folder, out, facts["record"])
                return Rendered(there, 0)
            folder.say(facts)
            if at is None:
                handles.say("killed before it was first saved: from the beginning")
        reel = reel_of(folder.path, kind, outline, encode, facts)
        work = _Work(journey, reel, folder, handles, watch)
        try:
            # Closed before anything is noted: the folder may go then.
            with contextlib.closing(reel):
                work.take_up(at)
                reel.warn()
                room = outline.frames - reel.frames
                check_space(folder.path, outline, room, films=kind is not None)
                before = journey.done
                work.run()
                if reel.frames < outline.frames:
                    check_sources(facts["inputs"], inputs)
                with stage("encode"):
                    finish_output(folder, reel, out, outline, facts["record"])
        except BaseException as error:
            work.note(error)
            raise
    return Rendered(reel.frames, journey.done - before)


def all_done(frames: int) -> str:
    """Return in words that all of so many frames are done."""
    return "its one frame is done" if frames == 1 else f"all {frames} frames are done"


def text_of(path: Path) -> str:
    """Return a path as text that can be kept, whatever its encoding."""
    return str(path).encode(errors="replace").decode()


class _Work:
    """A journey on its way into a reel, and what of both is on the disk."""

    def __init__(
        self, journey: Journey, reel: Reel, folder: JobFolder, handles: Handles, watch: Watch | None
    ) -> None:
        self.journey, self.reel, self.folder = journey, reel, folder
        self.handles, self.watch = handles, watch
        self.path = folder.path / STATE
        self.saved = 0
        """How much of the journey is safe, in frames."""
        self._next_save = time.monotonic() + SAVE_EVERY_S

    def take_up(self, state: State | None) -> None:
        """Go on from a state, or begin where there is none."""
        if state is None:
            self.reel.go_on(0)
            return
        self.reel.go_on(state["frames"])
        self.journey.restore(state["journey"])
        self.saved = self.journey.done
        line = f"going on from frame {self.saved} of {self.journey.total}"
        if self.saved >= self.journey.total:
            line = f"{all_done(self.saved)}: finishing"
        self.handles.say(line)
        self.handles.progress(self.saved, self.journey.total)

    def run(self) -> None:
        """Take all frames of the journey. On any error, what was made before it is saved first."""
        at: State | None = None
        frames = self._frames()
        try:
            # Until the first frame comes there is nothing that a Ctrl-C could break.
            coming = list(itertools.islice(frames, 1))
            while coming:
                with finished_first(self._stopping), stage("write"):
                    frame = coming.pop()
                    if frame is not None:
                        self.reel.write(frame)
                        if self.watch:
                            self.watch.show(frame)
                    at = self._now()
                    self.handles.progress(self.journey.done, self.journey.total)
                    if self.reel.ripe or time.monotonic() >= self._next_save:
                        self._save(at)
                with finished_first(self._stopping):
                    coming.extend(itertools.islice(frames, 1))
            if at is not None:
                self._save(at)
        except BaseException as error:
            if at is not None:
                with contextlib.suppress(OutputError):
                    self.reel.seal()
                with contextlib.suppress(OutputError):
                    self._write(at)
            if out_of_memory(error):
                raise MemoryFullError(memory_full(error)) from error
            raise
        finally:
            frames.close()
            if self.watch:
                self.watch.write()

    def _frames(self) -> Generator[Frame | None, None, None]:
        """Yield the frames of the journey; closed, it closes the journey's, and their threads."""
        yield from self.journey

    def _stopping(self) -> None:
        self.handles.say("stopping after this frame; Ctrl-C again stops at once")

    def _now(self) -> State:
        return {"frames": self.reel.frames, "journey": self.journey.state()}

    def _save(self, at: State) -> None:
        started = time.monotonic()
        self.reel.seal()
        self._write(at)
        self.reel.forget(at["frames"])
        spent = time.monotonic() - started
        self._next_save = time.monotonic() + max(SAVE_EVERY_S, spent / SAVE_SHARE)

    def _write(self, at: State) -> None:
        if at["journey"]["done"]:
            write_state(self.path, at)
            self.saved = at["journey"]["done"]

    def note(self, error: BaseException) -> None:
        """Say with an error what is kept; where nothing is, leave nothing behind."""
        if not self.path.exists():
            self.folder.remove()
        if not self.saved:
            return
        are = "is" if self.saved == 1 else "are"
        done = f"{self.saved} of {counted(self.journey.total, 'frame')} {are} done"
        if not isinstance(error, KeyboardInterrupt):
            done = f"{done} and safe in {self.folder.path.name}"
        error.add_note(f"{done}: the same command goes on")
