"""For programs and shells: JSON reports, exit codes, completion, the manual page."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import SAMPLE_CLIP, CommandResult

from dreamflow.cli.registry import load_commands

Cli = Callable[..., CommandResult]
QUICK = ("--size", "48", "--end", "3", "--octaves", "1", "--iterations", "1", "--threads", "1")


@pytest.fixture
def report(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, list[Any]]]:
    """Run a command that reports in JSON; return its exit code and the objects on stderr."""
    monkeypatch.delenv("DREAMFLOW_PROGRESS")

    def run(*words: str | Path) -> tuple[int, list[Any]]:
        result = cli("--report", "json", *words)
        return result.code, [json.loads(line) for line in result.err.splitlines()]

    return run


def test_a_render_reports_its_progress_and_what_is_saved(tmp_path: Path, report: Any) -> None:
    out = tmp_path / "dream.mp4"
    code, events = report("video", SAMPLE_CLIP, out, *QUICK)
    assert code == 0
    assert [events[0]["event"], events[-1]["event"]] == ["start", "end"]
    done = [event["done"] for event in events if event["event"] == "progress"]
    assert done == sorted(done)
    saved = [event for event in events if event["event"] == "saved"]
    assert saved[-1] == {"event": "saved", "output": str(out), "frames": 3}


def test_a_warning_names_the_settings_that_it_is_about(tmp_path: Path, report: Any) -> None:
    code, events = report("video", SAMPLE_CLIP, tmp_path / "frames", *QUICK, "--gradient", "plain")
    assert code == 0
    assert {event["event"] for event in events} <= {"start", "progress", "saved", "end", "warning"}
    code, events = report(
        *("frame", SAMPLE_CLIP, tmp_path / "d.png", "--size", "48", "--iterations", "1"),
        *("--smoothing", "3", "--gradient", "laplacian"),
    )
    warnings = [event for event in events if event["event"] == "warning"]
    assert code == 0
    assert any("smoothing" in event.get("settings", ()) for event in warnings), events


@pytest.mark.parametrize(
    ("words", "code", "fields"),
    [
        (("video", "none.mp4", "out.mp4"), 1, {"code": "media", "where": "none.mp4"}),
        (("video", SAMPLE_CLIP, "out.mp4", "--step", "99"), 1, {"setting": "step", "value": 99}),
        (("video", SAMPLE_CLIP, "out.xyz"), 1, {"code": "output"}),
        (("video", SAMPLE_CLIP, "out.mp4", "--octave", "3"), 2, {"code": "usage"}),
        (("vido",), 2, {"code": "usage"}),
    ],
)
def test_an_error_has_its_fields_and_the_exit_code(
    words: tuple[str, ...], code: int, fields: dict[str, object], report: Any
) -> None:
    exit_code, (error,) = report(*words)
    assert exit_code == code
    assert error["exit_code"] == code
    assert error["event"] == "error"
    assert fields.items() <= error.items()


def test_ctrl_c_is_reported(report: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dreamflow.media.read.clip.Clip.__init__", interrupt)
    code, events = report("video", SAMPLE_CLIP, "out.mp4", *QUICK)
    assert code == 130
    assert (events[-1]["event"], events[-1]["exit_code"]) == ("stopped", 130)


def test_the_environment_may_ask_for_json(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DREAMFLOW_REPORT", "json")
    assert json.loads(cli("video", "none.mp4", "out.mp4").err)["event"] == "error"
    assert cli("--report", "text", "video", "none.mp4", "out.mp4").err.startswith("error: ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_a_shell_gets_its_script(shell: str, cli: Cli) -> None:
    script = cli("completion", shell)
    assert script.code == 0
    assert "_DREAMFLOW_COMPLETE" in script.out
    if (program := shutil.which(shell)) and shell != "powershell":
        subprocess.run([program, "-n"], input=script.out, text=True, check=True)


def test_the_manual_names_every_command_and_is_well_formed(cli: Cli) -> None:
    page = cli("man").out
    for command in load_commands():
        assert f"\n.SS {command.name}" in page
    assert "\\-\\-octave\\-scale" in page
    if (groff := shutil.which("groff")) is None:
        pytest.skip("no groff to read the manual with")
    line = [groff, "-man", "-Tutf8", "-ww", "-Kutf8"]
    read = subprocess.run(line, input=page, capture_output=True, text=True, check=True)
    assert read.stderr == ""
