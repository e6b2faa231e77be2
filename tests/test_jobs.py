"""A render that cannot be lost: struck, stopped, starved of disk, it goes on as if nothing were."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from conftest import (
    REPO_ROOT,
    SAMPLE_CLIP,
    CommandResult,
    make_film,
    make_texture,
    psnr,
    random_weights,
)

import dreamflow.jobs.output
import dreamflow.media.write.segments
from dreamflow.core.errors import (
    DreamFlowWarning,
    MediaError,
    MemoryFullError,
    OutputError,
    SettingsError,
)
from dreamflow.core.frames import Frame
from dreamflow.core.machine.memory import MB
from dreamflow.core.machine.options import MachineOptions
from dreamflow.dream.options import DreamOptions
from dreamflow.dream.tiles import choose_tiling
from dreamflow.jobs.job import RenderControls, restore_machine_options
from dreamflow.jobs.listing import inspect_job as look_at_job
from dreamflow.jobs.listing import list_jobs_in
from dreamflow.jobs.output import write_video
from dreamflow.jobs.queue import QueuedVideo, read_queue
from dreamflow.jobs.render_video import render_video
from dreamflow.jobs.storage.folder import JobFolder, job_folder_path
from dreamflow.jobs.storage.state_file import read_state, write_state
from dreamflow.media.options import ClipOptions, EncodeOptions
from dreamflow.media.output_spec import Chapter, OutputSpec, Sound
from dreamflow.media.read.clip import Clip, open_clip
from dreamflow.media.read.probe import probe_video
from dreamflow.media.stills import read_picture, write_picture
from dreamflow.media.write.ffmpeg import FfmpegFramePipe
from dreamflow.media.write.metadata import sidecar_path
from dreamflow.networks.caffe import googlenet
from dreamflow.networks.network import Network
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.temporal.options import CarryOptions

DREAM = DreamOptions(layer=("conv2/3x3",), octaves=1, iterations=1, jitter=8)
CARRY = CarryOptions(carry_iterations=1)
SETTINGS = VideoSettings(DREAM, CARRY, ClipOptions(size="64", end="20"))
FAST = ("--size", "64", "--layer", "conv1/7x7_s2", "--octaves", "1", "--iterations", "1")
Cli = Callable[..., CommandResult]


def decoded(out: Path) -> list[tuple[int | None, bytes]]:
    """Return time stamp and pixels of every frame of a film, or the files of a folder of PNGs."""
    if out.is_dir():
        return [(n, path.read_bytes()) for n, path in enumerate(sorted(out.glob("*.png")))]
    with av.open(str(out)) as film:
        return [(f.pts, f.to_ndarray(format="rgb24").tobytes()) for f in film.decode(video=0)]


class Strike(RuntimeError):
    """What ends a render in the middle."""


class Rendering:
    """Renders the sample, in small chunks, and can be struck after any step."""

    def __init__(self, folder: Path, network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(dreamflow.media.write.segments, "MAX_SEGMENT_FRAMES", 6)
        self.folder, self.network = folder, network
        self.said: list[str] = []

    def __call__(
        self,
        name: str,
        settings: VideoSettings = SETTINGS,
        strike: int | None = None,
        source: Path = SAMPLE_CLIP,
        **handles: Any,
    ) -> Path:
        def progress(done: int, total: int) -> None:
            if done == strike:
                raise Strike

        out = self.folder / name
        clip = Clip(source, settings.clip)
        followed = RenderControls(progress, self.said.append, **handles)
        render_video(clip, out, self.network, settings, followed)
        return out

    def struck(
        self, name: str, settings: VideoSettings = SETTINGS, at: int = 9, **more: Any
    ) -> Path:
        """Render until so many frames are done; return the job folder."""
        with pytest.raises(Strike):
            self(name, settings, at, **more)
        return job_folder_path(self.folder / name)


@pytest.fixture
def render(tmp_path: Path, noise_network: Network, monkeypatch: pytest.MonkeyPatch) -> Rendering:
    return Rendering(tmp_path, noise_network, monkeypatch)


KINDS = {
    "a film": ("d.mp4", SETTINGS),
    "pictures": ("d", SETTINGS),
    "a gif": ("d.gif", SETTINGS),
    "VP9": ("d.webm", SETTINGS),
    "ProRes": ("d.mov", replace(SETTINGS, encode=EncodeOptions(codec="prores"))),
    "FFV1": ("d.mkv", replace(SETTINGS, encode=EncodeOptions(codec="ffv1"))),
    "AV1": ("d.mp4", replace(SETTINGS, encode=EncodeOptions(codec="av1"))),
    "a loop": (
        "d.mp4",
        VideoSettings(
            DREAM, CarryOptions(loop=True, carry_iterations=1), ClipOptions(size="64", end="10")
        ),
    ),
    "every third frame": ("d.mp4", VideoSettings(DREAM, CARRY, ClipOptions(size="64", every=3))),
    "another rate": (
        "d.mp4",
        VideoSettings(DREAM, CARRY, ClipOptions(size="64", fps=10, start="1s", end="3s")),
    ),
    "schedules": (
        "d.mp4",
        VideoSettings(
            DreamOptions(
                layer=("0: conv1/7x7_s2, 0.3s: conv1/7x7_s2, 0.6s: conv2/3x3",),
                octaves=1,
                iterations="0: 2, 1s: 1",
                step="0: 3, 20: 1",
                jitter=8,
            ),
            CARRY,
            ClipOptions(size="64", end="20"),
        ),
    ),
    "each frame anew": (
        "d.mp4",
        VideoSettings(DREAM, CarryOptions(carry=False), ClipOptions(size="64", end="20")),
    ),
}


@pytest.mark.filterwarnings("ignore::dreamflow.core.errors.DreamFlowWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_what_goes_on_is_what_was_never_broken_off(kind: str, render: Rendering) -> None:
    name, settings = KINDS[kind]
    whole = decoded(render("whole" + Path(name).suffix, settings))
    for at in (3, 6, 13):
        render.struck(name, settings, at)
    frames = len(whole) * (2 if settings.carry.loop else 1)
    assert render.said == [f"going on from frame {at} of {frames}" for at in (3, 6)]
    out = render(name, settings)
    assert decoded(out) == whole
    assert not job_folder_path(out).exists()


def test_two_passes_go_on_too(render: Rendering) -> None:
    """19 of 20 frames are dreamed backwards first, unseen; what is broken off there begins anew."""
    twice = CarryOptions(carry_iterations=1, passes=2)
    settings = VideoSettings(DREAM, twice, SETTINGS.clip)
    whole = decoded(render("whole.mp4", settings))
    for at in (10, 24, 31):
        render.struck("d.mp4", settings, at)
    out = render("d.mp4", settings)
    assert decoded(out) == whole
    assert render.said == [f"going on from frame {at} of 39" for at in (24, 31)]


def test_two_passes_go_on_over_cuts(render: Rendering) -> None:
    (render.folder / "shots").mkdir()
    for number in range(24):
        picture = make_texture(64, 96, seed=number // 8)
        write_picture(render.folder / "shots" / f"{number:02}.png", picture)
    settings = VideoSettings(DREAM, CarryOptions(carry_iterations=1, passes=2), ClipOptions())
    source = render.folder / "shots"
    whole = decoded(render("whole.mp4", settings, source=source))
    for at in (14, 15, 18, 23, 29, 30, 40):
        render.struck("d.mp4", settings, at, source=source)
    assert decoded(render("d.mp4", settings, source=source)) == whole


def test_a_cut_at_the_border_is_found_again(render: Rendering) -> None:
    """The finder of shots knows what was before, even where the render was broken off."""
    pictures = [make_texture(64, 96, seed=n // 7) for n in range(21)]
    (render.folder / "shots").mkdir()
    for number, picture in enumerate(pictures):
        write_picture(render.folder / "shots" / f"{number}.png", picture)
    settings = VideoSettings(DREAM, CARRY, ClipOptions())
    source = render.folder / "shots"
    whole = decoded(render("whole.mp4", settings, source=source))
    for at in (6, 7, 8, 13, 14):
        render.struck("d.mp4", settings, at, source=source)
    assert decoded(render("d.mp4", settings, source=source)) == whole


def test_uneven_times_come_through_chunks(render: Rendering) -> None:
    film = render.folder / "uneven.mp4"
    even = make_film(render.folder / "even.mp4", frames=40)
    from conftest import run_ffmpeg

    run_ffmpeg(
        *("-i", even, "-vf", "select='not(eq(mod(n,5),1))'", "-fps_mode", "passthrough"),
        *("-enc_time_base", "1/24", film),
    )
    settings = VideoSettings(DREAM, CARRY, ClipOptions())
    render.struck("d.mp4", settings, source=film)
    out = render("d.mp4", settings, source=film)
    wanted, got = ([frame.time for frame in open_clip(path)] for path in (film, out))
    assert len(wanted) == len(got)
    assert max(abs(float(a - b)) for a, b in zip(wanted, got, strict=True)) < 1e-3


def test_rates_stay_exact_over_many_chunks(render: Rendering) -> None:
    film = make_film(render.folder / "in.mp4", frames=50, rate="30000/1001")
    out = render("d.mp4", VideoSettings(DREAM, CARRY, ClipOptions()), source=film)
    info = probe_video(out)
    assert (info.rate, len(info.timestamps), info.constant_rate) == (
        Fraction(30000, 1001),
        50,
        True,
    )
    assert set(np.diff(info.timestamps)) == {int(info.timestamps[1])}


def test_no_seam_shows_where_chunks_meet(render: Rendering) -> None:
    """Frames at a border are as near to the dream as the others are."""
    pictures = decoded(render("d", SETTINGS))
    sources = [read_picture(render.folder / "d" / f"frame_{n:06d}.png") for n, _ in pictures]
    film = [frame.picture for frame in open_clip(render("d.mp4", SETTINGS))]
    near = [psnr(a, b) for a, b in zip(sources, film, strict=True)]
    border = [near[n] for n in range(len(near)) if n % 6 in (0, 5)]
    assert min(border) > min(near) - 0.5 and np.mean(border) > np.mean(near) - 1


# --- what strikes a render


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("how", ["kill", "int"])
def test_random_strikes(tmp_path: Path, noise_home: Path, how: str) -> None:
    """More of them by DREAMFLOW_STRIKES=20: each strike is a process of its own."""
    strikes = os.environ.get("DREAMFLOW_STRIKES", "3")
    done = subprocess.run(
        [
            *(sys.executable, str(REPO_ROOT / "tests" / "faults.py"), str(tmp_path), strikes, how),
            *("video", str(SAMPLE_CLIP), "d.mp4", *FAST, "--end", "60", "--threads", "1"),
        ],
        env={**os.environ, "DREAMFLOW_HOME": str(noise_home), "PYTHONPATH": str(REPO_ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counted = json.loads(done.stdout)
    assert counted["strikes"] >= int(strikes)
    whole = decoded(tmp_path / "0" / "d.mp4")
    assert len(whole) == 60
    for number in range(1, counted["renders"] + 1):
        folder = tmp_path / str(number)
        assert decoded(folder / "d.mp4") == whole
        assert {path.name for path in folder.iterdir()} == {"d.mp4", "d.mp4.json", "log"}


def test_a_strike_behind_the_placing_is_told(
    render: Rendering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is finished is not refused as being there already, but by --fresh."""
    with monkeypatch.context() as patched:
        patched.setattr(JobFolder, "remove", lambda folder: (_ for _ in ()).throw(Strike))
        with pytest.raises(Strike):
            render("d.mp4")
    with pytest.raises(OutputError, match="exists already"):
        render("d.mp4", fresh=True)
    render("d.mp4")
    assert render.said == ["all 20 frames are done: clearing away"]
    assert not job_folder_path(render.folder / "d.mp4").exists()


CHANGES = {"os.rename", "os.remove", "os.rmdir", "shutil.rmtree", "shutil.copytree"}
"""What Python tells its auditors of, as far as it changes the disk."""


def ended_at(number: int) -> None:
    """End this process, as a kill would, before its so manieth change of the disk from here on."""
    told = itertools.count(1)

    def hook(event: str, _: Any) -> None:
        if event in CHANGES and next(told) == number:
            os._exit(1)

    sys.addaudithook(hook)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize(("name", "plate"), [("d.mp4", "p.mkv"), ("d", "p")])
def test_a_kill_before_any_change_of_the_disk(render: Rendering, name: str, plate: str) -> None:
    """From the last frame on: going on succeeds, and leaves what it should and nothing else."""
    settings = replace(SETTINGS, clip=ClipOptions(size="64", end="3"))
    out, beside = render.folder / name, render.folder / plate
    render.struck(name, settings, 3, plate_path=beside)
    kept = render.folder / "kept"
    job_folder_path(out).rename(kept)
    whole: list[Any] = []
    number, code = 0, 1
    while code:
        number += 1
        shutil.copytree(kept, job_folder_path(out))
        child = os.fork()
        if not child:
            try:
                ended_at(number)
                render(name, settings, plate_path=beside)
                os._exit(0)
            finally:
                os._exit(2)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code != 2
        if (job_folder_path(out) / "job.json").exists():
            render(name, settings, plate_path=beside)
        elif job_folder_path(out).exists():
            with pytest.raises(OutputError, match="exists already"):
                render(name, settings, plate_path=beside)  # which clears the empty folder away
        made = [decoded(out), decoded(beside)]
        whole = whole or made
        assert made == whole
        left = {path.name for path in render.folder.iterdir()}
        assert left == {"kept", name, plate} | ({f"{name}.json"} if out.suffix else set()), number
        for path in (out, beside):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert number > 10


def test_a_ctrl_c_while_the_output_is_placed_comes_too_late(
    render: Rendering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The render is done then, and says so."""
    move = dreamflow.jobs.output.publish_output

    def pressed(part: Path, target: Path) -> None:
        if target.name == "p.mkv":
            os.kill(os.getpid(), signal.SIGINT)
        move(part, target)

    monkeypatch.setattr(dreamflow.jobs.output, "publish_output", pressed)
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        out = render("d.mp4", plate_path=render.folder / "p.mkv")
    finally:
        signal.signal(signal.SIGINT, usual)
    assert len(decoded(out)) == len(decoded(render.folder / "p.mkv")) == 20
    assert not job_folder_path(out).exists() and sidecar_path(out).exists()


def test_a_job_that_is_placed_is_finished_by_jobs_too(
    render: Rendering, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(JobFolder, "remove", lambda folder: (_ for _ in ()).throw(Strike))
        with pytest.raises(Strike):
            render("d.mp4")
    run = cli("jobs", "finish", job_folder_path(render.folder / "d.mp4"))
    assert run.code == 0 and "20 frames" in run.out
    assert len(decoded(render.folder / "d.mp4")) == 20
    assert not job_folder_path(render.folder / "d.mp4").exists()
    with pytest.raises(OutputError, match="exists already"):
        render("d.mp4")


def test_a_killed_encoder_costs_nothing(render: Rendering, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = decoded(render("whole.mp4"))
    write = FfmpegFramePipe.write

    def struck(pipe: FfmpegFramePipe, picture: np.ndarray, time: Fraction) -> None:
        pipe._process.kill()
        pipe._process.wait()
        write(pipe, picture, time)

    with monkeypatch.context() as patched:
        patched.setattr(FfmpegFramePipe, "write", struck)
        with pytest.raises(OutputError, match="ffmpeg was killed") as raised:
            render("d.mp4")
    assert raised.value.__notes__ == [
        "12 of 20 frames are done and safe in d.mp4.job: the same command goes on"
    ]
    assert decoded(render("d.mp4")) == whole
    assert render.said == ["going on from frame 12 of 20"]


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


@pytest.mark.parametrize("name", ["d.mp4", "d"])
@pytest.mark.filterwarnings("ignore:.*GB left")
def test_a_full_disk_costs_nothing(render: Rendering, small_disk: Path, name: str) -> None:
    whole = decoded(render("whole" + Path(name).suffix))
    render.folder = small_disk
    ballast, full = small_disk / "ballast", 0
    for left_kb in (130, 200, 330):
        job_folder = job_folder_path(small_disk / name)
        used = sum(p.stat().st_size for p in job_folder.rglob("*")) if job_folder.exists() else 0
        ballast.write_bytes(b"x" * (2**20 - used - left_kb * 1024))
        try:
            render(name)
            break
        except OutputError as error:
            assert re.search(r"disk is full.*free some space", str(error))
            assert not (small_disk / name).exists()
            full += 1
        ballast.unlink()
    ballast.unlink(missing_ok=True)
    assert full
    out = small_disk / name
    assert decoded(out if out.exists() else render(name)) == whole


def test_memory_that_does_not_suffice_is_said(
    render: Rendering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames before it are safe, though none was saved since the beginning."""
    from dreamflow.pipelines.video import VideoDreamer

    dream = VideoDreamer.__call__

    def full(dreamer: VideoDreamer, frame: Frame, *mark: Any) -> Frame:
        if frame.index == 4:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate")
        return dream(dreamer, frame, *mark)

    whole = decoded(render("whole.mp4"))
    with monkeypatch.context() as patched:
        patched.setattr(VideoDreamer, "__call__", full)
        with pytest.raises(MemoryFullError, match="GPU's memory is full") as raised:
            render("d.mp4")
    assert "4 of 20 frames are done" in raised.value.__notes__[0]
    assert decoded(render("d.mp4")) == whole


def test_a_source_that_vanishes_ends_nothing(
    render: Rendering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drive that is pulled out looks like a film that ends early."""
    film = make_film(render.folder / "in.mp4", frames=20)
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
    assert "8 of 20 frames are done" in raised.value.__notes__[0]
    assert not (render.folder / "d.mp4").exists()
    away.rename(film)
    assert len(decoded(render("d.mp4", settings, source=film))) == 20


# --- what must be the same


def test_a_changed_setting_is_refused_and_named(render: Rendering) -> None:
    render.struck("d.mp4")
    other = VideoSettings(
        DreamOptions(layer=("conv2/3x3",), octaves=1, iterations=1, jitter=8, step=2),
        CARRY,
        SETTINGS.clip,
    )
    with pytest.raises(SettingsError) as refused:
        render("d.mp4", other)
    assert str(refused.value) == (
        "the job d.mp4.job was begun with step 1.5, not 2: give the same settings, or --fresh to "
        "start over"
    )
    render("d.mp4", other, fresh=True)
    assert render.said == []


def test_a_job_of_an_older_dreamflow_goes_on(render: Rendering) -> None:
    """What it did not know yet was as by default; only what is otherwise now is a change."""
    whole = decoded(render("whole.mp4"))
    folder = render.struck("d.mp4")
    facts = json.loads((folder / "job.json").read_text())
    for younger in ("strength", "matte", "noise", "octave_iterations"):
        del facts["record"]["settings"][younger]
    (folder / "job.json").write_text(json.dumps(facts))
    with pytest.raises(SettingsError, match=r"was begun with strength 1, not 0\.5: give"):
        render("d.mp4", replace(SETTINGS, show=ShowOptions(strength=0.5)))
    state = read_state(folder / "state.npz")
    del state["journey"]["dreamer"]["ground"]
    write_state(folder / "state.npz", state)
    assert decoded(render("d.mp4")) == whole


def test_a_dream_that_was_held_otherwise_goes_on(render: Rendering) -> None:
    """By an older DreamFlow, which told its strength by fewer numbers."""
    folder = render.struck("d.mp4")
    state = read_state(folder / "state.npz")
    (carried,) = state["journey"]["dreamer"]["carried"].values()
    carried["wanted"], carried["goal"] = carried["wanted"][:2], carried["goal"][:2]
    del carried["climb"], carried["climbed"]
    write_state(folder / "state.npz", state)
    assert len(decoded(render("d.mp4"))) == 20


def test_a_changed_source_is_refused(render: Rendering) -> None:
    film = make_film(render.folder / "in.mp4", frames=20)
    settings = VideoSettings(DREAM, CARRY, ClipOptions())
    render.struck("d.mp4", settings, source=film)
    make_film(film, frames=20, options=("-crf", "30"))
    with pytest.raises(SettingsError, match=r"d\.mp4\.job was begun with another clip"):
        render("d.mp4", settings, source=film)


def test_a_picture_that_was_broken_can_be_mended(render: Rendering) -> None:
    """Those that were not read yet may change; those that were, not."""
    source = render.folder / "shots"
    source.mkdir()
    for number in range(20):
        write_picture(source / f"{number:02}.png", make_texture(64, 96, seed=number // 9))
    good = (source / "15.png").read_bytes()
    (source / "15.png").write_bytes(b"no picture")
    settings = VideoSettings(DREAM, CARRY, ClipOptions())
    with pytest.raises(MediaError, match=r"15\.png cannot be read") as raised:
        render("d.mp4", settings, source=source)
    assert "are done and safe in d.mp4.job" in raised.value.__notes__[0]
    (source / "15.png").write_bytes(good)
    render.struck("d.mp4", settings, 17, source=source)
    write_picture(source / "15.png", make_texture(64, 96, seed=5))
    with pytest.raises(SettingsError, match="another clip"):
        render("d.mp4", settings, source=source)
    (source / "15.png").write_bytes(good)
    whole = decoded(render("whole.mp4", settings, source=source))
    assert decoded(render("d.mp4", settings, source=source)) == whole


def test_cuts_that_were_edited_are_refused(render: Rendering) -> None:
    cuts = render.folder / "cuts.txt"
    cuts.write_text("5\n")
    settings = VideoSettings(DREAM, CarryOptions(cuts=str(cuts)), SETTINGS.clip)
    render.struck("d.mp4", settings)
    cuts.write_text("7\n")
    with pytest.raises(SettingsError, match="another --cuts file"):
        render("d.mp4", settings)


def test_a_job_is_of_one_process(render: Rendering) -> None:
    folder = render.struck("d.mp4")
    script = (
        "import sys; from pathlib import Path; from dreamflow.jobs.storage.folder import JobFolder\n"
        "with JobFolder(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout and holder.stdout.readline()
        with pytest.raises(OutputError, match="being worked on by another process"):
            render("d.mp4")
        assert [kept.is_running for kept in list_jobs_in(render.folder)] == [True]
        holder.kill()
    assert [kept.is_running for kept in list_jobs_in(render.folder)] == [False]
    assert len(decoded(render("d.mp4"))) == 20, "a process that was killed leaves no lock"


def test_a_folder_in_the_way_is_let_be(render: Rendering) -> None:
    (render.folder / "d.mp4.job").mkdir()
    (render.folder / "d.mp4.job" / "diary.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"d\.mp4\.job is in the way"):
        render("d.mp4", fresh=True)
    assert (render.folder / "d.mp4.job" / "diary.txt").read_text() == "mine"


def test_frames_that_were_removed_are_missed(render: Rendering) -> None:
    folder = render.struck("d.mp4", at=15)
    (folder / "chunk_000001.mp4").unlink()
    (folder / "pending_000001.rgb").unlink(missing_ok=True)
    with pytest.raises(OutputError, match="frames from 6 on are missing"):
        render("d.mp4")
    assert (folder / "chunk_000000.mp4").exists(), "what there is, is kept"


def test_the_job_remembers_where_it_worked(render: Rendering) -> None:
    render.struck("d.mp4")
    threads = torch.get_num_threads()
    found = restore_machine_options(render.folder / "d.mp4", MachineOptions())
    assert (found.device, found.threads) == ("cpu", threads)
    assert restore_machine_options(render.folder / "e.mp4", MachineOptions()) == MachineOptions()
    torch.set_num_threads(threads + 1)
    try:
        with pytest.raises(SettingsError, match=f"threads {threads}, not {threads + 1}"):
            render("d.mp4")
    finally:
        torch.set_num_threads(threads)


def test_a_job_goes_on_in_its_precision(render: Rendering) -> None:
    exact, render.network = render.network, googlenet.build_googlenet(random_weights(), "0" * 64)
    render.network.to("cpu", torch.bfloat16)
    whole = decoded(render("whole.mp4"))
    folder = render.struck("d.mp4")
    assert (
        restore_machine_options(render.folder / "d.mp4", MachineOptions()).precision == "bfloat16"
    )
    assert decoded(render("d.mp4")) == whole
    folder = render.struck("e.mp4")
    render.network = exact
    assert decoded(render("exact.mp4")) != whole
    with pytest.raises(SettingsError, match="precision bfloat16, not float32"):
        render("e.mp4")
    # One that was begun before there was a choice.
    facts = json.loads((folder / "job.json").read_text())
    del facts["machine"]["precision"]
    (folder / "job.json").write_text(json.dumps(facts))
    assert restore_machine_options(render.folder / "e.mp4", MachineOptions()).precision == "float32"
    asked = MachineOptions(precision="bfloat16")
    assert restore_machine_options(render.folder / "e.mp4", asked).precision == "bfloat16"
    render.network = googlenet.build_googlenet(random_weights(), "0" * 64).to("cpu", torch.bfloat16)
    with pytest.raises(SettingsError, match="precision float32, not bfloat16"):
        render("e.mp4")


def test_a_job_in_tiles_goes_on_in_the_same_tiles(
    render: Rendering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine with other memory, too: it is remembered, and another is refused."""
    monkeypatch.setattr(dreamflow.dream.tiles, "MIN_TILE_CORE_PX", 16)
    settings = replace(SETTINGS, clip=ClipOptions(size="96", end="20"))
    network = render.network
    small = replace(network.machine, memory_limit=MB)
    with monkeypatch.context() as patch:
        patch.setattr(network, "machine", small)
        whole = decoded(render("whole.mp4", settings))
        render.struck("d.mp4", settings)
    with pytest.raises(SettingsError, match="memory 1, not "):
        render("d.mp4", settings)
    kept = restore_machine_options(render.folder / "d.mp4", MachineOptions())
    assert kept.memory == 1
    monkeypatch.setattr(network, "machine", small)
    assert choose_tiling(network, DREAM.layer, 54, 96, MB)
    assert decoded(render("d.mp4", settings)) == whole


def test_another_version_goes_on_and_says_so(render: Rendering) -> None:
    folder = render.struck("d.mp4")
    facts = json.loads((folder / "job.json").read_text())
    facts["record"]["torch"] = "1.0"
    (folder / "job.json").write_text(json.dumps(facts))
    with pytest.warns(DreamFlowWarning, match="begun with PyTorch 1.0, this is"):
        render("d.mp4")


# --- states and outlines come back


def test_a_state_comes_back(tmp_path: Path) -> None:
    state = {
        "array": np.arange(6, dtype=np.float32).reshape(2, 3),
        "none": None,
        "deep": {3: [(1.5, Fraction(1, 3)), np.zeros((0, 2), np.uint8), "ü", True], "dict": {}},
    }
    write_state(tmp_path / "s.npz", state)
    back = read_state(tmp_path / "s.npz")
    assert np.array_equal(back["array"], state["array"]) and back["array"].dtype == np.float32
    assert back["deep"][3][0] == (1.5, Fraction(1, 3)) and back["deep"][3][2:] == ["ü", True]
    assert back["deep"][3][1].shape == (0, 2) and back["none"] is None
    (tmp_path / "s.npz").write_bytes(b"PK half of it")
    with pytest.raises(OutputError, match="--fresh"):
        read_state(tmp_path / "s.npz")


def test_a_plate_goes_on_with_its_dream(render: Rendering) -> None:
    """It has every frame, as if never broken off; another one is refused."""
    whole, plate = render.folder / "whole.mkv", render.folder / "plate.mkv"
    render("w.mp4", plate_path=whole)
    render.struck("d.mp4", plate_path=plate)
    with pytest.raises(SettingsError, match="was begun with plate"):
        render("d.mp4")
    assert not plate.exists()
    render("d.mp4", plate_path=plate)
    pictures = [[frame.picture for frame in open_clip(path)] for path in (whole, plate)]
    assert len(pictures[0]) == len(pictures[1]) > 9
    assert all(np.array_equal(a, b) for a, b in zip(*pictures, strict=True))


def test_a_plate_that_is_there_is_not_replaced_unasked(render: Rendering, cli: Cli) -> None:
    plate = render.folder / "plate.mkv"
    job = render.struck("d.mp4", plate_path=plate)
    plate.write_bytes(b"mine")
    run = cli("jobs", "finish", job)
    assert run.code == 1 and f"{plate} exists already; add --overwrite" in run.err
    assert plate.read_bytes() == b"mine" and not (render.folder / "d.mp4").exists()
    assert cli("jobs", "finish", job, render.folder / "look.mp4").code == 0, "which has no plate"
    assert cli("jobs", "finish", job, "--overwrite").code == 0
    assert len(decoded(plate)) == 9 and not job.exists()


def test_what_is_left_of_a_job_is_cleared_away(
    render: Rendering, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    """Killed between its last file and its folder, a job is over."""
    with monkeypatch.context() as patched:
        patched.setattr(Path, "rmdir", lambda path: (_ for _ in ()).throw(Strike))
        patched.setattr(os, "rmdir", lambda *path, **more: (_ for _ in ()).throw(Strike))
        with pytest.raises(Strike):
            render("d.mp4")
    left = job_folder_path(render.folder / "d.mp4")
    assert left.is_dir() and not list(left.iterdir())
    with pytest.raises(OutputError, match="exists already"):
        render("d.mp4")
    assert not left.exists()
    left.mkdir()
    assert cli("jobs", "remove", left).code == 0 and not left.exists()
    left.mkdir()
    (left / "mine.txt").write_text("not a job")
    assert cli("jobs", "remove", left).code == 1 and (left / "mine.txt").exists()


def test_an_outline_comes_back() -> None:
    sound = Sound(Path("/a/ü.mp4"), ("aac", "opus"), Fraction(1, 7), Fraction(2, 3), True)
    sound = replace(sound, subtitle_codecs=("subrip",))
    rate = Fraction(30000, 1001)
    outline = OutputSpec(
        64, 48, rate, 9, 9 / rate, False, Fraction(64, 45), sound, (Path("/a/ü.mp4"), Path("/a"))
    )
    outline = replace(outline, chapters=(Chapter(Fraction(1, 3), Fraction(1), "one"),))
    for kept in (outline, OutputSpec.at_constant_rate(2, 2, rate, 3)):
        assert OutputSpec.from_dict(json.loads(json.dumps(kept.to_dict()))) == kept


# --- the commands


def test_the_latest_frame_can_be_watched(render: Rendering) -> None:
    seen: list[np.ndarray] = []
    watched = render.folder / "now.png"
    render("d.mp4", watch_path=watched)
    seen.append(read_picture(watched))
    last = [frame.picture for frame in open_clip(render.folder / "d.mp4")][-1]
    assert psnr(seen[0], last) > 28
    with pytest.raises(SettingsError, match="--watch"):
        render("e.mp4", watch_path=render.folder / "now.mp4")


def test_jobs_are_listed_shown_finished_and_removed(
    render: Rendering, cli: Cli, tmp_path: Path
) -> None:
    first, second = render.struck("d.mp4", at=9), render.struck("e", at=4)
    assert look_at_job(first).frames == 9
    listed = cli("jobs", "list", tmp_path).out
    assert "d.mp4.job" in listed and "9 of 20" in listed and "4 of 20" in listed
    shown = cli("jobs", "show", first).out
    assert "conv2/3x3" in shown and f"dreamflow jobs finish {first}" in shown
    run = cli("jobs", "finish", first, tmp_path / "look.mp4")
    assert run.code == 0 and len(decoded(tmp_path / "look.mp4")) == 9
    look = probe_video(tmp_path / "look.mp4")
    extent = f"{9 / float(look.rate):.2f} s of {look.width}x{look.height}"
    assert run.out == f"{tmp_path / 'look.mp4'}: 9 of 20 frames, {extent}\n"
    assert first.exists(), "it can go on"
    assert probe_video(tmp_path / "look.mp4").sound_codecs == ("aac",)
    assert "suffix" in cli("jobs", "finish", first, tmp_path / "look.gif").err
    assert cli("jobs", "finish", first).code == 0 and not first.exists()
    assert len(decoded(tmp_path / "d.mp4")) == 9
    assert cli("jobs", "remove", second).code == 0 and not second.exists()
    assert "no job" in cli("jobs", "show", second).err
    assert "d.mp4 is no job" in cli("jobs", "show", tmp_path / "d.mp4").err, "nor is a film"
    assert cli("jobs", "list", tmp_path).out.startswith("no jobs in")


def test_a_render_that_was_killed_before_it_was_saved_says_where_it_begins(
    render: Rendering, cli: Cli
) -> None:
    job = render.struck("d.mp4", at=4)
    anew = "stopped unsaved: it begins anew"
    assert anew not in cli("jobs", "show", job).out
    (job / "state.npz").unlink()
    assert anew in " ".join(cli("jobs", "show", job).out.split())
    assert look_at_job(job).status == anew
    render("d.mp4")
    assert render.said[-1] == "killed before it was first saved: from the beginning"
    assert len(decoded(render.folder / "d.mp4")) == 20


def test_a_job_tells_the_command_that_goes_on_with_it(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my pictures").mkdir()
    for number in range(4):
        size = (48, 64) if number < 3 else (20, 20)
        write_picture(tmp_path / "my pictures" / f"{number}.png", make_texture(*size, number))
    line = ("video", "my pictures", "d.mkv", "--preset", "fur", *FAST[2:], "--step", "0: 1, 2: 3")
    run = cli(*line, "--no-carry", "--threads", "1", "--fresh")
    assert run.code == 1 and "must be of one size" in run.err, run.err
    shown = cli("jobs", "show", "d.mkv.job").out
    for row in (r"frames +3 of 4", r"--step +0: 1, 2: 3", r"--layer +conv1/7x7_s2", "--carry +off"):
        assert re.search(row, shown), (row, shown)
    assert "--decay" not in shown, "that is as by default"
    command = shown.splitlines()[-1]
    assert "dreamflow video 'my pictures' d.mkv --preset fur " in command
    assert "--step '0: 1, 2: 3'" in command and "--fresh" not in command
    monkeypatch.chdir("/")
    assert cli("jobs", "show", tmp_path / "d.mkv.job").out.endswith(f"cd {tmp_path} && {command}\n")
    monkeypatch.chdir(tmp_path)
    write_picture(tmp_path / "my pictures" / "3.png", make_texture(48, 64, 3))
    run = cli(*shlex.split(command)[1:])
    assert run.code == 0 and "going on from frame 3 of 4" in run.err
    assert ", 1 of them dreamed now in " in run.out
    assert len(decoded(tmp_path / "d.mkv")) == 4


def test_what_was_picked_is_shown_as_it_is_written(render: Rendering, cli: Cli) -> None:
    """Neither `:100:` nor what stands in brackets means anything else."""
    dream = replace(DREAM, layer=("conv2/3x3:98:100:161",))
    render.struck("d[b].mp4", replace(SETTINGS, dream=dream))
    shown = cli("jobs", "show", render.folder / "d[b].mp4.job").out
    assert "conv2/3x3:98:100:161" in shown
    assert shown.splitlines()[0].strip().endswith("d[b].mp4.job")


QUEUE = """
[defaults]
size = "64"
layer = "conv1/7x7_s2"
octaves = 1
iterations = 1
end = "4"

[[render]]
source = "in.mp4"
out = "a.mp4"

[[render]]
source = "none.mp4"
out = "b.mp4"

[[render]]
source = "in.mp4"
out = "c.gif"
preset = "mine.toml"
iterations = 2
"""


def test_a_batch_goes_on_past_what_fails(tmp_path: Path, cli: Cli) -> None:
    make_film(tmp_path / "in.mp4", frames=6)
    (tmp_path / "mine.toml").write_text("step = 3.0\niterations = 5\n")
    (tmp_path / "q.toml").write_text(QUEUE)
    run = cli("batch", tmp_path / "q.toml")
    assert run.code == 1
    lines = [line.split()[0] for line in run.out.splitlines()[2:]]
    assert lines == ["done", "FAILED", "done"], run.out
    assert "none.mp4 does not exist" in run.err and "1 of 3 renders failed" in run.err
    first = run.err.index("none.mp4 does not exist")
    assert first < run.err.index("1 of 3: "), "said before the night's work, not after"
    made = json.loads((tmp_path / "c.gif.json").read_text())["settings"]
    assert (made["step"], made["iterations"], made["octaves"]) == (3.0, 2, 1)
    make_film(tmp_path / "none.mp4", frames=6)
    run = cli("batch", tmp_path / "q.toml")
    assert run.code == 0 and run.out.count("done before") == 2
    assert (tmp_path / "b.mp4").exists()


def test_a_batch_of_clips_dreams_them_alike(tmp_path: Path, cli: Cli) -> None:
    films = [make_film(tmp_path / f"{name}.mkv", frames=4) for name in ("one", "two")]
    write_video(tmp_path / "three", [*open_clip(films[0])], open_clip(films[0]))
    line = ("batch", *films, tmp_path / "three", "--out", tmp_path / "dreams")
    run = cli(*line, "--suffix", ".webm", "--preset", "fur", *FAST, "--end", "3")
    assert run.code == 0, run.err
    made = [path.name for path in sorted((tmp_path / "dreams").glob("*.webm"))]
    assert made == ["one.webm", "three.webm", "two.webm"]
    assert len(decoded(tmp_path / "dreams" / "two.webm")) == 3
    settings = json.loads((tmp_path / "dreams" / "two.webm.json").read_text())["settings"]
    assert settings["layer"] == ["conv1/7x7_s2"] and settings["octaves"] == 1
    glob = tmp_path / "three" / "*.png"
    run = cli("batch", glob, "--out", tmp_path / "dreams", *FAST, "--end", "3")
    assert run.code == 0 and "does not exist" not in run.err, run.err
    assert (tmp_path / "dreams" / "three.mp4").exists()
    run = cli(*line, "--suffix", ".webm", "--preset", "fur", *FAST, "--end", "3")
    assert run.code == 0 and run.out.count("done before") == 3


def test_a_batch_of_clips_that_cannot_be_is_refused(tmp_path: Path, cli: Cli) -> None:
    film = make_film(tmp_path / "one.mkv", frames=4)
    (tmp_path / "q.toml").write_text(QUEUE)
    for arguments, message in (
        ([film], "--out FOLDER"),
        ([film, tmp_path / "one.mp4", "--out", tmp_path], "would both become"),
        ([film, "--out", tmp_path / "no" / "no"], "cannot be made"),
        ([film, "--out", tmp_path / "d", "--suffix", "doc"], ".doc is not a format"),
        ([film, tmp_path / "q.toml", "--out", tmp_path], "is a queue, which is given alone"),
        ([tmp_path / "q.toml", "--octaves", "2"], "--octaves is for clips"),
        ([tmp_path / "q.toml", "--preset", "fur"], "--preset is for clips"),
    ):
        run = cli("batch", *arguments)
        assert run.code == 1 and message in run.err, run.err
        assert len(run.err.strip().splitlines()) == 1 and not (tmp_path / "d").exists()


def test_a_batch_does_not_take_an_old_dream_for_that_of_a_new_clip(
    tmp_path: Path, cli: Cli
) -> None:
    films = [make_film(tmp_path / f"{name}.mkv", frames=4) for name in ("one", "two")]
    guide, out = tmp_path / "guide.png", tmp_path / "dreams"
    write_picture(guide, make_texture(64, 64))
    line = ("batch", *films, "--out", out, *FAST, "--end", "3", "--guided-by", guide)
    assert cli(*line).code == 0
    assert cli(*line).out.count("done before") == 2
    before = (out / "one.mp4").read_bytes()
    make_film(films[0], frames=4, options=("-crf", "30"))
    run = cli(*line)
    assert run.code == 1 and run.out.count("done before") == 1
    assert "one.mp4 was made from another clip than there is now" in run.err
    assert (out / "one.mp4").read_bytes() == before, "it is not thrown away, either"
    (out / "one.mp4").rename(tmp_path / "old.mp4")
    run = cli(*line)
    assert run.code == 0 and run.out.count("done before") == 1
    write_picture(guide, make_texture(64, 64, seed=1))
    assert cli(*line).err.count("from another --guided-by file than") == 2
    guide.unlink()
    films[1].unlink()
    assert "two.mkv does not exist" in (run := cli(*line)).err
    assert run.code == 0 and run.out.count("done before") == 2, "what is gone is not compared"


ALL_KINDS = """
[defaults]
size = "64x48"
layer = "conv1/7x7_s2"
octaves = 1
iterations = 1
stability = 0.6

[[render]]
source = "in.mkv"
out = "video.mkv"
end = "3"

[[render]]
command = "sweep"
source = "in.mkv"
out = "sweep.mkv"
layers = "conv1/7x7_s2,conv2/3x3"

[[render]]
command = "zoom"
source = "in.mkv"
out = "zoom.mkv"
at = 2
seconds = 0.25

[[render]]
command = "zoom"
out = "noise.mkv"
seconds = 0.25

[[render]]
command = "frame"
source = "in.mkv"
out = "frame.png"
at = "40%"
"""


def test_a_queue_may_hold_sweeps_zooms_and_frames(tmp_path: Path, cli: Cli) -> None:
    make_film(tmp_path / "in.mkv", frames=6)
    (tmp_path / "q.toml").write_text(ALL_KINDS)
    run = cli("batch", tmp_path / "q.toml", "--threads", "1")
    assert run.code == 0, run.err
    rows = run.out.splitlines()[2:]
    assert [row.split()[0] for row in rows] == ["done"] * 5, run.out
    for row, said in zip(
        rows, ("3 frames", "2 layers, 6 frames", "6 frames", "6 frames", "64x48"), strict=True
    ):
        assert said in row
    assert json.loads((tmp_path / "zoom.mkv.json").read_text())["at"] == "2"
    made = json.loads((tmp_path / "sweep.mkv.json").read_text())
    assert (made["command"], made["settings"]["stability"]) == ("sweep", 0.6)
    run = cli("batch", tmp_path / "q.toml", "--threads", "1")
    assert run.code == 0 and run.out.count("done before") == 5, run.out
    (tmp_path / "q.toml").write_text(ALL_KINDS.replace("at = 2", "at = 3"))
    run = cli("batch", tmp_path / "q.toml", "--threads", "1")
    assert run.code == 1 and run.out.count("done before") == 4 and "--overwrite" in run.err
    (tmp_path / "q.toml").write_text(ALL_KINDS)
    make_film(tmp_path / "in.mkv", frames=6, options=("-crf", "30"))
    run = cli("batch", tmp_path / "q.toml", "--threads", "1")
    assert run.code == 1 and run.out.count("done before") == 1, "that of noise"
    for name in ("clip", "frame at 2", "source"):
        assert f"was made from another {name} than" in run.err


PICKED = """
[defaults]
size = "64"
octaves = 1
iterations = 1
channels = "strongest 2"
layer = "conv2/3x3"

[[render]]
source = "in.mkv"
out = "video.mkv"
guided_by = "guide.png"

[[render]]
command = "sweep"
source = "in.mkv"
out = "sweep.mkv"
layers = "conv1/7x7_s2,conv2/3x3"

[[render]]
command = "zoom"
source = "in.mkv"
out = "zoom.mkv"
layers = "conv1/7x7_s2,conv2/3x3"
seconds = 0.25

[[render]]
command = "frame"
source = "in.mkv"
out = "frame.png"

[[render]]
command = "frame"
source = "guide.png"
out = "still.png"
at = "40%"
"""


def test_what_was_picked_in_a_queue_is_done(tmp_path: Path, cli: Cli) -> None:
    """Picked or not, and made by an older DreamFlow or not; another pick is another render."""
    make_film(tmp_path / "in.mkv", frames=4)
    write_picture(tmp_path / "guide.png", make_texture(64, 64))
    (tmp_path / "q.toml").write_text(PICKED)
    line = ("batch", tmp_path / "q.toml", "--threads", "1")
    run = cli(*line)
    assert run.code == 0 and run.out.count("done before") == 0, run.err
    assert cli(*line).out.count("done before") == 5
    (tmp_path / "q.toml").write_text(PICKED.replace("strongest 2", "strongest 3"))
    assert cli(*line).out.count("done before") == 0
    plain = PICKED.replace('channels = "strongest 2"\n', "")
    (tmp_path / "q.toml").write_text(plain)
    assert cli(*line, "--overwrite").code == 0
    for path in tmp_path.glob("*.json"):
        record = json.loads(path.read_text())
        for younger in ("channels", "noise", "strength", "matte"):
            record["settings"].pop(younger, None)
        path.write_text(json.dumps(record))
        path.with_suffix("").write_bytes(b"a film whose settings are beside it")
    run = cli(*line)
    assert run.out.count("done before") == 5, run.out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[render]]\ncommand = 'swep'\nout = 'b.mp4'", "there are video, sweep, zoom, frame"),
        ("[[render]]\ncommand = 'sweep'\nout = 'b.mp4'", "needs a source and an out"),
        (
            "[[render]]\ncommand = 'zoom'\nout = 'b.mp4'\ndecay = 0.5",
            "decay is not a setting of `dreamflow zoom`",
        ),
        ("[[render]]\ncommand = 'zoom'\nout = 'b.mp4'\nat = '2 m'", "at '2 m' is not a time"),
        ("[[render]]\ncommand = 'zoom'\nout = 'b.mp4'\nseconds = -1.0", "out of range"),
        ("[[render]]\nsource = 'a'", "needs a source and an out"),
        ("", "has no"),
        ("[[rendr]]\n", "did you mean render"),
        ("[[render]]\nsource = 'a'\nout = 'b.mp4'\nstpe = 1.0", "did you mean step"),
        ("[[render]]\nsource = 'a'\nout = 'b.mp4'\nstep = -1.0", "out of range"),
        ("[[render]]\nsource = 'a'\nout = 'b.mp4'\n" * 2, "named twice"),
        ("x = ", "not valid TOML"),
    ],
)
def test_a_queue_that_cannot_be_is_refused(
    tmp_path: Path, cli: Cli, text: str, message: str
) -> None:
    (tmp_path / "q.toml").write_text(text)
    run = cli("batch", tmp_path / "q.toml")
    assert run.code == 1 and message in run.err and run.err.count("q.toml") == 1
    assert len(run.err.strip().splitlines()) == 1


def test_a_damaged_job_hides_no_other_and_can_be_removed(tmp_path: Path, cli: Cli) -> None:
    damaged = tmp_path / "a.mp4.job"
    damaged.mkdir()
    (damaged / "job.json").write_text("")
    run = cli("jobs", "list", tmp_path)
    assert run.code == 0 and "a.mp4.job" in run.err and "jobs remove" in run.err
    assert cli("jobs", "remove", damaged).code == 0 and not damaged.exists()


def test_a_queue_says_what_does_nothing(tmp_path: Path) -> None:
    for given in ("", 'command="sweep"\n'):
        text = f'[[render]]\nsource="a.mp4"\nout="b.mp4"\nsmoothing=3\n{given}'
        (tmp_path / "q.toml").write_text(text)
        said = r"render\]\] 1: --smoothing does nothing without --gradient sm"
        with pytest.warns(DreamFlowWarning, match=said):
            read_queue(tmp_path / "q.toml")


def test_a_default_of_a_queue_may_be_nothing_to_one_render(tmp_path: Path) -> None:
    (tmp_path / "q.toml").write_text(
        "[defaults]\nstability=0.7\n"
        '[[render]]\nsource="a.mp4"\nout="b.mp4"\ncarry=false\n'
        '[[render]]\nsource="a.mp4"\nout="c.mp4"\n'
    )
    still, carried = read_queue(tmp_path / "q.toml")
    assert isinstance(still, QueuedVideo) and isinstance(carried, QueuedVideo)
    assert not still.settings.carry.carry and carried.settings.carry.stability == 0.7


def test_a_queue_looks_for_its_files_beside_it(tmp_path: Path) -> None:
    night = tmp_path / "night"
    night.mkdir()
    (night / "q.toml").write_text(
        '[[render]]\nsource = "a.mp4"\nout = "b.mp4"\ncuts = "my.cuts"\nflow_dir = "flow"\n'
        'guided_by = "guide.png"\n'
        '[[render]]\nsource = "a.mp4"\nout = "c.mp4"\ncuts = "none"\n'
    )
    first, second = read_queue(night / "q.toml")
    assert first.settings.carry.cuts == str(night / "my.cuts")
    assert first.settings.carry.flow_dir == str(night / "flow")
    assert first.settings.dream.guided_by == str(night / "guide.png")
    assert second.settings.carry.cuts == "none" and second.settings.carry.flow_dir is None


def test_long_names_with_one_beginning_have_jobs_of_their_own(tmp_path: Path) -> None:
    one, other = (job_folder_path(tmp_path / f"{'a' * 245}{end}.mp4") for end in "xy")
    assert one != other and max(len(path.name) for path in (one, other)) < 255
