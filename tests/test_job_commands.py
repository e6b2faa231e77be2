"""Commands that list, show, finish and remove jobs; the watch file."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import (
    CommandResult,
    make_texture,
    psnr,
)
from job_rendering import DREAM, FAST, FRAMES, SETTINGS, Rendering, decode_output

from dreamflow.core.errors import DreamFlowError, SettingsError
from dreamflow.jobs.listing import inspect_job
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.read.sequences import picture_folder
from dreamflow.media.read.video.probe import probe_video
from dreamflow.media.stills.decoded_picture import DecodedPicture
from dreamflow.media.stills.read import decode_picture, read_picture
from dreamflow.media.stills.write import write_picture

Cli = Callable[..., CommandResult]


def test_the_latest_frame_is_written_to_the_watch_file(render: Rendering) -> None:
    seen: list[np.ndarray] = []
    watched = render.folder / "now.png"
    render("d.mp4", watch_path=watched)
    seen.append(read_picture(watched))
    last = [frame.picture for frame in open_clip(render.folder / "d.mp4")][-1]
    assert psnr(seen[0], last) > 28
    with pytest.raises(SettingsError) as refused:
        render("e.mp4", watch_path=render.folder / "now.mp4")
    assert refused.value.setting == "watch"


def test_jobs_are_listed_shown_finished_and_removed(
    render: Rendering, cli: Cli, tmp_path: Path
) -> None:
    first, second = render.interrupt("d.mp4", at=9), render.interrupt("e", at=4)
    assert inspect_job(first).frames == 9
    listed = cli("jobs", "list", tmp_path).out
    assert "d.mp4.job" in listed
    assert f"9 of {FRAMES}" in listed
    assert f"4 of {FRAMES}" in listed
    shown = cli("jobs", "show", first).out
    assert "conv2/3x3" in shown
    assert f"dreamflow jobs finish {first}" in shown
    run = cli("jobs", "finish", first, tmp_path / "look.mp4")
    assert run.code == 0
    assert len(decode_output(tmp_path / "look.mp4")) == 9
    look = probe_video(tmp_path / "look.mp4")
    extent = f"{9 / float(look.rate):.2f} s of {look.width}x{look.height}"
    assert run.out == f"{tmp_path / 'look.mp4'}: 9 of {FRAMES} frames, {extent}\n"
    assert first.exists(), "it can go on"
    assert probe_video(tmp_path / "look.mp4").sound_codecs == ("aac",)
    assert "suffix" in cli("jobs", "finish", first, tmp_path / "look.gif").err
    assert cli("jobs", "finish", first).code == 0
    assert not first.exists()
    assert len(decode_output(tmp_path / "d.mp4")) == 9
    assert cli("jobs", "remove", second).code == 0
    assert not second.exists()
    assert "no job" in cli("jobs", "show", second).err
    assert "d.mp4 is no job" in cli("jobs", "show", tmp_path / "d.mp4").err, "nor is a film"
    assert cli("jobs", "list", tmp_path).out.startswith("no jobs in")


def test_jobs_finish_does_not_replace_a_plate(render: Rendering, cli: Cli) -> None:
    plate = render.folder / "plate.mkv"
    job = render.interrupt("d.mp4", plate_path=plate)
    plate.write_bytes(b"mine")
    run = cli("jobs", "finish", job)
    assert run.code == 1
    assert f"{plate} exists already; add --overwrite" in run.err
    assert plate.read_bytes() == b"mine"
    assert not (render.folder / "d.mp4").exists()
    assert cli("jobs", "finish", job, render.folder / "look.mp4").code == 0, "which has no plate"
    assert cli("jobs", "finish", job, "--overwrite").code == 0
    assert len(decode_output(plate)) == 9
    assert not job.exists()


def test_a_job_killed_before_its_first_save_starts_over(render: Rendering, cli: Cli) -> None:
    job = render.interrupt("d.mp4", at=4)
    anew = "stopped unsaved: it begins anew"
    assert anew not in cli("jobs", "show", job).out
    (job / "state.npz").unlink()
    assert anew in " ".join(cli("jobs", "show", job).out.split())
    assert inspect_job(job).status == anew
    render("d.mp4")
    assert render.messages[-1] == "killed before it was first saved: from the beginning"
    assert len(decode_output(render.folder / "d.mp4")) == FRAMES


def test_jobs_show_prints_the_command_that_resumes(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my pictures").mkdir()
    for number in range(4):
        write_picture(tmp_path / "my pictures" / f"{number}.png", make_texture(48, 64, number))
    line = ("video", "my pictures", "d.mkv", "--preset", "fur", *FAST[2:], "--step", "0: 1, 2: 3")

    def fail_at_the_last(path: Path, **how: object) -> DecodedPicture:
        if path.name == "3.png":
            raise DreamFlowError("the drive is gone")
        return decode_picture(path)

    with monkeypatch.context() as patch:
        patch.setattr(picture_folder, "decode_picture", fail_at_the_last)
        run = cli(*line, "--no-carry", "--threads", "1", "--fresh")
    assert run.code == 1, run.err
    assert "the drive is gone" in run.err, run.err
    shown = cli("jobs", "show", "d.mkv.job").out
    for row in (r"frames +3 of 4", r"--step +0: 1, 2: 3", r"--layer +conv1/7x7_s2", "--carry +off"):
        assert re.search(row, shown), (row, shown)
    assert "--decay" not in shown, "that is as by default"
    command = shown.splitlines()[-1]
    assert "dreamflow video 'my pictures' d.mkv --preset fur " in command
    assert "--step '0: 1, 2: 3'" in command
    assert "--fresh" not in command
    monkeypatch.chdir("/")
    assert cli("jobs", "show", tmp_path / "d.mkv.job").out.endswith(f"cd {tmp_path} && {command}\n")
    monkeypatch.chdir(tmp_path)
    run = cli(*shlex.split(command)[1:])
    assert run.code == 0
    assert "going on from frame 3 of 4" in run.err
    assert ", 1 of them dreamed now in " in run.out
    assert len(decode_output(tmp_path / "d.mkv")) == 4


def test_jobs_show_prints_markup_characters_as_they_are(render: Rendering, cli: Cli) -> None:
    """Neither `:100:` nor what stands in brackets means anything else."""
    dream = replace(DREAM, layer=("conv2/3x3:98:100:161",))
    render.interrupt("d[b].mp4", replace(SETTINGS, dream=dream))
    shown = cli("jobs", "show", render.folder / "d[b].mp4.job").out
    assert "conv2/3x3:98:100:161" in shown
    assert shown.splitlines()[0].strip().endswith("d[b].mp4.job")


def test_a_damaged_job_is_reported_and_can_be_removed(tmp_path: Path, cli: Cli) -> None:
    damaged = tmp_path / "a.mp4.job"
    damaged.mkdir()
    (damaged / "job.json").write_text("")
    run = cli("jobs", "list", tmp_path)
    assert run.code == 0
    assert "a.mp4.job" in run.err
    assert "jobs remove" in run.err
    assert cli("jobs", "remove", damaged).code == 0
    assert not damaged.exists()
