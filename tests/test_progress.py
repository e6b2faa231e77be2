"""Progress: at once on a terminal, regular lines in a log, objects for programs, or nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import PATIENCE_S, SAMPLE_CLIP, SAMPLE_STILL, CommandResult, make_film

from dreamflow.cli.progress.lines import LINE_INTERVAL_S, ProgressLines

Cli = Callable[..., CommandResult]
QUICK = ("--layer", "conv1/7x7_s2", "--octaves", "1", "--iterations", "1", "--threads", "1")
COMMANDS: dict[str, tuple[str | Path, ...]] = {
    "video": (SAMPLE_CLIP, "out.mp4", *QUICK, "--size", "48", "--end", "3"),
    "frame": (SAMPLE_STILL, "out.png", *QUICK, "--size", "48"),
    "sweep": (
        *(SAMPLE_CLIP, "out.mp4", "--layers", "conv1/7x7_s2,conv2/3x3", "--size", "48"),
        *("--end", "3", "--octaves", "1", "--iterations", "1", "--threads", "1"),
    ),
    "zoom": (SAMPLE_STILL, "out.mp4", *QUICK, "--size", "48x32", "--seconds", "0.1"),
    "guide": (SAMPLE_STILL, "out", *QUICK[2:], "--layers", "conv1/7x7_s2", "--size", "48"),
    "channels": (SAMPLE_STILL, "out.png", *QUICK, "--count", "2", "--tile", "32"),
    "measure": (SAMPLE_CLIP, SAMPLE_CLIP, "--size", "48", "--end", "3", "--threads", "1"),
    "shots": (SAMPLE_CLIP,),
}


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def report(
    total: float | None, times: Iterator[tuple[float, float]], as_json: bool = False
) -> list[str]:
    """Return the lines of some work, given as (seconds, units done)."""
    printed: list[str] = []
    clock = Clock()
    lines = ProgressLines("dreaming d.mp4", total, "frame", printed.append, as_json, clock)
    lines.start()
    for clock.seconds, done in times:
        lines.update(done)
    lines.finish()
    return printed


def test_quick_work_has_a_line_at_the_start_and_one_each_tenth() -> None:
    printed = report(1000, ((done / 1000, done) for done in range(1001)))
    assert len(printed) == 1 + 10
    assert "1000 frames" in printed[0]
    assert [line.split()[2][:4] for line in printed[1:4]] == ["100/", "200/", "300/"]


def test_slow_work_has_a_line_every_ten_seconds() -> None:
    printed = report(10_000, ((0.5 * done, done) for done in range(401)))
    assert len(printed) == 1 + round(200 / LINE_INTERVAL_S)
    assert "left" in printed[-1]


def test_resumed_work_is_timed_from_where_it_goes_on() -> None:
    printed = report(100, iter([(0.0, 80.0), (100.0, 90.0)]))
    assert len(printed) == 2
    assert "90/100 frames" in printed[-1]
    assert "0:01:40 left" in printed[-1]


def test_work_of_unknown_length_has_lines_too() -> None:
    printed = report(None, ((11.0 * n, n) for n in range(4)))
    assert len(printed) == 1 + 3


def test_json_has_a_start_and_an_end() -> None:
    printed = report(10, ((n, n) for n in range(11)), as_json=True)
    events = [json.loads(line) for line in printed]
    assert events[0]["event"] == "start"
    assert events[-1]["event"] == "end"
    done = [event["done"] for event in events]
    assert done == sorted(done)
    assert {event["total"] for event in events} == {10}


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_shows_what_it_does_in_a_log(
    command: str, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DREAMFLOW_PROGRESS")
    run = cli(command, *COMMANDS[command])
    assert run.code == 0, run.err
    assert run.err.strip(), "nothing was seen until the end"


@pytest.mark.parametrize("command", ["video", "frame", "guide"])
def test_none_is_nothing_and_json_is_an_object_a_line(
    command: str, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = cli(command, *COMMANDS[command], "--progress", "json")
    events = [json.loads(line) for line in run.err.splitlines()]
    assert [events[0]["event"], events[-1]["event"]] == ["start", "end"]
    assert cli(command, *COMMANDS[command], "--overwrite", "--progress", "none").err == ""


def test_progress_changes_nothing_of_an_output(tmp_path: Path, cli: Cli) -> None:
    for kind in ("lines", "none"):
        out = tmp_path / f"{kind}.png"
        assert cli("frame", SAMPLE_STILL, out, *QUICK, "--size", "48", "--progress", kind).code == 0
    lines, none = (json.loads((tmp_path / f"{k}.png.json").read_text()) for k in ("lines", "none"))
    assert lines == none
    assert "progress" not in lines["settings"]


def test_an_unknown_kind_is_refused(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "d.png"
    assert cli("frame", SAMPLE_STILL, out, "--progress", "fancy").code == 1
    monkeypatch.setenv("DREAMFLOW_PROGRESS", "fancy")
    run = cli("frame", SAMPLE_STILL, out)
    assert run.code == 1
    assert "DREAMFLOW_PROGRESS" in run.err
    assert not list(tmp_path.iterdir())


def test_a_batch_shows_the_progress_of_each_render(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_film(tmp_path / "a.mp4", frames=3)
    (tmp_path / "q.toml").write_text(
        "[defaults]\niterations = 0\n"
        '[[render]]\nsource = "a.mp4"\nout = "b.mp4"\n'
        '[[render]]\nsource = "a.mp4"\nout = "c.png"\ncommand = "frame"\n'
    )
    monkeypatch.chdir(tmp_path)
    run = cli("batch", "q.toml", "--progress", "lines", "--threads", "1")
    assert run.code == 0, run.err
    for name in ("b.mp4", "c.png"):
        assert f"dreaming {name}" in run.err


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are of POSIX")
def test_a_terminal_shows_what_is_done_before_pytorch_is_loaded(tmp_path: Path) -> None:
    """PyTorch cannot be loaded here: what is seen, is seen before it is asked for."""
    import pty

    script = (
        "import sys; sys.modules['torch'] = None\n"
        f"sys.argv = ['dreamflow', 'video', {str(SAMPLE_CLIP)!r}, 'night.mp4']\n"
        "from dreamflow.cli import main; main()\n"
    )
    parent, child = pty.openpty()
    environment = {key: v for key, v in os.environ.items() if key != "DREAMFLOW_PROGRESS"}
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, stderr=child, stdout=child, env=environment
    )
    os.close(child)
    seen = b""
    try:
        while piece := os.read(parent, 4096):
            seen += piece
    except OSError:  # the other end is closed
        pass
    assert process.wait(timeout=PATIENCE_S) != 0
    first = seen.decode().splitlines()[0]
    assert "video" in first
    assert "night.mp4" in first


def test_help_loads_no_pytorch() -> None:
    script = (
        "import sys; sys.argv = ['dreamflow', *sys.argv[1:]]\n"
        "from dreamflow.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'cv2', 'av', 'numpy', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    for words in (["--help"], ["video", "--help"], ["frame", "--preset", "fur", "--help"]):
        subprocess.run([sys.executable, "-c", script, *words], check=True, capture_output=True)
