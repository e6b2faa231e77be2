"""A comparison of two films or pictures: its page, its folder, and the settings that differ."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import CommandResult, make_film, make_texture, psnr

from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.records.embedded_settings import FOLDER_SETTINGS_FILE
from dreamflow.media.stills.read import read_picture
from dreamflow.media.stills.write import write_picture
from dreamflow.reports.compare.build import compare_settings, make_comparison

Cli = Callable[..., CommandResult]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return make_film(tmp_path / "film.mp4", frames=6, size="62x46")


def test_films_are_there_frame_by_frame(tmp_path: Path, film: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, frame in enumerate(open_clip(film)):
        write_picture(folder / f"f_{number}.png", frame.picture[:45, :61])  # odd sides
    done: list[int] = []
    page = make_comparison(film, folder, tmp_path / "compared", progress=done.append)
    assert done[-1] == 12
    assert {path.name for path in page.parent.iterdir()} == {
        *("index.html", "a.mp4", "b.mp4", FOLDER_SETTINGS_FILE)
    }
    a, b = (list(open_clip(page.parent / name)) for name in ("a.mp4", "b.mp4"))
    for source, shown in zip(open_clip(film), a, strict=True):
        assert psnr(source.picture, shown.picture) > 28
    assert len(b) == 6
    assert b[0].picture.shape == (46, 62, 3)


def test_pictures_are_compared_to_the_last_bit(tmp_path: Path) -> None:
    for name, seed in (("a.png", 1), ("b.webp", 2)):
        write_picture(tmp_path / name, make_texture(20, 30, seed))
    page = make_comparison(tmp_path / "a.png", tmp_path / "b.webp", tmp_path / "c")
    assert np.array_equal(read_picture(page.parent / "a.png"), make_texture(20, 30, 1))
    shown = read_picture(page.parent / "b.png")
    assert np.array_equal(shown, read_picture(tmp_path / "b.webp"))


def test_nothing_outside_the_folder_is_loaded_and_names_are_no_markup(
    tmp_path: Path,
) -> None:
    name = "<img src=x onerror=alert(1)>&.png"
    write_picture(tmp_path / name, make_texture(20, 30))
    page = make_comparison(tmp_path / name, tmp_path / name, tmp_path / "c")
    html = page.read_text(encoding="utf-8")
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html
    addresses = re.findall(r"""(?:src|href)\s*=\s*["']([^"']*)""", html)
    assert set(addresses) == {"data:,", "a.png", "b.png"}
    assert "http" not in re.sub(r"http-equiv", "", html)


def test_the_page_says_which_settings_differ(tmp_path: Path, cli: Cli, film: Path) -> None:
    line = ("--octaves", "1", "--iterations", "0", "--threads", "1")
    for name, more in (("one.mp4", ("--step", "2")), ("two.mp4", ("--preset", "fur"))):
        run = cli("video", film, tmp_path / name, *line, *more)
        assert run.code == 0, run.err
    run = cli("compare", tmp_path / "one.mp4", tmp_path / "two.mp4", tmp_path / "c")
    assert run.code == 0, run.err
    html = (tmp_path / "c" / "index.html").read_text(encoding="utf-8")
    rows = re.findall(r'<th scope="row">([^<]*)', html)
    assert rows == ["--layer", "--step"]


def test_settings_are_compared_where_both_are_known() -> None:
    a = {"settings": {"step": 2.0, "octaves": 3}}
    assert compare_settings(a, {}) is None
    assert compare_settings(a, a) == []
    # An older version's record lacks a setting: it is at its default.
    (changed,) = compare_settings(a, {"settings": {"octaves": 3}}) or []
    assert (changed.name, changed.first, changed.second) == ("step", 2.0, 1.5)


def test_other_folders_are_left_alone(tmp_path: Path, cli: Cli, film: Path) -> None:
    out = tmp_path / "c"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    for more in ((), ("--overwrite",)):
        run = cli("compare", film, film, out, *more)
        assert run.code == 1
        assert [path.name for path in out.iterdir()] == ["mine.txt"]
    (out / "mine.txt").unlink()
    assert cli("compare", film, film, out).code == 0
    assert cli("compare", film, film, out).code == 1
    assert cli("compare", film, film, out, "--overwrite").code == 0


def test_a_film_and_a_picture_are_not_compared(tmp_path: Path, cli: Cli, film: Path) -> None:
    write_picture(tmp_path / "p.png", make_texture(20, 30))
    run = cli("compare", film, tmp_path / "p.png", tmp_path / "c")
    assert run.code == 1
    assert len(run.err.strip().splitlines()) == 1
    assert not (tmp_path / "c").exists()


def test_a_comparison_that_fails_leaves_no_folder(tmp_path: Path, cli: Cli, film: Path) -> None:
    run = cli("compare", film, tmp_path / "gone.mp4", tmp_path / "c")
    assert run.code == 1
    assert not (tmp_path / "c").exists()
