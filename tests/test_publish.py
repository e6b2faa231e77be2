"""A finished output takes its name only where nothing else has taken it meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import make_film
from job_rendering import FRAMES, Rendering, decode_output

from dreamflow.core.errors import OutputError
from dreamflow.core.frames import Frame
from dreamflow.jobs.listing import finish_job
from dreamflow.jobs.output_writer import write_video
from dreamflow.jobs.storage.folder import job_folder_path
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.open_clip import open_clip

OTHERS = b"another program's film"


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    return open_clip(make_film(tmp_path / "in.mp4", frames=4))


def claim_after_first(clip: Clip, path: Path) -> Iterator[Frame]:
    """Yield a clip's frames; after the first, something else makes a file, or one in a folder."""
    for number, frame in enumerate(clip):
        yield frame
        if number == 0 and path.suffix:
            path.write_bytes(OTHERS)
        elif number == 0:
            path.mkdir()
            (path / "frame_000000.png").write_bytes(OTHERS)


def read_others(path: Path) -> bytes:
    return (path if path.suffix else path / "frame_000000.png").read_bytes()


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.gif", "out"])
def test_a_file_that_appeared_meanwhile_is_not_replaced(
    tmp_path: Path, clip: Clip, name: str
) -> None:
    out = tmp_path / name
    with pytest.raises(OutputError) as raised:
        write_video(out, claim_after_first(clip, out), clip)
    assert raised.value.setting == "overwrite"
    assert read_others(out) == OTHERS
    job = job_folder_path(out)
    finish_job(job, tmp_path / f"kept{out.suffix}")
    kept = decode_output(tmp_path / f"kept{out.suffix}")
    assert len(kept) == 4, "the finished frames are not lost"
    with pytest.raises(OutputError):
        finish_job(job)
    assert read_others(out) == OTHERS
    finish_job(job, overwrite=True)
    assert decode_output(out) == kept
    assert not job.exists()


@pytest.mark.parametrize("name", ["out.mp4", "out"])
def test_it_is_replaced_where_that_is_asked_for(tmp_path: Path, clip: Clip, name: str) -> None:
    out = tmp_path / name
    assert write_video(out, claim_after_first(clip, out), clip, overwrite=True) == 4
    assert len(decode_output(out)) == 4


def test_an_empty_folder_that_appeared_meanwhile_is_used(tmp_path: Path, clip: Clip) -> None:
    def with_folder() -> Iterator[Frame]:
        (tmp_path / "out").mkdir()
        yield from clip

    assert write_video(tmp_path / "out", with_folder(), clip) == 4
    assert len(decode_output(tmp_path / "out")) == 4


def test_two_renders_with_one_plate_lose_none(tmp_path: Path, render: Rendering) -> None:
    plate, first, second = (tmp_path / name for name in ("plate.mkv", "first.mp4", "second.mp4"))
    render.interrupt(second.name, at=12, plate_path=plate)
    render(first.name, plate_path=plate)
    of_first = decode_output(plate)
    # The second one went on before the first had made the plate.
    moved = plate.rename(tmp_path / "moved.mkv")

    def put_back(*progress: object) -> None:
        if moved.exists():
            moved.rename(plate)

    with pytest.raises(OutputError) as raised:
        render(second.name, plate_path=plate, on_step=put_back)
    assert (raised.value.setting, raised.value.where) == ("overwrite", str(plate))
    assert decode_output(plate) == of_first
    assert not second.exists(), "neither the plate nor the dream is published"
    plate.rename(moved)
    render(second.name, plate_path=plate)
    assert second.exists()
    assert len(decode_output(plate)) == FRAMES
