"""What the caller of a dreamer passes besides its settings: gains, a trace, callbacks."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from dreamflow.core.timing import IGNORED_STAGE_TIMES, StageTimes
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.control.gains_file import load_gains
from dreamflow.temporal.trace import Trace, TraceFile

TraceCallback = Callable[[Trace], None]
"""Called with the trace of each frame, when what it left on the device has been read back."""


@dataclass(frozen=True)
class DreamerControls:
    """What the caller of a dreamer passes besides its settings.

    Attributes:
        gains: Constants of the temporal step.
        min_effort: Smallest effort on a carried frame; None is that of the gains.
        on_trace: Called with each frame's trace.
        on_trace_resumed: Called where a state is restored, with the number of traces that were
            passed on before it.
        on_step: Called after each step of the gradient ascent.
        stage_times: Counts the time that decoding, flow and dreaming take.
    """

    gains: Gains = field(default_factory=Gains)
    min_effort: float | None = None
    on_trace: TraceCallback | None = None
    on_trace_resumed: Callable[[int], None] | None = None
    on_step: Callable[[], None] | None = None
    stage_times: StageTimes = IGNORED_STAGE_TIMES

    def without_trace(self) -> DreamerControls:
        """Return the controls of a dreamer whose frames are not traced."""
        return replace(self, on_trace=None, on_trace_resumed=None)


@contextmanager
def open_dreamer_controls(
    gains_path: Path | None,
    trace_path: Path | None,
    *,
    on_step: Callable[[], None] | None = None,
    stage_times: StageTimes = IGNORED_STAGE_TIMES,
) -> Generator[DreamerControls]:
    """Load gains and open a trace file for the duration of a render.

    Args:
        gains_path: A TOML file of gains; None is the defaults.
        trace_path: A JSONL file for each frame's trace, if any; a render that is resumed goes on
            in it.
        on_step: Called after each step of the gradient ascent.
        stage_times: Counts the time of each stage.

    Raises:
        SettingsError: The gains are refused; see `load_gains`.
        OutputError: The trace cannot be written.
    """
    gains = load_gains(gains_path) if gains_path else Gains()
    file = TraceFile(trace_path) if trace_path else None
    try:
        yield DreamerControls(
            gains,
            on_trace=file.write if file else None,
            on_trace_resumed=file.rewind if file else None,
            on_step=on_step,
            stage_times=stage_times,
        )
    finally:
        if file:
            file.close()
