"""The studio without its page: what may be read, the look and its history, and what is shown."""

from __future__ import annotations

import ast
import itertools
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from conftest import SAMPLE_STILL, CommandResult, make_film, make_texture, refused
from hypothesis import given
from hypothesis import strategies as st

from dreamflow.core.errors import DreamFlowError, MediaError, OutputError
from dreamflow.core.machine.options import MachineOptions
from dreamflow.media.records.embedded_settings import read_record
from dreamflow.media.sound.options import SoundOptions
from dreamflow.media.stills.write import write_picture
from dreamflow.pipelines.settings.looks import LOOK_OPTION_GROUPS
from dreamflow.pipelines.settings.save_preset import format_preset
from dreamflow.studio.files.folders import OpenFolders
from dreamflow.studio.films.renders import RenderQueue
from dreamflow.studio.looks.controls import ESSENTIALS, compare_looks, list_controls, parse_setting
from dreamflow.studio.looks.wall import list_categories
from dreamflow.studio.outside import FilmChoices, film_words, format_python, join_words
from dreamflow.studio.previews import PREVIEW, WALL
from dreamflow.studio.project import Project
from dreamflow.studio.source import read_source_facts
from dreamflow.studio.studio import Studio
from dreamflow.studio.worker.messages import (
    LayerFacts,
    LayersListed,
    PreviewDropped,
    PreviewFailed,
    PreviewPicture,
    PreviewRequest,
    WorkerReady,
    WorkerRestarted,
)

Cli = Callable[..., CommandResult]


class IdleWorker:
    """Keeps what it is asked for; a test answers."""

    def __init__(self) -> None:
        self.asked: list[PreviewRequest] = []
        self.dropped: list[tuple[str, int]] = []
        self.listed: list[str] = []

    def start(self) -> None:
        pass

    def ask(self, request: PreviewRequest) -> None:
        self.asked.append(request)

    def list_layers(self, network: str) -> None:
        self.listed.append(network)

    def prefer(self, lane: str, numbers: Sequence[int]) -> None:
        self.preferred = list(numbers)

    def drop(self, lane: str, generation: int) -> None:
        self.dropped.append((lane, generation))

    def close(self) -> None:
        pass


def answer(request: PreviewRequest, *, coarse: bool = False) -> PreviewPicture:
    return PreviewPicture(
        number=request.number,
        is_coarse=coarse,
        is_last=not coarse,
        image=f"{request.number}".encode(),
        media_type="image/png",
        width=4,
        height=2,
        seconds=0.1,
    )


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    (tmp_path / "open" / "inner").mkdir(parents=True)
    write_picture(tmp_path / "open" / "p.png", make_texture(20, 30))
    write_picture(tmp_path / "secret.png", make_texture(20, 30))
    (tmp_path / "open" / "leads_out.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "open" / "notes.txt").write_text("mine")
    (tmp_path / "open" / ".hidden.png").write_text("")
    return tmp_path


@pytest.fixture
def worker() -> IdleWorker:
    return IdleWorker()


@pytest.fixture
def studio(desk: Path, worker: IdleWorker) -> Studio:
    folders = OpenFolders([desk / "open"])
    queue = RenderQueue(desk / "queue")
    return Studio(folders, queue, MachineOptions(), lambda hear, machine: worker)


# --- what may be read and written


@pytest.mark.parametrize(
    "text",
    [
        *("/etc/passwd", "../secret.png", "../", "leads_out.png", "", " ", "gone.png", "a\0b"),
        *("inner/../../secret.png", "~", "file:///etc/passwd", "x" * 5000),
    ],
)
def test_nothing_outside_the_folders_is_opened(desk: Path, text: str) -> None:
    folders = OpenFolders([desk / "open"])
    with pytest.raises(MediaError):
        folders.find(text)


def test_what_is_inside_is_found_and_listed(desk: Path) -> None:
    folders = OpenFolders([desk / "open"])
    assert folders.find("p.png") == folders.find(str(desk / "open" / "p.png"))
    assert [one.path.name for one in folders.list(desk / "open")] == ["inner", "p.png"]
    with pytest.raises(MediaError):
        folders.list(desk)


@pytest.mark.parametrize("text", ["../d.mp4", "/tmp/d.mp4", "", "inner/../../d.mp4"])
def test_nothing_outside_the_folders_is_written(desk: Path, text: str) -> None:
    with pytest.raises(OutputError):
        OpenFolders([desk / "open"]).check_output(text)


def test_outputs_lie_in_the_first_folder(desk: Path) -> None:
    folders = OpenFolders([desk / "open", desk / "open" / "inner"])
    assert folders.check_output("d.mp4") == (desk / "open").resolve() / "d.mp4"


@pytest.mark.parametrize("name", ["guided_by", "matte"])
def test_settings_name_no_file_outside(desk: Path, studio: Studio, name: str) -> None:
    studio.set(name, str(desk / "open" / "p.png"))
    with refused(name):
        studio.set(name, str(desk / "secret.png"))
    assert studio.project.look.settings[name] == str(desk / "open" / "p.png")
    with refused("folder"):
        OpenFolders([desk / "nosuch"])


# --- the look and its history


@given(st.lists(st.sampled_from(["step", "octaves", "undo", "redo"]), max_size=30))
def test_undo_and_redo_go_to_and_fro_without_end(actions: list[str]) -> None:
    values = itertools.cycle([1, 2, 3, 4, 5])
    project, expected = Project(), [{}]
    place = 0
    for action in actions:
        if action == "undo":
            project, place = project.undone(), max(0, place - 1)
        elif action == "redo":
            project, place = project.redone(), min(len(expected) - 1, place + 1)
        else:
            changed = project.with_setting(action, next(values))
            if changed.look.settings != project.look.settings:
                expected, place = [*expected[: place + 1], dict(changed.look.settings)], place + 1
            project = changed
        assert project.look.settings == expected[place]


def test_a_setting_at_its_default_is_no_difference() -> None:
    project = Project().with_setting("step", 3).with_setting("step", 1.5)
    assert project.look.settings == {}
    assert len(project.past) == 2
    assert Project().with_setting("seed", 4).with_setting("seed", None).look.settings == {}


def test_a_wrong_value_changes_nothing() -> None:
    project = Project().with_setting("step", 3)
    with refused("step"):
        project.with_setting("step", 1000)
    with pytest.raises(DreamFlowError):
        project.with_setting("nosuch", 1)
    with refused("octave_iterations"):
        project.with_setting("octave_iterations", "1,2")


def test_in_and_out_points_hold_a_film_that_is_not_empty(desk: Path, studio: Studio) -> None:
    make_film(desk / "open" / "f.mp4", frames=6)
    studio.open("f.mp4")
    assert studio.project.span_text == ""
    studio.go_to(2)
    studio.begin_here()
    studio.go_to(3)
    studio.end_here()
    assert (studio.project.first, studio.project.stop) == (2, 4)
    studio.go_to(4)
    studio.begin_here()  # behind the end, which goes
    assert (studio.project.first, studio.project.stop) == (4, 0)
    studio.go_to(1)
    studio.end_here()
    assert (studio.project.first, studio.project.stop) == (0, 2)
    studio.go_to(5)
    studio.end_here()
    assert (studio.project.first, studio.project.stop) == (0, 0)
    film = FilmChoices("f.mp4", "d.mp4", start="2", end="4")
    assert film_words({}, film)[3:] == ["--start", "2", "--end", "4"]
    program = format_python({}, film)
    assert "start='2'" in program
    assert "end='4'" in program


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("step", "2.5", 2.5),
        ("octaves", 3.0, 3),
        ("iterations", "0: 1, 4s: 8", "0: 1, 4s: 8"),
        ("carry", False, False),
        ("layer", "conv2/3x3\ninception_3b/1x1", ["conv2/3x3", "inception_3b/1x1"]),
        ("layer", [], ["inception_4c/output"]),
        ("matte", "", None),
    ],
)
def test_what_is_typed_is_read_as_in_a_preset(name: str, typed: Any, value: Any) -> None:
    assert parse_setting(name, typed) == value


def test_every_setting_of_a_look_has_a_control() -> None:
    controls = {control.name: control for control in list_controls()}
    groups = (*LOOK_OPTION_GROUPS, SoundOptions)
    declared = {setting.name for group in groups for setting in fields(group)}  # type: ignore[arg-type]
    assert set(controls) == declared - {"data"}  # a list of named files
    assert set(ESSENTIALS) <= declared
    for control in controls.values():
        assert parse_setting(control.name, control.default) == control.default
        if control.low is not None:
            assert control.high is not None
            assert parse_setting(control.name, control.high) is not None
            if control.name not in ("guidance", "decay", "smoothing"):
                parse_setting(control.name, control.low + control.step)


# --- the look outside of the studio

LOOK = {
    "layer": ["inception_3b/1x1", "conv2/3x3"],
    "octave_tilt": -0.5,
    "step": "0: 1, 100%: 2",
    "carry": False,
    "octaves": 1,
    "iterations": 1,
}


def test_the_command_makes_what_the_state_says(tmp_path: Path, cli: Cli) -> None:
    film = make_film(tmp_path / "-f.mp4", frames=2)
    out = tmp_path / "d.mkv"
    words = film_words(LOOK, FilmChoices(str(film), str(out), "48", "ffv1", "draft"))
    run = cli(*words, "--threads", "1")
    assert run.code == 0, run.err
    record = read_record(out)["settings"]
    assert {name: record[name] for name in LOOK if name != "layer"} == {
        name: value for name, value in LOOK.items() if name != "layer"
    }
    assert record["layer"] == ["inception_3b/1x1=1", "conv2/3x3=1"]
    assert (record["size"], record["codec"], record["quality"]) == ("48", "ffv1", "draft")


def test_names_in_a_command_are_quoted() -> None:
    line = join_words(film_words({}, FilmChoices("a b; rm -rf ~.mp4", "-d.mp4")))
    assert "'a b; rm -rf ~.mp4'" in line
    assert "./-d.mp4" in line


def test_preset_and_program_say_the_same() -> None:
    assert tomllib.loads(format_preset(LOOK)) == LOOK
    program = format_python({**LOOK, "network": "pocket"}, FilmChoices("c.mp4", "d.mp4", "320"))
    calls = [node for node in ast.walk(ast.parse(program)) if isinstance(node, ast.Call)]
    (render,) = [call for call in calls if ast.unparse(call.func) == "dreamflow.render"]
    assert [ast.literal_eval(one) for one in render.args] == ["c.mp4", "d.mp4"]
    given_keywords = {key.arg: ast.literal_eval(key.value) for key in render.keywords}
    assert given_keywords == {**LOOK, "network": "pocket", "size": "320"}


# --- what is shown


def test_a_change_asks_for_a_coarse_picture_first(studio: Studio, worker: IdleWorker) -> None:
    heard: list[str] = []
    unsubscribe = studio.subscribe(heard.append)
    studio.open("p.png")
    source, dream = worker.asked
    assert (source.settings, dream.settings) == ({"iterations": 0}, {})
    assert dream.coarse
    for coarse in (True, False):
        studio.take_answer(answer(dream, coarse=coarse))
        assert studio.places.after.is_coarse == studio.places.after.is_waiting == coarse
    assert studio.pictures.get(studio.places.after.picture) == (
        f"{dream.number}".encode(),
        "image/png",
    )
    studio.set("step", 3)
    newest = worker.asked[-1]
    assert (newest.lane, newest.settings) == (dream.lane, {"step": 3.0})
    assert newest.generation > dream.generation, "the one under way becomes stale"
    assert studio.places.after.is_waiting
    assert PREVIEW in heard
    unsubscribe()
    heard.clear()
    studio.undo()
    assert not heard
    assert worker.asked[-1].settings == {}


def test_another_frame_asks_for_its_source(desk: Path, studio: Studio, worker: IdleWorker) -> None:
    make_film(desk / "open" / "f.mp4", frames=6)
    facts = studio.open("f.mp4")
    assert (facts.frames, facts.is_clip) == (6, True)
    worker.asked.clear()
    for frame, at in ((1, "1"), (99, "5"), (-4, "0")):
        studio.go_to(frame)
        assert {one.at for one in worker.asked[-2:]} == {at}
    studio.set_run_in(3)
    assert worker.asked[-1].run_in == 3
    studio.set_moving(True)
    assert worker.asked[-1].moving_s > 0
    studio.set("step", 2)
    assert worker.asked[-1].moving_s > 0, "it is refreshed"
    count = len(worker.asked)
    studio.set_moving(False)
    assert len(worker.asked) == count
    assert worker.dropped


def test_a_look_is_compared_with_another(studio: Studio, worker: IdleWorker) -> None:
    studio.open("p.png")
    studio.set("step", 3)
    studio.pin()
    pinned = worker.asked[-1]
    assert pinned.settings == {"step": 3.0}
    studio.take_answer(answer(pinned))
    assert studio.places.pinned.picture
    assert studio.pinned is not None
    studio.set("carry", False)
    assert {"step": 3.0} not in [one.settings for one in worker.asked[-1:]]
    studio.set("step", None)
    assert compare_looks(studio.pinned.settings, studio.project.look.settings) == [
        "step 3 to 1.5",
        "carry on to off",
    ]
    studio.set_preview_size("640")
    assert [one.settings for one in worker.asked if one.size == "640"].count({"step": 3.0}) == 1
    studio.unpin()
    assert studio.pinned is None


def test_the_wall_comes_coarse_before_any_tile_is_fine(studio: Studio, worker: IdleWorker) -> None:
    studio.open("p.png")
    worker.asked.clear()
    heard: list[str] = []
    studio.subscribe(heard.append)
    studio.wall.show("presets")
    coarse = [one for one in worker.asked if one.coarse]
    fine = [one for one in worker.asked if not one.coarse]
    assert len(coarse) == len(fine) == len(studio.wall.tiles)
    assert max(one.priority for one in coarse) < min(one.priority for one in fine)
    studio.take_answer(answer(coarse[2]))
    assert studio.places.tiles[2].picture
    assert heard[-1] == f"{WALL}:2"
    count = len(worker.asked)
    studio.wall.show("presets")
    assert len(worker.asked) == count, "what is there is not dreamed again"
    studio.wall.show("variations")
    assert studio.wall.tiles == []
    studio.wall.show("presets")
    studio.take_answer(LayersListed(worker.listed[0], [LayerFacts("a", 8, "swirls")]))
    category = list_categories(studio.layers())[0]
    studio.wall.show(category)
    assert {tuple(tile.settings["layer"]) for tile in studio.wall.tiles} == {
        (name,) for name, layer in studio.layers().items() if layer.category == category
    }
    studio.take_answer(answer(coarse[1]))  # of the wall before
    tile = studio.wall.tiles[0]
    studio.take(tile.settings, tile.name)
    assert studio.project.look.settings["layer"] == [tile.name]
    assert studio.project.look.name == tile.name


def test_failures_and_restarts_are_told_where_they_belong(
    studio: Studio, worker: IdleWorker
) -> None:
    studio.open("p.png")
    _, dream = worker.asked
    studio.take_answer(WorkerReady(2))
    assert studio.previews.is_ready
    studio.take_answer(PreviewFailed(dream.number, "no such layer", "layer"))
    assert studio.places.after.failure == "no such layer"
    studio.take_answer(WorkerRestarted("it was killed"))
    assert not studio.previews.is_ready
    assert "it was killed" in studio.previews.worker_note
    studio.set("step", 2)
    assert not studio.places.after.failure
    studio.take_answer(PreviewDropped(worker.asked[-1].number))
    studio.take_answer(answer(worker.asked[-1]))  # of what is not wanted any more
    assert not studio.places.after.picture


def test_facts_of_a_source_are_read(tmp_path: Path) -> None:
    still = read_source_facts(SAMPLE_STILL)
    assert not still.is_clip
    assert still.frames == 1
    with pytest.raises(MediaError):
        read_source_facts(tmp_path)
