"""Mattes that are painted on the studio's page: kept as files, part of the look and its command."""

from __future__ import annotations

import io
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from conftest import make_film
from PIL import Image
from studio_pages import make_studio, only, opened, run

from dreamflow.core.errors import MediaError
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.mattes.matte import Matte
from dreamflow.media.read.mattes.matte_files import MatteTarget
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.studio.files.mattes import PaintedMattes, find_painting_size, render_matte
from dreamflow.studio.outside import FilmChoices, film_words
from dreamflow.studio.studio import Studio

pytest.importorskip("nicegui", reason="the studio's library, NiceGUI, is not installed")
SHADES = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (20, 1))


def png_of(grey: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.stack([grey] * 3 + [np.full_like(grey, 255)], -1)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    (tmp_path / "open").mkdir()
    make_film(tmp_path / "open" / "film.mp4", frames=2)
    made, _ = make_studio(tmp_path / "open", tmp_path / "home")
    return made


def test_what_was_painted_is_what_is_shown_and_painted_on(tmp_path: Path) -> None:
    mattes = PaintedMattes(tmp_path / "mattes")
    path = mattes.keep(png_of(SHADES), Path("clip.mp4"))
    film = make_film(tmp_path / "film.mp4", frames=1, size="32x20")
    matte = Matte(ShowOptions(matte=str(path)), MatteTarget.from_clip(Clip(film)))
    assert np.array_equal(np.rint(matte.opacity_at(Fraction(0)) * 255), SHADES)
    again = Image.open(io.BytesIO(render_matte(path, 32, 20)))
    assert np.array_equal(np.asarray(again), SHADES)
    assert mattes.keep(png_of(SHADES), Path("clip.mp4")) == path
    assert mattes.keep(png_of(255 - SHADES), Path("clip.mp4")) != path


@pytest.mark.parametrize("content", [b"", b"GIF89a", png_of(SHADES)[:60], b"<svg/>"])
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(MediaError):
        PaintedMattes(tmp_path).keep(content, Path("clip.mp4"))
    assert not list(tmp_path.iterdir())


def test_a_huge_canvas_is_refused_unread(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(file, "PNG")
    with pytest.raises(MediaError):
        PaintedMattes(tmp_path).keep(file.getvalue(), Path("clip.mp4"))


@pytest.mark.parametrize("size", [(320, 240), (4096, 2160), (1080, 1920), (7, 5000), (1, 1)])
def test_a_painting_has_the_shape_of_its_source(size: tuple[int, int]) -> None:
    width, height = find_painting_size(*size)
    assert max(width, height) == min(1920, max(size))
    assert abs(width / height - size[0] / size[1]) <= max(1 / height, width / height**2)


def test_mattes_that_nothing_refers_to_are_cleared(studio: Studio, tmp_path: Path) -> None:
    def paint(shade: int) -> Path:
        return studio.take_painting(png_of(np.full((20, 30), shade, np.uint8)))

    async def scenario() -> None:
        async with opened(studio) as user:
            studio.open("film.mp4")
            names = ("history", "favourite", "queued", "copied", "young", "recent")
            paths = {name: paint(shade) for shade, name in enumerate(names)}
            studio.set("matte", str(paths["favourite"]))
            studio.toggle_favourite()
            studio.queue.pause()
            film = FilmChoices(
                str(tmp_path / "open" / "film.mp4"), str(tmp_path / "open" / "d.mp4")
            )
            studio.queue.add({"matte": str(paths["queued"])}, film)
            studio.set("matte", str(paths["copied"]))
            user.find(marker="tab-tune").click()
            user.find("Command").click()
            await user.should_see("The look as text")
            user.find("Save").click()  # without a name
            assert not list(studio.mattes.folder.glob("*.kept"))
            with user:
                only(user, "preset-name").set_value(str(tmp_path / "open" / "look.toml"))
            user.find("Save").click()
            studio.set("matte", str(paths["recent"]))
            for name, path in paths.items():
                if name != "young":
                    os.utime(path, (0, 0))
            studio.open("film.mp4")
            assert all(path.exists() for path in paths.values())  # undo finds them all
        studio.recent.write()
        studio.queue.close()
        after, _ = make_studio(tmp_path / "open", tmp_path / "home")
        async with opened(after):
            after.start()
            left = {name for name, path in paths.items() if path.exists()}
            assert left == {"favourite", "queued", "copied", "young", "recent"}
        after.queue.close()

    run(scenario())


def test_painting_is_a_step_of_the_look_and_of_its_command(studio: Studio) -> None:
    async def scenario() -> None:
        async with opened(studio) as user:
            studio.open("film.mp4")
            user.find(marker="tab-tune").click()
            user.find(marker="paint").click()
            for shade in (40, 200):
                painted = png_of(np.full((20, 30), shade, np.uint8))
                answer = await user.http_client.post("/mattes", content=painted)
                assert answer.status_code == 200
                assert studio.matte is not None
                assert answer.json() == {"name": studio.matte.name}
                assert only(user, "matte-canvas").props["name"] == studio.matte.name
            words = film_words(studio.project.look.settings, FilmChoices("film.mp4", "dream.mp4"))
            assert words[words.index("--matte") + 1] == str(studio.matte)
            shown = await user.http_client.get(f"/mattes/{studio.matte.name}")
            assert Image.open(io.BytesIO(shown.content)).getpixel((3, 3)) == 200
            studio.undo()
            shown = await user.http_client.get(f"/mattes/{studio.matte.name}")
            assert Image.open(io.BytesIO(shown.content)).getpixel((3, 3)) == 40
            user.find(marker="no-matte").click()
            assert studio.project.look.settings == {}
            bad = await user.http_client.post("/mattes", content=b"not a picture")
            assert bad.status_code == 400
            assert studio.matte is None
            for key in ("x", "queue.json"):
                assert (await user.http_client.get(f"/mattes/{key}")).status_code == 404

    run(scenario())
