"""The plate: put over its source as its help says, it is the dream again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import CommandResult, decode_with_ffmpeg, make_film, run_ffmpeg
from hypothesis import given
from hypothesis import strategies as st

from dreamflow.media.read.clip import open_clip
from dreamflow.media.stills import read_picture
from dreamflow.media.write.residual_plate import PLATE_MID_GREY, make_plate

FAST = ("--layer", "conv1/7x7_s2", "--octaves", "1", "--iterations", "2", "--every", "5")
Cli = Callable[..., CommandResult]


@given(st.integers(0, 255), st.integers(0, 255))
def test_source_and_plate_are_the_dream(source: int, dream: int) -> None:
    pictures = (np.full((1, 1, 3), level, np.uint8) for level in (dream, source))
    again = int(make_plate(*pictures)[0, 0, 0]) + source - PLATE_MID_GREY
    assert (
        again == dream
        if -PLATE_MID_GREY <= dream - source < PLATE_MID_GREY
        else abs(again - dream) <= 128
    )


@pytest.fixture
def film(tmp_path: Path) -> Path:
    exact = ("-c:v", "libx264rgb", "-qp", "0", "-pix_fmt", "rgb24")
    return make_film(tmp_path / "in.mkv", frames=20, options=exact)


@pytest.mark.parametrize("name", ["plate.mkv", "plate.mp4", "plate.mov", "plate"])
def test_a_plate_composites_back(tmp_path: Path, cli: Cli, film: Path, name: str) -> None:
    """By another program's grain merge: the ffmpeg binary's."""
    dream, plate = tmp_path / "dream.mkv", tmp_path / name
    run = cli("video", film, dream, *FAST, "--lossless", "--plate", plate)
    assert run.code == 0, run.err
    assert {p.name for p in tmp_path.iterdir()} == {"in.mkv", "dream.mkv", "dream.mkv.json", name}
    dreamed = decode_with_ffmpeg(dream, "scale=iw:ih")
    sources = np.stack([frame.picture for frame in open_clip(film, every=5)])
    assert np.abs(dreamed.astype(int) - sources).mean() > 1
    pattern = plate / "frame_%06d.png" if plate.is_dir() else plate
    merged = tmp_path / "merged.mkv"
    merge = "[0:v]select=not(mod(n\\,5)),settb=1/25,setpts=N,format=gbrp[s];"
    merge += "[1:v]settb=1/25,setpts=N,format=gbrp[p];"
    merge += "[s][p]blend=all_mode=grainmerge:shortest=1"
    run_ffmpeg(
        *("-i", film, "-i", pattern, "-lavfi", merge, "-frames:v", "4", "-fps_mode"),
        *("passthrough", "-c:v", "libx264rgb", "-qp", "0", merged),
    )
    error = np.abs(decode_with_ffmpeg(merged, "scale=iw:ih").astype(int) - dreamed)
    assert error.mean() < 1.5 if name == "plate.mov" else error.max() == 0


def test_where_nothing_is_dreamed_the_plate_is_grey(tmp_path: Path, cli: Cli, film: Path) -> None:
    out, plate = tmp_path / "dream.mp4", tmp_path / "plate"
    run = cli("video", film, out, "--iterations", "0", "--end", "3", "--plate", plate)
    assert run.code == 0
    assert all((read_picture(path) == PLATE_MID_GREY).all() for path in plate.glob("*.png"))
    assert len(list(plate.glob("*.png"))) == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("plate.gif", "256 colours"),
        ("plate.txt", "not a format DreamFlow writes"),
        ("dream.mp4", "is the dream itself"),
        ("in.mkv", "is the source itself"),
        ("nowhere/plate.mov", "does not exist"),
    ],
)
def test_plates_that_cannot_be(
    tmp_path: Path, cli: Cli, film: Path, name: str, message: str
) -> None:
    out = tmp_path / "dream.mp4"
    run = cli("video", film, out, *FAST, "--plate", tmp_path / name)
    assert run.code == 1 and message in run.err and run.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]
