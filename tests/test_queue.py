"""Queues and batches of renders."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import (
    PATIENCE_S,
    REPO_ROOT,
    CommandResult,
    make_film,
    make_texture,
)
from cut_film import make_cut_film
from job_rendering import FAST, decode_output

from dreamflow.core.errors import DreamFlowWarning
from dreamflow.jobs.output_writer import write_video
from dreamflow.jobs.queue import QueuedVideo, read_queue
from dreamflow.jobs.storage.folder import JobFolder, job_folder_path
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.stills.write import write_picture

Cli = Callable[..., CommandResult]
HERE = ("--debug", "--threads", "1")
"""Options that run renders in this process: quicker than in a worker, which must load PyTorch."""


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


def test_a_batch_continues_after_a_failed_render(tmp_path: Path, cli: Cli) -> None:
    make_film(tmp_path / "in.mp4", frames=6)
    (tmp_path / "mine.toml").write_text("step = 3.0\niterations = 5\n")
    (tmp_path / "q.toml").write_text(QUEUE)
    run = cli("batch", tmp_path / "q.toml")
    assert run.code == 1
    lines = [line.split()[0] for line in run.out.splitlines()[2:]]
    assert lines == ["done", "FAILED", "done"], run.out
    assert "none.mp4 does not exist" in run.err
    assert "1 of 3 renders failed" in run.err
    first = run.err.index("none.mp4 does not exist")
    assert first < run.err.index("1 of 3: "), "said before the night's work, not after"
    made = json.loads((tmp_path / "c.gif.json").read_text())["settings"]
    assert (made["step"], made["iterations"], made["octaves"]) == (3.0, 2, 1)
    make_film(tmp_path / "none.mp4", frames=6)
    run = cli("batch", tmp_path / "q.toml", *HERE)
    assert run.code == 0
    assert run.out.count("done before") == 2
    assert (tmp_path / "b.mp4").exists()


def test_a_batch_of_clips_uses_the_same_settings(tmp_path: Path, cli: Cli) -> None:
    films = [make_film(tmp_path / f"{name}.mkv", frames=4) for name in ("one", "two")]
    write_video(tmp_path / "three", [*open_clip(films[0])], open_clip(films[0]))
    line = ("batch", *films, tmp_path / "three", "--out", tmp_path / "dreams")
    run = cli(*line, "--suffix", ".webm", "--preset", "fur", *FAST, "--end", "3", *HERE)
    assert run.code == 0, run.err
    made = [path.name for path in sorted((tmp_path / "dreams").glob("*.webm"))]
    assert made == ["one.webm", "three.webm", "two.webm"]
    assert len(decode_output(tmp_path / "dreams" / "two.webm")) == 3
    settings = json.loads((tmp_path / "dreams" / "two.webm.json").read_text())["settings"]
    assert settings["layer"] == ["conv1/7x7_s2"]
    assert settings["octaves"] == 1
    glob = tmp_path / "three" / "*.png"
    run = cli("batch", glob, "--out", tmp_path / "dreams", *FAST, "--end", "3", *HERE)
    assert run.code == 0, run.err
    assert "does not exist" not in run.err, run.err
    assert (tmp_path / "dreams" / "three.mp4").exists()
    run = cli(*line, "--suffix", ".webm", "--preset", "fur", *FAST, "--end", "3", *HERE)
    assert run.code == 0
    assert run.out.count("done before") == 3


def test_an_invalid_batch_is_refused(tmp_path: Path, cli: Cli) -> None:
    film = make_film(tmp_path / "one.mkv", frames=4)
    (tmp_path / "q.toml").write_text(QUEUE)
    for arguments, message in (
        ([film], "--out FOLDER"),
        ([film, tmp_path / "one.mp4", "--out", tmp_path], "would both become"),
        ([film, "--out", tmp_path / "no" / "no"], "cannot be made"),
        ([film, "--out", tmp_path / "d", "--suffix", "doc"], ".doc is not a format"),
        ([film, tmp_path / "q.toml", "--out", tmp_path], "is a queue: give it without other clips"),
        ([tmp_path / "q.toml", "--octaves", "2"], "--octaves is for clips"),
        ([tmp_path / "q.toml", "--preset", "fur"], "--preset is for clips"),
    ):
        run = cli("batch", *arguments)
        assert run.code == 1, run.err
        assert message in run.err, run.err
        assert len(run.err.strip().splitlines()) == 1
        assert not (tmp_path / "d").exists()


@pytest.mark.usefixtures("batches_here")
def test_a_batch_detects_changed_inputs_of_existing_outputs(tmp_path: Path, cli: Cli) -> None:
    films = [make_film(tmp_path / f"{name}.mkv", frames=4) for name in ("one", "two")]
    guide, out = tmp_path / "guide.png", tmp_path / "dreams"
    write_picture(guide, make_texture(64, 64))
    line = ("batch", *films, "--out", out, *FAST, "--end", "3", "--guided-by", guide)
    assert cli(*line, *HERE).code == 0
    assert cli(*line, *HERE).out.count("done before") == 2
    before = (out / "one.mp4").read_bytes()
    make_film(films[0], frames=4, options=("-crf", "30"))
    run = cli(*line)
    assert run.code == 1
    assert run.out.count("done before") == 1
    assert "one.mp4 was made from another clip than there is now" in run.err
    assert (out / "one.mp4").read_bytes() == before, "it is not thrown away, either"
    (out / "one.mp4").rename(tmp_path / "old.mp4")
    run = cli(*line, *HERE)
    assert run.code == 0
    assert run.out.count("done before") == 1
    write_picture(guide, make_texture(64, 64, seed=1))
    assert cli(*line).err.count("from another --guided-by file than") == 2
    guide.unlink()
    films[1].unlink()
    assert "two.mkv does not exist" in (run := cli(*line, *HERE)).err
    assert run.code == 0, run.err
    assert run.out.count("done before") == 2, "what is gone is not compared"


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


@pytest.mark.usefixtures("batches_here")
def test_a_queue_renders_sweeps_zooms_and_frames(tmp_path: Path, cli: Cli) -> None:
    make_film(tmp_path / "in.mkv", frames=6)
    (tmp_path / "q.toml").write_text(ALL_KINDS)
    run = cli("batch", tmp_path / "q.toml", *HERE)
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
    run = cli("batch", tmp_path / "q.toml", *HERE)
    assert run.code == 0, run.err
    assert run.out.count("done before") == 5, run.out
    (tmp_path / "q.toml").write_text(ALL_KINDS.replace("at = 2", "at = 3"))
    run = cli("batch", tmp_path / "q.toml", "--threads", "1")
    assert run.code == 1
    assert run.out.count("done before") == 4
    assert "--overwrite" in run.err
    (tmp_path / "q.toml").write_text(ALL_KINDS)
    make_film(tmp_path / "in.mkv", frames=6, options=("-crf", "30"))
    run = cli("batch", tmp_path / "q.toml", "--threads", "1")
    assert run.code == 1, run.err
    assert run.out.count("done before") == 1, "that of noise"
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


@pytest.mark.usefixtures("batches_here")
def test_a_queue_recognises_finished_renders_with_picked_channels(tmp_path: Path, cli: Cli) -> None:
    """Picked or not, and made by an older DreamFlow or not; another pick is another render."""
    make_film(tmp_path / "in.mkv", frames=4)
    write_picture(tmp_path / "guide.png", make_texture(64, 64))
    (tmp_path / "q.toml").write_text(PICKED)
    line = ("batch", tmp_path / "q.toml", *HERE)
    run = cli(*line)
    assert run.code == 0, run.err
    assert run.out.count("done before") == 0, run.err
    assert cli(*line).out.count("done before") == 5
    (tmp_path / "q.toml").write_text(PICKED.replace("strongest 2", "strongest 3"))
    assert cli("batch", tmp_path / "q.toml").out.count("done before") == 0
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
def test_an_invalid_queue_is_refused(tmp_path: Path, cli: Cli, text: str, message: str) -> None:
    (tmp_path / "q.toml").write_text(text)
    run = cli("batch", tmp_path / "q.toml")
    assert run.code == 1
    assert message in run.err
    assert run.err.count("q.toml") == 1
    assert len(run.err.strip().splitlines()) == 1


def test_a_queue_warns_of_ineffective_settings(tmp_path: Path) -> None:
    for given in ("", 'command="sweep"\n'):
        text = f'[[render]]\nsource="a.mp4"\nout="b.mp4"\nsmoothing=3\n{given}'
        (tmp_path / "q.toml").write_text(text)
        message = r"render\]\] 1: .?smoothing.? does nothing without .?gradient.? sm"
        with pytest.warns(DreamFlowWarning, match=message):
            read_queue(tmp_path / "q.toml")


def test_a_default_may_be_ineffective_for_one_render(tmp_path: Path) -> None:
    (tmp_path / "q.toml").write_text(
        "[defaults]\nstability=0.7\n"
        '[[render]]\nsource="a.mp4"\nout="b.mp4"\ncarry=false\n'
        '[[render]]\nsource="a.mp4"\nout="c.mp4"\n'
    )
    still, carried = read_queue(tmp_path / "q.toml")
    assert isinstance(still, QueuedVideo)
    assert isinstance(carried, QueuedVideo)
    assert not still.settings.carry.carry
    assert carried.settings.carry.stability == 0.7


def test_a_queue_finds_its_files_beside_it(tmp_path: Path) -> None:
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
    assert second.settings.carry.cuts == "none"
    assert second.settings.carry.flow_dir is None


@pytest.mark.skipif(sys.platform != "linux", reason="finds the process in /proc")
def test_a_crash_of_one_render_does_not_stop_the_batch(
    tmp_path: Path, noise_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a decoder library crashes in the middle of a film: here by a signal."""
    monkeypatch.setenv("DREAMFLOW_HOME", str(noise_home))
    sources = [make_film(tmp_path / f"{n}.mp4", frames=frames) for n, frames in ((0, 150), (1, 3))]
    out = tmp_path / "dreams"
    line = [sys.executable, "-m", "dreamflow", "batch", *sources, "--out", out, *FAST]
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=REPO_ROOT
    ) as batch:
        children = Path(f"/proc/{batch.pid}/task/{batch.pid}/children")
        while not (out / "0.mp4.job" / "state.npz").exists():
            assert batch.poll() is None
            time.sleep(0.05)
        for child in children.read_text().split():
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(int(child), signal.SIGSEGV)
        assert batch.stdout
        printed = batch.stdout.read()
    assert batch.returncode == 1
    assert [row.split()[0] for row in printed.splitlines()[2:]] == ["FAILED", "done"]
    assert len(decode_output(out / "1.mp4")) == 3
    assert (out / "0.mp4.job").is_dir()


def test_a_render_that_another_process_has_is_taken_when_it_is_free(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    films = [make_film(tmp_path / f"{name}.mp4", frames=4) for name in "ab"]
    out = tmp_path / "dreams"
    out.mkdir()
    monkeypatch.setattr("dreamflow.cli.commands.batch.LOOK_AGAIN_S", 0.05)
    is_begun = threading.Event()

    def hold_until_the_other_is_done() -> None:
        deadline = time.monotonic() + PATIENCE_S
        with JobFolder(job_folder_path(out / "a.mp4")):
            is_begun.set()
            while not (out / "b.mp4").exists() and time.monotonic() < deadline:
                time.sleep(0.02)

    other = threading.Thread(target=hold_until_the_other_is_done)
    other.start()
    is_begun.wait()
    run = cli("batch", *films, "--out", out, *FAST, *HERE)
    other.join()
    assert run.code == 0, run.err
    assert {path.name for path in out.glob("*.mp4")} == {"a.mp4", "b.mp4"}


def test_a_batch_renders_in_shards(tmp_path: Path, cli: Cli) -> None:
    film = make_cut_film(tmp_path)
    for name, more in (("one", []), ("cut", ["--shards", "shots"])):
        line = ("batch", film, "--out", tmp_path / name, *FAST, *HERE, *more)
        assert cli(*line).code == 0
    one, cut = (tmp_path / name / "film.mp4" for name in ("one", "cut"))
    assert cut.read_bytes() == one.read_bytes()
