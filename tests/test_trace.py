"""Traces of the controller, and their file."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dreamflow.core.errors import OutputError
from dreamflow.temporal.trace import StageClock, Trace, TraceFile

NAMES = st.sampled_from(["base_effort", "gain_ema", "reference_gain", "overshoot"])
FINITE = st.floats(-1e6, 1e6)
TRACES = st.builds(
    Trace,
    frame=st.integers(0, 1000),
    fresh=st.booleans(),
    seconds=FINITE,
    confidence=FINITE,
    effort=FINITE,
    iterations=st.integers(0, 10),
    step=FINITE,
    crops=st.integers(0, 10),
    regrow_step=FINITE,
    controller=st.dictionaries(st.integers(0, 3), st.dictionaries(NAMES, FINITE), max_size=2),
    numbers=st.dictionaries(st.sampled_from(["coverage", "energy.0"]), FINITE),
    milliseconds=st.dictionaries(st.sampled_from(["advect", "refine"]), FINITE),
)


def write_traces(path: Path, *traces: Trace) -> None:
    """Write traces to a file, as a render does."""
    file = TraceFile(path)
    for trace in traces:
        file.write(trace)
    file.close()


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return what each line of a file of traces holds."""
    return [json.loads(line) for line in path.read_text().splitlines()]


@given(traces=st.lists(TRACES, max_size=5, unique_by=lambda trace: trace.frame))
def test_a_file_has_a_line_for_each_trace(
    traces: list[Trace], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("trace") / "trace.jsonl"
    write_traces(path, *traces)
    assert read_rows(path) == [json.loads(json.dumps(trace.as_row())) for trace in traces]


def test_a_new_render_begins_a_new_trace(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    write_traces(path, Trace(0), Trace(1), Trace(2))
    write_traces(path, Trace(5))
    assert [row["frame"] for row in read_rows(path)] == [5]


def test_a_row_is_in_the_file_as_soon_as_it_is_written(tmp_path: Path) -> None:
    file = TraceFile(tmp_path / "trace.jsonl")
    file.write(Trace(3))
    assert [row["frame"] for row in read_rows(tmp_path / "trace.jsonl")] == [3]
    file.close()


def test_what_is_not_known_yet_is_valid_json(tmp_path: Path) -> None:
    """JSON has no NaN: other readers would refuse the file."""
    path = tmp_path / "trace.jsonl"
    write_traces(path, Trace(0, controller={0: {"gain_ema": math.nan, "base_effort": 0.6}}))

    def refuse(constant: str) -> float:
        raise AssertionError(constant)

    (line,) = path.read_text().splitlines()
    row = json.loads(line, parse_constant=refuse)
    assert row["controller"] == {"0": {"gain_ema": None, "base_effort": 0.6}}


@pytest.mark.parametrize("passed", [0, 1, 2, 9])
@pytest.mark.parametrize("broken_off", [0, 20])
def test_a_resumed_render_goes_on_in_its_trace(
    tmp_path: Path, passed: int, broken_off: int
) -> None:
    """Lines behind the state are written again; what a kill left of the last one is dropped."""
    path = tmp_path / "trace.jsonl"
    write_traces(path, Trace(0), Trace(1))
    path.write_text(path.read_text()[: len(path.read_text()) - broken_off])
    there = 1 if broken_off else 2
    file = TraceFile(path)
    file.rewind(passed)
    file.write(Trace(7))
    file.close()
    assert [row["frame"] for row in read_rows(path)] == [*[0, 1][: min(passed, there)], 7]


def test_a_trace_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="none"):
        TraceFile(tmp_path / "none" / "trace.jsonl")


def test_stages_are_timed_in_order() -> None:
    clock = StageClock(torch.device("cpu"))
    for name in ("advect", "refine"):
        with clock.stage(name):
            pass
    trace = Trace.of_fresh_frame(5, clock).completed({"coverage": 1.0})
    assert list(trace.milliseconds) == ["advect", "refine"]
    assert min(trace.milliseconds.values()) >= 0
    assert trace == replace(
        Trace(5, fresh=True), numbers={"coverage": 1.0}, milliseconds=trace.milliseconds
    )
