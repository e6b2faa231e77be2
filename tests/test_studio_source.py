"""A source that goes or changes on the disk while it is open in the studio."""

from __future__ import annotations

import os
import queue
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import PATIENCE_S, make_film
from studio_pages import AnsweringWorker, make_studio, only, opened, run

from dreamflow.studio.source import read_source_facts
from dreamflow.studio.source_watch import SourceNews, SourceWatch
from dreamflow.studio.studio import Studio

pytest.importorskip("nicegui", reason="the studio's library, NiceGUI, is not installed")


@pytest.fixture
def film(tmp_path: Path) -> Path:
    (tmp_path / "open").mkdir()
    return make_film(tmp_path / "open" / "film.mp4", frames=24)


@pytest.fixture
def news(film: Path) -> Iterator[queue.Queue[SourceNews]]:
    told: queue.Queue[SourceNews] = queue.Queue()
    watch = SourceWatch(told.put, poll_s=0.01)
    watch.follow(film)
    watch.start()
    yield told
    watch.close()


def test_a_source_that_goes_and_comes_back_is_told(
    film: Path, news: queue.Queue[SourceNews]
) -> None:
    film.rename(film.with_suffix(".away"))
    gone = news.get(timeout=PATIENCE_S)
    assert (gone.path, gone.facts) == (film, None)
    assert film.name in gone.note
    film.with_suffix(".away").rename(film)
    assert news.get(timeout=PATIENCE_S) == SourceNews(film)
    assert news.empty()


def test_a_source_that_changes_is_opened_anew(film: Path, news: queue.Queue[SourceNews]) -> None:
    os.replace(make_film(film.with_name("other.mp4"), frames=9, size="32x48"), film)
    changed = news.get(timeout=PATIENCE_S)
    assert changed.facts is not None
    assert (changed.facts.frames, changed.facts.width, changed.facts.height) == (9, 32, 48)
    film.write_bytes(b"no film")
    broken = news.get(timeout=PATIENCE_S)
    assert broken.facts is None
    assert "\n" not in broken.note
    assert film.name in broken.note


@pytest.fixture
def made(tmp_path: Path, film: Path) -> tuple[Studio, AnsweringWorker]:
    return make_studio(tmp_path / "open", tmp_path / "home")


def test_the_look_stays_when_the_source_changes(
    made: tuple[Studio, AnsweringWorker], film: Path
) -> None:
    studio, worker = made

    async def scenario() -> None:
        async with opened(studio) as user:
            studio.open("film.mp4")
            user.find(marker="tab-looks").click()
            studio.set("step", 3)
            studio.go_to(20)
            studio.end_here()
            away = film.rename(film.with_suffix(".away"))
            studio.take_source_news(SourceNews(film, note="film.mp4 is gone"))
            await user.should_see("film.mp4 is gone")
            for view in ("tune", "curves", "render", "looks"):  # none of them needs the file
                user.find(marker=f"tab-{view}").click()
            asked = len(worker.asked)
            away.rename(film)
            studio.take_source_news(SourceNews(film))
            await user.should_not_see("film.mp4 is gone")
            assert len(worker.asked) > asked
            os.replace(make_film(film.with_name("other.mp4"), frames=9), film)
            studio.take_source_news(SourceNews(film, read_source_facts(film), "opened anew"))
            await user.should_see("opened anew")
            await user.should_see(marker="tile-0")
            project = studio.project
            assert (project.frame, project.first, project.stop) == (8, 0, 0)
            assert project.look.settings == {"step": 3.0}
            assert project.past

    run(scenario())


def test_the_source_that_is_open_is_opened_again(made: tuple[Studio, AnsweringWorker]) -> None:
    studio, _ = made

    async def scenario() -> None:
        async with opened(studio) as user:
            for _ in range(2):
                studio.open("film.mp4")
                user.find(marker="tab-looks").click()
                await user.should_see(marker="tile-0")
                assert len(studio.places.tiles) == len(studio.wall.tiles) > 0
            assert only(user, "tab-looks").props["aria-current"] == "page"

    run(scenario())


@pytest.mark.filterwarnings("ignore::dreamflow.core.errors.DamagedSourceWarning")
def test_a_film_that_is_cut_short_opens_and_says_so(film: Path, tmp_path: Path) -> None:
    whole = make_film(film.with_name("whole.avi"), frames=30, options=("-c:v", "mjpeg"))
    cut = film.with_name("cut.avi")
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    studio, _ = make_studio(film.parent, tmp_path / "home")
    notes: list[str] = []

    async def scenario() -> None:
        notes.extend(studio.open(str(cut)).notes)  # as from the command line
        async with opened(studio) as user:
            await user.should_see(notes[0])
            studio.open(str(film))
            await user.should_not_see(notes[0])
            with user:
                user.find(marker="tab-open").click()
                user.find("cut.avi").click()
            await user.should_see(notes[0])

    run(scenario())
