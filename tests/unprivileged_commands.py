"""Commands in a process for which the permissions of files hold, root's too.

    python unprivileged_commands.py FOLDER CLIP

prints what came of each of its trials, as JSON. A process of root's may read and write all, so the
test starts this one without the two capabilities that allow it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from dreamflow.cli.entry_point import main
from dreamflow.core.errors import DreamFlowError
from dreamflow.dream.options import DreamOptions
from dreamflow.jobs.controls import RenderControls
from dreamflow.jobs.renders.render_video import render_video
from dreamflow.media.options import ClipOptions
from dreamflow.media.read.clip import Clip
from dreamflow.networks.loading import load_network
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.temporal.options import CarryOptions

NOTHING, READ_ONLY, ALL = 0o000, 0o555, 0o755
END = "8"
OPTIONS = ("--size", "64", "--iterations", "0", "--network", "pocket", "--threads", "1")
SETTINGS = VideoSettings(
    DreamOptions(network="pocket", layer=("conv2/3x3",), iterations=0),
    CarryOptions(),
    ClipOptions(size="64", end=END),
)
Outcome = dict[str, Any]


@contextlib.contextmanager
def permissions(mode: int, *paths: Path) -> Generator[None]:
    """Give files and folders other permissions, and all again afterwards."""
    for path in paths:
        path.chmod(mode)
    try:
        yield
    finally:
        for path in paths:
            path.chmod(ALL)


def run(*words: object) -> Outcome:
    """Run a command line, and return its exit code and what it printed."""
    sys.argv = ["dreamflow", *map(str, words)]
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()}


def render_read_only(folder: Path, source: Path) -> Outcome:
    """Render through Python, and take away the right to write when 4 frames are done."""
    with contextlib.ExitStack() as taken:

        def progress(done: int, total: int) -> None:
            if done == 4:
                taken.enter_context(permissions(READ_ONLY, folder, folder / "d.mp4.job"))

        controls = RenderControls(progress, segment_frames=2, checkpoint_interval_s=0)
        network, clip = load_network("pocket"), Clip(source, SETTINGS.clip)
        try:
            render_video(clip, folder / "d.mp4", network, SETTINGS, controls)
        except DreamFlowError as error:
            return {"code": 1, "out": "", "err": str(error)}
    return {"code": 0, "out": "", "err": ""}


def try_all(root: Path, clip: Path) -> dict[str, Outcome]:
    """Run all trials, each in a folder of its own; `left` is what lies in it afterwards."""
    outcomes: dict[str, Outcome] = {}

    def trial(name: str, attempt: Callable[[Path], Outcome]) -> None:
        folder = root / name.replace(" ", "_")
        folder.mkdir()
        outcome = attempt(folder)
        outcome["left"] = sorted(path.name for path in folder.iterdir())
        outcomes[name] = outcome

    def video(folder: Path, source: Path = clip) -> Outcome:
        return run("video", source, folder / "d.mp4", *OPTIONS, "--end", END)

    def into_read_only(folder: Path) -> Outcome:
        with permissions(READ_ONLY, folder):
            return video(folder)

    def from_unreadable(folder: Path) -> Outcome:
        source = Path(shutil.copy(clip, folder / "in.mp4"))
        with permissions(NOTHING, source):
            return video(folder, source)

    def in_mid_render(folder: Path) -> Outcome:
        stopped = render_read_only(folder, clip)
        resumed = run("jobs", "finish", folder / "d.mp4.job", folder / "look.mp4")
        return stopped | {"finished": resumed["code"]}

    def with_job(words: Callable[[Path], Outcome]) -> Callable[[Path], Outcome]:
        def attempt(folder: Path) -> Outcome:
            render_read_only(folder, clip)
            with permissions(NOTHING, folder / "d.mp4.job"):
                return words(folder)

        return attempt

    def without_home(folder: Path) -> Outcome:
        home = Path(os.environ["DREAMFLOW_HOME"])
        home.mkdir()
        with permissions(NOTHING, home):
            return video(folder)

    trial("output folder", into_read_only)
    trial("source", from_unreadable)
    trial("both folders in mid-render", in_mid_render)
    trial("job folder, going on", with_job(video))
    trial("job folder, finished", with_job(lambda f: run("jobs", "finish", f / "d.mp4.job")))
    trial("job folder, shown", with_job(lambda f: run("jobs", "show", f / "d.mp4.job")))
    trial("home", without_home)
    return outcomes


if __name__ == "__main__":
    print(json.dumps(try_all(Path(sys.argv[1]), Path(sys.argv[2]))))
