"""Folders and files that may not be read, written or searched: one line, and nothing half-made."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import REPO_ROOT, SAMPLE_CLIP

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
"""Linux's names (linux/prctl.h, linux/capability.h)."""
REFUSED: dict[str, list[str]] = {
    "output folder": [],
    "source": ["in.mp4"],
    "both folders in mid-render": ["d.mp4.job", "look.mp4", "look.mp4.json"],
    "job folder, going on": ["d.mp4.job"],
    "job folder, finished": ["d.mp4.job"],
    "job folder, shown": ["d.mp4.job"],
}
"""The trials that end in an error, and what lies in the folder afterwards."""


def give_up_roots_rights() -> None:
    """Give up the capabilities by which root reads and writes what nobody may."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What came of each trial of `unprivileged_commands.py`."""
    if not hasattr(os, "geteuid"):
        pytest.skip("this system has other permissions")
    is_root = os.geteuid() == 0
    if is_root and sys.platform != "linux":
        pytest.skip("root may read and write all here")
    folder = tmp_path_factory.mktemp("permissions")
    environment = {"DREAMFLOW_HOME": folder / "home", "XDG_STATE_HOME": folder / "logs"}
    (folder / "trials").mkdir()
    program = Path(__file__).with_name("unprivileged_commands.py")
    try:
        done = subprocess.run(
            [sys.executable, program, folder / "trials", SAMPLE_CLIP],
            env=os.environ | {name: str(path) for name, path in environment.items()},
            preexec_fn=give_up_roots_rights if is_root else None,
            cwd=REPO_ROOT,
            capture_output=True,
            text=True,
        )
    except subprocess.SubprocessError:
        pytest.skip("root cannot give up its rights here")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("trial", REFUSED)
def test_what_may_not_be_used_is_said_in_one_line(
    trial: str, outcomes: dict[str, dict[str, Any]]
) -> None:
    outcome = outcomes[trial]
    assert outcome["code"] in (1, 2)
    assert len(outcome["err"].strip().splitlines()) == 1
    assert "fault" not in outcome["err"]
    assert outcome["left"] == REFUSED[trial]


def test_a_job_that_could_not_be_written_is_whole(outcomes: dict[str, dict[str, Any]]) -> None:
    assert outcomes["both folders in mid-render"]["finished"] == 0


def test_a_home_that_cannot_be_searched_does_not_stop_the_own_network(
    outcomes: dict[str, dict[str, Any]],
) -> None:
    assert outcomes["home"]["code"] == 0
    assert outcomes["home"]["left"] == ["d.mp4", "d.mp4.json"]
