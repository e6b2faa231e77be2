"""The studio's queue: films as the command makes them, through kills of render and studio."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from conftest import PATIENCE_S, CommandResult, make_film

from dreamflow.core.errors import OutputError
from dreamflow.jobs.storage.folder import JOB_LOCK_FILE, job_folder_path
from dreamflow.media.read.open_clip import open_clip
from dreamflow.studio.films.measurement import measure_film
from dreamflow.studio.films.queue_document import QueuedRender
from dreamflow.studio.films.queue_file import QUEUE_FILE
from dreamflow.studio.films.render_process import is_render_alive
from dreamflow.studio.films.renders import POLL_S, RenderQueue
from dreamflow.studio.outside import FilmChoices

Cli = Callable[..., CommandResult]
QUICK = {"layer": ["conv2/3x3"], "octaves": 1, "iterations": 1, "carry_iterations": 1}


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return make_film(tmp_path / "film.mp4", frames=10, size="64x48")


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[RenderQueue]:
    made = RenderQueue(tmp_path / "queue", threads=1)
    yield made
    made.close()


def choose(film: Path, name: str = "d.mkv") -> FilmChoices:
    return FilmChoices(str(film), str(film.with_name(name)), "48", "ffv1", "draft")


def wait_for(queue: RenderQueue, key: str, *states: str) -> QueuedRender:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        render = next(one for one in queue.renders if one.key == key)
        if render.state in states:
            return render
        time.sleep(0.05)
    raise AssertionError(f"{render.state}: {render.message}")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_film_is_the_commands_through_kills_of_both(
    tmp_path: Path, cli: Cli, film: Path, queue: RenderQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DREAMFLOW_HOME")  # the processes use the network that is shipped
    key = queue.add(QUICK, choose(film)).key
    queue.start()
    render = wait_for(queue, key, "running")
    # The studio ends, and another one finds the render at work.
    queue.close()
    other = RenderQueue(tmp_path / "queue", threads=1)
    assert [one.state for one in other.renders] == ["running"]
    os.kill(render.pid, signal.SIGKILL)
    other.start()
    failed = wait_for(other, key, "failed", "done")
    if failed.state == "failed":
        assert failed.message
        other.go_on(key)
    done = wait_for(other, key, "done", "failed")
    assert done.state == "done", done.message
    other.close()
    assert other.progress(key).done == other.progress(key).total == 10
    assert other.latest_path(key).exists()
    words = other.words(done)
    words[2] = str(tmp_path / "by_hand.mkv")
    run = cli(*words)
    assert run.code == 0, run.err
    for one, again in zip(open_clip(done.out), open_clip(words[2]), strict=True):
        assert np.array_equal(one.picture, again.picture)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_render_that_is_killed_when_its_film_is_there_is_done(
    film: Path, queue: RenderQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DREAMFLOW_HOME")
    key = queue.add({**QUICK, "iterations": 200}, choose(film)).key
    queue.start()
    render = wait_for(queue, key, "running")
    os.kill(render.pid, signal.SIGSTOP)
    # As it is between the film's publication and the end of the process.
    shutil.rmtree(job_folder_path(Path(render.out)), ignore_errors=True)
    Path(render.out).write_bytes(b"film")
    left = job_folder_path(Path(render.out))
    left.mkdir()
    (left / JOB_LOCK_FILE).touch()
    os.kill(render.pid, signal.SIGKILL)
    assert wait_for(queue, key, "done", "failed").state == "done"
    assert not left.exists()
    assert not is_render_alive(os.getpid(), render.out)
    assert not left.exists()  # asking makes none


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="a system without /proc")
def test_a_render_that_has_just_begun_is_found_again(
    tmp_path: Path, film: Path, queue: RenderQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DREAMFLOW_HOME")
    key = queue.add({**QUICK, "iterations": 200}, choose(film)).key
    queue.start()
    render = wait_for(queue, key, "running")
    os.kill(render.pid, signal.SIGSTOP)  # before it has locked its job
    queue.close()
    other = RenderQueue(tmp_path / "queue", threads=1)
    other.start()
    time.sleep(4 * POLL_S)
    assert [one.state for one in other.renders] == ["running"]
    os.kill(render.pid, signal.SIGKILL)
    assert wait_for(other, key, "failed").message
    other.close()


def test_films_are_added_moved_stopped_and_removed(film: Path, queue: RenderQueue) -> None:
    keys = [queue.add(QUICK, choose(film, f"{n}.mkv")).key for n in range(3)]
    queue.move(keys[2], -2)
    assert [one.key for one in queue.renders] == [keys[2], keys[0], keys[1]]
    queue.move(keys[2], -5)
    queue.move(keys[2], 1)
    assert [one.key for one in queue.renders] == [keys[0], keys[2], keys[1]]
    queue.stop(keys[0])
    assert queue.renders[0].state == "stopped"
    queue.go_on(keys[0])
    assert queue.renders[0].state == "waiting"
    queue.remove(keys[0])
    assert [one.key for one in queue.renders] == [keys[2], keys[1]]
    with pytest.raises(OutputError):
        queue.stop(keys[0])
    with pytest.raises(OutputError):
        RenderQueue(queue.folder)  # another studio, at the same time
    queue.close()
    kept = RenderQueue(queue.folder)
    assert kept.renders == queue.renders
    kept.close()


def test_no_film_is_replaced(film: Path, queue: RenderQueue) -> None:
    queue.add(QUICK, choose(film))
    with pytest.raises(OutputError):
        queue.add(QUICK, choose(film))
    film.with_name("there.mkv").write_text("mine")
    with pytest.raises(OutputError):
        queue.add(QUICK, choose(film, "there.mkv"))


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"step": "many"}},
        {"settings": {"nosuch": 1}},
        {"settings": [1]},
        {"codec": "nosuch"},
        {"size": "--overwrite"},
        {"key": "../../etc"},
        {"state": "started"},
        {"pid": -1},
        {"words": ["rm"]},
        {"out": 3},
    ],
)
def test_a_queue_that_was_edited_wrongly_is_put_aside(
    film: Path, queue: RenderQueue, change: dict[str, Any]
) -> None:
    queue.add(QUICK, choose(film))
    path = queue.folder / QUEUE_FILE
    document = json.loads(path.read_text())
    document["renders"][0] |= change
    path.write_text(json.dumps(document))
    queue.close()
    damaged = RenderQueue(queue.folder)
    damaged.close()
    if change == {"words": ["rm"]}:  # a key that there is not counts for nothing
        assert len(damaged.renders) == 1
        return
    assert damaged.renders == []
    assert len(damaged.notes) == 1
    assert not path.exists()
    assert len(list(queue.folder.glob("*damaged*"))) == 1


@pytest.mark.parametrize("content", ["", "{", "[]", '{"renders": 1}', "\0", '{"renders": [{}]}'])
def test_a_queue_that_is_none_is_put_aside(queue: RenderQueue, content: str) -> None:
    (queue.folder / QUEUE_FILE).write_text(content)
    queue.close()
    damaged = RenderQueue(queue.folder)
    damaged.close()
    assert damaged.renders == []


def test_of_a_damaged_queue_the_films_stay_that_are_whole(film: Path, queue: RenderQueue) -> None:
    keys = [queue.add(QUICK, choose(film, f"{n}.mkv")).key for n in range(3)]
    queue.pause()
    path = queue.folder / QUEUE_FILE
    document = json.loads(path.read_text())
    document["renders"][1]["settings"] = {"step": 1000}
    document["renders"].append(document["renders"][0])
    path.write_text(json.dumps(document))
    queue.close()
    damaged = RenderQueue(queue.folder)
    assert [one.key for one in damaged.renders] == [keys[0], keys[2]]
    assert damaged.is_paused
    assert len(damaged.notes) == 1
    damaged.close()
    again = RenderQueue(queue.folder)
    assert [one.key for one in again.renders] == [keys[0], keys[2]]
    assert not again.notes
    again.close()


def test_what_is_edited_under_a_studio_is_kept(film: Path, queue: RenderQueue) -> None:
    queue.pause()
    queue.add(QUICK, choose(film))
    path = queue.folder / QUEUE_FILE
    edited = path.read_text().replace('"good"', '"master"').replace('"48"', '"64"')
    queue.start()
    (queue.folder / "edited").write_text(edited)
    (queue.folder / "edited").replace(path)
    deadline = time.monotonic() + PATIENCE_S
    while not queue.notes or path.read_text() == edited:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert len(queue.notes) == 1
    (kept,) = queue.folder.glob("queue.edited*")
    assert kept.read_text() == edited
    assert json.loads(path.read_text())["renders"][0]["size"] == "48"
    queue.add(QUICK, choose(film, "e.mkv"))
    time.sleep(2 * POLL_S)
    assert len(list(queue.folder.glob("queue.edited*"))) == 1


def test_a_finished_film_is_measured_as_by_the_command(
    film: Path, cli: Cli, queue: RenderQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DREAMFLOW_HOME")
    render = queue.add({**QUICK, "iterations": 0}, choose(film))
    words = queue.words(render)
    assert cli(*words).code == 0
    text = asyncio.run(measure_film(render))
    assert re.search(r"\d", text)
    with pytest.raises(OutputError):
        asyncio.run(
            measure_film(msgspec.structs.replace(render, out=str(film.with_name("no.mkv"))))
        )


def test_workers_are_given_to_films_that_can_be_cut(tmp_path: Path, film: Path) -> None:
    workers = ["--workers", "2"]
    queue = RenderQueue(tmp_path / "queue", threads=1, worker_words=workers)
    kinds = (QUICK, {**QUICK, "loop": True})
    plain, loop = (
        queue.words(queue.add(kind, choose(film, f"{n}.mkv"))) for n, kind in enumerate(kinds)
    )
    queue.close()
    assert plain[-2:] == workers
    assert "--workers" not in loop


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_paused_queue_goes_on_where_it_was(
    tmp_path: Path, cli: Cli, film: Path, queue: RenderQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DREAMFLOW_HOME")  # the processes use the network that is shipped
    keys = [queue.add(QUICK, choose(film, name)).key for name in ("d.mkv", "later.mkv")]
    queue.start()
    wait_for(queue, keys[0], "running")
    queue.pause()
    wait_for(queue, keys[0], "waiting")
    # The studio ends, and another one finds the queue halted.
    queue.close()
    other = RenderQueue(tmp_path / "queue", threads=1)
    other.start()
    time.sleep(2 * POLL_S)
    assert other.is_paused
    assert [one.state for one in other.renders] == ["waiting", "waiting"]
    other.stop(keys[1])
    other.resume()
    done = wait_for(other, keys[0], "done", "failed")
    assert done.state == "done", done.message
    other.close()
    line = other.words(done)
    line[line.index(done.out)] = str(tmp_path / "plain.mkv")
    assert cli(*line).code == 0
    for one, again in zip(open_clip(done.out), open_clip(tmp_path / "plain.mkv"), strict=True):
        assert np.array_equal(one.picture, again.picture)


def test_films_that_wait_change_places_among_themselves(film: Path, queue: RenderQueue) -> None:
    keys = [queue.add(QUICK, choose(film, f"{name}.mkv")).key for name in "abcd"]
    queue.stop(keys[1])
    queue.move(keys[2], -1)
    assert [one.key for one in queue.renders] == [keys[2], keys[1], keys[0], keys[3]]
    queue.move(keys[2], 5)
    assert [one.key for one in queue.renders] == [keys[0], keys[1], keys[3], keys[2]]
    queue.move(keys[1], -1)
    assert [one.key for one in queue.renders] == [keys[0], keys[1], keys[3], keys[2]]
