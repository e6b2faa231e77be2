"""What the controller saw and did in each frame, and its file: one JSON object a line."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from dreamflow.core.errors import OutputError
from dreamflow.core.files.documents import is_table, parse_json
from dreamflow.core.files.regular_file import open_regular_file
from dreamflow.temporal.motion.motion import Motion
from dreamflow.temporal.step_settings import StepSettings

MAX_TRACE_LINE_BYTES = 2**20
"""Bytes of a line of a trace file at most."""


class StageClock:
    """Times the stages of a frame, on the device's own clock where it has one.

    Attributes:
        is_on_cuda: Whether that is CUDA's, whose times are known only once its work is done.
    """

    def __init__(self, device: torch.device) -> None:
        """Begin with no stage. device: where the work is done."""
        self.is_on_cuda = device.type == "cuda"
        self._spans: list[tuple[str, Any, Any]] = []

    @contextmanager
    def stage(self, name: str) -> Generator[None]:
        """Time a block as a stage."""
        started = self._now()
        yield
        self._spans.append((name, started, self._now()))

    def _now(self) -> Any:
        if not self.is_on_cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def milliseconds(self) -> dict[str, float]:
        """Return the time of each stage; on CUDA, only once its work has been waited for."""
        return {
            name: started.elapsed_time(ended) if self.is_on_cuda else 1e3 * (ended - started)
            for name, started, ended in self._spans
        }


@dataclass(frozen=True)
class Trace:
    """What the controller saw and did in a frame. docs/architecture.md explains each quantity.

    Attributes:
        frame: The frame's index in the source.
        fresh: Whether it was dreamed by itself, as the first of a shot.
        seconds: Time since the frame before.
        confidence: Mean confidence of the flow.
        effort: Effort of the refinement.
        iterations: Its iterations at full size.
        step: Size of its steps, in levels of 255, before local gains.
        crops: Crops that were filled.
        regrow_step: Size of the regrowth's steps, in levels of 255.
        controller: By keyframe: base_effort, gain_ema, reference_gain, overshoot, before the frame.
        numbers: What was read back of the frame: energies and setpoints by band, coverage, gains.
        milliseconds: Time of each stage.
    """

    frame: int
    fresh: bool = False
    seconds: float = 0.0
    confidence: float = 0.0
    effort: float = 0.0
    iterations: int = 0
    step: float = 0.0
    crops: int = 0
    regrow_step: float = 0.0
    controller: Mapping[int, Mapping[str, float]] = field(
        default_factory=dict[int, Mapping[str, float]]
    )
    numbers: Mapping[str, float] = field(default_factory=dict[str, float])
    milliseconds: Mapping[str, float] = field(default_factory=dict[str, float])
    clock: StageClock | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of_fresh_frame(cls, frame: int, clock: StageClock) -> Trace:
        """Return the trace of a frame that was dreamed by itself."""
        return cls(frame, fresh=True, clock=clock)

    @classmethod
    def of_step(
        cls,
        frame: int,
        settings: StepSettings,
        motion: Motion,
        refined: Mapping[str, float],
        crops: int,
        regrow_step: float,
        clock: StageClock,
    ) -> Trace:
        """Return the trace of a carried frame, but for what is yet to be read back."""
        return cls(
            frame,
            seconds=settings.seconds,
            confidence=motion.mean_confidence,
            effort=refined["effort"],
            iterations=int(refined["iterations"]),
            step=refined["step"],
            crops=crops,
            regrow_step=regrow_step,
            clock=clock,
        )

    def completed(self, numbers: Mapping[str, float]) -> Trace:
        """Return the trace with what was read back of its frame, and its stages' times."""
        times = self.clock.milliseconds() if self.clock else self.milliseconds
        return replace(self, numbers=dict(numbers), milliseconds=times, clock=None)

    def as_pending_row(self) -> dict[str, Any]:
        """Return its fields as plain values, for a state; the times are those known by now."""
        times = self.milliseconds
        if self.clock is not None and not self.clock.is_on_cuda:
            times = self.clock.milliseconds()
        row = asdict(replace(self, clock=None))
        del row["clock"]
        return row | {"milliseconds": dict(times)}

    def as_row(self) -> dict[str, Any]:
        """Return it as plain values, as a line of the file holds them; None is not known yet."""
        row = asdict(replace(self, clock=None))
        del row["clock"]
        return _without_nan(row)


def _without_nan(value: Any) -> Any:
    """Return a value with None in place of NaN, which JSON does not have."""
    if is_table(value):
        return {key: _without_nan(part) for key, part in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


class TraceFile:
    """Writes traces to a JSONL file, a line each as soon as it is complete.

    The file holds the traces of one render: `rewind` says how many of its lines a render that is
    resumed has written; without it, the first trace replaces what there is.
    """

    def __init__(self, path: Path) -> None:
        """Open the file. Raises OutputError where it cannot be written."""
        self.path = path
        self._is_begun = False
        try:
            self._file = path.open("ab")
        except OSError as error:
            raise self._make_error(error) from error

    def rewind(self, rows: int) -> None:
        """Keep no more than the first `rows` lines. Raises OutputError."""
        self._is_begun = True
        try:
            with self.path.open("rb") as file:
                kept = sum(len(line) for line in islice(file, rows) if line.endswith(b"\n"))
            self._file.truncate(kept)
        except OSError as error:
            raise self._make_error(error) from error

    def write(self, trace: Trace) -> None:
        """Write the trace of a frame. Raises OutputError."""
        if not self._is_begun:
            self.rewind(0)
        try:
            self._file.write(json.dumps(trace.as_row()).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise self._make_error(error) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _make_error(self, error: OSError) -> OutputError:
        return OutputError(
            f"{self.path} cannot be written: {error.strerror}",
            setting="trace",
            where=str(self.path),
        )


def is_trace_file(path: Path) -> bool:
    """Return whether a file is empty, or begins with the trace of a frame."""
    try:
        with open_regular_file(path) as file:
            first = file.readline(MAX_TRACE_LINE_BYTES)
    except OSError:
        return False
    try:
        row = parse_json(first) if first else {"frame": 0}
    except ValueError:
        return not first.endswith(b"\n") and first.startswith(b'{"frame":')
    return isinstance(row, dict) and "frame" in row
