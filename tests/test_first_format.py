"""Jobs that version 0.1.0 left unfinished: not to be resumed, but their frames are not lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import CommandResult
from job_rendering import FRAMES, SETTINGS, Rendering, decode_output

from dreamflow.core.errors import DreamFlowWarning, OutputError
from dreamflow.jobs.listing import finish_job
from dreamflow.pipelines.settings.groups import VideoSettings

HASH_BYTES, STAMP_BYTES = 16, 8
WIDTH, HEIGHT = 64, 36
YOUNGER_KEYS = ("seal", "id", "input_files")
YOUNGER_SOUND_KEYS = ("track", "is_playlist", "is_seekable")
YOUNGER_OUTLINE_KEYS = ("extras", "frame_numbers")


def make_first_format(folder: Path) -> None:
    """Make a job's folder as version 0.1.0 (51fab5e) wrote it: without hashes and identity."""
    record_bytes = HASH_BYTES + STAMP_BYTES + 3 * WIDTH * HEIGHT
    for path in folder.rglob("pending_*.rgb"):
        data = path.read_bytes()
        starts = range(HASH_BYTES, len(data), record_bytes)
        frames = [data[start : start + record_bytes - HASH_BYTES] for start in starts]
        path.write_bytes(b"".join(frames))
    for path in [*folder.rglob("pieces.jsonl"), *folder.glob("state_*.npz")]:
        path.unlink()
    metadata = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    metadata = {name: value for name, value in metadata.items() if name not in YOUNGER_KEYS}
    for name in YOUNGER_OUTLINE_KEYS:
        del metadata["outline"][name]
    for name in YOUNGER_SOUND_KEYS:
        del metadata["outline"]["sound"][name]
    (folder / "job.json").write_text(json.dumps({**metadata, "job": 1}), encoding="utf-8")


@pytest.fixture
def settings() -> VideoSettings:
    return replace(SETTINGS, clip=replace(SETTINGS.clip, size=str(WIDTH)))


@pytest.mark.parametrize(("name", "plate"), [("d.mp4", "p.mkv"), ("d", "p")])
def test_its_frames_and_plate_become_an_output(
    render: Rendering, settings: VideoSettings, name: str, plate: str
) -> None:
    today = render.interrupt("t" + name, settings, 15, plate_path=render.folder / ("t" + plate))
    finish_job(today)
    folder = render.interrupt(name, settings, 15, plate_path=render.folder / plate)
    make_first_format(folder)
    with pytest.warns(DreamFlowWarning):
        out, frames = finish_job(folder)
    assert (out, frames) == (render.folder / name, 15)
    for path in (name, plate):
        whole = decode_output(render.folder / ("t" + path))
        assert decode_output(render.folder / path) == whole
        assert len(whole) == 15
    assert not folder.exists()


def test_it_is_left_alone_by_resuming_and_can_be_started_over(
    render: Rendering, settings: VideoSettings
) -> None:
    folder = render.interrupt("d.mp4", settings, 9)
    make_first_format(folder)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(OutputError) as error:
        render("d.mp4", settings)
    assert error.value.setting == "fresh"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
    assert len(decode_output(render("d.mp4", settings, fresh=True))) == FRAMES


def test_the_command_line_finishes_it(
    render: Rendering, settings: VideoSettings, cli: Callable[..., CommandResult]
) -> None:
    folder = render.interrupt("d.mp4", settings, 9)
    make_first_format(folder)
    assert "finish" in cli("jobs", "list", render.folder).err
    run = cli("jobs", "finish", folder)
    assert run.code == 0, run.err
    assert len(decode_output(render.folder / "d.mp4")) == 9


def test_a_kill_while_it_is_brought_into_todays_format_loses_nothing(
    render: Rendering, settings: VideoSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = render.interrupt("d.mp4", settings, 15)
    make_first_format(folder)
    replace = Path.replace

    def fail_for_metadata(path: Path, target: Path) -> Path:
        if Path(target).name == "job.json":
            raise OSError(5, "the disk is gone")
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail_for_metadata)
        with pytest.raises(OutputError):
            finish_job(folder)
    with pytest.warns(DreamFlowWarning):
        assert finish_job(folder)[1] == 15
    assert len(decode_output(render.folder / "d.mp4")) == 15


DAMAGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "no outline": lambda job: job.pop("outline"),
    "an outline that is a list": lambda job: job.update(outline=[1]),
    "a rate that is none": lambda job: job["outline"].update(rate="1/0"),
    "a length without digits": lambda job: job["outline"].update(length=""),
    "frames in words": lambda job: job["outline"].update(frames="many"),
    "sound that begins nowhere": lambda job: job["outline"]["sound"].update(start=""),
    "sound that is a number": lambda job: job["outline"].update(sound=7),
    "no segments": lambda job: job.pop("chunk"),
    "segments of no frames": lambda job: job.update(chunk=0),
    "an output elsewhere": lambda job: job.update(out="../../d.mp4"),
    "an encoder of another kind": lambda job: job.update(encode={"codec": 3}),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_one_whose_job_file_is_damaged_is_refused_and_left_alone(
    render: Rendering, settings: VideoSettings, damage: str
) -> None:
    folder = render.interrupt("d.mp4", settings, 9)
    make_first_format(folder)
    metadata = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    DAMAGES[damage](metadata)
    (folder / "job.json").write_text(json.dumps(metadata), encoding="utf-8")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(OutputError) as error:
        finish_job(folder)
    assert error.value.where == str(folder / "job.json")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files


def test_frames_of_a_size_that_no_memory_holds_are_not_read(
    render: Rendering, settings: VideoSettings
) -> None:
    folder = render.interrupt("d.mp4", settings, 9)
    make_first_format(folder)
    metadata = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    metadata["outline"].update(width=2**17, height=2**17)
    (folder / "job.json").write_text(json.dumps(metadata), encoding="utf-8")
    with pytest.warns(DreamFlowWarning):
        assert finish_job(folder)[1] == 6  # those of the encoded segment
