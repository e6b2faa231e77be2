"""The pages in docs/: their settings load, and what a trace holds is named in them."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from conftest import REPO_ROOT, SAMPLE_CLIP

from dreamflow.dream.options import DreamOptions
from dreamflow.media.read.clip import open_clip
from dreamflow.networks import Network
from dreamflow.pipelines.carry_over_frames import DreamerControls
from dreamflow.pipelines.video import dream_video
from dreamflow.temporal.gains import parse_gains
from dreamflow.temporal.trace import Trace

PAGE = (REPO_ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("block", re.findall(r"^```toml\n(.*?)^```", PAGE, re.M | re.S))
def test_gains_of_the_page_load(block: str) -> None:
    gains = tomllib.loads(block)
    loaded = parse_gains(gains, "docs")
    assert all(hasattr(loaded, name) for name in gains)


def test_every_quantity_of_a_trace_is_named(noise_network: Network) -> None:
    traces: list[Trace] = []
    clip = open_clip(SAMPLE_CLIP, size="64", end="5")
    options = DreamOptions(layer=("conv2/3x3",), octaves=2, iterations=2)
    controls = DreamerControls(on_trace=traces.append)
    assert len(list(dream_video(clip, noise_network, None, options, controls=controls))) == 5
    assert [trace.frame for trace in traces] == list(range(5))
    named = {re.sub(r"\d+", "N", word) for word in re.findall(r"`([\w.]+)`", PAGE)}
    rows = [trace.as_row() for trace in traces]
    keys = {key for row in rows for key in row} - {"numbers"}
    numbers = {re.sub(r"\d+", "N", f"numbers.{key}") for row in rows for key in row["numbers"]}
    colours = {"numbers.mean.green", "numbers.mean.blue"}
    lines = {"numbers.energy.lines", "numbers.setpoint.lines"}
    assert keys <= named
    assert numbers - colours - lines <= named
    assert {one.name for one in fields(Trace)} - {"clock"} <= named | {"numbers"}


def test_links_of_the_page_and_to_it_lead_somewhere() -> None:
    readme = (REPO_ROOT / "README.md").read_text(encoding="utf-8")
    for page, folder in ((PAGE, REPO_ROOT / "docs"), (readme, REPO_ROOT)):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page):
            assert (folder / Path(target)).exists(), target
