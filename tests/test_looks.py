"""A look taken over from an earlier dream, and what an output says about the machine's folders."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLE_STILL, CommandResult, make_film, make_texture
from safetensors.torch import load_file, save_file

from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.records.embedded_settings import read_embedded_comment, read_record
from dreamflow.media.stills.read import read_picture
from dreamflow.media.stills.write import write_picture
from dreamflow.networks.loading import find_weights
from dreamflow.pipelines.settings.paths import publish_path

Cli = Callable[..., CommandResult]
QUICK = ("--layer", "conv1/7x7_s2", "--octaves", "1", "--iterations", "1", "--threads", "1")
OF_THE_FILM = ("--size", "48", "--start", "2", "--end", "5", "--every", "2", "--crf", "30")
LOOK = ("--step", "2.5", "--gradient", "smooth", "--stability", "0.8", "--seed", "4")


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return make_film(tmp_path / "film.mp4", frames=8, size="96x64")


@pytest.fixture
def matte(tmp_path: Path) -> Path:
    (tmp_path / "mattes").mkdir()
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:, :48] = 255
    write_picture(tmp_path / "mattes" / "left.png", picture)
    return tmp_path / "mattes" / "left.png"


def settings_of(out: Path) -> dict[str, Any]:
    return read_record(out)["settings"]


# --- --like and --like-all


def test_like_takes_the_look_and_nothing_of_the_film(
    tmp_path: Path, cli: Cli, film: Path, matte: Path
) -> None:
    old, new = tmp_path / "old.mp4", tmp_path / "new.mp4"
    run = cli("video", film, old, *QUICK, *LOOK, *OF_THE_FILM, "--matte", matte)
    assert run.code == 0, run.err
    run = cli("video", film, new, "--like", old, "--threads", "1")
    assert run.code == 0, run.err
    assert len(open_clip(new)) == 8
    settings, plain = settings_of(new), settings_of(old)
    for name in ("layer", "octaves", "iterations", "step", "gradient", "stability", "seed"):
        assert settings[name] == plain[name], name
    assert settings["size"] is settings["start"] is settings["end"] is settings["matte"] is None
    assert (settings["every"], settings["crf"]) == (1, None)
    # What is left out is said, but for what the command line gives.
    for flag in ("--size 48", "--start 2", "--end 5", "--every 2", "--crf 30", "--matte"):
        assert flag in run.err
    run = cli("video", film, tmp_path / "n2.mp4", "--like", old, *OF_THE_FILM, "--threads", "1")
    assert "--size" not in run.err


def test_like_all_makes_the_same_film_again(
    tmp_path: Path, cli: Cli, film: Path, matte: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    old, new = Path("old.mkv"), tmp_path / "new.mkv"
    shown = ("--matte", matte, "--strength", "0.5", "--lossless")
    run = cli("video", film, old, *QUICK, *LOOK, *OF_THE_FILM[:-2], *shown)
    assert run.code == 0, run.err
    # The matte is found again beside the output, from another folder and by another command.
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    run = cli("video", film, new, "--like-all", tmp_path / "old.mkv", "--threads", "1")
    assert run.code == 0, run.err
    for one, other in zip(open_clip(tmp_path / "old.mkv"), open_clip(new), strict=True):
        assert np.array_equal(one.picture, other.picture)


def test_a_look_leaves_the_cuts_flow_and_loop_of_its_film(
    tmp_path: Path, cli: Cli, film: Path
) -> None:
    (tmp_path / "cuts.txt").write_text("4\n")
    old = tmp_path / "old.mp4"
    run = cli("video", film, old, *QUICK, "--cuts", tmp_path / "cuts.txt", "--loop")
    assert run.code == 0, run.err
    run = cli("video", film, tmp_path / "new.mp4", "--like", old, "--threads", "1")
    assert run.code == 0, run.err
    settings = settings_of(tmp_path / "new.mp4")
    assert (settings["cuts"], settings["loop"]) == ("auto", False)


def test_like_says_where_the_weights_are_not_those_of_the_dream(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture, old = tmp_path / "picture.png", tmp_path / "old.png"
    write_picture(picture, make_texture(64, 96, 1))
    other = tmp_path / "other.safetensors"
    shipped = load_file(find_weights("pocket"))
    save_file(shipped, other, metadata={"note": "the same tensors, another file"})
    assert cli("frame", picture, old, *QUICK, "--weights", other).code == 0
    monkeypatch.setenv("DREAMFLOW_REPORT", "json")

    def warned(*words: object) -> set[str]:
        out = tmp_path / "new.png"
        run = cli("frame", picture, out, "--like", old, "--overwrite", *words)
        assert run.code == 0, run.err
        events = [json.loads(line) for line in run.err.splitlines()]
        return {event["code"] for event in events if event["event"] == "warning"}

    assert warned() == {"different_frames"}
    assert warned("--weights", other) == set()
    assert warned("--network", "pocket", "--seed", "3", "--weights", other) == set()


def test_like_and_like_all_exclude_each_other(tmp_path: Path, cli: Cli, film: Path) -> None:
    old = tmp_path / "old.mp4"
    cli("video", film, old, *QUICK)
    run = cli("video", film, tmp_path / "new.mp4", "--like", old, "--like-all", old)
    assert run.code == 1
    assert len(run.err.strip().splitlines()) == 1
    assert not (tmp_path / "new.mp4").exists()


GIVEN_TWICE = (
    ("--preset", "fur", "--preset", "cells"),
    ("--preset=fur", "--preset=fur"),
    ("--like", "a.mp4", "--like", "b.mp4"),
    ("--like-all", "a.mp4", "--like-all", "b.mp4"),
)


@pytest.mark.parametrize(
    ("command", "twice"),
    [
        (command, twice)
        for command in ("video", "frame", "zoom", "sweep", "guide")
        for twice in GIVEN_TWICE
        # A frame takes several presets, for a contact sheet.
        if command != "frame" or not twice[0].startswith("--preset")
    ],
)
def test_a_preset_or_dream_given_twice_is_refused(
    tmp_path: Path, cli: Cli, film: Path, command: str, twice: tuple[str, ...]
) -> None:
    before = sorted(tmp_path.iterdir())
    run = cli(command, film, tmp_path / "out.png", *twice)
    assert run.code == 1
    (line,) = run.err.strip().splitlines()
    assert line.startswith(f"error: {twice[0].split('=')[0]} ")
    assert sorted(tmp_path.iterdir()) == before


# --- paths


def published_texts(folder: Path) -> dict[str, str]:
    """Return what the files of an output say, by name: texts, and comments inside of pictures."""
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else [folder]
    files += [path for path in [folder.with_name(folder.name + ".json")] if path.exists()]
    texts: dict[str, str] = {}
    for path in files:
        is_text = path.suffix in (".json", ".html", ".jsonl", ".csv")
        texts[str(path)] = path.read_text() if is_text else read_embedded_comment(path)
    return texts


COMMANDS: dict[str, tuple[str, ...]] = {
    "video": ("out.mp4", "--end", "2"),
    "frame": ("out.png",),
    "sweep": ("out.gif", "--end", "3", "--layers", "conv1/7x7_s2,conv2/3x3"),
    "zoom": ("out", "--seconds", "0.1", "--size", "32x32"),
    "guide": ("out", "--layers", "conv1/7x7_s2,conv2/3x3"),
    "channels": ("out.png", "--count", "2"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_outputs_name_no_folder_of_the_machine(
    tmp_path: Path, cli: Cli, film: Path, matte: Path, command: str
) -> None:
    guide = tmp_path / "references" / "deep" / "city.png"
    guide.parent.mkdir(parents=True)
    write_picture(guide, make_texture(40, 60))
    out, *rest = COMMANDS[command]
    (tmp_path / "shared").mkdir()
    line = [film, tmp_path / "shared" / out, *QUICK, "--guided-by", guide, *rest]
    if command == "sweep":
        del line[2:4]
    if command in ("video", "frame", "sweep"):
        line += ["--matte", matte]
    run = cli(command, *line, *(["--size", "48"] if command not in ("zoom", "channels") else []))
    assert run.code == 0, run.err
    texts = published_texts(tmp_path / "shared" / out)
    assert any("city.png" in text for text in texts.values()), texts
    for name, text in texts.items():
        assert str(tmp_path) not in text, name
        assert "/tmp" not in text, name


def test_a_folder_of_pictures_can_be_given_on(
    tmp_path: Path, cli: Cli, film: Path, matte: Path
) -> None:
    run = cli("video", film, tmp_path / "out", *QUICK, "--end", "2", "--matte", matte)
    assert run.code == 0, run.err
    texts = published_texts(tmp_path / "out")
    assert len(texts) == 3
    assert not any(str(tmp_path) in text for text in texts.values())


@pytest.mark.usefixtures("batches_here")
def test_a_render_with_a_matte_is_resumed_and_known_as_done(
    tmp_path: Path, cli: Cli, film: Path, matte: Path
) -> None:
    """A job compares the paths as they were given; a finished output those that it publishes."""
    queue = tmp_path / "queue.toml"
    queue.write_text(
        f'[[render]]\nsource = "{film}"\nout = "{tmp_path}/d.mp4"\nmatte = "{matte}"\n'
        "iterations = 0\nend = 2\n"
    )
    assert cli("batch", queue, "--threads", "1").code == 0
    before = (tmp_path / "d.mp4").stat().st_mtime_ns
    again = cli("batch", queue, "--threads", "1")
    assert again.code == 0, again.err
    assert (tmp_path / "d.mp4").stat().st_mtime_ns == before
    assert "done before" in again.out


def test_a_measurement_finds_the_guide_of_a_dream(
    tmp_path: Path, cli: Cli, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    city = tmp_path / "city.png"
    write_picture(city, make_texture(64, 96))
    line = ("--layer", "conv2/3x3", "--octaves", "1", "--iterations", "1", "--end", "3")
    run = cli("video", film, tmp_path / "d.mp4", *line, "--guided-by", city)
    assert run.code == 0, run.err
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    run = cli("measure", film, tmp_path / "d.mp4", "--threads", "1", "--json")
    assert run.code == 0, run.err
    assert "gone" not in run.err
    assert json.loads(run.out)


def test_a_picture_far_away_is_named_alone_and_asked_for(tmp_path: Path, cli: Cli) -> None:
    out = tmp_path / "d.png"
    far = Path(os.path.abspath(SAMPLE_STILL))
    if far.parts[:3] == out.parts[:3]:
        pytest.skip("the samples are near the folder of the tests")
    line = (*QUICK, "--size", "48")
    run = cli("frame", SAMPLE_STILL, out, *line, "--guided-by", far)
    assert run.code == 0, run.err
    assert settings_of(out)["guided_by"] == SAMPLE_STILL.name
    run = cli("frame", SAMPLE_STILL, tmp_path / "e.png", "--size", "48", "--like", out)
    assert run.code == 1
    assert "--guided-by" in run.err
    given = ("--like", out, "--guided-by", far)
    run = cli("frame", SAMPLE_STILL, tmp_path / "e.png", "--size", "48", *given)
    assert run.code == 0, run.err
    assert np.array_equal(read_picture(out), read_picture(tmp_path / "e.png"))


@pytest.mark.parametrize(
    ("path", "output", "published"),
    [
        ("/home/ann/film/m.png", "/home/ann/film/d.mp4", "m.png"),
        ("/home/ann/mattes/m.png", "/home/ann/film/d.mp4", "../mattes/m.png"),
        ("/home/ann/m.png", "/home/ann/a/b/c/d.mp4", "../../../m.png"),
        ("/home/bob/m.png", "/home/ann/d.mp4", "m.png"),
        ("/tmp/mattes/m.png", "/tmp/d.mp4", "mattes/m.png"),
        ("/tmp/mattes/m.png", "/tmp/out/d.mp4", "m.png"),
        ("/mnt/disk/m.png", "/home/ann/d.mp4", "m.png"),
        ("m.png", "/home/ann/d.mp4", "m.png"),
        ("../mattes/m.png", "/home/ann/d.mp4", "../mattes/m.png"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="paths of POSIX")
def test_a_published_path_leads_through_no_folder_that_is_not_shared(
    path: str, output: str, published: str
) -> None:
    assert publish_path(path, Path(output)) == published
