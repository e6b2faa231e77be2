"""The folder of a render goes while it is at work: one error, and nothing half-made."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import SAMPLE_CLIP
from job_rendering import FRAMES, SETTINGS, Rendering, decode_output

from dreamflow.core.errors import DreamFlowError
from dreamflow.dream.options import DreamOptions
from dreamflow.jobs.controls import RenderControls
from dreamflow.jobs.renders.render_video import render_video
from dreamflow.jobs.storage.folder import job_folder_path
from dreamflow.media.read.clip import Clip
from dreamflow.pipelines.settings.groups import VideoSettings

Change = Callable[[Path], Any]


UNDREAMED = replace(SETTINGS, dream=DreamOptions(iterations=0))


def delete(job: Path) -> None:
    """Delete a job's folder, though an encoder may rename or add a file on the way."""
    while job.exists():
        shutil.rmtree(job, ignore_errors=True)


CHANGES: dict[str, Change] = {
    "deleted": delete,
    "moved": lambda job: job.rename(job.with_name("elsewhere")),
    "a file in its place": lambda job: (delete(job), job.write_text("mine")),
    "emptied": lambda job: [
        path.unlink(missing_ok=True) for path in job.iterdir() if path.is_file()
    ],
}


def render_and_change(
    render: Rendering, name: str, change: Change, at: int, settings: VideoSettings = SETTINGS
) -> Path:
    """Render, and change the job's folder when `at` frames are done."""
    out = render.folder / name
    clip = Clip(SAMPLE_CLIP, SETTINGS.clip)

    def progress(done: int, total: int) -> None:
        if done == at:
            change(job_folder_path(out))

    controls = RenderControls(progress, segment_frames=6, checkpoint_interval_s=0)
    render_video(clip, out, render.network, settings, controls)
    return out


@pytest.mark.parametrize("at", [3, 7, FRAMES])
@pytest.mark.parametrize("name", ["d.mp4", "d"])
@pytest.mark.parametrize("how", CHANGES)
def test_a_job_folder_that_goes_is_one_error(
    how: str, name: str, at: int, render: Rendering
) -> None:
    """The folder is not made anew: the user has it elsewhere, or does not want it."""
    with pytest.raises(DreamFlowError) as raised:
        render_and_change(render, name, CHANGES[how], at, UNDREAMED)
    assert len(str(raised.value).splitlines()) == 1
    assert not any("safe" in note for note in getattr(raised.value, "__notes__", []))
    assert not (render.folder / name).exists()


def test_a_job_folder_that_was_moved_away_goes_on_when_it_is_back(render: Rendering) -> None:
    whole = decode_output(render("whole.mp4"))
    with pytest.raises(DreamFlowError):
        render_and_change(render, "d.mp4", CHANGES["moved"], 13)
    job = job_folder_path(render.folder / "d.mp4")
    assert not job.exists()
    (render.folder / "elsewhere").rename(job)
    assert decode_output(render("d.mp4")) == whole


def test_a_working_folder_that_is_gone_is_one_error(
    render: Rendering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(FileNotFoundError):
        os.getcwd()
    render.folder = Path("rel")
    with pytest.raises(DreamFlowError):
        render("d.mp4")
