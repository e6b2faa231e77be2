"""Ctrl-C while loading, folders that cannot be searched, full memory, DreamFlow's own faults."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import REPO_ROOT, SAMPLE_STILL, CommandResult

from dreamflow.core.errors import SettingsError, WeightsError
from dreamflow.core.machine.out_of_memory import is_out_of_memory
from dreamflow.core.opencv import cv2
from dreamflow.core.options.values import fit_size
from dreamflow.networks.loading import find_weights
from dreamflow.networks.weights.cache import list_weights

Cli = Callable[..., CommandResult]
INTERRUPTED_IMPORT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
sys.argv = ["dreamflow", "frame", {source!r}, "out.png", "--network", "pocket"]
from dreamflow.__main__ import main
main()
"""


CRASH = """
import ctypes, os, signal, sys, threading, time
from dreamflow.cli import entry_point

def crash(**options):
    {crash}

entry_point.build_parser = lambda: crash
sys.argv = ["dreamflow", *{words}]
entry_point.main()
"""
CRASHES = {
    signal.SIGSEGV: "ctypes.string_at(0)",
    signal.SIGABRT: "os.abort()",
    signal.SIGBUS: "threading.Thread(target=signal.raise_signal, args=(signal.SIGBUS,)).start(); "
    "time.sleep(9)",
}


def run_crash(statement: str, *words: str) -> subprocess.CompletedProcess[str]:
    script = CRASH.format(crash=statement, words=words)
    environment = {**os.environ, "PYTHONPATH": str(REPO_ROOT)}
    line = [sys.executable, "-c", script]
    return subprocess.run(line, env=environment, capture_output=True, text=True)


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("number", CRASHES)
def test_a_crash_of_a_library_is_one_line(number: signal.Signals) -> None:
    run = run_crash(CRASHES[number])
    assert run.returncode == -number
    assert run.stderr.startswith("error: ")
    assert run.stderr.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_crash_shows_where_it_was_when_debugging() -> None:
    run = run_crash(CRASHES[signal.SIGSEGV], "--debug")
    assert run.returncode == -signal.SIGSEGV
    assert "in crash" in run.stderr
    assert "\nerror: " not in f"\n{run.stderr}"


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize(
    "module", ["typer", "dreamflow.cli.registry", "dreamflow.cli.settings.binding"]
)
def test_ctrl_c_while_loading_stops_cleanly(module: str, tmp_path: Path) -> None:
    script = INTERRUPTED_IMPORT.format(module=module, source=str(SAMPLE_STILL))
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPO_ROOT)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 130
    assert run.stderr == "stopped\n"
    assert not list(tmp_path.iterdir())


def test_a_home_that_cannot_be_searched_stops_only_what_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DREAMFLOW_HOME", str(tmp_path / ("x" * 300)))  # too long to be looked up
    assert find_weights("pocket").is_file()
    assert list_weights()
    with pytest.raises(WeightsError) as raised:
        find_weights("googlenet")
    assert os.strerror(errno.ENAMETOOLONG) in str(raised.value)


@pytest.mark.parametrize("size", ["100000", "64x100000", "9" * 5000, "32767"])
def test_a_size_that_no_picture_has_is_refused(size: str) -> None:
    with pytest.raises(SettingsError) as raised:
        fit_size(size, 64, 48)
    assert raised.value.setting == "size"
    assert fit_size("32766", 64, 32) == (32766, 16384)


def fill_numpy() -> None:
    np.zeros(1 << 50)


def fill_torch() -> None:
    torch.empty(1 << 55)


def fill_opencv() -> None:
    cv2.resize(np.zeros((8, 8, 3), np.float32), (1 << 26, 1 << 26))


def start_thread() -> None:
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))  # as PyAV, for a decoder's


def fill_onednn() -> None:
    raise RuntimeError("could not create a primitive")


@pytest.mark.parametrize("fill", [fill_numpy, fill_torch, fill_opencv, start_thread, fill_onednn])
def test_a_full_memory_is_no_fault(
    fill: Callable[[], None], cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises((MemoryError, RuntimeError, OSError, cv2.error)) as raised:
        fill()
    assert is_out_of_memory(raised.value)
    monkeypatch.setattr("dreamflow.reports.doctor.run_checks", fill)
    run = cli("doctor")
    assert run.code == 1
    assert "--size" in run.err
    assert "fault" not in run.err


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENAMETOOLONG, errno.EIO])
def test_a_file_that_the_system_refuses_is_no_fault(
    code: int, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise OSError(code, os.strerror(code), "/some/file")

    monkeypatch.setattr("dreamflow.reports.doctor.run_checks", refuse)
    run = cli("doctor")
    assert run.code == 1
    assert run.err == f"error: /some/file: {os.strerror(code)}\n"


def test_a_fault_is_written_to_a_report_without_what_is_private(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "alice"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "alice" / "state"))
    monkeypatch.setenv("SECRET_TOKEN", "t0ken")
    monkeypatch.syspath_prepend(tmp_path)  # as `python -m` does with the current folder

    def fail() -> None:
        private = tmp_path / "alice" / "my diary" / "film.mp4"
        raise ValueError(f"{private} and {str(private)!r} and http://alice:s3cret@host/x")

    monkeypatch.setattr("dreamflow.cli.commands.doctor.print_error", fail)
    monkeypatch.setattr("dreamflow.reports.doctor.run_checks", fail)
    run = cli("doctor")
    assert run.code == 1
    assert len(run.err.splitlines()) == 1
    found = re.search(r"(/\S+\.txt)", run.err)
    assert found
    text = Path(found[1]).read_text(encoding="utf-8")
    for wanted in ("Python", "torch", "command: doctor", "Traceback", "ValueError", "in fail"):
        assert wanted in text
    assert str(Path("dreamflow", "cli", "entry_point.py")) in text
    private = ("alice", "s3cret", "t0ken", str(REPO_ROOT), str(tmp_path), str(Path.cwd()))
    assert not [word for word in private if word in text]


def test_only_the_latest_reports_are_kept(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("dreamflow.reports.doctor.run_checks", lambda: 1 / 0)
    folder = Path(re.findall(r"(/\S+\.txt)", cli("doctor").err)[0]).parent
    for number in range(50):
        (folder / f"fault-2020{number:04d}.txt").touch()
    newest = Path(re.findall(r"(/\S+\.txt)", cli("doctor").err)[0])
    assert newest.exists()
    assert len(list(folder.iterdir())) < 40
