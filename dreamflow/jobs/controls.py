"""What the caller of a render passes besides its settings, and what the render returns."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from dreamflow.core.callbacks import DoneCallback, MessageCallback, ProgressCallback
from dreamflow.core.timing import IGNORED_STAGE_TIMES, StageTimes
from dreamflow.dream.progress import StepCallback
from dreamflow.pipelines.dreamer_controls import DreamerControls, open_dreamer_controls

JOB_CHECKPOINT_INTERVAL_S = 10.0
"""Least time between two checkpoints: a kill loses the work of this time, or one frame."""


@dataclass
class RenderControls:
    """How a render is followed, what it may replace, and when it is saved.

    Attributes:
        progress: Called with the frames dreamed and the frames to dream.
        notify: Called with each line for the user.
        on_saved: Called with the number of frames that are safe in the job's folder, at each
            checkpoint.
        watch_path: A picture file that is kept up to date with the latest frame.
        overwrite: Whether an output that exists may be replaced.
        fresh: Whether an interrupted render of the same output is started over.
        repair: Whether pieces of an interrupted render that are damaged are dreamed again.
        plate_path: A second output, of what the dream changed (`media.write.residual_plate`).
        resume_command: The words of the command that resumes the job, for `jobs show`.
        on_step: Called after each step of gradient ascent.
        stage_times: Counts the time of each stage.
        segment_frames: Frames of an encoded segment; None chooses by the frames' size.
        checkpoint_interval_s: Least seconds between two checkpoints.
        gains_path: A TOML file with constants of the temporal step (`temporal.gains`).
        trace_path: A JSONL file for the trace of each frame.
    """

    progress: ProgressCallback = lambda done, total: None
    notify: MessageCallback = lambda line: None
    _: KW_ONLY
    on_saved: DoneCallback = lambda done: None
    watch_path: Path | None = None
    overwrite: bool = False
    fresh: bool = False
    repair: bool = False
    plate_path: Path | None = None
    resume_command: Sequence[str] = ()
    on_step: StepCallback | None = None
    stage_times: StageTimes = IGNORED_STAGE_TIMES
    segment_frames: int | None = None
    checkpoint_interval_s: float = JOB_CHECKPOINT_INTERVAL_S
    gains_path: Path | None = None
    trace_path: Path | None = None

    def open_dreamer_controls(self) -> AbstractContextManager[DreamerControls]:
        """Load the gains and open the trace for a render."""
        return open_dreamer_controls(
            self.gains_path, self.trace_path, on_step=self.on_step, stage_times=self.stage_times
        )


@dataclass(frozen=True)
class RenderResult:
    """What a render did.

    Attributes:
        frames: Frames of the output.
        dreamed_frames: Frames that this process dreamed, those counted that are not shown.
    """

    frames: int
    dreamed_frames: int
