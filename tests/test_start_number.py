"""The PNGs of an output are numbered from where one likes, or as the source's frames are."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import SHARED_DIR, CommandResult, make_film, make_texture, refused
from job_rendering import SETTINGS, Rendering

from dreamflow.core.errors import DreamFlowWarning
from dreamflow.core.frames import Frame
from dreamflow.jobs.listing import finish_job
from dreamflow.jobs.output_writer import open_writer
from dreamflow.jobs.storage.folder import job_folder_path
from dreamflow.media.options import EncodeOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.stills.read import read_picture
from dreamflow.media.write.containers import check_encode_options
from dreamflow.pipelines.settings.groups import VideoSettings

pytestmark = pytest.mark.filterwarnings("ignore:.* are missing")

PLAIN = ("--iterations", "0", "--no-carry", "--size", "32", "--threads", "1")
GAPPED = (7, 8, 11, 12, 30)
"""Numbers of a folder's pictures, of which some are missing."""


def png_numbers(folder: Path) -> list[int]:
    return sorted(int(path.stem.removeprefix("frame_")) for path in folder.glob("*.png"))


@pytest.fixture
def gapped_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "shot"
    folder.mkdir()
    for number in GAPPED:
        cv2.imwrite(str(folder / f"shot_v2_{number:04d}.png"), make_texture(32, 48, number))
    return folder


def write_copies(out: Path, clip: Clip, start_number: str) -> list[int]:
    encode = EncodeOptions(start_number=start_number)
    with open_writer(out, clip.output_spec, encode=encode) as writer:
        for frame in clip:
            writer.write(frame)
    return png_numbers(out)


@pytest.mark.parametrize(("start_number", "first"), [("0", 0), ("1", 1), ("1001", 1001)])
def test_pngs_are_numbered_from_a_number(
    tmp_path: Path, gapped_folder: Path, start_number: str, first: int
) -> None:
    numbers = write_copies(tmp_path / "out", open_clip(gapped_folder), start_number)
    assert numbers == list(range(first, first + len(GAPPED)))


def test_pngs_are_numbered_as_the_source_with_its_gaps(tmp_path: Path, gapped_folder: Path) -> None:
    clip = open_clip(gapped_folder)
    assert write_copies(tmp_path / "out", clip, "source") == list(GAPPED)
    for number in GAPPED:
        copy = read_picture(tmp_path / "out" / f"frame_{number:06d}.png")
        assert np.array_equal(copy, read_picture(gapped_folder / f"shot_v2_{number:04d}.png"))
    assert [frame.index for frame in open_clip(tmp_path / "out")] == [0, 1, 2, 3, 4]


def test_a_part_keeps_its_numbers(tmp_path: Path, gapped_folder: Path) -> None:
    part = open_clip(gapped_folder, start="1", end="4")
    assert write_copies(tmp_path / "part", part, "source") == [8, 11, 12]
    every_second = open_clip(gapped_folder, every=2)
    assert write_copies(tmp_path / "second", every_second, "source") == [7, 11, 30]


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ({}, [0, 1, 2, 3, 4, 5, 6, 7]),
        ({"start": "3"}, [3, 4, 5, 6, 7]),
        ({"start": "1", "end": "7", "every": 3}, [1, 4]),
        ({"start": "4", "fps": 12.0}, [2, 3]),
    ],
)
def test_frames_of_a_film_are_numbered_from_its_first(
    tmp_path: Path, options: dict[str, str], numbers: list[int]
) -> None:
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=8, rate="24"), **options)  # type: ignore[arg-type]
    assert write_copies(tmp_path / "out", clip, "source") == numbers


@pytest.mark.clips
def test_the_given_folder_with_gaps(tmp_path: Path) -> None:
    clip = open_clip(SHARED_DIR / "faults" / "seqgap", size="64")
    numbers = write_copies(tmp_path / "out", clip, "source")
    assert {1, 2, 3, 6, 7, 8} <= set(numbers)
    assert numbers[0] == 1
    assert numbers[-1] == 8


def test_a_resumed_render_and_its_plate_have_the_numbers(
    render: Rendering, gapped_folder: Path
) -> None:
    encode = EncodeOptions(start_number="source")
    settings = VideoSettings(SETTINGS.dream, SETTINGS.carry, encode=encode)
    plate = render.folder / "plate"
    job = render.interrupt("out", settings, 3, source=gapped_folder, plate_path=plate)
    finish_job(job, render.folder / "so_far")
    assert png_numbers(render.folder / "so_far") == list(GAPPED[:3])
    out = render("out", settings, source=gapped_folder, plate_path=plate)
    whole = render("whole", settings, source=gapped_folder)
    assert png_numbers(out) == png_numbers(plate) == list(GAPPED)
    for path in sorted(whole.glob("*.png")):
        assert np.array_equal(read_picture(path), read_picture(out / path.name))


def test_a_source_without_numbers_is_refused_before_the_first_frame(tmp_path: Path) -> None:
    spec = OutputSpec.at_constant_rate(8, 8, Fraction(24), 2)
    encode = EncodeOptions(start_number="source")
    with refused("start_number"):
        open_writer(tmp_path / "out", spec, encode=encode)
    assert not job_folder_path(tmp_path / "out").exists()


@pytest.mark.parametrize("value", ["", "-1", "one", "1.5", "0x10", "10000000000"])
def test_what_is_no_number_is_refused(value: str) -> None:
    with refused("start_number"):
        EncodeOptions(start_number=value)


def test_a_film_ignores_the_number_and_says_so(tmp_path: Path) -> None:
    with pytest.warns(DreamFlowWarning):
        check_encode_options(tmp_path / "out.mp4", EncodeOptions(start_number="1001"))


def test_more_frames_than_the_source_has_go_on_counting(tmp_path: Path) -> None:
    spec = OutputSpec.at_constant_rate(8, 8, Fraction(24), 2)
    numbered = EncodeOptions(start_number="5")
    with open_writer(tmp_path / "out", spec, encode=numbered) as writer:
        for number in range(4):
            writer.write(Frame(number, Fraction(number, 24), make_texture(8, 8)))
    assert png_numbers(tmp_path / "out") == [5, 6, 7, 8]


def test_the_command_line_numbers_pngs(
    tmp_path: Path, gapped_folder: Path, cli: Callable[..., CommandResult]
) -> None:
    for start_number, numbers in (("1001", [1001, 1002, 1003, 1004, 1005]), ("source", [*GAPPED])):
        out = tmp_path / f"from_{start_number}"
        result = cli("video", gapped_folder, out, "--start-number", start_number, *PLAIN)
        assert result.code == 0, result.err
        assert png_numbers(out) == numbers


def test_a_reversed_zoom_is_numbered(tmp_path: Path, cli: Callable[..., CommandResult]) -> None:
    picture, out = tmp_path / "in.png", tmp_path / "out"
    cv2.imwrite(str(picture), make_texture(32, 32))
    zoom = ("--seconds", "0.1", "--ticks", "1", "--reverse", "--start-number", "100")
    fast = ("--layer", "conv1/7x7_s2", "--octaves", "1", "--iterations", "1")
    result = cli("zoom", picture, out, *zoom, *fast)
    assert result.code == 0, result.err
    numbers = png_numbers(out)
    assert numbers
    assert numbers == list(range(100, 100 + len(numbers)))


def test_numbers_of_a_long_film_take_no_room_in_a_job() -> None:
    spec = OutputSpec(8, 8, Fraction(24), 10**6, Fraction(10**6, 24), frame_numbers=range(10**6))
    assert len(str(spec.to_dict())) < 2000
    assert OutputSpec.from_dict(spec.to_dict()) == spec
