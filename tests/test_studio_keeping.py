"""What the studio keeps: files that were dropped, and the projects that were worked on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import PATIENCE_S, CommandResult, make_film, make_texture
from hypothesis import given
from hypothesis import strategies as st
from studio_pages import AnsweringWorker, make_studio, only, opened, run

from dreamflow.core.errors import OutputError
from dreamflow.media.stills.write import write_picture
from dreamflow.studio.files.uploads import Uploads
from dreamflow.studio.studio import Studio

pytest.importorskip("nicegui", reason="the studio's library, NiceGUI, is not installed")


@pytest.fixture
def made(tmp_path: Path) -> tuple[Studio, AnsweringWorker]:
    (tmp_path / "open").mkdir()
    make_film(tmp_path / "open" / "film.mp4", frames=24)
    write_picture(tmp_path / "picture.png", make_texture(40, 60))
    return make_studio(tmp_path / "open", tmp_path / "home")


def dropped(name: str, content: bytes) -> Any:
    from nicegui.elements.upload_files import SmallFileUpload

    return SmallFileUpload(name, "", content)


@given(st.text(max_size=40))
def test_a_dropped_file_stays_in_its_folder(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    uploads = Uploads(tmp_path_factory.getbasetemp() / "uploads")
    for whole in (f"{name}.mp4", f"../../{name}.png", f"/etc/{name}.PNG", f"..\\{name}.mov"):
        try:
            place = uploads.find_place(whole)
        except OutputError:
            continue
        assert place.parent == uploads.folder
        assert not place.name.startswith(".")
        assert place.suffix in {".mp4", ".png", ".mov"}


def test_dropped_files_of_one_name_do_not_replace_each_other(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path / "uploads")
    for _ in range(3):
        uploads.find_place("a.mp4").write_bytes(b"film")
    assert len(list(uploads.folder.iterdir())) == 3
    for name in ("passwd", "run.sh", "page.html", "x.svg", ""):
        with pytest.raises(OutputError):
            uploads.find_place(name)


def test_a_clip_is_dropped_and_opened(made: tuple[Studio, AnsweringWorker], tmp_path: Path) -> None:
    studio, _ = made
    film = (tmp_path / "open" / "film.mp4").read_bytes()

    async def scenario() -> None:
        async with opened(studio) as user:
            with user:
                place = only(user, "drop")
                await place.handle_uploads([dropped("page.html", b"<script>")])
                await user.should_see("is no film")
                await place.handle_uploads([dropped("../new.mp4", film)])
                await user.should_see("presets")
            assert studio.project.source is not None
            assert studio.project.source.path == studio.uploads.folder / "new.mp4"
            assert studio.project.source.frames == 24

    run(scenario())


def test_a_reference_and_a_matte_are_dropped(
    made: tuple[Studio, AnsweringWorker], tmp_path: Path
) -> None:
    studio, _ = made
    picture = (tmp_path / "picture.png").read_bytes()

    async def scenario() -> None:
        async with opened(studio) as user:
            studio.open("film.mp4")
            user.find(marker="tab-tune").click()
            for name in ("guided_by", "matte"):
                with user:
                    place = only(user, f"drop-{name}")
                    await place.handle_uploads([dropped("p.png", picture)])
                async with asyncio.timeout(PATIENCE_S):
                    while name not in studio.project.look.settings:
                        await asyncio.sleep(0.05)
                kept = Path(studio.project.look.settings[name])
                assert kept.parent == studio.uploads.folder
                assert kept.read_bytes() == picture

    run(scenario())


def test_a_project_goes_on_where_a_killed_studio_left_it(
    made: tuple[Studio, AnsweringWorker], tmp_path: Path
) -> None:
    studio, _ = made

    async def scenario() -> None:
        async with opened(studio):
            studio.open("film.mp4")
            studio.go_to(6)
            studio.begin_here()
            studio.take({"step": "0: 1, 6: 3", "layer": ["conv2/3x3"]}, "mine")
            studio.go_to(9)
        studio.recent.write()  # as half a second later; nothing else is closed in order
        studio.queue.close()
        after, _ = make_studio(tmp_path / "open", tmp_path / "home")
        async with opened(after) as user:
            user.find(marker="recent").click()
            await user.should_see("octave scale")
            assert after.project.look == studio.project.look
            assert (after.project.frame, after.project.first) == (9, 6)
        after.recent.write()
        after.queue.close()
        (tmp_path / "home" / "recent.json").write_text('{"projects": [{"source": 3}]}')
        again, _ = make_studio(tmp_path / "open", tmp_path / "home")
        assert again.recent.projects == []
        assert again.recent.notes
        again.queue.close()

    run(scenario())


def test_the_look_of_a_film_is_taken_with_its_strength(
    tmp_path: Path, cli: Callable[..., CommandResult]
) -> None:
    source = make_film(tmp_path / "f.mp4", frames=2)
    film = tmp_path / "like.mp4"
    line = ("--layer", "conv2/3x3", "--strength", "0.7", "--iterations", "0", "--threads", "1")
    assert cli("video", source, film, *line).code == 0
    studio, _ = make_studio(tmp_path, tmp_path / "home")
    studio.take_look_of(film)
    look = studio.project.look
    assert (look.name, look.settings["strength"]) == ("like", 0.7)
    assert look.settings["layer"] == ["conv2/3x3"]
