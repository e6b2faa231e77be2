"""The studio's view of curves, without a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import make_film
from studio_pages import AnsweringWorker, make_studio, only, opened, run

from dreamflow.core.errors import DreamFlowError
from dreamflow.studio.outside import FilmChoices, film_words
from dreamflow.studio.studio import Studio

pytest.importorskip("nicegui", reason="the studio's library, NiceGUI, is not installed")


@pytest.fixture
def made(tmp_path: Path) -> tuple[Studio, AnsweringWorker]:
    (tmp_path / "open").mkdir()
    make_film(tmp_path / "open" / "film.mp4", frames=24)
    return make_studio(tmp_path / "open", tmp_path / "queue")


def tell(user: Any, event: str, **arguments: Any) -> None:
    """Do to the lanes what a pointer would."""
    user.find(marker="curves").trigger(event, arguments)


def test_a_schedule_is_made_by_dragging(made: tuple[Studio, AnsweringWorker]) -> None:
    studio, worker = made

    async def scenario() -> None:
        async with opened(studio) as user:
            studio.open("film.mp4")
            user.find(marker="tab-curves").click()
            tell(user, "add", lane="strength", seconds=0.5, value=0.3)
            assert studio.project.look.settings == {"strength": "0: 1, 12: 0.3"}
            tell(user, "move", lane="strength", place=1, seconds=0.75, value=2.0)
            assert studio.project.look.settings == {"strength": "0: 1, 18: 2"}
            assert only(user, "schedule").value == "0: 1, 18: 2"
            assert worker.asked[-1].settings == studio.project.look.settings
            tell(user, "choose", lane="strength", place=0)
            with user:
                only(user, "interpolation").set_value("smooth")
            assert studio.project.look.settings == {"strength": "smooth, 0: 1, 18: 2"}
            tell(user, "remove", lane="strength", place=1)
            assert studio.project.look.settings == {"strength": "0: 1"}
            for _ in range(4):
                studio.undo()
            assert studio.project.look.settings == {}

    run(scenario())


def test_a_schedule_is_written_beside_its_curve(made: tuple[Studio, AnsweringWorker]) -> None:
    studio, _ = made

    async def scenario() -> None:
        async with opened(studio) as user:
            studio.open("film.mp4")
            user.find(marker="tab-curves").click()
            tell(user, "choose", lane="step", place=-1)
            with user:
                only(user, "schedule").set_value("0: 1, 0.5s: 4 hold, 100%: 2")
            (lane,) = [one for one in only(user, "curves").shown["lanes"] if one["name"] == "step"]
            assert [point["seconds"] for point in lane["points"]] == [0, 0.5, 1]
            with user:
                only(user, "schedule").set_value("0: 1, 0.5s: 4000")
            await user.should_see("out of range")
            assert studio.project.look.settings == {"step": "0: 1, 0.5s: 4 hold, 100%: 2"}
            with user:
                only(user, "schedule").set_value("audio.bass")
            await user.should_see("there is no sound to hear")

    run(scenario())


def test_layers_change_over_time(made: tuple[Studio, AnsweringWorker]) -> None:
    studio, _ = made

    async def scenario() -> None:
        async with opened(studio) as user:
            studio.open("film.mp4")
            user.find(marker="tab-curves").click()
            tell(user, "add", lane="layer", seconds=0.5, value=None)
            with user:
                only(user, "keyframe-layer").set_value("conv2/3x3")
            assert studio.project.look.settings == {
                "layer": ["0: inception_4c/output, 12: conv2/3x3"]
            }

    run(scenario())


def test_schedules_count_from_where_the_film_begins(made: tuple[Studio, AnsweringWorker]) -> None:
    studio, worker = made

    async def scenario() -> None:
        async with opened(studio) as user:
            studio.open("film.mp4")
            studio.go_to(12)
            studio.begin_here()
            user.find(marker="tab-curves").click()
            assert only(user, "curves").shown["length"] == 0.5
            assert only(user, "curves").shown["time"] == 0
            tell(user, "add", lane="step", seconds=0.25, value=4.0)
            assert studio.project.look.settings == {"step": "0: 1.5, 6: 4"}
            assert worker.asked[-1].start == "12"
            tell(user, "seek", seconds=0.25)
            assert studio.project.frame == 18

    run(scenario())


def test_another_sound_is_heard_and_stays_with_other_looks(
    made: tuple[Studio, AnsweringWorker], tmp_path: Path
) -> None:
    studio, worker = made
    sound = str((tmp_path / "open" / "film.mp4").resolve())

    async def scenario() -> None:
        async with opened(studio) as user:
            studio.open("film.mp4")
            user.find(marker="tab-curves").click()
            with user:
                studio.set("audio", sound)
                studio.set("bpm", "90")
            assert studio.project.look.settings == {"audio": sound, "bpm": 90.0}
            studio.take({"step": 3.0}, "strong")
            wanted = {"audio": sound, "bpm": 90.0, "step": 3.0}
            assert studio.project.look.settings == worker.asked[-1].settings == wanted
            words = film_words(wanted, FilmChoices("film.mp4", "d.mp4"))
            assert words[words.index("--audio") + 1] == sound
            assert words[words.index("--bpm") + 1] == "90"
            studio.toggle_favourite()
            assert [one.settings for one in studio.favourites.looks] == [{"step": 3.0}]
            with pytest.raises(DreamFlowError):
                studio.set("audio", "/etc/passwd")

    run(scenario())
