"""A job's state that someone made up, sealed as DreamFlow does, is refused in one line."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from document_mutations import ODD_VALUES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from job_rendering import SETTINGS, Interruption, Rendering, job_id

from dreamflow.core.errors import DreamFlowError, OutputError
from dreamflow.core.files.documents import DocumentError
from dreamflow.dream.options import DreamOptions
from dreamflow.jobs.listing import finish_job, inspect_job
from dreamflow.jobs.storage.state_file import read_state, write_state
from dreamflow.media.options import ClipOptions
from dreamflow.networks.network import Network
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.options import ZoomOptions
from dreamflow.pipelines.zoom.pipeline import ZoomPipeline

EXAMPLES = int(os.environ.get("DREAMFLOW_FUZZ_EXAMPLES", "12"))
Place = tuple[Any, ...]
KINDS: dict[str, tuple[VideoSettings, int]] = {
    "carried": (SETTINGS, 9),
    "noise": (replace(SETTINGS, dream=replace(SETTINGS.dream, noise=0.5)), 9),
    "loop": (
        replace(
            SETTINGS,
            carry=replace(SETTINGS.carry, loop=True),
            clip=ClipOptions(size="64", end="8"),
        ),
        12,
    ),
    "cross-fade": (
        replace(
            SETTINGS, dream=replace(SETTINGS.dream, layer=("0: conv2/3x3, 0.5s: conv1/7x7_s2",))
        ),
        9,
    ),
}
"""Settings, and the number of frames done at which the job stops."""


def list_places(value: Any, place: Place = ()) -> Iterator[Place]:
    """Yield the keys that lead to each value within a state, dicts and lists included."""
    if place:
        yield place
    if isinstance(value, dict):
        for key in value:
            yield from list_places(value[key], (*place, key))
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from list_places(item, (*place, number))


def exchange(value: Any, place: Place, change: Callable[[Any], Any]) -> Any:
    """Return a state with the value at a place changed; the state stays as it was."""
    if not place:
        return change(value)
    key, *rest = place
    if isinstance(value, dict):
        return value | {key: exchange(value[key], tuple(rest), change)}
    items = list(value)
    items[key] = exchange(items[key], tuple(rest), change)
    return type(value)(items)


def drop(value: Any, place: Place) -> Any:
    """Return a state without the value at a place."""
    *way, last = place

    def without(parent: Any) -> Any:
        if isinstance(parent, dict):
            return {key: item for key, item in parent.items() if key != last}
        return type(parent)(item for number, item in enumerate(parent) if number != last)

    return exchange(value, tuple(way), without)


ARRAY_CHANGES: dict[str, Callable[[np.ndarray], Any]] = {
    "flat": lambda array: array.reshape(-1),
    "one more axis": lambda array: array[None],
    "another type": lambda array: array.astype("f8" if array.dtype != np.float64 else "u1"),
    "whole numbers": lambda array: array.astype(np.int32),
    "empty": lambda array: array.reshape(-1)[:0],
    "smaller": lambda array: array[: max(1, len(array) // 2)],
    "larger": lambda array: np.concatenate([array, array]) if array.ndim else array,
    "one pixel": lambda array: np.zeros((1, 1, 3), array.dtype),
    "NaN": lambda array: np.full_like(array, np.nan) if array.dtype.kind == "f" else array,
    "large": lambda array: np.full_like(array, 1e30) if array.dtype.kind == "f" else array,
    "texts": lambda array: np.array("x" * 9),
}


@st.composite
def mutated_states(draw: st.DrawFn, state: Any) -> Any:
    """Draw a state of which one or two values are others, or are gone."""
    for _ in range(draw(st.integers(1, 2))):
        places = list(list_places(state))
        arrays = [p for p in places if isinstance(_get(state, p), np.ndarray)]
        what = draw(st.sampled_from(("value", "value", "drop", "array")))
        if what == "array" and arrays:
            change = ARRAY_CHANGES[draw(st.sampled_from(sorted(ARRAY_CHANGES)))]
            state = exchange(state, draw(st.sampled_from(arrays)), change)
        elif what == "drop":
            state = drop(state, draw(st.sampled_from(places)))
        else:
            odd = draw(ODD_VALUES | st.fractions() | st.just(float("nan")))
            state = exchange(state, draw(st.sampled_from(places)), lambda _, odd=odd: odd)
        if not isinstance(state, dict) or not state:
            break
    return state


def _get(value: Any, place: Place) -> Any:
    for key in place:
        value = value[key]
    return value


class StoppedJob:
    """A job that was stopped, of which each trial has a copy."""

    def __init__(self, folder: Path, network: Network, settings: VideoSettings, at: int) -> None:
        self.folder, self.network, self.settings, self.at = folder, network, settings, at
        self.origin = Rendering(folder, network).interrupt("d.mp4", settings, at)
        self.state = read_state(self.origin / "state.npz", job_id(self.origin))

    def go_on(self, state: Any) -> None:
        """Finish a copy with another state, and resume another one by one frame."""
        trial = self.folder / "trial"
        for use in (self._finish, self._resume):
            shutil.rmtree(trial, ignore_errors=True)
            shutil.copytree(self.origin, trial / "d.mp4.job")
            write_state(trial / "d.mp4.job" / "state.npz", state, job_id(self.origin))
            use(trial)

    def _finish(self, folder: Path) -> None:
        job = folder / "d.mp4.job"
        inspect_job(job).status  # noqa: B018
        with contextlib.suppress(OutputError):
            finish_job(job, folder / "look.mp4")

    def _resume(self, folder: Path) -> None:
        with contextlib.suppress(Interruption):
            Rendering(folder, self.network)("d.mp4", self.settings, self.at + 1)


@pytest.fixture(scope="module")
def stopped_jobs(
    tmp_path_factory: pytest.TempPathFactory, noise_network: Network
) -> Callable[[str], StoppedJob]:
    jobs: dict[str, StoppedJob] = {}

    def get(kind: str) -> StoppedJob:
        if kind not in jobs:
            jobs[kind] = StoppedJob(tmp_path_factory.mktemp("job"), noise_network, *KINDS[kind])
        return jobs[kind]

    return get


@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=max(4, EXAMPLES // 3),
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_a_made_up_state_is_refused_or_harmless(
    kind: str, data: st.DataObject, stopped_jobs: Callable[[str], StoppedJob]
) -> None:
    job = stopped_jobs(kind)
    with contextlib.suppress(DreamFlowError):
        job.go_on(data.draw(mutated_states(job.state)))


DREAM: Place = ("journey", "dreamer", "dream")
FIRST: Place = (*DREAM, "dreams", 0)
MISFITS: dict[str, tuple[Place, Callable[[Any], Any]]] = {
    "no frames": (("frames",), lambda _: None),
    "frames in words": (("frames",), lambda _: "nine"),
    "more frames than the film has": (("frames",), lambda _: 2**50),
    "no pipeline": (("journey",), lambda _: None),
    "a share of a frame": (("journey", "shown"), lambda _: 9.5),
    "fewer than no frames": (("journey", "done"), lambda _: -3),
    "files read in words": (("journey", "read"), lambda _: "12"),
    "a size for the frame before": (
        ("journey", "dreamer", "before", "picture"),
        lambda picture: picture[:20],
    ),
    "decimals for the frame before": (
        ("journey", "dreamer", "before", "picture"),
        lambda picture: picture.astype(np.float32),
    ),
    "a time in words": (("journey", "dreamer", "before", "time"), lambda _: "1/3"),
    "no frame before": (("journey", "dreamer", "before"), lambda _: None),
    "another residual": ((*FIRST, "residual"), lambda residual: residual[:, :30]),
    "a residual without an axis": ((*FIRST, "residual"), lambda residual: residual[0]),
    "a residual in double": ((*FIRST, "residual"), lambda residual: residual.astype(np.float64)),
    "no age": ((*FIRST, "age"), lambda _: None),
    "fewer bands": ((*FIRST, "setpoint", "bands"), lambda bands: bands[:1]),
    "an effort in words": ((*FIRST, "base_effort"), lambda _: "much"),
    "another dream": ((*DREAM, "dreams"), lambda dreams: {7: dreams[0]}),
    "a dream of a name": ((*DREAM, "dreams"), lambda dreams: {"first": dreams[0]}),
    "no weights": ((*DREAM, "weights"), lambda _: {}),
    "no seconds": ((*DREAM, "since_measured"), lambda _: None),
    "another grid": ((*DREAM, "pending", "grid"), lambda grid: (grid[1], grid[0])),
    "a grid of nothing": ((*DREAM, "pending", "grid"), lambda _: (None, 2)),
    "a gain of no dream": ((*DREAM, "pending", "names"), lambda names: ("gain.7", *names[1:])),
    "fewer names": ((*DREAM, "pending", "names"), lambda names: names[1:]),
    "traces in words": (("journey", "dreamer", "passed_traces"), lambda _: "0"),
    "a trace without a frame": (("journey", "dreamer", "trace"), lambda _: {}),
    "a detector's colours": (
        ("journey", "marker", "gray"),
        lambda gray: np.dstack([gray] * 3),
    ),
    "a detector of nothing": (("journey", "marker"), lambda _: []),
}


@pytest.mark.parametrize("kind", MISFITS)
def test_a_state_that_does_not_fit_is_named(
    kind: str, stopped_jobs: Callable[[str], StoppedJob]
) -> None:
    job = stopped_jobs("carried")
    with pytest.raises(OutputError) as refused:
        job.go_on(exchange(job.state, *MISFITS[kind]))
    assert refused.value.setting in ("fresh", "repair")
    assert "d.mp4.job" in str(refused.value.where)
    assert len(str(refused.value).splitlines()) == 1
    assert (job.folder / "trial" / "d.mp4.job" / "state.npz").exists()


ZOOM_MISFITS: dict[str, tuple[str, Any]] = {
    "a tick without an end before it": ("tick", -(2**60)),
    "a tick behind the end": ("tick", 10**9),
    "a share of a tick": ("tick", 1.5),
    "no image": ("dream", None),
    "a small image": ("dream", np.zeros((8, 8, 3), np.float32)),
    "levels of an image": ("dream", np.zeros((32, 48, 3), np.uint8)),
}


@pytest.mark.parametrize("kind", ZOOM_MISFITS)
def test_a_zooms_state_that_does_not_fit_is_refused(kind: str, noise_network: Network) -> None:
    picture = np.zeros((32, 48, 3), np.uint8)
    dream = DreamOptions(layer=("conv1/7x7_s2",), octaves=1, iterations=1)
    pipeline = ZoomPipeline(picture, noise_network, dream, ZoomOptions(seconds=1, fps=4))
    name, value = ZOOM_MISFITS[kind]
    state = pipeline.state()
    with pytest.raises(DocumentError):
        pipeline.restore({**state, name: value})
    pipeline.restore(state)


def test_an_array_that_claims_more_than_the_file_holds_is_refused(tmp_path: Path) -> None:
    """Its header is of no account to the memory."""
    path = tmp_path / "state.npz"
    array = np.zeros(2**20, np.uint8)
    write_state(path, {"frames": 1, "journey": {"done": 1, "a": array}}, "a" * 32)
    assert read_state(path, "a" * 32)["journey"]["a"].shape == (2**20,)
    content = path.read_bytes()
    header = b"(1048576,), }"
    claimed = b"(" + b"9" * 14 + b",), }"
    assert content.count(header) == 1
    padding = len(claimed) - len(header)
    path.write_bytes(content.replace(header + b" " * padding, claimed))
    with pytest.raises(OutputError):
        read_state(path, "a" * 32)
