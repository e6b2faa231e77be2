"""The residual plate: composited over its source with grain merge, it is the dream again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import CommandResult, decode_with_ffmpeg, make_film, run_ffmpeg
from hypothesis import given
from hypothesis import strategies as st

from dreamflow.core.errors import OutputError, SettingsError
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.stills.read import read_picture
from dreamflow.media.write.residual_plate import PLATE_MID_GREY, make_plate, plate_format

FAST = ("--layer", "conv1/7x7_s2", "--octaves", "1", "--iterations", "2", "--every", "5")
Cli = Callable[..., CommandResult]


@given(st.integers(0, 255), st.integers(0, 255))
def test_source_plus_plate_is_the_dream(source: int, dream: int) -> None:
    pictures = (np.full((1, 1, 3), level, np.uint8) for level in (dream, source))
    merged = int(make_plate(*pictures)[0, 0, 0]) + source - PLATE_MID_GREY
    if -PLATE_MID_GREY <= dream - source < PLATE_MID_GREY:
        assert merged == dream
    else:
        assert abs(merged - dream) <= 128


@pytest.fixture
def video(tmp_path: Path) -> Path:
    exact = ("-c:v", "libx264rgb", "-qp", "0", "-pix_fmt", "rgb24")
    return make_film(tmp_path / "in.mkv", frames=20, options=exact)


@pytest.mark.parametrize("name", ["plate.mkv", "plate.mp4", "plate.mov", "plate"])
def test_ffmpeg_grain_merge_of_a_plate_gives_the_dream(
    tmp_path: Path, cli: Cli, video: Path, name: str
) -> None:
    dream, plate = tmp_path / "dream.mkv", tmp_path / name
    run = cli("video", video, dream, *FAST, "--lossless", "--plate", plate)
    assert run.code == 0, run.err
    assert {p.name for p in tmp_path.iterdir()} == {"in.mkv", "dream.mkv", "dream.mkv.json", name}
    dreamed = decode_with_ffmpeg(dream, "scale=iw:ih")
    sources = np.stack([frame.picture for frame in open_clip(video, every=5)])
    assert np.abs(dreamed.astype(int) - sources).mean() > 1
    pattern = plate / "frame_%06d.png" if plate.is_dir() else plate
    merged = tmp_path / "merged.mkv"
    merge = "[0:v]select=not(mod(n\\,5)),settb=1/25,setpts=N,format=gbrp[s];"
    merge += "[1:v]settb=1/25,setpts=N,format=gbrp[p];"
    merge += "[s][p]blend=all_mode=grainmerge:shortest=1"
    run_ffmpeg(
        *("-i", video, "-i", pattern, "-lavfi", merge, "-frames:v", "4", "-fps_mode"),
        *("passthrough", "-c:v", "libx264rgb", "-qp", "0", merged),
    )
    error = np.abs(decode_with_ffmpeg(merged, "scale=iw:ih").astype(int) - dreamed)
    assert error.mean() < 1.5 if name == "plate.mov" else error.max() == 0


def test_a_plate_is_grey_where_nothing_is_dreamed(tmp_path: Path, cli: Cli, video: Path) -> None:
    out, plate = tmp_path / "dream.mp4", tmp_path / "plate"
    run = cli("video", video, out, "--iterations", "0", "--end", "3", "--plate", plate)
    assert run.code == 0
    assert all((read_picture(path) == PLATE_MID_GREY).all() for path in plate.glob("*.png"))
    assert len(list(plate.glob("*.png"))) == 3


def test_formats_that_lose_too_much_are_refused() -> None:
    with pytest.raises(SettingsError) as raised:
        plate_format(Path("plate.gif"))
    assert raised.value.setting == "plate"
    assert ".mov" in str(raised.value.allowed)
    with pytest.raises(OutputError) as refused:
        plate_format(Path("plate.txt"))
    assert refused.value.where == "plate.txt"
    assert ".mov" in str(refused.value.allowed)


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
def test_a_refused_plate_leaves_nothing(
    tmp_path: Path, cli: Cli, video: Path, name: str, message: str
) -> None:
    out = tmp_path / "dream.mp4"
    run = cli("video", video, out, *FAST, "--plate", tmp_path / name)
    assert run.code == 1
    assert message in run.err
    assert run.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]
