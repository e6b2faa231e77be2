"""Sequences whose pictures differ in depth, and pictures that hold more than colours."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import OpenEXR
import pytest
from job_rendering import CARRY, DREAM, Rendering

from dreamflow.core.errors import ConvertedSourceWarning
from dreamflow.media.options import ClipOptions, EncodeOptions
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.options import ShowOptions

UNSEEN = VideoSettings(DREAM, CARRY, ClipOptions(), show=ShowOptions(strength=0.0))


def test_a_deep_picture_among_others_keeps_its_depth(tmp_path: Path, render: Rendering) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    codes = np.random.default_rng(0).integers(0, 2**16, (48, 64, 3)).astype(np.uint16)
    pictures = [(codes // 257).astype(np.uint8), (codes // 257).astype(np.uint8), codes]
    for n, picture in enumerate(pictures):
        cv2.imwrite(str(folder / f"p_{n}.png"), picture)
    with pytest.warns(ConvertedSourceWarning, match="frame 2"):
        render("out_%d.png", UNSEEN, source=folder)
    for n, picture in enumerate(pictures):
        shown = cv2.imread(str(tmp_path / f"out_{n}.png"), cv2.IMREAD_UNCHANGED)
        assert shown is not None
        assert shown.dtype == picture.dtype
        assert np.array_equal(shown, picture)


def test_channels_that_are_left_out_are_said_once(tmp_path: Path, render: Rendering) -> None:
    names = ("R", "G", "B", "Z", "N.X")
    channels = {name: np.full((48, 64), 0.5, np.float32) for name in names}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    for n in range(2):
        OpenEXR.File(header, channels).write(str(tmp_path / f"s_{n}.exr"))
    with pytest.warns(ConvertedSourceWarning, match="left out: .*N.X") as said:
        render("out_%d.exr", UNSEEN, source=tmp_path / "s_%d.exr")
    assert len(said) == 1


@pytest.mark.parametrize(("start", "first"), [("auto", 7), ("source", 7), ("0", 0), ("1001", 1001)])
def test_a_number_that_is_given_is_that_of_the_first_picture(
    tmp_path: Path, render: Rendering, start: str, first: int
) -> None:
    folder = tmp_path / "numbered"
    folder.mkdir()
    for n in (7, 8):
        cv2.imwrite(str(folder / f"p_{n}.png"), np.full((48, 64, 3), 30 * n, np.uint8))
    encode = EncodeOptions(start_number=start)
    unseen = VideoSettings(DREAM, CARRY, ClipOptions(), encode, ShowOptions(strength=0.0))
    render("out_%d.png", unseen, source=folder)
    assert {path.name for path in tmp_path.glob("out_*.png")} == {
        f"out_{first}.png",
        f"out_{first + 1}.png",
    }


@pytest.mark.parametrize("name", ["out_%d.png", "out_%d.exr", "out.mkv"])
def test_a_dream_bleeds_out_of_transparency_where_it_may(
    tmp_path: Path, render: Rendering, name: str
) -> None:
    folder = tmp_path / "titles"
    folder.mkdir()
    title = np.zeros((48, 64, 4), np.uint16)
    title[12:36, 16:48] = np.random.default_rng(0).integers(0, 2**16, (24, 32, 4))
    title[12:36, 16:48, 3] = 2**16 - 1
    for n in range(2):
        cv2.imwrite(str(folder / f"t_{n}.png"), title)
    seen: dict[bool, np.ndarray] = {}
    for bleed in (False, True):
        encode = EncodeOptions(bleed=bleed, codec="ffv1" if name == "out.mkv" else "auto")
        settings = VideoSettings(DREAM, CARRY, ClipOptions(), encode)
        seen[bleed] = read_alpha(render(f"{bleed}_{name}", settings, source=folder))
    assert np.array_equal(seen[False], title[..., 3] / 65535)
    assert (seen[True] >= seen[False]).all()
    assert (seen[True] > seen[False]).any()


def read_alpha(out: Path) -> np.ndarray:
    """Return the alpha of an output's first picture, 0 to 1."""
    if out.suffix == ".exr":
        file = OpenEXR.File(str(out.with_name(out.name % 0)))
        return file.channels()["RGBA"].pixels[..., 3].astype(np.float64)
    if out.suffix == ".mkv":
        with av.open(str(out)) as film:
            frame = next(film.decode(video=0))
        plane = np.frombuffer(memoryview(frame.planes[3]), np.uint16)
        return plane.reshape(frame.height, -1)[:, : frame.width] / 65535
    picture = cv2.imread(str(out.with_name(out.name % 0)), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return picture[..., 3] / 65535
