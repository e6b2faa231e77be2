"""Kills, interrupts, full disks, full memory and vanished sources lose no finished frame."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import (
    REPO_ROOT,
    SAMPLE_CLIP,
    CommandResult,
    make_film,
)
from job_rendering import (
    CARRY,
    DREAM,
    FAST,
    FRAMES,
    SETTINGS,
    Interruption,
    Rendering,
    decode_output,
    kill_ffmpeg,
)

import dreamflow.jobs.output
import dreamflow.media.write.segments.film_segments
from dreamflow.core.errors import MediaError, MemoryFullError, OutputError
from dreamflow.core.frames import Frame
from dreamflow.jobs.storage.folder import JobFolder, job_folder_path
from dreamflow.media.options import ClipOptions
from dreamflow.media.read.clip import Clip
from dreamflow.media.records.embedded_settings import sidecar_path
from dreamflow.media.write.ffmpeg import FfmpegFramePipe
from dreamflow.pipelines.settings.groups import VideoSettings

Cli = Callable[..., CommandResult]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_renders_survive_signals_at_random_moments(tmp_path: Path, noise_home: Path) -> None:
    """Set DREAMFLOW_STRIKES=20 for more of each kind; each ends a process of its own."""
    signals = os.environ.get("DREAMFLOW_STRIKES", "3")
    done = subprocess.run(
        [
            *(
                sys.executable,
                str(REPO_ROOT / "tests" / "scripts" / "faults.py"),
                str(tmp_path),
                signals,
            ),
            *("video", str(SAMPLE_CLIP), "d.mp4", *FAST, "--end", "20", "--threads", "1"),
        ],
        env={**os.environ, "DREAMFLOW_HOME": str(noise_home), "PYTHONPATH": str(REPO_ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counted = json.loads(done.stdout)
    assert min(counted["kill"], counted["int"]) >= int(signals)
    whole = decode_output(tmp_path / "0" / "d.mp4")
    assert len(whole) == 20
    for number in range(1, counted["renders"] + 1):
        folder = tmp_path / str(number)
        assert decode_output(folder / "d.mp4") == whole
        assert {path.name for path in folder.iterdir()} == {"d.mp4", "d.mp4.json", "log"}


DISK_CHANGES = {"os.rename", "os.remove", "os.rmdir", "shutil.rmtree", "shutil.copytree"}
"""Python's audit events of changes of the disk."""


def copy_before_disk_changes(folder: Path, copies: Path) -> None:
    """Copy a folder before each change of the disk that this process makes from here on.

    The copies, `copies/0`, `copies/1` and so on, are what a kill at these moments leaves behind.
    """
    numbers = itertools.count()
    copying = False
    copied: dict[int, str] = {}

    def copy_or_link(path: str, copy: str) -> None:
        """Copy a file; two names of one file stay so."""
        inode = os.stat(path).st_ino
        if inode in copied:
            os.link(copied[inode], copy)
        else:
            copied[inode] = shutil.copy2(path, copy)

    def hook(event: str, _: Any) -> None:
        nonlocal copying
        if event in DISK_CHANGES and not copying:
            copying = True
            copied.clear()
            shutil.copytree(folder, copies / str(next(numbers)), copy_function=copy_or_link)
            copying = False

    sys.addaudithook(hook)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize(("name", "plate"), [("d.mp4", "p.mkv"), ("d", "p")])
def test_a_kill_before_any_disk_change_loses_nothing(
    render: Rendering, name: str, plate: str
) -> None:
    """After the last frame: resuming succeeds, and leaves the outputs and nothing else."""
    settings = replace(SETTINGS, clip=ClipOptions(size="64", end="3"))
    copies, render.folder = render.folder / "copies", render.folder / "renders"
    copies.mkdir()
    render.folder.mkdir()
    out, beside = render.folder / name, render.folder / plate
    render.interrupt(name, settings, 3, plate_path=beside)
    child = os.fork()
    if not child:  # a hook lasts as long as its process
        try:
            copy_before_disk_changes(render.folder, copies)
            render(name, settings, plate_path=beside)
            os._exit(0)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    whole = [decode_output(out), decode_output(beside)]
    moments = sorted(copies.iterdir(), key=lambda path: int(path.name))
    assert len(moments) > 10
    for moment in moments:
        shutil.rmtree(render.folder)
        moment.rename(render.folder)
        if (job_folder_path(out) / "job.json").exists():
            render(name, settings, plate_path=beside)
        elif job_folder_path(out).exists():
            with pytest.raises(OutputError, match="exists already"):
                render(name, settings, plate_path=beside)  # which clears the empty folder away
        assert [decode_output(out), decode_output(beside)] == whole
        left = {path.name for path in render.folder.iterdir()}
        assert left == {name, plate} | ({f"{name}.json"} if out.suffix else set()), moment.name


def test_a_kill_after_publishing_leaves_a_finished_output(
    render: Rendering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The output counts as finished, and is in the way only of a render that starts over."""
    with monkeypatch.context() as patched:
        patched.setattr(JobFolder, "remove", lambda folder: (_ for _ in ()).throw(Interruption))
        with pytest.raises(Interruption):
            render("d.mp4")
    with pytest.raises(OutputError, match="exists already"):
        render("d.mp4", fresh=True)
    render("d.mp4")
    assert render.messages == [f"all {FRAMES} frames are done: clearing away"]
    assert not job_folder_path(render.folder / "d.mp4").exists()


def test_an_interrupt_while_publishing_is_ignored(
    render: Rendering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The render is as good as done then, and ends as such."""
    move = dreamflow.jobs.output.publish_output

    def pressed(part: Path, target: Path, overwrite: bool) -> None:
        if target.name == "p.mkv":
            os.kill(os.getpid(), signal.SIGINT)
        move(part, target, overwrite)

    monkeypatch.setattr(dreamflow.jobs.output, "publish_output", pressed)
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        out = render("d.mp4", plate_path=render.folder / "p.mkv")
    finally:
        signal.signal(signal.SIGINT, usual)
    assert len(decode_output(out)) == len(decode_output(render.folder / "p.mkv")) == FRAMES
    assert not job_folder_path(out).exists()
    assert sidecar_path(out).exists()


def test_jobs_finish_ends_a_published_job(
    render: Rendering, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(JobFolder, "remove", lambda folder: (_ for _ in ()).throw(Interruption))
        with pytest.raises(Interruption):
            render("d.mp4")
    run = cli("jobs", "finish", job_folder_path(render.folder / "d.mp4"))
    assert run.code == 0
    assert f"{FRAMES} frames" in run.out
    assert len(decode_output(render.folder / "d.mp4")) == FRAMES
    assert not job_folder_path(render.folder / "d.mp4").exists()
    with pytest.raises(OutputError, match="exists already"):
        render("d.mp4")


def test_a_killed_encoder_loses_no_frame(
    render: Rendering, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = decode_output(render("whole.mp4"))
    write = FfmpegFramePipe.write

    def write_to_killed(pipe: FfmpegFramePipe, picture: np.ndarray, time: Fraction) -> None:
        kill_ffmpeg()
        write(pipe, picture, time)

    with monkeypatch.context() as patched:
        patched.setattr(FfmpegFramePipe, "write", write_to_killed)
        with pytest.raises(OutputError, match="ffmpeg was killed") as raised:
            render("d.mp4")
    assert raised.value.__notes__ == [
        f"12 of {FRAMES} frames are done and safe in d.mp4.job: the same command goes on"
    ]
    assert decode_output(render("d.mp4")) == whole
    assert render.messages == [f"going on from frame 12 of {FRAMES}"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    line = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    try:
        subprocess.run(line, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a disk can only be mounted by root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def render_or_error(render: Rendering, name: str) -> OutputError | None:
    """Render; return the error that it ends with, if any."""
    try:
        render(name)
    except OutputError as error:
        return error
    return None


@pytest.mark.parametrize("name", ["d.mp4", "d"])
@pytest.mark.filterwarnings("ignore:.*GB left")
def test_a_full_disk_loses_no_frame(render: Rendering, small_disk: Path, name: str) -> None:
    whole = decode_output(render("whole" + Path(name).suffix))
    render.folder = small_disk
    ballast, full = small_disk / "ballast", 0
    for left_kb in (130, 200, 330):
        job_folder = job_folder_path(small_disk / name)
        used = sum(p.stat().st_size for p in job_folder.rglob("*")) if job_folder.exists() else 0
        ballast.write_bytes(b"x" * (2**20 - used - left_kb * 1024))
        error = render_or_error(render, name)
        if error is None:
            break
        assert re.search(r"disk is full.*free some space", str(error))
        assert not (small_disk / name).exists()
        full += 1
        ballast.unlink()
    ballast.unlink(missing_ok=True)
    assert full
    out = small_disk / name
    assert decode_output(out if out.exists() else render(name)) == whole


def test_full_memory_is_reported_and_loses_no_frame(
    render: Rendering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames before it are safe, though none was saved since the beginning."""
    from dreamflow.pipelines.video.carry_over_frames import VideoDreamer

    dream = VideoDreamer.__call__

    def full(dreamer: VideoDreamer, frame: Frame, *mark: Any) -> Frame:
        if frame.index == 4:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate")
        return dream(dreamer, frame, *mark)

    whole = decode_output(render("whole.mp4"))
    with monkeypatch.context() as patched:
        patched.setattr(VideoDreamer, "__call__", full)
        with pytest.raises(MemoryFullError, match="GPU's memory is full") as raised:
            render("d.mp4")
    assert f"4 of {FRAMES} frames are done" in raised.value.__notes__[0]
    assert decode_output(render("d.mp4")) == whole


def test_a_source_that_vanishes_does_not_end_the_job(
    render: Rendering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drive that is pulled out looks like a film that ends early."""
    film = make_film(render.folder / "in.mp4", frames=12)
    away = film.with_name("away.mp4")
    settings = VideoSettings(DREAM, CARRY, ClipOptions())
    frames = Clip.frames_from

    def pulled(clip: Clip, start: int = 0) -> Iterator[Frame]:
        for frame in frames(clip, start):
            if frame.index == 8:
                film.rename(away)
                return
            yield frame

    with monkeypatch.context() as patched:
        patched.setattr(Clip, "frames_from", pulled)
        with pytest.raises(MediaError, match="the clip is gone") as raised:
            render("d.mp4", settings, source=film)
    assert "8 of 12 frames are done" in raised.value.__notes__[0]
    assert not (render.folder / "d.mp4").exists()
    away.rename(film)
    assert len(decode_output(render("d.mp4", settings, source=film))) == 12


def test_an_empty_folder_of_a_killed_job_is_removed(
    render: Rendering, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    """Killed between its last file and its folder, a job is over."""
    with monkeypatch.context() as patched:
        patched.setattr(Path, "rmdir", lambda path: (_ for _ in ()).throw(Interruption))
        patched.setattr(os, "rmdir", lambda *path, **more: (_ for _ in ()).throw(Interruption))
        with pytest.raises(Interruption):
            render("d.mp4")
    left = job_folder_path(render.folder / "d.mp4")
    assert left.is_dir()
    assert not list(left.iterdir())
    with pytest.raises(OutputError, match="exists already"):
        render("d.mp4")
    assert not left.exists()
    left.mkdir()
    assert cli("jobs", "remove", left).code == 0
    assert not left.exists()
    left.mkdir()
    (left / "mine.txt").write_text("not a job")
    assert cli("jobs", "remove", left).code == 1
    assert (left / "mine.txt").exists()
