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

from dreamflow.core.errors import MemoryFullError, OutputError
from dreamflow.core.frames import Frame
from dreamflow.core.interrupts import defer_interrupt
from dreamflow.core.machine.memory import MB, pass_memory_limit
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.timing import time_stage
from dreamflow.core.wording import format_count
from dreamflow.jobs.inputs import (
    INPUTS_KEY,
    LEGACY_MACHINE_DEFAULTS,
    InputFiles,
    check_inputs_intact,
    check_job_unchanged,
    fingerprint_inputs,
    hash_fingerprints,
)
from dreamflow.jobs.output import (
    check_output_and_plate,
    close_published_job,
    finish_output,
    make_job_metadata,
    open_segment_writer,
)
from dreamflow.jobs.storage.folder import JOB_STATE_FILE, JobFolder, job_folder_path, read_job_file
from dreamflow.jobs.storage.publish import count_published_frames
from dreamflow.jobs.storage.resources import (
    explain_out_of_memory,
    is_out_of_memory,
    warn_if_disk_low,
)
from dreamflow.jobs.storage.state_file import read_state, write_state
from dreamflow.jobs.watch import LatestFrameWriter
from dreamflow.media.options import EncodeOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.write.containers import container_format_for
from dreamflow.media.write.segments import SegmentWriter
from dreamflow.pipelines.pipeline import Pipeline, PipelineState

JOB_CHECKPOINT_INTERVAL_S = 10.0
"""Of work, so much is lost at most when the process is killed, or one frame."""
MAX_CHECKPOINT_TIME_SHARE = 0.03
"""Of the time of a render that may go into saving where it is."""

DoneCallback = Callable[[int], None]
"""Called with how much is done, in frames."""
ProgressCallback = Callable[[int, int], None]
"""Called with how much of a journey is done, and how much there is: frames, unseen ones too."""
MessageCallback = Callable[[str], None]
"""Called with a line for the user."""


@dataclass
class RenderControls:
    """What a render can be followed and steered by. watch: a picture file of the latest frame."""

    progress: ProgressCallback = lambda done, total: None
    notify: MessageCallback = lambda line: None
    _: KW_ONLY
    watch_path: Path | None = None
    overwrite: bool = False
    fresh: bool = False
    """Start over where there is a job already."""
    plate_path: Path | None = None
    """What the dream changed, as an output of its own."""
    resume_command: Sequence[str] = ()
    """The words of the command that goes on with the job, kept with it for `jobs show`."""
    gains_path: Path | None = None
    """A TOML file with constants of the controller that carries the dream."""
    trace_path: Path | None = None
    """A JSONL file for what that controller measured and did, one line a frame."""


@dataclass(frozen=True)
class RenderResult:
    """What came of a render. frames: of the output. dreamed: by this process, unseen ones too."""

    frames: int
    dreamed_frames: int


def restore_machine_options(out: Path, machine: MachineOptions) -> MachineOptions:
    """Return where to work: as the job of an output did, where there is one and it is not said."""
    facts = read_job_file(job_folder_path(out))
    if facts is None:
        return machine
    kept = LEGACY_MACHINE_DEFAULTS | facts.get("machine", {})
    device = kept.get("device", "auto") if machine.device == "auto" else machine.device
    precision = kept.get("precision") if machine.precision == "auto" else None
    return replace(
        machine,
        device=device,
        threads=machine.threads or kept.get("threads", 0),
        memory=machine.memory or kept.get("memory", 0),
        precision=precision or machine.precision,
    )


def render_job(
    pipeline: Pipeline,
    out: Path,
    output_spec: OutputSpec,
    encode: EncodeOptions,
    record: dict[str, Any],
    inputs: InputFiles,
    device: torch.device,
    controls: RenderControls | None = None,
    segment_frames: int | None = None,
) -> RenderResult:
    """Write the frames of a journey to an output, and go on where the same was begun before.

    record: the settings; `inputs`: the files that the frames depend on; both must be those that the
    job was begun with. chunk: frames of a chunk; None for what suits the size.

    Raises SettingsError where something has changed, OutputError where the output cannot be
    written or another process is at it, MemoryFullError, and what the journey raises. Then, and on
    KeyboardInterrupt, what was made so far is in the job's folder, and the error says so.
    """
    controls = controls or RenderControls()
    kind = container_format_for(out)
    out = out if kind else out.resolve()
    there = 0 if controls.fresh else count_published_frames(out)
    check_output_and_plate(
        out, controls.overwrite, controls.fresh, output_spec.sources, controls.plate_path
    )
    watch = (
        LatestFrameWriter(controls.watch_path, [out, *output_spec.sources])
        if controls.watch_path
        else None
    )
    prints = fingerprint_inputs(inputs)
    record = record | {INPUTS_KEY: hash_fingerprints(prints)}
    facts = make_job_metadata(
        out, output_spec, encode, record, segment_frames, controls.plate_path
    ) | {
        "inputs": prints,
        "machine": {
            "device": str(device).removesuffix(":0"),
            "threads": torch.get_num_threads(),
            "memory": pass_memory_limit(device) // MB,
            "precision": record["precision"],
        },
        "command": {"words": list(controls.resume_command), "folder": path_to_text(Path.cwd())},
    }
    with JobFolder(job_folder_path(out)) as folder:
        begun = None if controls.fresh else read_job_file(folder.path)
        at = None
        if begun is None:
            folder.start_over(facts)
        else:
            at = (
                read_state(folder.path / JOB_STATE_FILE)
                if (folder.path / JOB_STATE_FILE).exists()
                else None
            )
            check_job_unchanged(
                folder.path, begun, facts, at["journey"].get("read", 0) if at else 0
            )
            record = begun["record"] | {INPUTS_KEY: record[INPUTS_KEY]}
            facts = begun | {"inputs": prints, "record": record}
            if there:
                controls.notify(f"{describe_all_done(there)}: clearing away")
                close_published_job(folder, out, facts["record"])
                return RenderResult(there, 0)
            folder.write_job_file(facts)
            if at is None:
                controls.notify("killed before it was first saved: from the beginning")
        reel = open_segment_writer(folder.path, kind, output_spec, encode, facts)
        work = _JobRun(pipeline, reel, folder, controls, watch)
        try:
            # Closed before anything is noted: the folder may go then.
            with contextlib.closing(reel):
                work.resume(at)
                reel.warn_of_changes()
                room = output_spec.frames - reel.frames
                warn_if_disk_low(folder.path, output_spec, room, is_video=kind is not None)
                before = pipeline.done
                work.run()
                if reel.frames < output_spec.frames:
                    check_inputs_intact(facts["inputs"], inputs)
                with time_stage("encode"):
                    finish_output(folder, reel, out, output_spec, facts["record"])
        except BaseException as error:
            work.add_resume_note(error)
            raise
    return RenderResult(reel.frames, pipeline.done - before)


def describe_all_done(frames: int) -> str:
    """Return in words that all of so many frames are done."""
    return "its one frame is done" if frames == 1 else f"all {frames} frames are done"


def path_to_text(path: Path) -> str:
    """Return a path as text that can be kept, whatever its encoding."""
    return str(path).encode(errors="replace").decode()


class _JobRun:
    """A journey on its way into a reel, and what of both is on the disk."""

    def __init__(
        self,
        journey: Pipeline,
        reel: SegmentWriter,
        folder: JobFolder,
        handles: RenderControls,
        watch: LatestFrameWriter | None,
    ) -> None:
        self.pipeline, self.segment_writer, self.folder = journey, reel, folder
        self.controls, self.latest_frame_writer = handles, watch
        self.state_path = folder.path / JOB_STATE_FILE
        self.saved_frames = 0
        """How much of the journey is safe, in frames."""
        self._next_checkpoint_s = time.monotonic() + JOB_CHECKPOINT_INTERVAL_S

    def resume(self, state: PipelineState | None) -> None:
        """Go on from a state, or begin where there is none."""
        if state is None:
            self.segment_writer.resume(0)
            return
        self.segment_writer.resume(state["frames"])
        self.pipeline.restore(state["journey"])
        self.saved_frames = self.pipeline.done
        line = f"going on from frame {self.saved_frames} of {self.pipeline.total}"
        if self.saved_frames >= self.pipeline.total:
            line = f"{describe_all_done(self.saved_frames)}: finishing"
        self.controls.notify(line)
        self.controls.progress(self.saved_frames, self.pipeline.total)

    def run(self) -> None:
        """Take all frames of the journey. On any error, what was made before it is saved first."""
        at: PipelineState | None = None
        frames = self._iterate_frames()
        try:
            # Until the first frame comes there is nothing that a Ctrl-C could break.
            coming = list(itertools.islice(frames, 1))
            while coming:
                with defer_interrupt(self._announce_stop), time_stage("write"):
                    frame = coming.pop()
                    if frame is not None:
                        self.segment_writer.write(frame)
                        if self.latest_frame_writer:
                            self.latest_frame_writer.update(frame)
                    at = self._snapshot()
                    self.controls.progress(self.pipeline.done, self.pipeline.total)
                    if self.segment_writer.can_flush or time.monotonic() >= self._next_checkpoint_s:
                        self._checkpoint(at)
                with defer_interrupt(self._announce_stop):
                    coming.extend(itertools.islice(frames, 1))
            if at is not None:
                self._checkpoint(at)
        except BaseException as error:
            if at is not None:
                with contextlib.suppress(OutputError):
                    self.segment_writer.flush()
                with contextlib.suppress(OutputError):
                    self._write_state(at)
            if is_out_of_memory(error):
                raise MemoryFullError(explain_out_of_memory(error)) from error
            raise
        finally:
            frames.close()
            if self.latest_frame_writer:
                self.latest_frame_writer.flush()

    def _iterate_frames(self) -> Generator[Frame | None, None, None]:
        """Yield the frames of the journey; closed, it closes the journey's, and their threads."""
        yield from self.pipeline

    def _announce_stop(self) -> None:
        self.controls.notify("stopping after this frame; Ctrl-C again stops at once")

    def _snapshot(self) -> PipelineState:
        return {"frames": self.segment_writer.frames, "journey": self.pipeline.state()}

    def _checkpoint(self, at: PipelineState) -> None:
        started = time.monotonic()
        self.segment_writer.flush()
        self._write_state(at)
        self.segment_writer.prune(at["frames"])
        spent = time.monotonic() - started
        self._next_checkpoint_s = time.monotonic() + max(
            JOB_CHECKPOINT_INTERVAL_S, spent / MAX_CHECKPOINT_TIME_SHARE
        )

    def _write_state(self, at: PipelineState) -> None:
        if at["journey"]["done"]:
            write_state(self.state_path, at)
            self.saved_frames = at["journey"]["done"]

    def add_resume_note(self, error: BaseException) -> None:
        """Say with an error what is kept; where nothing is, leave nothing behind."""
        if not self.state_path.exists():
            self.folder.remove()
        if not self.saved_frames:
            return
        are = "is" if self.saved_frames == 1 else "are"
        done = f"{self.saved_frames} of {format_count(self.pipeline.total, 'frame')} {are} done"
        if not isinstance(error, KeyboardInterrupt):
            done = f"{done} and safe in {self.folder.path.name}"
        error.add_note(f"{done}: the same command goes on")
