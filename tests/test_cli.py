"""The command line: outputs, messages on stderr, exit codes, help."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import PATIENCE_S, SAMPLE_CLIP, SAMPLE_STILL, CommandResult, make_film, make_texture
from PIL import Image

import dreamflow
from dreamflow.cli.output.terminal import format_error
from dreamflow.cli.registry import load_commands
from dreamflow.core.errors import SettingsError, named
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.stills.read import read_picture
from dreamflow.pipelines.settings.presets import list_preset_files

FAST = (
    *("--size", "64", "--layer", "conv1/7x7_s2", "--octaves", "1", "--iterations", "2"),
    *("--threads", "1"),
)
NEXT_TO_NOTHING = ("--layer", "conv1/7x7_s2", "--octaves", "1", "--iterations", "1")
Cli = Callable[..., CommandResult]


def lines_about(text: str, *ignored: str) -> list[str]:
    """Return the lines of a text without those that hold one of some words."""
    return [line for line in text.splitlines() if not any(word in line for word in ignored)]


# --- outputs


def test_video_dreams_a_clip(tmp_path: Path, cli: Cli) -> None:
    out = tmp_path / "dream.mp4"
    run = cli("video", SAMPLE_CLIP, out, *FAST, "--end", "6")
    assert run.code == 0
    assert run.err == ""
    assert run.out.startswith(f"{out}: 6 frames, 0.25 s of 64x36")
    source, dream = list(open_clip(SAMPLE_CLIP, size="64", end="6")), list(open_clip(out))
    assert len(dream) == 6
    change = np.abs(dream[5].picture.astype(int) - source[5].picture).mean()
    assert change > 2


@pytest.mark.parametrize("name", ["d.gif", "d.webm", "d.mkv", "frames"])
def test_the_suffix_of_an_output_is_its_format(tmp_path: Path, cli: Cli, name: str) -> None:
    assert cli("video", SAMPLE_CLIP, tmp_path / name, *FAST, "--end", "4").code == 0
    assert len(list(open_clip(tmp_path / name))) == 4


def test_video_reads_a_folder_of_pictures(tmp_path: Path, cli: Cli) -> None:
    cli("video", SAMPLE_CLIP, tmp_path / "frames", *FAST, "--end", "4")
    run = cli("video", tmp_path / "frames", tmp_path / "d.mp4", *FAST, "--fps", "12")
    assert run.code == 0
    assert "4 frames, 0.33 s" in run.out


def test_frame_previews_the_frame_of_the_video(tmp_path: Path, cli: Cli) -> None:
    cli("video", SAMPLE_CLIP, tmp_path / "v", *FAST, "--end", "6")
    run = cli("frame", SAMPLE_CLIP, tmp_path / "f.png", *FAST, "--at", "5", "--run-in", "5")
    assert run.code == 0
    video = read_picture(tmp_path / "v" / "frame_000005.png")
    assert np.array_equal(read_picture(tmp_path / "f.png"), video)


def test_frame_dreams_a_picture(tmp_path: Path, cli: Cli) -> None:
    run = cli("frame", SAMPLE_STILL, tmp_path / "f.jpg", *FAST)
    assert run.code == 0
    assert "64x42" in run.out
    assert json.loads((tmp_path / "f.jpg.json").read_text())["command"] == "frame"


def test_several_layers_make_a_sheet_and_weights_a_blend(tmp_path: Path, cli: Cli) -> None:
    two = ("--layer", "conv2/3x3")
    sheet = cli("frame", SAMPLE_CLIP, tmp_path / "s.png", *FAST, *two, "--at", "1s")
    blend = cli(
        *("frame", SAMPLE_CLIP, tmp_path / "b.png", "--size", "64", "--iterations", "1"),
        *("--layer", "conv1/7x7_s2=1", "--layer", "conv2/3x3=0.5", "--threads", "1"),
    )
    assert sheet.code == blend.code == 0
    assert read_picture(tmp_path / "s.png").shape[0] > 72
    assert read_picture(tmp_path / "b.png").shape[:2] == (36, 64)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_a_dreamed_picture_keeps_its_transparency(tmp_path: Path, cli: Cli, suffix: str) -> None:
    alpha = np.linspace(0, 255, 40 * 60).astype(np.uint8).reshape(40, 60)
    expected = np.dstack([make_texture(40, 60), alpha])
    cut_out, out = tmp_path / "cut_out.png", tmp_path / f"out{suffix}"
    Image.fromarray(expected).save(cut_out)
    run = cli("frame", cut_out, out, "--iterations", "0", "--threads", "1")
    assert run.code == 0
    assert "transparency" not in run.err
    with Image.open(out) as picture:
        assert np.array_equal(np.asarray(picture.convert("RGBA")), expected)
    run = cli("frame", cut_out, tmp_path / "out.jpg", "--iterations", "0", "--threads", "1")
    assert run.code == 0
    assert "transparency" in run.err


def test_american_spelling_is_understood(tmp_path: Path, cli: Cli) -> None:
    run = cli("frame", SAMPLE_STILL, tmp_path / "f.png", *FAST, "--color", "luminance")
    assert run.code == 0, run.err
    settings = json.loads((tmp_path / "f.png.json").read_text())["settings"]
    assert settings["colour"] == "luminance"


def test_counts_of_one_are_singular(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    monkeypatch.setattr("torch.get_num_threads", lambda: 1)
    doctor = cli("doctor").out
    assert "1 thread" in doctor
    assert "1 threads" not in doctor
    run = cli("video", SAMPLE_CLIP, tmp_path / "one.mp4", *FAST, "--end", "1")
    assert ": 1 frame, 0.04 s of" in run.out


# --- lists


def test_layers_are_listed_as_a_table_and_as_json(cli: Cli) -> None:
    table = cli("layers").out
    assert "pocket: 65 layers" in table
    assert "inception_4c/output" in table
    assert "googlenet: 81 layers" in cli("layers", "--network", "googlenet").out
    layers = json.loads(cli("layers", "--network", "googlenet", "--json").out)
    assert len(layers) == 81
    assert layers[0] == {
        "name": "conv1/7x7_s2",
        "channels": 64,
        "stride": 2,
        "receptive_field": 7,
        "depth": 1,
        "smallest": 1,
        "category": "contour and texture",
    }
    refused = cli("layers", "--category", "dogs")
    assert refused.code == 1
    assert "contour and texture" in refused.err, "the categories that there are"
    cells = json.loads(cli("layers", "--json", "--category", "cell").out)
    assert {layer["category"] for layer in cells} == {"cellular structures"}


def test_presets_are_listed_and_shown(cli: Cli) -> None:
    table = cli("presets", "list").out
    assert all(name in table for name in list_preset_files())
    assert "layer" in cli("presets", "show", next(iter(list_preset_files()))).out


def test_doctor_lists_what_works(cli: Cli) -> None:
    run = cli("doctor")
    assert run.code == 0, run.err
    for part in ("PyTorch", "OpenCV", "PyAV", "ffmpeg", "weights of googlenet", "torchvision"):
        assert part in run.out


def test_only_the_large_network_is_missing_without_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    from dreamflow.reports.doctor import run_checks

    monkeypatch.setenv("DREAMFLOW_HOME", "/nowhere")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: "/nowhere/else")
    missing = [check for check in run_checks() if not check.passed]
    assert [check.name for check in missing] == ["weights of googlenet"]
    assert not missing[0].required, "DreamFlow comes with a network"


def test_doctor_prints_each_line_before_the_next_check(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    printed: list[str] = []

    def run_checks() -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(name="first", passed=True, required=True, detail="here")
        printed.append(capfd.readouterr().out)
        gone = f"give {named('weights')} FILE"
        yield SimpleNamespace(name="second", passed=False, required=True, detail=gone)

    monkeypatch.setattr("dreamflow.reports.doctor.run_checks", run_checks)
    run = cli("doctor")
    assert "first" in printed[0]
    assert run.code == 1
    assert "MISSING  second" in run.out
    assert "--weights FILE" in run.out
    assert "second" in run.err


# --- warnings and notes


def test_settings_without_effect_are_warned_of(tmp_path: Path, cli: Cli) -> None:
    line = ("frame", SAMPLE_STILL, tmp_path / "f.png", *FAST, "--iterations", "0", "--overwrite")
    gains = tmp_path / "gains.toml"
    gains.write_text("")
    for given, words in (
        (("--smoothing", "3"), ("--smoothing", "--gradient smooth")),
        (("--laplacian-levels", "2"), ("--laplacian-levels", "--gradient laplacian")),
        (("--guidance", "0: 0, 1s: 1"), ("--guidance", "--guided-by")),
        (("--matte-feather", "2"), ("--matte-feather", "--matte")),
        (("--matte-invert",), ("--matte-invert", "--matte")),
        (("--matte-crop",), ("--matte-crop", "--matte")),
        (("--at", "2s"), ("meadow.jpg is a picture", "--at")),
        (("--run-in", "3"), ("meadow.jpg is a picture", "--run-in")),
        (("--gains", gains), ("meadow.jpg is a picture", "--gains")),
        (("--smoothing", "3", "--gradient", "smooth"), ()),
        (("--smoothing", "1"), ("--smoothing", "--gradient smooth")),
        (("--no-carry", "--stability", "0.5"), ("--stability", "--carry")),
        (("--no-carry", "--flow", "farneback"), ("--flow", "--carry")),
        (("--no-carry", "--preset", "fur"), ()),
        (("--octaves", "1", "--octave-iterations", "1"), ()),
        (
            ("--octaves", "1", "--octave-iterations", "1", "--iterations", "2"),
            ("--iterations", "--octave-iterations"),
        ),
    ):
        run = cli(*line, *given)
        warned = lines_about(run.err, "no time: the beginning")
        assert run.code == 0
        assert len(warned) == bool(words), (given, warned)
        for text in warned:
            assert text.startswith("warning: ")
            assert "nothing" in text
            assert all(word in text for word in words), (given, text)


def test_encoding_settings_without_effect_are_warned_of(tmp_path: Path, cli: Cli) -> None:
    line = (*FAST, "--end", "2", "--overwrite")
    for name, given, flags in (
        ("d", ("--crf", "20", "--codec", "h265"), ["--codec", "--crf"]),
        ("d", ("--quality", "master"), ["--quality"]),
        ("d.gif", ("--crf", "20"), ["--crf"]),
        ("d.mp4", ("--crf", "20"), []),
        ("d", ("--lossless",), []),
    ):
        run = cli("video", SAMPLE_CLIP, tmp_path / name, *line, *given)
        warned = lines_about(run.err, "no sound")
        assert run.code == 0
        assert [text.split()[1] for text in warned] == flags


def test_more_channels_than_the_layer_has_are_warned_of(tmp_path: Path, cli: Cli) -> None:
    line = ("--layer", "inception_3a/5x5_reduce", "--tile", "32", *FAST[4:])
    run = cli("channels", SAMPLE_STILL, tmp_path / "c.png", *line, "--count", "99")
    assert run.code == 0
    assert run.err.startswith("warning: --count 99: inception_3a/5x5_reduce has 16")


def test_a_preset_for_another_command_is_warned_of(tmp_path: Path, cli: Cli) -> None:
    run = cli("frame", SAMPLE_STILL, tmp_path / "a.png", "--preset", "descent", *FAST)
    assert run.code == 0
    assert run.err.startswith("warning: --preset descent is made for another command: layers")
    assert "another command" not in cli("frame", SAMPLE_STILL, "x.avi", "--preset", "fur").err


def test_frames_and_size_taken_from_another_dream_are_printed(tmp_path: Path, cli: Cli) -> None:
    part = tmp_path / "part.mp4"
    assert cli("video", SAMPLE_CLIP, part, *FAST, "--end", "3").code == 0
    run = cli("video", SAMPLE_CLIP, tmp_path / "same.mp4", "--like-all", part)
    assert run.code == 0
    assert run.err == "from part.mp4 also: --size 64, --end 3\n"
    run = cli("video", SAMPLE_CLIP, tmp_path / "longer.mp4", "--end", "4", "--like-all", part)
    assert run.err == "from part.mp4 also: --size 64\n", "a flag overrides it"


@pytest.mark.usefixtures("batches_here")
def test_encoding_settings_of_another_dream_are_dropped_where_unusable(
    tmp_path: Path, cli: Cli
) -> None:
    few = (*NEXT_TO_NOTHING, "--size", "48", "--threads", "1", "--end", "2")
    for name, given in {
        "m.mp4": ("--quality", "master", "--crf", "20"),
        "f.mkv": ("--codec", "ffv1"),
        "l.mkv": ("--lossless",),
    }.items():
        assert cli("video", SAMPLE_CLIP, tmp_path / name, *few, *given).code == 0
    for like, out, given, dropped in (
        ("m.mp4", "d", (), ["--quality master", "--crf 20"]),
        ("m.mp4", "d.webp", (), ["--quality master", "--crf 20"]),
        ("f.mkv", "d", (), ["--codec ffv1"]),
        ("f.mkv", "d.mp4", (), ["--codec ffv1"]),
        ("f.mkv", "e.mkv", (), []),
        ("l.mkv", "d.gif", (), ["--lossless"]),
        ("l.mkv", "c.mp4", ("--crf", "20"), ["--lossless"]),
        ("m.mp4", "p.mov", ("--codec", "prores"), ["--crf 20"]),
    ):
        line = ("video", SAMPLE_CLIP, tmp_path / out, "--like-all", tmp_path / like, "--overwrite")
        run = cli(*line, *given, "--threads", "1")
        notes = lines_about(run.err, " also: ", "no sound")
        assert run.code == 0
        begin = f"from {like} without "
        assert [note.removeprefix(begin).split(":")[0] for note in notes] == dropped
    given = ("--like-all", tmp_path / "l.mkv")
    run = cli("batch", SAMPLE_CLIP, "--out", tmp_path / "many", *given, "--suffix", ".gif")
    assert run.code == 0
    assert "from l.mkv without --lossless" in run.err
    run = cli("zoom", tmp_path / "z.gif", "--seconds", "0.1", *given)
    assert run.code == 0
    assert "from l.mkv without --lossless" in run.err
    run = cli("zoom", SAMPLE_STILL, *given)
    assert run.code == 1
    assert "name the film, too" in run.err
    run = cli(
        "video", SAMPLE_CLIP, tmp_path / "g.gif", "--like-all", tmp_path / "f.mkv", "--lossless"
    )
    assert run.code == 1, "what the command line gives is not dropped"
    assert "error: a .gif has 256 colours" in run.err


def test_the_log_is_shown_with_verbose_only(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger("dreamflow.test")
    monkeypatch.setattr(
        "dreamflow.reports.doctor.run_checks", lambda: logger.info("checks begin") or iter(())
    )
    assert "checks begin" in cli("--verbose", "doctor").err
    assert cli("doctor").err == ""


# --- errors: one line on stderr, an exit code, nothing written


def bad_input(folder: Path) -> dict[str, tuple[list[object], str]]:
    """Return command lines that must fail, and a word that their message must hold."""
    film = make_film(folder / "film.mp4", frames=3)
    (folder / "text.mp4").write_text("not a film")
    (folder / "empty").mkdir()
    (folder / "there.mp4").write_bytes(b"mine")
    (folder / "bad.safetensors").write_bytes(b"no weights")
    (folder / "tiny.mp4").write_bytes(b"")
    (folder / "bad.toml").write_text("step = = 1")
    (folder / "there.jsonl").write_text("{}")
    out, deep = folder / "out.mp4", ("--network", "googlenet", "--layer", "inception_5b/output")
    frame, trace = folder / "f.png", folder / "trace.jsonl"
    return {
        "missing file": (["video", folder / "no.mp4", out], "no.mp4"),
        "folder without pictures": (["video", folder / "empty", out], "empty"),
        "not a film": (["video", folder / "text.mp4", out], "text.mp4"),
        "empty file": (["video", folder / "tiny.mp4", out], "tiny.mp4"),
        "a picture": (["video", SAMPLE_STILL, out], "dreamflow frame"),
        "unknown layer": (["video", film, out, "--layer", "inception_4c"], "inception_4c/output"),
        "part of a layer": (["video", film, out, "--layer", "4d"], "inception_4d/output"),
        "unknown preset": (["video", film, out, "--preset", "furr"], "fur"),
        "unknown network": (["video", film, out, "--network", "vgg"], "vgg"),
        "unknown suffix": (["video", film, folder / "out.xyz"], ".xyz"),
        "no such folder": (["video", film, folder / "no" / "out.mp4"], str(folder / "no")),
        "output exists": (["video", film, folder / "there.mp4"], "--overwrite"),
        "output is the source": (["video", film, film, "--overwrite"], "film.mp4"),
        "too small": (["video", film, out, "--size", "20", *deep], "inception_5b"),
        "frame past the end": (["frame", film, frame, "--at", "3"], "--at 3"),
        "no time to end": (["video", film, out, "--end", "2sec"], "--end '2sec'"),
        "no time to start": (["measure", film, film, "--start", "x"], "--start 'x'"),
        "no frame at": (["frame", film, frame, "--at", "1m"], "--at '1m'"),
        "no guide at": (["guide", film, folder / "g", "--at", "1m"], "--at '1m'"),
        "start past the end": (["video", film, out, "--start", "9s"], "--start"),
        "NaN": (["video", film, out, "--step", "nan"], "--step"),
        "out of range": (["video", film, out, "--decay", "1.5"], "--decay"),
        "not a number": (["video", film, out, "--octaves", "many"], "--octaves"),
        "zero weight": (["video", film, out, "--layer", "conv2/3x3=0"], "conv2/3x3=0"),
        "unknown option": (["video", film, out, "--lair", "x"], "--lair"),
        "missing argument": (["video", film], "'OUT'"),
        "weights missing": (["video", film, out, "--weights", folder / "w"], str(folder / "w")),
        "weights no weights": (
            ["video", film, out, "--weights", folder / "bad.safetensors"],
            "bad.safetensors",
        ),
        "unknown device": (["video", film, out, "--device", "gpu"], "--device 'gpu'"),
        "like nothing": (["video", film, out, "--like", film], "film.mp4"),
        "frame to a film": (["frame", film, out], ".png"),
        "unknown command": (["vidoe"], "vidoe"),
        "gains missing": (["video", film, out, "--gains", folder / "g.toml"], "--gains"),
        "gains no TOML": (["video", film, out, "--gains", folder / "bad.toml"], "--gains"),
        "gains of a sweep": (
            ["sweep", SAMPLE_STILL, out, "--gains", folder / "bad.toml"],
            "--gains",
        ),
        "gains of a frame": (["frame", film, frame, "--gains", folder / "bad.toml"], "--gains"),
        "trace no JSONL": (["video", film, out, "--trace", folder / "t.txt"], "--trace"),
        "trace without folder": (
            ["video", film, out, "--trace", folder / "no" / "t.jsonl"],
            "--trace",
        ),
        "trace exists": (["video", film, out, "--trace", folder / "there.jsonl"], "--overwrite"),
        "trace is the picture": (
            ["video", film, out, "--trace", trace, "--watch", trace],
            "--trace",
        ),
        "trace of a frame": (["frame", film, frame, "--trace", folder / "t.png"], "--trace"),
    }


def test_bad_input_ends_in_one_line(tmp_path: Path, cli: Cli) -> None:
    cases = bad_input(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    for case, (arguments, word) in cases.items():
        run = cli(*arguments, *(["--threads", "1"] if "film.mp4" in str(arguments) else []))
        lines = run.err.strip().splitlines()
        assert run.code != 0, case
        assert run.out == "", case
        assert len(lines) == 1, (case, run.err)
        assert lines[0].startswith("error: "), (case, run.err)
        assert word in lines[0], (case, run.err)
        assert {path.name for path in tmp_path.iterdir()} == before, case
    assert (tmp_path / "there.mp4").read_bytes() == b"mine"
    assert (tmp_path / "there.jsonl").read_text() == "{}"


@pytest.mark.parametrize(
    ("flag", "hint"),
    [
        ("--stabilty", "--stabilty; did you mean --stability? See `"),
        ("--iteration", "--iteration; did you mean --iterations"),
        ("--zzz", "--zzz; see `"),
    ],
)
def test_a_mistyped_option_gets_similar_ones(flag: str, hint: str, cli: Cli) -> None:
    run = cli("video", SAMPLE_CLIP, "out.mp4", flag, "1")
    assert run.code == 2
    assert f"error: No such option: {hint}" in run.err


def test_settings_in_messages_and_notes_are_worded_as_flags() -> None:
    error = SettingsError(f"{named('octave_scale')} is too large", setting="octave_scale")
    error.add_note(f"{named('fresh')} starts over")
    assert str(error) == "octave_scale is too large"
    assert format_error(error) == "--octave-scale is too large; --fresh starts over"


def test_missing_weights_say_where_they_were_searched(
    tmp_path: Path, cli: Cli, noise_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / "cache"))
    weights = noise_home / "weights" / "bvlc_googlenet.safetensors"
    hidden = weights.rename(weights.with_suffix(".hidden"))
    try:
        run = cli("video", SAMPLE_CLIP, tmp_path / "o.mp4", "--network", "googlenet")
    finally:
        hidden.rename(weights)
    assert run.code == 1
    assert len(run.err.strip().splitlines()) == 1
    for word in (weights.name, str(weights.parent), str(tmp_path / "cache")):
        assert word in run.err
    assert "dreamflow models pull googlenet" in run.err
    assert "--weights FILE" in run.err


def test_debug_shows_the_traceback(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_checks() -> Iterator[SimpleNamespace]:
        error = SettingsError(f"{named('crf')} is wrong")
        error.add_note(f"see {named('crf')}")
        raise error

    monkeypatch.setattr("dreamflow.reports.doctor.run_checks", run_checks)
    assert cli("doctor").err == "error: --crf is wrong; see --crf\n"
    with pytest.raises(SettingsError) as shown:
        cli("doctor", "--debug")
    assert shown.value.__notes__ == ["see --crf"]


def test_an_unforeseen_error_is_one_line_too(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamflow.reports.doctor.run_checks", lambda: 1 / 0)
    run = cli("doctor")
    assert run.code == 1
    assert len(run.err.splitlines()) == 1
    assert "ZeroDivisionError" in run.err
    assert "--debug" in run.err


# --- help and start-up


def test_most_used_options_are_listed_first_where_there_are_presets(cli: Cli) -> None:
    assert "Most used" not in cli("measure", "--help").out
    guide = cli("guide", "--help").out
    assert guide.index("Most used") < guide.index("--overwrite") < guide.index(" Dream ")
    video = cli("video", "--help").out
    assert "--carry/--no-carry" in video
    assert "--no-loop" not in video
    assert "No such option" not in cli("video", "no.mp4", "out.mp4", "--no-loop").err


@pytest.mark.parametrize("command", [command.name for command in load_commands()])
@pytest.mark.parametrize("width", [80, 60])
def test_help_fits_the_terminal(
    cli: Cli, command: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    run = cli(command, "--help")
    assert run.code == 0
    assert max(map(len, run.out.splitlines())) <= width
    assert "<bool>" not in run.out


@pytest.mark.parametrize("command", ["video", "sweep", "frame"])
def test_help_of_a_render_shows_examples_defaults_and_headings(cli: Cli, command: str) -> None:
    text = cli(command, "--help").out
    assert "Example: dreamflow" in text
    assert "[10]" in text, "a default"
    first = text.index("─ Most used ─")
    assert text[:first].count("\n") < 24
    for panel in ("Dream", "Motion", "Machine"):
        assert text.index(f"─ {panel} ─") > first


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["--help"], {"torch", "cv2", "av", "numpy", "imageio", "torchvision", "matplotlib"}),
        (["presets", "list"], {"torch", "cv2", "av", "numpy"}),
        (["jobs", "list"], {"torch"}),
    ],
)
def test_no_command_loads_libraries_that_it_does_not_need(
    tmp_path: Path, arguments: list[str], heavy: set[str]
) -> None:
    script = (
        f"import sys; sys.argv = ['dreamflow', *{arguments}]\n"
        "from dreamflow.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code\n"
        f"heavy = {heavy} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    line = [sys.executable, "-c", script]
    subprocess.run(line, check=True, cwd=tmp_path, stdout=subprocess.DEVNULL)


def test_bare_groups_show_their_help(cli: Cli) -> None:
    for arguments in ((), ("presets",)):
        run = cli(*arguments)
        assert "Usage: " in run.out + run.err
        assert "error:" not in run.err


def test_version(cli: Cli) -> None:
    assert cli("--version").out.strip() == f"dreamflow {dreamflow.__version__}"


# --- processes


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("name", ["d.mp4", "frames"])
def test_ctrl_c_says_what_is_saved(tmp_path: Path, cli: Cli, noise_home: Path, name: str) -> None:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "dreamflow", "video", str(SAMPLE_CLIP), name, *FAST),
            *("--fps", "240"),
        ],
        cwd=tmp_path,
        env={**os.environ, "DREAMFLOW_HOME": str(noise_home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    job = tmp_path / f"{name}.job"

    def some_frames_are_written() -> bool:
        pending = [*job.glob("pending_*"), *job.glob("frames/*")]
        return len(pending) > 3 or any(path.stat().st_size > 50_000 for path in pending)

    while not some_frames_are_written():
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert out == ""
    lines = [line for line in err.strip().splitlines() if not line.startswith("warning: ")]
    assert len(lines) <= 2, err
    # Announced where the signal came while a frame was written.
    assert all(line.startswith("stopping after this frame") for line in lines[:-1]), err
    assert lines[-1].startswith("stopped; "), err
    assert lines[-1].endswith("the same command goes on"), err
    frames = int(lines[-1].split()[1])
    assert frames >= 3
    assert [path.name for path in tmp_path.iterdir()] == [job.name]
    run = cli("jobs", "finish", job)
    assert run.code == 0
    assert f": {frames} of 960 frames" in run.out
    assert len(list(open_clip(tmp_path / name))) == frames
    assert {path.name for path in tmp_path.iterdir()} <= {name, f"{name}.json"}


PEAK_SCRIPT = """
import sys, dreamflow
from pathlib import Path
from dreamflow.core.machine.options import MachineOptions
peaks = {}
def note(done, total=0):
    lines = Path("/proc/self/status").read_text().splitlines()
    peaks[done] = int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024
settings = dict(layer=("conv1/7x7_s2",), octaves=1, iterations=1)
settings |= dict(carry_iterations=0, uncover_iterations=0)
one_thread = MachineOptions(threads=1)
dreamflow.render(*sys.argv[1:], progress=note, machine=one_thread, **settings)
note("end")
print(peaks[12], peaks["end"])
"""

MAX_GROWTH_MB = 30


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_does_not_grow_with_the_clip(tmp_path: Path, noise_home: Path) -> None:
    """Frames kept in memory, 0.5 MB each in float32, would add 45 MB from 12 to 100 frames."""
    film = make_film(tmp_path / "long.mp4", frames=100, size="240x180")
    done = subprocess.run(
        [sys.executable, "-c", PEAK_SCRIPT, str(film), str(tmp_path / "d.mp4")],
        env={**os.environ, "DREAMFLOW_HOME": str(noise_home)},
        capture_output=True,
        text=True,
        check=True,
    )
    early, late = map(int, done.stdout.split())
    assert late - early < MAX_GROWTH_MB, (early, late)
