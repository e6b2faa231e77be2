"""The pages in docs/: their settings load, and what a trace holds is named in them."""

from __future__ import annotations

import importlib
import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from conftest import REPO_ROOT, SAMPLE_CLIP
from documentation import PAGES, page_name

from dreamflow.dream.options import DreamOptions
from dreamflow.media.read.open_clip import open_clip
from dreamflow.networks.network import Network
from dreamflow.pipelines.dreamer_controls import DreamerControls
from dreamflow.pipelines.video.dream_video import dream_video
from dreamflow.temporal.control.gains_file import parse_gains
from dreamflow.temporal.trace import Trace

MAX_PICTURE_BYTES = 15_000_000
"""Of all pictures of the documentation together."""
PAGE_NAME = "docs/architecture.md"
PAGE = (REPO_ROOT / PAGE_NAME).read_text(encoding="utf-8")


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


def headings_of(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    lines = page.read_text(encoding="utf-8").splitlines()
    titles = [line.lstrip("# ").lower() for line in lines if line.startswith("#")]
    return {re.sub(r"[^\w -]", "", title).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_link_has_a_target(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        assert not anchor or anchor in headings_of(target), link


def test_every_preset_is_in_the_gallery(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(REPO_ROOT / "docs")
    gallery = importlib.import_module("gallery")
    page = (REPO_ROOT / "docs" / "looks.md").read_text(encoding="utf-8")
    assert gallery.TABLE_PATTERN.findall(page) == [gallery.preset_table()], "run docs/gallery.py"


def test_the_pictures_are_small() -> None:
    pictures = [path for path in (REPO_ROOT / "docs" / "pictures").rglob("*") if path.is_file()]
    assert {path.suffix for path in pictures} == {".webp"}
    assert sum(path.stat().st_size for path in pictures) < MAX_PICTURE_BYTES
