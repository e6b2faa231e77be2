"""Numbered pictures as an output: their names, numbers, samples, and that none is lost."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest
from conftest import SAMPLE_CLIP, make_texture
from job_rendering import CARRY, DREAM, Rendering

from dreamflow.core.errors import DreamFlowWarning, MediaError, OutputError
from dreamflow.jobs.listing import finish_job
from dreamflow.jobs.storage.publish import check_unclaimed, publish_output
from dreamflow.media.depth.read import read_deep_picture
from dreamflow.media.options import ClipOptions, EncodeOptions
from dreamflow.media.read.clip import Clip
from dreamflow.media.records.embedded_settings import read_record
from dreamflow.media.write.output_path import check_output
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.options import ShowOptions

NUMBERS = (1001, 1002, 1003, 1006, 1007)
PLAIN = VideoSettings(DREAM, CARRY, ClipOptions(), EncodeOptions())
UNSEEN = VideoSettings(DREAM, CARRY, ClipOptions(), EncodeOptions(), ShowOptions(strength=0.0))

pytestmark = pytest.mark.filterwarnings("ignore:.*(are missing|has no sound)")


def light_of(number: int) -> np.ndarray:
    """Return linear light of a moving picture, float16, brighter than white in a corner."""
    seen = make_texture(48, 96)[4:44, 2 * (number - 1000) :][:, :56]
    light = ((seen / 255) ** 2.2).astype(np.float16)
    light[:6, :6] = 40
    return light


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """An OpenEXR sequence with a gap."""
    folder = tmp_path / "shot"
    folder.mkdir()
    for number in NUMBERS:
        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        OpenEXR.File(header, {"RGB": light_of(number)}).write(str(folder / f"s_{number}.exr"))
    return folder


def read_light(path: Path) -> np.ndarray:
    return OpenEXR.File(str(path)).channels()["RGB"].pixels


@pytest.mark.parametrize("pattern", ["o_%04d.exr", "o_####.exr", "o.%d.exr"])
def test_a_sequence_keeps_numbers_and_samples(
    tmp_path: Path, shot: Path, render: Rendering, pattern: str
) -> None:
    for source in (shot, shot / "s_%04d.exr", shot / "s_####.exr", shot / "s_*.exr"):
        render(pattern, UNSEEN, source=source, overwrite=True)
        found = sorted(tmp_path.glob("o*.exr"))
        assert [int(path.stem[-4:]) for path in found] == list(NUMBERS)
        for number, path in zip(NUMBERS, found, strict=True):
            assert np.array_equal(read_light(path), light_of(number))
    assert read_record(found[0])["settings"]["strength"] == 0
    assert not list(tmp_path.glob("*.job"))


def test_gaps_are_filled_as_asked(tmp_path: Path, shot: Path, render: Rendering) -> None:
    for missing, expected in (("hold", light_of(1003)), ("black", np.zeros((40, 56, 3)))):
        settings = VideoSettings(
            DREAM, CARRY, ClipOptions(missing=missing), show=ShowOptions(strength=0.0)
        )
        render(f"{missing}_%04d.exr", settings, source=shot)
        names = [path.name for path in sorted(tmp_path.glob(f"{missing}_*.exr"))]
        assert names == [f"{missing}_{number}.exr" for number in range(1001, 1008)]
        assert np.array_equal(read_light(tmp_path / f"{missing}_1005.exr"), expected)
    with pytest.raises(MediaError):
        Clip(shot, ClipOptions(missing="stop"))


def test_a_film_becomes_a_sequence(tmp_path: Path, render: Rendering) -> None:
    settings = VideoSettings(
        DREAM, CARRY, ClipOptions(size="64", start="3", end="6"), show=ShowOptions(strength=0.0)
    )
    render("f_%03d.exr", settings, source=SAMPLE_CLIP)
    assert [path.name for path in sorted(tmp_path.glob("f_*.exr"))] == [
        f"f_{number:03d}.exr" for number in (3, 4, 5)
    ]
    (frame, *_) = Clip(SAMPLE_CLIP, settings.clip)
    proxy = read_deep_picture(tmp_path / "f_003.exr").proxy
    assert np.abs(proxy.astype(int) - frame.picture).max() <= 1


@pytest.mark.parametrize("name", ["o_%04d.exr", "o_####.tif", "o_%04d.png"])
def test_an_interrupted_sequence_goes_on(
    tmp_path: Path, shot: Path, render: Rendering, name: str
) -> None:
    is_exact = name.endswith("exr")
    with nullcontext() if is_exact else pytest.warns(DreamFlowWarning):
        render(f"whole_{name}", PLAIN, source=shot)
        folder = render.interrupt(name, PLAIN, at=3, source=shot)
        assert not list(tmp_path.glob("o_*[0-9].*")), "nothing has its name before all is done"
        assert folder.is_dir()
        render(name, PLAIN, source=shot)
    parts = sorted(tmp_path.glob("o_*[0-9].*"))
    assert len(parts) == len(NUMBERS)
    for part in parts:
        assert part.read_bytes() == (tmp_path / f"whole_{part.name}").read_bytes()


def test_what_is_finished_becomes_a_sequence(tmp_path: Path, shot: Path, render: Rendering) -> None:
    folder = render.interrupt("o_%04d.exr", PLAIN, at=3, source=shot)
    finish_job(folder)
    assert [path.name for path in sorted(tmp_path.glob("o_*.exr"))] == [
        f"o_{number}.exr" for number in NUMBERS[:3]
    ]


def test_publishing_goes_on_after_a_kill(tmp_path: Path) -> None:
    staged, target = tmp_path / "o_%04d.exr.job" / "whole.exr", tmp_path / "o_%04d.exr"
    staged.mkdir(parents=True)
    for number in range(4):
        (staged / f"o_{number:04d}.exr").write_bytes(bytes([number]))
    (staged / "o_0000.exr").rename(tmp_path / "o_0000.exr")  # and then the process was killed
    check_unclaimed(staged, target, overwrite=False)
    publish_output(staged, target, overwrite=False)
    assert [path.read_bytes()[0] for path in sorted(tmp_path.glob("o_*.exr"))] == [0, 1, 2, 3]
    assert not staged.exists()


def test_nothing_is_replaced_unasked(tmp_path: Path, shot: Path, render: Rendering) -> None:
    sources = [shot / f"s_{number}.exr" for number in NUMBERS]
    before = [path.read_bytes() for path in sources]
    for pattern in ("s_%04d.exr", "s_####.exr", "s_100%d.exr"):
        with pytest.raises(OutputError):
            check_output(shot / pattern, overwrite=True, sources=sources)
    (tmp_path / "o_0012.exr").write_bytes(b"mine")
    with pytest.raises(OutputError) as error:
        check_output(tmp_path / "o_%04d.exr", overwrite=False)
    assert error.value.setting == "overwrite"
    staged = tmp_path / "job" / "whole.exr"
    staged.mkdir(parents=True)
    (staged / "o_0012.exr").write_bytes(b"new")
    with pytest.raises(OutputError):
        check_unclaimed(staged, tmp_path / "o_%04d.exr", overwrite=False)
    assert [path.read_bytes() for path in sources] == before


def test_transparency_of_8_bits_goes_along(tmp_path: Path, render: Rendering) -> None:
    folder = tmp_path / "titles"
    folder.mkdir()
    alpha = np.zeros((40, 56, 1), np.uint8)
    alpha[10:30, 10:40] = 255
    alpha[:, 25:30] = 100
    for number in range(2):
        picture = np.dstack([make_texture(40, 56, number), alpha])
        cv2.imwrite(str(folder / f"t_{number}.png"), picture)
    render("o_%d.png", PLAIN, source=folder)
    for number in range(2):
        before, after = (
            cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            for path in (folder / f"t_{number}.png", tmp_path / f"o_{number}.png")
        )
        assert after.dtype == np.uint8
        assert np.array_equal(after[..., 3:], alpha)
        clear = alpha[..., 0] == 0
        assert np.array_equal(after[clear], before[clear])
        assert not np.array_equal(after[~clear], before[~clear])


def test_a_picture_cut_short_is_shown_as_the_one_before(
    tmp_path: Path, shot: Path, render: Rendering
) -> None:
    content = (shot / "s_1003.exr").read_bytes()
    (shot / "s_1003.exr").write_bytes(content[: len(content) // 2])
    with pytest.warns(DreamFlowWarning, match=r"s_1003\.exr"):
        render("o_%04d.exr", UNSEEN, source=shot)
    assert np.array_equal(read_light(tmp_path / "o_1003.exr"), light_of(1002))


def test_another_depth_in_a_sequence_is_said(tmp_path: Path, shot: Path, render: Rendering) -> None:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    wide = {"RGB": light_of(1003).astype(np.float32)}
    OpenEXR.File(header, wide).write(str(shot / "s_1003.exr"))
    with pytest.warns(DreamFlowWarning):
        render("o_%04d.exr", UNSEEN, source=shot)
    kinds = [read_light(tmp_path / f"o_{number}.exr").dtype.name for number in NUMBERS]
    assert kinds == ["float16", "float16", "float32", "float16", "float16"]
