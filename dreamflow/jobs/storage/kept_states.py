"""States that are kept from earlier in a render, so that a damaged piece need not cost all of it.

One is kept at up to eight segment borders, evenly spaced over what is rendered: a piece that is
damaged is dreamed again from the last one before it. They are hard links to what the state file
was then, so keeping one takes no time; where a drive has no links, none is kept.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import shutil
from pathlib import Path

from dreamflow.jobs.storage.state_file import JOB_STATE_FILE, DamagedStateError, read_state
from dreamflow.pipelines.pipeline import PipelineState

MAX_KEPT_STATES = 8
MIN_FREE_STATES = 20
"""No state is kept where the disk has room for fewer than this many."""
_KEPT_NAME = re.compile(r"state_([0-9]{9})\.npz")


def kept_state_path(folder: Path, frames: int) -> Path:
    """Return the file of the state behind so many frames."""
    return folder / f"state_{frames:09d}.npz"


def list_kept_states(folder: Path) -> dict[int, Path]:
    """Return the kept states of a job by the frames before them, the earliest first."""
    matches = ((_KEPT_NAME.fullmatch(path.name), path) for path in sorted(folder.glob("state_*")))
    return {int(match[1]): path for match, path in matches if match}


def keep_state(folder: Path, frames: int, segment_frames: int) -> None:
    """Keep the state file as it is now, if a segment border was passed since the last one.

    Args:
        folder: The job's folder, with its state file.
        frames: Frames before the state.
        segment_frames: Frames of a segment.
    """
    kept = list_kept_states(folder)
    border = frames // segment_frames
    stride = 2 ** math.ceil(math.log2(max(1.0, border / MAX_KEPT_STATES)))
    last_border = max(kept, default=0) // segment_frames
    for earlier, path in kept.items():
        if (earlier // segment_frames) % stride or earlier > frames:
            path.unlink(missing_ok=True)
    if border % stride or border <= last_border:
        return
    state_path = folder / JOB_STATE_FILE
    with contextlib.suppress(OSError, NotImplementedError):
        if shutil.disk_usage(folder).free >= MIN_FREE_STATES * state_path.stat().st_size:
            os.link(state_path, kept_state_path(folder, frames))


def read_kept_state(folder: Path, job_id: str, max_frames: int) -> PipelineState | None:
    """Return the last kept state behind at most so many frames that is whole, if there is one."""
    for frames, path in reversed(list_kept_states(folder).items()):
        if frames <= max_frames:
            with contextlib.suppress(DamagedStateError):
                return read_state(path, job_id, max_frames)
    return None
