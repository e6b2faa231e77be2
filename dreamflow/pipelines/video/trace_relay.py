"""Passes the traces of a dreamer's frames on, each when what its frame left is read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dreamflow.pipelines.dreamer_controls import DreamerControls
from dreamflow.temporal.trace import Trace


class TraceRelay:
    """Holds the last frame's trace until its numbers are known, and passes traces on in order."""

    def __init__(self, controls: DreamerControls) -> None:
        """Take the callbacks that traces are passed on to."""
        self._controls = controls
        self._pending: Trace | None = None
        """Trace of the frame carried last."""
        self._held: list[Trace] = []
        """Complete traces of frames behind that one: those of a flash."""
        self._passed = 0

    @property
    def is_wanted(self) -> bool:
        """Whether anyone reads the traces."""
        return self._controls.on_trace is not None

    def keep(self, trace: Trace) -> None:
        """Keep the trace of the frame carried last until `complete`."""
        self._pending = trace

    def hold(self, trace: Trace) -> None:
        """Hold a complete trace behind that one."""
        self._held.append(trace)

    def complete(self, numbers: Mapping[str, float]) -> None:
        """Pass on the last frame's trace with its numbers, and those held behind it."""
        if self._pending is not None:
            self.pass_on(self._pending.completed(numbers))
        for trace in self._held:
            self.pass_on(trace)
        self._pending, self._held = None, []

    def pass_on(self, trace: Trace) -> None:
        """Pass a frame's trace on, all of those before it being passed on already."""
        if self._controls.on_trace is not None:
            if trace.clock is not None:
                trace = trace.completed(trace.numbers)
            self._controls.on_trace(trace)
            self._passed += 1

    def state(self) -> dict[str, Any]:
        """Return what is held, and how many traces were passed on, for a state."""
        return {
            "trace": self._pending and self._pending.as_pending_row(),
            "held_traces": [trace.as_pending_row() for trace in self._held],
            "passed_traces": self._passed,
        }

    def restore(self, pending: Trace | None, held: Sequence[Trace], passed: int) -> None:
        """Go on from a state, and say how many traces were passed on before it."""
        self._pending, self._held, self._passed = pending, list(held), passed
        if self._controls.on_trace_resumed is not None:
            self._controls.on_trace_resumed(passed)
