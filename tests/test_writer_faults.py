"""No frame is lost when writing fails: dying encoders, Ctrl-C, other drives, damaged sources."""

from __future__ import annotations

import errno
import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import PATIENCE_S, decode_with_ffmpeg, make_film, make_texture
from job_rendering import kill_ffmpeg

from dreamflow.core.errors import MediaError, OutputError
from dreamflow.core.frames import Frame
from dreamflow.core.interrupts import defer_interrupt
from dreamflow.jobs.listing import finish_job, inspect_job
from dreamflow.jobs.output_writer import open_writer, write_video
from dreamflow.jobs.storage.folder import job_folder_path
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.stills.write import write_picture
from dreamflow.media.write import assemble
from dreamflow.media.write.ffmpeg import FfmpegFramePipe
from dreamflow.media.write.segments import film_segments as segments
from dreamflow.media.write.segments.film_segments import VideoSegmentWriter


@pytest.fixture
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments of 5 frames."""
    monkeypatch.setattr(segments, "MAX_SEGMENT_FRAMES", 5)


def job_of(error: BaseException) -> Path:
    """Return the job folder that an error names, in which the frames are kept."""
    (note,) = error.__notes__
    return Path(note.split(" is kept in ")[1].split(": ")[0])


def write_frames(
    path: Path, spec: OutputSpec, frames: Iterable[Frame], error: BaseException | None = None
) -> None:
    """Write frames to an output, and raise the error before it is finished."""
    with open_writer(path, spec) as writer:
        for frame in frames:
            writer.write(frame)
        if error is not None:
            raise error


@pytest.mark.parametrize("name", ["out.mp4", "out.gif", "out"])
def test_the_frames_of_a_failed_render_are_kept(tmp_path: Path, name: str) -> None:
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=3))
    first = itertools.islice(clip, 1)
    with pytest.raises(ValueError, match="ours") as raised:
        write_frames(tmp_path / name, clip.output_spec, first, ValueError("ours"))
    job = job_of(raised.value)
    assert {p.name for p in tmp_path.iterdir()} == {"in.mp4", job.name}
    with pytest.raises(OutputError, match="holds 1 frame of an earlier render"):
        write_video(tmp_path / name, clip, clip)
    assert finish_job(job) == (tmp_path / name, 1)
    assert {p.name for p in tmp_path.iterdir()} == {"in.mp4", name}
    assert len(list(open_clip(tmp_path / name))) == 1


def test_a_failed_render_without_frames_leaves_nothing(tmp_path: Path) -> None:
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=3))
    with pytest.raises(ValueError, match="ours"):
        write_frames(tmp_path / "out.mp4", clip.output_spec, (), ValueError("ours"))
    assert [p.name for p in tmp_path.iterdir()] == ["in.mp4"]


def test_a_wrong_picture_in_a_folder_keeps_the_frames_before_it(tmp_path: Path) -> None:
    folder = tmp_path / "shots"
    folder.mkdir()
    for number in range(4):
        write_picture(folder / f"{number}.png", make_texture(48, 64, number))
    clip = open_clip(folder)
    write_picture(folder / "3.png", make_texture(24, 32))  # another size than when it was opened
    with pytest.raises(MediaError) as raised:
        write_video(tmp_path / "out.mp4", clip, clip)
    assert raised.value.where == str(folder / "3.png")
    assert finish_job(job_of(raised.value))[1] == len(list(open_clip(tmp_path / "out.mp4"))) == 3


# --- encoding in a thread


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")
@pytest.mark.usefixtures("short_segments")
def test_a_dying_encoder_is_an_error_and_loses_no_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=12))
    frames = list(clip)
    write = FfmpegFramePipe.write

    def kill_and_write(pipe: FfmpegFramePipe, picture: np.ndarray, time: Fraction) -> None:
        kill_ffmpeg()
        write(pipe, picture, time)

    with monkeypatch.context() as patched:
        patched.setattr(FfmpegFramePipe, "write", kill_and_write)
        with pytest.raises(OutputError, match="encoding failed: ffmpeg was killed") as raised:
            write_frames(tmp_path / "out.mp4", clip.output_spec, frames)
    assert finish_job(job_of(raised.value))[1] == 10
    assert len(list(open_clip(tmp_path / "out.mp4"))) == 10


@pytest.mark.usefixtures("short_segments")
def test_a_full_segment_is_encoded_while_the_next_frames_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=14))
    write_video(tmp_path / "usual.mp4", clip, clip)
    may_encode, write = threading.Event(), FfmpegFramePipe.write

    def wait_and_write(pipe: FfmpegFramePipe, picture: np.ndarray, time: Fraction) -> None:
        assert may_encode.wait(PATIENCE_S)
        write(pipe, picture, time)

    monkeypatch.setattr(FfmpegFramePipe, "write", wait_and_write)
    job = job_folder_path(tmp_path / "out.mp4")
    with open_writer(tmp_path / "out.mp4", clip.output_spec) as writer:
        for frame in clip:
            if frame.index == 9:
                # All are on the disk, though no segment is encoded; the next waits for the first.
                assert inspect_job(job).frames == 9
                assert not list(job.glob("chunk_*"))
                may_encode.set()
            writer.write(frame)
    delayed, usual = (decode_with_ffmpeg(tmp_path / name) for name in ("out.mp4", "usual.mp4"))
    assert np.array_equal(delayed, usual)


@pytest.mark.usefixtures("short_segments")
def test_an_interrupt_cancels_the_encoding_and_loses_no_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=9))
    encoded: list[Fraction] = []
    started, may_encode = threading.Event(), threading.Event()
    write, shutdown = FfmpegFramePipe.write, ThreadPoolExecutor.shutdown

    def wait_and_write(pipe: FfmpegFramePipe, picture: np.ndarray, time: Fraction) -> None:
        encoded.append(time)
        started.set()
        assert may_encode.wait(PATIENCE_S)
        write(pipe, picture, time)

    def frames_until_encoding() -> Iterator[Frame]:
        yield from clip
        assert started.wait(PATIENCE_S)

    def shut_down_while_encoding(pool: ThreadPoolExecutor, *how: Any, **more: Any) -> None:
        may_encode.set()
        shutdown(pool, *how, **more)

    with monkeypatch.context() as patched:
        patched.setattr(FfmpegFramePipe, "write", wait_and_write)
        patched.setattr(ThreadPoolExecutor, "shutdown", shut_down_while_encoding)
        with pytest.raises(KeyboardInterrupt) as raised:
            write_frames(
                tmp_path / "out.mp4", clip.output_spec, frames_until_encoding(), KeyboardInterrupt()
            )
    assert len(encoded) == 1, "only the frame in progress"
    job = job_of(raised.value)
    assert not list(job.glob("*chunk_*")), "no unfinished segment stays"
    assert finish_job(job)[1] == 9
    assert len(list(open_clip(tmp_path / "out.mp4"))) == 9


@pytest.mark.usefixtures("short_segments")
def test_segments_that_were_not_encoded_are_encoded_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=13))
    with monkeypatch.context() as patched:
        patched.setattr(VideoSegmentWriter, "flush", lambda writer: None)
        with pytest.raises(RuntimeError, match="ours") as raised:
            write_frames(tmp_path / "out.mp4", clip.output_spec, clip, RuntimeError("ours"))
    job = job_of(raised.value)
    assert len(list(job.glob("pending_*"))) == 3
    assert inspect_job(job).frames == 13
    assert finish_job(job)[1] == 13
    assert len(list(open_clip(tmp_path / "out.mp4"))) == 13


# --- finishing and publishing


@pytest.mark.parametrize("name", ["out.mp4", "out.gif"])
@pytest.mark.parametrize("fault", [KeyboardInterrupt, OutputError])
def test_a_fault_while_finishing_loses_no_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, fault: type[BaseException]
) -> None:
    """Ctrl-C, a full disk or odd sound in the last second."""

    def fail(path: Path, frames: int) -> None:
        raise fault("ours")

    clip = open_clip(make_film(tmp_path / "in.mp4", frames=5))
    with monkeypatch.context() as patched:
        patched.setattr(assemble, "verify_video", fail)
        with pytest.raises(fault) as raised:
            write_video(tmp_path / name, clip, clip)
    job = job_of(raised.value)
    assert {p.name for p in tmp_path.iterdir()} == {"in.mp4", job.name}
    assert finish_job(job) == (tmp_path / name, 5)
    assert len(list(open_clip(tmp_path / name))) == 5


@pytest.mark.parametrize("name", ["out.mp4", "out"])
def test_an_output_on_another_drive_is_copied_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=3))
    rename = Path.replace

    def refuse_other_drive(path: Path, target: Path) -> Path:
        if path.parent.suffix == ".job" and target.parent == tmp_path:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", refuse_other_drive)
    assert write_video(tmp_path / name, clip, clip) == 3
    assert len(list(open_clip(tmp_path / name))) == 3
    assert {path.name for path in tmp_path.iterdir()} == {"in.mp4", name}


def test_files_put_into_the_output_folder_during_a_render_are_kept(tmp_path: Path) -> None:
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=2))
    out = tmp_path / "out"
    out.mkdir()

    def frames_and_another_file() -> Iterator[Frame]:
        yield from clip
        (out / "mine.txt").write_text("mine")

    with pytest.raises(OutputError, match=r"holds other files \(mine\.txt\)"):
        write_frames(out, clip.output_spec, frames_and_another_file())
    assert (out / "mine.txt").read_text() == "mine"
    (out / "mine.txt").unlink()
    assert finish_job(job_folder_path(out), None, overwrite=True) == (out, 2)
    assert len(list(open_clip(out))) == 2


def test_renders_beside_each_other_do_not_mix(tmp_path: Path) -> None:
    make_film(tmp_path / "in.mp4", frames=6)
    script = (
        "import sys; from dreamflow import open_clip, write_video\n"
        "clip = open_clip('in.mp4', end=sys.argv[2])\n"
        "write_video(sys.argv[1], clip, clip, overwrite=True)\n"
    )
    frames_by_name = {"out.mp4": 4, "out.mov": 5, "out.mkv": 6}
    renders = [
        subprocess.Popen([sys.executable, "-c", script, name, str(end)], cwd=tmp_path)
        for name, end in frames_by_name.items()
    ]
    assert [render.wait() for render in renders] == [0, 0, 0]
    for name, frames in frames_by_name.items():
        assert len(list(open_clip(tmp_path / name))) == frames


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_waits_for_the_frame_and_a_second_one_does_not() -> None:
    completed: list[int] = []

    def interrupt_frame(interrupts: int) -> None:
        with defer_interrupt():
            for _ in range(interrupts):
                os.kill(os.getpid(), signal.SIGINT)
            completed.append(interrupts)

    for interrupts in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            interrupt_frame(interrupts)
    interrupt_frame(0)
    assert completed == [1, 0]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
