"""A job's folder, its lock and its files."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from conftest import (
    CommandResult,
)
from job_rendering import FRAMES, Rendering, decode_output

from dreamflow.core.errors import OutputError
from dreamflow.jobs.listing import list_jobs_below, list_jobs_in
from dreamflow.jobs.storage.folder import job_folder_path
from dreamflow.jobs.storage.state_file import read_state, write_state
from dreamflow.media.output_spec import Chapter, OutputSpec, Sound
from dreamflow.media.write.segments.piece_ledger import DamagedPiecesError

Cli = Callable[..., CommandResult]


def test_one_process_at_a_time_works_on_a_job(render: Rendering) -> None:
    folder = render.interrupt("d.mp4")
    script = (
        "import sys; from pathlib import Path\n"
        "from dreamflow.jobs.storage.folder import JobFolder\n"
        "with JobFolder(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout
        assert holder.stdout.readline()
        with pytest.raises(OutputError, match="being worked on by another process"):
            render("d.mp4")
        assert [kept.is_running for kept in list_jobs_in(render.folder)] == [True]
        holder.kill()
    assert [kept.is_running for kept in list_jobs_in(render.folder)] == [False]
    assert len(decode_output(render("d.mp4"))) == FRAMES, "a process that was killed leaves no lock"


def test_jobs_in_the_folders_of_a_folder_are_listed_too(
    tmp_path: Path, render: Rendering, cli: Cli
) -> None:
    job = render.interrupt("d.mp4")
    for name in ("batch", ".hidden"):
        (tmp_path / "above" / name).mkdir(parents=True)
        shutil.copytree(job, tmp_path / "above" / name / job.name)
    copy = tmp_path / "above" / "batch" / job.name
    assert [info.folder for info in list_jobs_below(copy.parent)] == [copy]
    assert [info.folder for info in list_jobs_below(copy.parent.parent)] == [copy]
    run = cli("jobs", "list", copy.parent.parent)
    assert job.name in run.out
    assert ".hidden" not in run.out
    assert list_jobs_below(copy) == [], "a job holds none"


def test_a_folder_that_is_no_job_is_not_touched(render: Rendering) -> None:
    (render.folder / "d.mp4.job").mkdir()
    (render.folder / "d.mp4.job" / "diary.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"d\.mp4\.job is in the way"):
        render("d.mp4", fresh=True)
    assert (render.folder / "d.mp4.job" / "diary.txt").read_text() == "mine"


def test_missing_frames_are_reported(render: Rendering) -> None:
    folder = render.interrupt("d.mp4", at=15)
    (folder / "chunk_000001.mp4").unlink()
    (folder / "pending_000001.rgb").unlink(missing_ok=True)
    with pytest.raises(DamagedPiecesError) as damaged:
        render("d.mp4")
    assert [(d.first, d.stop) for d in damaged.value.damages] == [(6, 12)]
    assert (folder / "chunk_000000.mp4").exists(), "what there is, is kept"


def test_a_state_file_returns_the_state(tmp_path: Path) -> None:
    state = {
        "done": 3,
        "array": np.arange(6, dtype=np.float32).reshape(2, 3),
        "none": None,
        "deep": {3: [(1.5, Fraction(1, 3)), np.zeros((0, 2), np.uint8), "ü", True], "dict": {}},
    }
    write_state(tmp_path / "s.npz", {"frames": 2, "journey": state}, "a" * 32)
    job_state = read_state(tmp_path / "s.npz", "a" * 32)
    assert job_state["frames"] == 2
    back = job_state["journey"]
    assert np.array_equal(back["array"], state["array"])
    assert back["array"].dtype == np.float32
    assert back["deep"][3][0] == (1.5, Fraction(1, 3))
    assert back["deep"][3][2:] == ["ü", True]
    assert back["deep"][3][1].shape == (0, 2)
    assert back["none"] is None
    (tmp_path / "s.npz").write_bytes(b"PK half of it")
    with pytest.raises(OutputError, match="damaged"):
        read_state(tmp_path / "s.npz", "a" * 32)


def test_an_output_spec_survives_json() -> None:
    sound = Sound(Path("/a/ü.mp4"), ("aac", "opus"), Fraction(1, 7), Fraction(2, 3), True)
    sound = replace(sound, subtitle_codecs=("subrip",))
    rate = Fraction(30000, 1001)
    outline = OutputSpec(
        64, 48, rate, 9, 9 / rate, False, Fraction(64, 45), sound, (Path("/a/ü.mp4"), Path("/a"))
    )
    outline = replace(outline, chapters=(Chapter(Fraction(1, 3), Fraction(1), "one"),))
    for kept in (outline, OutputSpec.at_constant_rate(2, 2, rate, 3)):
        assert OutputSpec.from_dict(json.loads(json.dumps(kept.to_dict()))) == kept


def test_long_output_names_have_their_own_job_folders(tmp_path: Path) -> None:
    one, other = (job_folder_path(tmp_path / f"{'a' * 245}{end}.mp4") for end in "xy")
    assert one != other
    assert max(len(path.name) for path in (one, other)) < 255
