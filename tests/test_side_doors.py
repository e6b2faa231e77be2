"""Nothing of the user's is overwritten by what a command writes besides its output."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import SAMPLE_STILL, CommandResult, make_film, make_texture
from job_rendering import FAST, Rendering, decode_output

from dreamflow.core.errors import OutputError
from dreamflow.media.stills.write import write_picture
from dreamflow.media.write.output_path import check_output, find_same_file

Cli = Callable[..., CommandResult]
LINE = (*FAST, "--iterations", "0", "--end", "3", "--threads", "1")


def link(kind: str, target: Path, name: Path) -> Path:
    """Return another name of a file."""
    if kind == "symlink":
        name.symlink_to(target)
    elif kind == "hard link":
        os.link(target, name)
    else:
        return target
    return name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a film, pictures, and inputs of each kind."""
    make_film(tmp_path / "in.mp4", frames=4)
    (tmp_path / "shots").mkdir()
    for number in range(4):
        write_picture(tmp_path / "shots" / f"{number}.png", make_texture(48, 64, number))
    write_picture(tmp_path / "matte.png", np.full((48, 64, 3), 255, np.uint8))
    write_picture(tmp_path / "guide.png", make_texture(64, 64, 9))
    (tmp_path / "cuts.txt").write_text("2\n")
    (tmp_path / "look.toml").write_text("step = 2.0\n")
    (tmp_path / "gains.toml").write_text("fill_step = 2.5\n")
    return tmp_path


PICTURES = {
    "a picture of the source": "shots/1.png",
    "the matte": "matte.png",
    "the reference": "guide.png",
}
OTHERS = {"the cuts": "cuts.txt", "the preset": "look.toml", "the gains": "gains.toml"}


def read_all(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def run_video(cli: Cli, folder: Path, *more: str | Path) -> CommandResult:
    return cli(
        *("video", folder / "shots", folder / "d.mp4", *LINE),
        *("--matte", folder / "matte.png", "--guided-by", folder / "guide.png"),
        *("--cuts", folder / "cuts.txt", "--preset", folder / "look.toml"),
        *("--gains", folder / "gains.toml", "--overwrite", *more),
    )


@pytest.mark.parametrize("kind", ["its name", "symlink", "hard link"])
@pytest.mark.parametrize("what", PICTURES)
def test_the_watch_file_is_no_input_by_any_name(
    what: str, kind: str, folder: Path, cli: Cli
) -> None:
    watched = link(kind, folder / PICTURES[what], folder / "now.png")
    before = read_all(folder)
    run = run_video(cli, folder, "--watch", watched)
    assert run.code == 1
    assert "--watch" in run.err
    assert read_all(folder) == before


@pytest.mark.parametrize("kind", ["symlink", "hard link"])
@pytest.mark.parametrize("flag", ["--plate", "--trace"])
@pytest.mark.parametrize("what", [*PICTURES, *OTHERS])
def test_no_other_output_is_an_input_by_any_name(
    what: str, flag: str, kind: str, folder: Path, cli: Cli
) -> None:
    target = folder / (PICTURES | OTHERS)[what]
    other = link(kind, target, folder / ("p.mkv" if flag == "--plate" else "t.jsonl"))
    before = read_all(folder)
    run = run_video(cli, folder, flag, other)
    assert run.code == 1
    assert other.name in run.err
    assert read_all(folder) == before


@pytest.mark.parametrize("what", [*PICTURES, *OTHERS])
def test_the_output_itself_is_no_input_by_any_name(what: str, folder: Path, cli: Cli) -> None:
    link("hard link", folder / (PICTURES | OTHERS)[what], folder / "d.mp4")
    before = read_all(folder)
    assert run_video(cli, folder).code == 1
    assert read_all(folder) == before


def test_a_picture_that_no_render_watched_is_not_replaced(folder: Path, cli: Cli) -> None:
    mine = folder / "mine.png"
    write_picture(mine, make_texture(8, 8))
    content = mine.read_bytes()
    line = ("video", folder / "in.mp4", folder / "d.mp4", *LINE, "--overwrite", "--watch")
    run = cli(*line, mine)
    assert run.code == 1
    assert "mine.png" in run.err
    assert mine.read_bytes() == content
    for _ in range(2):
        assert cli(*line, folder / "now.jpg").code == 0
    dangling = folder / "dangling.png"
    dangling.symlink_to(folder / "elsewhere.png")
    assert cli(*line, dangling).code == 1
    assert not (folder / "elsewhere.png").exists()


@pytest.mark.parametrize("content", [b'{"mine": 1}', b"notes", b"[1]"])
def test_a_json_beside_an_output_that_is_not_dreamflows_stays(
    content: bytes, folder: Path, cli: Cli
) -> None:
    for out, line in (
        ("d.mp4", ("video", folder / "in.mp4", folder / "d.mp4", *LINE)),
        ("f.png", ("frame", folder / "in.mp4", folder / "f.png", *FAST, "--iterations", "0")),
    ):
        (folder / f"{out}.json").write_bytes(content)
        run = cli(*line)
        assert run.code == 0
        assert f"{out}.json" in run.err
        assert (folder / f"{out}.json").read_bytes() == content
        (folder / f"{out}.json").unlink()
        assert cli(*line, "--overwrite").code == 0
        assert cli(*line, "--overwrite").code == 0
        assert json.loads((folder / f"{out}.json").read_text())["dreamflow"]


def test_a_link_beside_an_output_is_not_written_through(folder: Path, cli: Cli) -> None:
    mine = folder / "mine.json"
    mine.write_text('{"mine": 1}')
    (folder / "d.mp4.json").symlink_to(mine)
    assert cli("video", folder / "in.mp4", folder / "d.mp4", *LINE).code == 0
    assert mine.read_text() == '{"mine": 1}'


def fail(*_: object, **__: object) -> None:
    raise OutputError("no")


def test_a_resumed_trace_replaces_no_other_file(render: Rendering, cli: Cli, folder: Path) -> None:
    line = ("video", folder / "in.mp4", folder / "d.mp4", *LINE)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            "dreamflow.jobs.job.finish_output",
            lambda *_, **__: (_ for _ in ()).throw(OutputError("no")),
        )
        assert cli(*line).code == 1
    mine = folder / "mine.jsonl"
    mine.write_text('{"a": 1}\n')
    run = cli(*line, "--trace", mine)
    assert run.code == 1
    assert mine.read_text() == '{"a": 1}\n'


def test_an_empty_trace_of_a_render_that_was_killed_at_once_is_no_hindrance(
    folder: Path, cli: Cli
) -> None:
    """It is made before the job is: a kill in between leaves it, and no job."""
    trace = folder / "t.jsonl"
    trace.touch()
    line = ("video", folder / "in.mp4", folder / "d.mp4", *LINE)
    assert cli(*line, "--trace", trace).code == 0
    assert len(trace.read_text().splitlines()) == 3


def test_an_output_folder_that_holds_a_source_is_refused(folder: Path) -> None:
    shots = folder / "shots"
    with pytest.raises(OutputError):
        check_output(shots, True, [shots / "1.png"])
    with pytest.raises(OutputError):
        check_output(folder, True, [shots / "1.png"])


def test_a_folder_of_frames_with_settings_of_another_is_not_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "settings.json").write_text('{"mine": 1}')
    with pytest.raises(OutputError):
        check_output(out, True)
    assert (out / "settings.json").exists()


def test_a_path_that_is_no_file_yet_is_compared_by_name(tmp_path: Path) -> None:
    other = tmp_path / "a" / ".." / "b.png"
    (tmp_path / "a").mkdir()
    assert find_same_file(tmp_path / "b.png", [other]) == other
    assert find_same_file(tmp_path / "c.png", [other]) is None


def test_guide_overwrites_only_pictures_that_it_made(folder: Path, cli: Cli) -> None:
    line = ("guide", SAMPLE_STILL, folder / "guide", "--size", "48", "--layer", "conv2/3x3")
    line += ("--octaves", "1", "--iterations", "1", "--threads", "1")
    assert cli(*line).code == 0
    pictures = folder / "guide" / "pictures"
    (made,) = pictures.glob("*conv2-3x3.jpg")
    for name in ("01_holiday.jpg", "99_mine.jpg"):
        write_picture(pictures / name, make_texture(8, 8))
        shutil.copy(pictures / name, folder / "guide" / "thumbnails" / name)
    mine = {path: path.read_bytes() for path in (folder / "guide").rglob("*_[hm]*.jpg")}
    assert len(mine) == 4
    assert cli(*line, "--overwrite").code == 0
    assert {path: path.read_bytes() for path in mine} == mine
    made.unlink()
    write_picture(made, make_texture(8, 8))
    content = made.read_bytes()
    (folder / "guide" / "thumbnails" / made.name).unlink()
    run = cli(*line)
    assert run.code == 1
    assert made.name in run.err
    assert made.read_bytes() == content


def test_an_output_that_was_published_can_be_rendered_over(folder: Path, cli: Cli) -> None:
    line = ("video", folder / "in.mp4", folder / "d", *LINE)
    assert cli(*line).code == 0
    assert cli(*line).code == 1
    assert cli(*line, "--overwrite").code == 0
    assert len(decode_output(folder / "d")) == 3
