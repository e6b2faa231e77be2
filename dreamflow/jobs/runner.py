"""A pipeline run into a segment writer, with checkpoints from which it can be resumed."""

from __future__ import annotations

import contextlib
import itertools
import shlex
import time
from collections.abc import Generator
from pathlib import Path

from dreamflow.core.errors import MemoryFullError, OutputError, named
from dreamflow.core.files.documents import DocumentError
from dreamflow.core.frames import Frame
from dreamflow.core.interrupts import defer_interrupt
from dreamflow.core.machine.out_of_memory import explain_out_of_memory, is_out_of_memory
from dreamflow.core.text.wording import format_count
from dreamflow.jobs.controls import RenderControls
from dreamflow.jobs.storage.folder import JobFolder, has_shards, is_job_folder
from dreamflow.jobs.storage.job_file import ID_KEY, JobMetadata
from dreamflow.jobs.storage.kept_states import keep_state
from dreamflow.jobs.storage.state_file import (
    FRAMES_KEY,
    JOB_STATE_FILE,
    PIPELINE_KEY,
    read_state,
    write_state,
)
from dreamflow.jobs.watch import LatestFrameWriter
from dreamflow.media.write.segments.piece_ledger import DamagedPiecesError
from dreamflow.media.write.segments.segment_writer import SegmentWriter
from dreamflow.pipelines.pipeline import Pipeline, PipelineState, list_state_layouts

RESTORE_ERRORS = (AttributeError, IndexError, KeyError, TypeError, ValueError, ArithmeticError)
"""What a pipeline raises for a state that is none of its own."""
MAX_REASON_CHARS = 120
"""Characters that an error quotes of the reason."""
MAX_CHECKPOINT_TIME_SHARE = 0.03
"""Largest share of a render's time that checkpoints take: a slow disk gets fewer of them."""


def restore_pipeline(pipeline: Pipeline, state: PipelineState, folder: Path) -> None:
    """Restore a pipeline from a job's state.

    Raises:
        OutputError: The state has another layout than the pipeline's: another version of DreamFlow
            wrote it. Or it has that layout, and is still no state of the pipeline.
    """
    if list_state_layouts(state[PIPELINE_KEY]) != list_state_layouts(pipeline.state()):
        problem = "was begun by another version of DreamFlow, and this one cannot resume it"
        raise _make_restore_error(problem, state, folder)
    try:
        pipeline.restore(state[PIPELINE_KEY])
    except RESTORE_ERRORS as error:
        problem = f"cannot go on, since its state does not fit it ({_explain(error)})"
        raise _make_restore_error(problem, state, folder) from error


def _make_restore_error(problem: str, state: PipelineState, folder: Path) -> OutputError:
    return OutputError(
        f"the job {folder.name} {problem}: make an output of its "
        f"{format_count(state[FRAMES_KEY], 'frame')} with "
        f"`dreamflow jobs finish {shlex.quote(str(folder))}`, or start over with {named('fresh')}",
        setting="fresh",
        where=folder.name,
    )


def _explain(error: Exception) -> str:
    """Return in a few words why a state was refused."""
    if isinstance(error, DocumentError):
        return str(error)[:MAX_REASON_CHARS]
    return "it is not one of its pipeline's"


def describe_all_done(frames: int) -> str:
    """Return in words that all of a number of frames are done."""
    return "its one frame is done" if frames == 1 else f"all {frames} frames are done"


class JobRun:
    """A pipeline, the segment writer that takes its frames, and what of both is on the disk.

    The frames are written first and the pipeline's state after them, so that frames behind the
    state are made once more when the job is resumed.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        segments: SegmentWriter,
        folder: JobFolder,
        metadata: JobMetadata,
        controls: RenderControls,
        watcher: LatestFrameWriter | None,
    ) -> None:
        self._pipeline, self._segments, self._folder = pipeline, segments, folder
        self._controls, self._watcher = controls, watcher
        self._job_id, self._segment_frames = metadata[ID_KEY], metadata["chunk"]
        self._state_path = folder.path / JOB_STATE_FILE
        self._saved_frames = 0
        self._state: PipelineState | None = None
        """The state after the frame written last."""
        self._next_checkpoint_s = time.monotonic() + controls.checkpoint_interval_s

    def resume(self, state: PipelineState | None) -> None:
        """Restore the segment writer from a job's state, None at the beginning.

        The pipeline is restored already.

        Raises:
            OutputError: Frames before the state are missing.
        """
        if state is None:
            self._segments.resume(0)
            return
        self._segments.resume(state[FRAMES_KEY])
        self._saved_frames = self._pipeline.done
        line = f"going on from frame {self._saved_frames} of {self._pipeline.total}"
        if self._saved_frames >= self._pipeline.total:
            line = f"{describe_all_done(self._saved_frames)}: finishing"
        self._controls.notify(line)
        self._controls.progress(self._saved_frames, self._pipeline.total)

    def run(self) -> None:
        """Write all remaining frames; see `steps`."""
        with contextlib.closing(self.steps()) as steps:
            for _ in steps:
                pass

    def steps(self) -> Generator[None, None, None]:
        """Write all remaining frames, and yield after each, or after unseen work.

        On any error, and where the generator is closed, the frames made before are saved first.

        Raises:
            OutputError: A frame or the state cannot be written.
            MemoryFullError: The memory does not suffice.
        """
        frames = self._iterate_frames()
        try:
            # Before the first frame there is nothing that an interrupt could damage.
            pending = list(itertools.islice(frames, 1))
            while pending:
                with defer_interrupt(self._announce_stop):
                    self._take(pending.pop())
                yield
                with defer_interrupt(self._announce_stop):
                    pending.extend(itertools.islice(frames, 1))
            if self._state is not None:
                self._checkpoint(self._state)
        except BaseException as error:
            if self._state is not None:
                self._save_after_error(self._state)
            if is_out_of_memory(error):
                raise MemoryFullError(explain_out_of_memory(error)) from error
            raise
        finally:
            frames.close()
            if self._watcher:
                self._watcher.flush()

    def add_resume_note(self, error: BaseException) -> None:
        """Add to an error what is saved, and remove the job's folder where nothing is."""
        if not self._folder.path.is_dir():
            return  # someone has moved or removed it
        if not self._state_path.exists() and not has_shards(self._folder.path):
            self._folder.remove()
        if not self._saved_frames:
            return
        verb = "is" if self._saved_frames == 1 else "are"
        note = f"{self._saved_frames} of {format_count(self._pipeline.total, 'frame')} {verb} done"
        if isinstance(error, DamagedPiecesError):
            return  # which says what is whole, and what to do
        if not isinstance(error, KeyboardInterrupt):
            state = "safe" if self._is_whole() else "saved, but not whole,"
            note = f"{note} and {state} in {self._folder.path.name}"
        error.add_note(f"{note}: the same command goes on")

    def _is_whole(self) -> bool:
        """Return whether what is on the disk is what was written: only then it is called safe."""
        if not is_job_folder(self._folder.path):
            return False
        try:
            state = read_state(self._state_path, self._job_id)
            return not self._segments.find_damages(state[FRAMES_KEY])
        except (OSError, OutputError):
            return False

    def _iterate_frames(self) -> Generator[Frame | None, None, None]:
        # A generator of its own: closing it closes the pipeline's iterator and its threads.
        yield from self._pipeline

    def _take(self, frame: Frame | None) -> None:
        """Write a frame, and save where it is time."""
        with self._controls.stage_times.stage("write"):
            if frame is not None:
                self._segments.write(frame)
                if self._watcher:
                    self._watcher.update(frame)
            state = {FRAMES_KEY: self._segments.frames, PIPELINE_KEY: self._pipeline.state()}
            self._state = state
            self._controls.progress(self._pipeline.done, self._pipeline.total)
            if self._segments.can_flush or time.monotonic() >= self._next_checkpoint_s:
                self._checkpoint(state)

    def _announce_stop(self) -> None:
        self._controls.notify("stopping after this frame; Ctrl-C again stops at once")

    def _checkpoint(self, state: PipelineState) -> None:
        started_s = time.monotonic()
        self._segments.flush()
        self._write_state(state)
        keep_state(self._folder.path, state[FRAMES_KEY], self._segment_frames)
        self._segments.prune(state[FRAMES_KEY])
        finished_s = time.monotonic()
        self._next_checkpoint_s = finished_s + max(
            self._controls.checkpoint_interval_s,
            (finished_s - started_s) / MAX_CHECKPOINT_TIME_SHARE,
        )

    def _save_after_error(self, state: PipelineState) -> None:
        with contextlib.suppress(OutputError):
            self._segments.flush()
        with contextlib.suppress(OutputError):
            self._write_state(state)

    def _write_state(self, state: PipelineState) -> None:
        if state[PIPELINE_KEY]["done"]:
            write_state(self._state_path, state, self._job_id)
            self._saved_frames = state[PIPELINE_KEY]["done"]
            self._controls.on_saved(self._saved_frames)
