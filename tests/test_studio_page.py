"""The studio's page, without a browser: from a clip to a look, a film and its command."""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import CommandResult, make_film, make_texture
from studio_pages import AnsweringWorker, make_studio, only, opened, run

from dreamflow.core.errors import OutputError
from dreamflow.media.stills.write import write_picture
from dreamflow.studio.films.renders import RenderQueue
from dreamflow.studio.outside import FilmChoices
from dreamflow.studio.studio import Studio
from dreamflow.studio.worker.messages import WorkerReady

ui = pytest.importorskip("nicegui", reason="the studio's library, NiceGUI, is not installed").ui

MARKUP = "<img src=x onerror=alert(1)>.mp4"


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    (tmp_path / "open").mkdir()
    make_film(tmp_path / "open" / "film.mp4", frames=6)
    make_film(tmp_path / "open" / MARKUP, frames=2)
    write_picture(tmp_path / "secret.png", make_texture(20, 30))
    return tmp_path


@pytest.fixture
def made(desk: Path) -> tuple[Studio, AnsweringWorker]:
    return make_studio(desk / "open", desk / "queue")


@pytest.fixture
def studio(made: tuple[Studio, AnsweringWorker]) -> Studio:
    return made[0]


@pytest.fixture
def worker(made: tuple[Studio, AnsweringWorker]) -> AnsweringWorker:
    return made[1]


def test_from_a_clip_to_a_look(studio: Studio, worker: AnsweringWorker) -> None:
    async def scenario() -> None:
        async with opened(studio) as user:
            await user.should_see("Open a clip or a picture")
            user.find("film.mp4").click()
            await user.should_see("presets")
            wall = [one for one in worker.asked if one.lane == "wall"]
            assert len(wall) == 2 * len(studio.wall.tiles)
            place = [tile.name for tile in studio.wall.tiles].index("swirls")
            user.find(marker=f"tile-{place}").trigger("click")
            await user.should_see("octave scale")
            assert studio.project.look.settings == {"layer": ["inception_3b/1x1"]}
            assert worker.asked[-1].settings == {"layer": ["inception_3b/1x1"]}
            await asyncio.sleep(0.1)
            picture = await user.http_client.get(f"/pictures/{studio.places.after.picture}")
            assert picture.headers["content-type"] == "image/png"
            user.find("Command").click()
            await user.should_see("The look as text")
            await user.should_see("--layer inception_3b/1x1")

    run(scenario())


def test_tiles_on_the_screen_are_asked_for_first(studio: Studio, worker: AnsweringWorker) -> None:
    async def scenario() -> None:
        async with opened(studio) as user:
            studio.open("film.mp4")
            asked = worker.asked
            asked.clear()
            worker.hold = True
            user.find(marker="tab-looks").click()
            user.find(marker="wall-grid").trigger("visible", {"places": [4, 5, 99]})
            tiles = [studio.wall.tiles[place].settings for place in (4, 4, 5, 5)]
            by_number = {one.number: one for one in asked}
            assert [by_number[n].settings for n in worker.preferred] == tiles
            studio.go_to(1)  # another frame, the same places
            user.find(marker="tab-looks").click()
            by_number = {one.number: one for one in asked}
            assert [by_number[n].settings for n in worker.preferred] == tiles
            assert {by_number[n].at for n in worker.preferred} == {"1"}

    run(scenario())


def test_neighbours_lead_on_and_looks_are_kept(studio: Studio) -> None:
    async def scenario() -> None:
        async with opened(studio) as user:
            studio.open("film.mp4")
            user.find(marker="tab-looks").click()
            user.find(marker="wall-variations").click()
            looks: list[Any] = [studio.project.look.settings]
            for _ in range(3):
                assert len(studio.wall.tiles) == 8
                user.find(marker="tile-0").trigger("click")
                await user.should_see(marker="vary-again")
                assert studio.project.look.settings not in looks
                looks.append(studio.project.look.settings)
            others = [tile.settings for tile in studio.wall.tiles]
            user.find(marker="vary-again").click()
            assert [tile.settings for tile in studio.wall.tiles] != others
            user.find(marker="tab-tune").click()
            user.find(marker="keep").click()
            user.find(marker="tab-looks").click()
            user.find(marker="wall-favourites").click()
            assert [tile.settings for tile in studio.wall.tiles] == [looks[-1]]
            for look in reversed(looks[:-1]):
                studio.undo()
                assert studio.project.look.settings == look

    run(scenario())


def test_digits_take_looks_on_the_wall_and_else_views(studio: Studio) -> None:
    def press(user: Any, key: str, code: str, shift: bool = False) -> None:
        modifiers = {f"{name}Key": False for name in ("alt", "ctrl", "meta")} | {"shiftKey": shift}
        event = {"action": "keydown", "key": key, "code": code, "location": 0, "repeat": False}
        user.find(kind=ui.keyboard).trigger("key", event | modifiers)

    async def scenario() -> None:
        async with opened(studio) as user:
            studio.open("film.mp4")
            press(user, "2", "Digit2")
            await user.should_see(marker="tile-8")
            press(user, "9", "Digit9")
            assert studio.project.look.settings == studio.wall.tiles[8].settings
            await user.should_see("octave scale")  # in Tune
            press(user, "2", "Digit2")
            user.find(marker="wall-variations").click()
            for key, code in (("8", "Numpad8"), ("1", "Digit1")):
                look = studio.wall.tiles[int(key) - 1].settings
                press(user, key, code)
                assert studio.project.look.settings == look
                await user.should_see(marker="vary-again")
            press(user, "9", "Digit9")  # there are eight of them
            assert studio.project.look.settings == look
            press(user, "!", "Digit1", shift=True)
            await user.should_see("Open a clip or a picture")

    run(scenario())


def test_a_wrong_value_is_told_beside_its_setting(studio: Studio) -> None:
    async def scenario() -> None:
        async with opened(studio) as user:
            studio.open("film.mp4")
            user.find(marker="tab-tune").click()
            field = only(user, "setting-step")
            with user:
                field.set_value("1000")
            await user.should_see("out of range")
            assert studio.project.look.settings == {}
            with user:
                field.set_value("2.5")
            assert studio.project.look.settings == {"step": 2.5}
            studio.undo()
            assert field.value == "1.5"
            with user:
                field.set_value("2.")
            assert field.value == "2.", "what is being typed stays"
            assert studio.project.look.settings == {"step": 2.0}

    run(scenario())


def test_the_drawer_is_searched(studio: Studio) -> None:
    async def scenario() -> None:
        async with opened(studio) as user:
            studio.open("film.mp4")
            user.find(marker="tab-tune").click()
            user.find(kind=ui.expansion).elements.pop().open()
            await user.should_see(marker="setting-matte_feather")
            with user:
                only(user, "search").set_value("jitter")
            await user.should_see(marker="setting-jitter_rotation")
            await user.should_not_see(marker="setting-matte_feather")
            await user.should_see(marker="setting-step")  # the essentials stay

    run(scenario())


def test_a_film_of_the_queue_is_that_of_the_state(desk: Path, studio: Studio) -> None:
    async def scenario() -> None:
        async with opened(studio) as user:
            studio.open("film.mp4")
            studio.take({"layer": ["conv2/3x3"]}, "lines")
            user.find(marker="tab-render").click()
            with user:
                only(user, "film-name").set_value("../outside.mp4")
            user.find(marker="render-film").click()
            await user.should_see("is not in a folder that is open")
            with user:
                only(user, "film-name").set_value("")
            user.find(marker="render-film").click()
            (queued,) = studio.queue.renders
            assert Path(queued.out) == (desk / "open" / "film_lines.mp4").resolve()
            assert queued.settings == {"layer": ["conv2/3x3"]}
            with user:
                studio.go_to(1)  # any news
            await user.should_see("film_lines.mp4")

    run(scenario())


def test_names_are_text_and_paths_outside_are_refused(desk: Path, studio: Studio) -> None:
    async def scenario() -> None:
        async with opened(studio) as user:
            await user.should_see(MARKUP)
            html = [
                one.content for one in user.client.elements.values() if isinstance(one, ui.html)
            ]
            assert not any("onerror" in text for text in html)
            user.find("Path").type("/etc/passwd").trigger("keydown.enter")
            await user.should_see("no such file in the folders")
            for path in (
                "/pictures/nosuch",
                "/latest/queue.json",
                "/films/x",
                "/latest/x",
            ):
                assert (await user.http_client.get(path)).status_code == 404
            assert studio.project.source is None

    run(scenario())


def test_two_tabs_see_the_same_state(studio: Studio) -> None:
    async def scenario() -> None:
        async with opened(studio) as user:
            studio.open("film.mp4")
            await user.open("/")
            await user.should_see("presets")
            studio.take_answer(WorkerReady(3))
            await user.should_see("ready, 3 threads")

    run(scenario())


def test_the_page_loads_without_a_network() -> None:
    script = (
        "import sys, dreamflow.studio.page.server, dreamflow.studio.worker.client\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_help_and_import_load_no_page() -> None:
    script = (
        "import sys, dreamflow, dreamflow.cli\n"
        "sys.argv = ['dreamflow', 'studio', '--help']\n"
        "try: dreamflow.cli.main()\n"
        "except SystemExit: pass\n"
        "assert not {'nicegui', 'fastapi', 'uvicorn', 'torch'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_what_cannot_be_served_is_one_line(
    tmp_path: Path, cli: Callable[..., CommandResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dreamflow.studio.listening import Address, open_socket

    monkeypatch.setenv("DREAMFLOW_HOME", str(tmp_path / "home"))
    taken = open_socket(Address())
    port = taken.getsockname()[1]
    socket.create_connection(("127.0.0.1", port)).close()  # it waits, and is not refused
    with pytest.raises(OutputError) as error:
        open_socket(Address(port=port))
    assert error.value.setting == "port"
    monkeypatch.chdir(tmp_path)
    Path("broken.mp4").write_bytes(b"no film at all")
    for arguments in (
        ("--port", port),
        ("--host", "0.0.0.0"),
        ("gone.mp4",),
        ("broken.mp4",),
        ("--folder", "gone"),
    ):
        children = multiprocessing.active_children()
        done = cli("studio", "--no-browser", *map(str, arguments))
        assert done.code == 1, arguments
        assert done.err.strip().splitlines()[-1].startswith("error: "), done.err
        assert multiprocessing.active_children() == children, "a worker is left behind"
    taken.close()


def test_a_finished_film_is_compared_with_another(desk: Path, studio: Studio) -> None:
    async def scenario() -> None:
        async with opened(studio) as user:
            studio.open("film.mp4")
            source = str((desk / "open" / "film.mp4").resolve())
            for name in ("one.mp4", "two.mp4"):
                film = FilmChoices(source, str((desk / "open" / name).resolve()))
                studio.queue.add({}, film)
                make_film(desk / "open" / name, frames=6)
            one, two = studio.queue.renders
            path = studio.queue.folder / "queue.json"
            studio.queue.close()
            path.write_text(path.read_text().replace('"waiting"', '"done"'))
            studio.queue = RenderQueue(studio.queue.folder)
            user.find(marker="tab-render").click()
            with user:
                studio.go_to(1)  # any news
            user.find(marker=f"play-{one.key}").click()
            with user:
                only(user, "compare-film").set_value(two.key)
            player = only(user, "wipe-player")
            assert player.shown == {"film": f"/films/{one.key}", "other": f"/films/{two.key}"}
            for render in (one, two):
                film = await user.http_client.get(f"/films/{render.key}")
                assert film.status_code == 200

    run(scenario())


def test_films_that_wait_are_dragged_into_another_order(desk: Path, studio: Studio) -> None:
    async def scenario() -> None:
        async with opened(studio) as user:
            studio.queue.pause()
            for name in "abc":
                clip, film = (str(desk / "open" / one) for one in ("film.mp4", f"{name}.mp4"))
                studio.queue.add({}, FilmChoices(clip, film))
            studio.queue.stop(studio.queue.renders[0].key)
            user.find(marker="tab-render").click()
            with user:
                studio.go_to(0)  # any news
            await user.should_see("b.mp4")
            before = [render.key for render in studio.queue.renders]
            await user.should_not_see(marker=f"grip-{before[0]}")
            cards = {key: only(user, f"grip-{key}").parent_slot.parent for key in before[1:]}
            user.find(marker="render-list").trigger("move", {"key": before[2], "by": -1})
            after = [render.key for render in studio.queue.renders]
            assert after == [before[0], before[2], before[1]]
            studio.queue.remove(before[0])
            user.find(marker="render-list").trigger("move", {"key": before[0], "by": 1})
            await user.should_see("not in the queue")
            with user:
                studio.go_to(0)
            shown = only(user, "render-list").default_slot.children
            assert shown == [cards[key] for key in after[1:]]  # the same cards, elsewhere

    run(scenario())
