"""Shards on a Ray cluster: the film of one process, whoever dies, lies, or sees nothing."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import CommandResult, make_texture, refused, run_ffmpeg
from cut_film import SHOT_FRAMES, SHOTS, make_cut_film
from job_rendering import FAST, edit_job_file
from PIL import Image

from dreamflow.cluster.actor import ShardActor
from dreamflow.cluster.parcel import send_frames
from dreamflow.cluster.render import ClusterOrder, ClusterRender
from dreamflow.cluster.session import Node, RaySession
from dreamflow.core.errors import MediaError, OutputError
from dreamflow.core.frames import Frame
from dreamflow.core.machine.options import MachineOptions
from dreamflow.jobs.shards.join import DoneFrames
from dreamflow.jobs.shards.options import ShardOptions
from dreamflow.jobs.shards.plan import shard_folder
from dreamflow.jobs.shards.shard import is_shard_done
from dreamflow.jobs.shards.worker import open_sharded_job
from dreamflow.jobs.storage.folder import JobFolder
from dreamflow.media.read.clip import Clip

Cli = Callable[..., CommandResult]
LINE = (*FAST, "--threads", "1")


class DiedError(Exception):
    """A worker of a `PretendedCluster` is gone."""


class PretendedCluster(RaySession):
    """A cluster without Ray: its workers are objects of this process, which can be made to die.

    Attributes:
        fail: Called with a worker's number, the name of a call and its arguments, before each call;
            what it raises is what the caller sees.
        calls: Worker and name of each call that was made.
    """

    def __init__(self, cpus: int = 2) -> None:
        super().__init__(None, "pretended")
        self.cpus, self.workers = cpus, 0
        self.calls: list[tuple[int, str]] = []
        self.fail: Callable[..., None] = lambda worker, call, *arguments: None

    def list_nodes(self) -> list[Node]:
        return [Node("1", "here", self.cpus, 0)]

    def put(self, value: Any) -> Any:
        return value

    def end_actor(self, actor: Any) -> None:
        actor.is_ended = True

    @property
    def task_error(self) -> type[Exception]:
        return ZeroDivisionError

    @property
    def lost_errors(self) -> tuple[type[Exception], ...]:
        return (DiedError,)

    def start_actor(self, kind: type, resources: Any, *arguments: Any) -> Any:
        self.workers += 1
        return PretendedActor(self, self.workers, lambda: kind(*arguments, lambda value: value))


class PretendedActor:
    """Calls an object's methods as Ray does, and makes it anew when it has died."""

    def __init__(
        self, cluster: PretendedCluster, number: int, make: Callable[[], ShardActor]
    ) -> None:
        self._cluster, self._number, self._make, self._one = cluster, number, make, make()

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any) -> Any:
            await asyncio.sleep(0)
            self._cluster.calls.append((self._number, name))
            try:
                self._cluster.fail(self._number, name, *arguments)
            except DiedError:
                self._one.stop(False)  # the system frees the locks of a process that dies
                self._one = self._make()
                raise
            return getattr(self._one, name)(*arguments)

        return type("Method", (), {"remote": staticmethod(call)})


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cut_film(tmp_path_factory.mktemp("cluster"))


@pytest.fixture
def farm(film: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Farm:
    monkeypatch.chdir(tmp_path)
    return Farm(film, cli)


class Farm:
    """A job whose shards are found, and the film that it is to be."""

    def __init__(self, film: Path, cli: Cli) -> None:
        self.cli, self.film, self.cluster = cli, film, PretendedCluster()
        self.said: list[str] = []
        self.line = list(LINE)

    def begin(self, *more: str) -> Path:
        self.line += more
        run = self.cli("video", self.film, "farm.mp4", *self.line, "--workers", "0")
        assert run.code == 0, run.err
        return Path("farm.mp4.job")

    def render(self, folder: str = "farm.mp4.job", **order: Any) -> None:
        job = open_sharded_job(Path(folder))
        whole = ClusterOrder(job, range(len(job.plan.shards)), MachineOptions(), **order)
        asyncio.run(ClusterRender(whole, self.cluster, self.said.append).run())

    def is_right(self) -> bool:
        """Join the film, and say whether it is the one of one process."""
        joined = self.cli("jobs", "join", "farm.mp4.job")
        assert joined.code == 0, joined.err
        if not Path("one.mp4").exists():
            assert self.cli("video", self.film, "one.mp4", *self.line).code == 0
        return Path("farm.mp4").read_bytes() == Path("one.mp4").read_bytes()


@pytest.mark.parametrize("shares_files", [True, False])
def test_the_film_of_a_cluster_is_that_of_one_process(
    farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shares_files: bool
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    farm.begin("--strength", "0: 1, 100%: 0.4 + audio.loud")
    farm.render(shares_files=shares_files)
    assert {worker for worker, _ in farm.cluster.calls} == {1, 2}
    assert not list(scratch.iterdir()), "what was sent is removed when all is done"
    assert farm.is_right()


def test_mattes_and_references_are_sent_where_they_are_not_seen(
    farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noise_home: Path
) -> None:
    Image.new("L", (64, 48), 180).save("matte.png")
    Image.new("RGB", (64, 48), (200, 30, 90)).save("like.png")
    weights = noise_home / "weights" / "bvlc_googlenet.safetensors"
    own = shutil.copy(weights, tmp_path / "own.safetensors")
    farm.line = [*farm.line[:2], "--layer", "conv2/3x3", *farm.line[4:]]
    farm.begin(
        "--matte",
        "matte.png",
        "--guided-by",
        "like.png",
        "--weights",
        own,
        "--network",
        "googlenet",
    )
    sent: set[str] = set()

    def look(worker: int, call: str, *arguments: Any) -> None:
        if call == "open":
            sent.update(Path(path).name for path in arguments[0].files)

    farm.cluster.fail = look
    farm.render(shares_files=False)
    assert sent == {"matte.png", "like.png"}
    assert farm.is_right()


def test_frames_in_depth_are_sent_both_ways(farm: Farm, tmp_path: Path) -> None:
    run_ffmpeg("-i", farm.film, "-an", "-pix_fmt", "yuv420p10le", "-c:v", "ffv1", "deep.mkv")
    farm.film = tmp_path / "deep.mkv"
    line = [*LINE, "--layers-out", "all"]
    assert farm.cli("video", farm.film, "farm_####.exr", *line, "--workers", "0").code == 0
    farm.render("farm_####.exr.job", shares_files=False)
    assert farm.cli("jobs", "join", "farm_####.exr.job").code == 0
    assert farm.cli("video", farm.film, "one_####.exr", *line).code == 0
    sent = [path.read_bytes() for path in sorted(Path().glob("farm_*.exr"))]
    assert len(sent) == SHOTS * SHOT_FRAMES
    assert sent == [path.read_bytes() for path in sorted(Path().glob("one_*.exr"))]


def test_a_picture_that_is_swept_is_sent(farm: Farm) -> None:
    Image.fromarray(make_texture(40, 48)).save("picture.png")
    line = ["--layers", "conv1/7x7_s2,conv2/3x3", "--octaves", "1", "--iterations", "1"]
    line += ["--fps", "8", "--hold", "2", "--fade", "1", "--no-carry", "--threads", "1"]
    assert farm.cli("sweep", "picture.png", "one.mp4", *line).code == 0
    assert farm.cli("sweep", "picture.png", "farm.mp4", *line, "--workers", "0").code == 0
    farm.render(shares_files=False)
    assert farm.is_right()


def test_what_dies_is_taken_over(farm: Farm) -> None:
    farm.begin()
    deaths = iter([("greet", 1), ("open", 2), ("go_on", 1), ("begin", 2), ("begin", 1)])
    coming = [next(deaths)]

    def fail(worker: int, call: str, *arguments: Any) -> None:
        if coming and call == coming[0][0]:
            coming[:] = list([next(deaths, None)] if coming[0] else [])
            if coming == [None]:
                coming.clear()
            raise DiedError

    farm.cluster.fail = fail
    farm.render()
    assert farm.is_right()


def test_one_that_always_dies_takes_no_part_and_ends_nothing(farm: Farm) -> None:
    farm.begin()

    def fail(worker: int, call: str, *arguments: Any) -> None:
        if worker == 1:
            raise DiedError

    farm.cluster.fail = fail
    farm.render()
    assert any("takes no part" in line for line in farm.said)
    assert farm.is_right()


def test_where_all_die_the_job_says_so(farm: Farm) -> None:
    farm.begin()

    def fail(worker: int, call: str, *arguments: Any) -> None:
        raise DiedError

    farm.cluster.fail = fail
    with pytest.raises(OutputError, match="no worker can go on"):
        farm.render()


def test_others_of_the_job_have_their_shard(farm: Farm) -> None:
    folder = farm.begin()
    waited = []

    def fail(worker: int, call: str, *arguments: Any) -> None:
        waited.append(call)
        if len(waited) > 12:
            other.close()

    with contextlib.ExitStack() as other:
        other.enter_context(JobFolder(shard_folder(folder, 2)))
        farm.cluster.fail = fail
        farm.render()
    assert farm.is_right()


@pytest.mark.parametrize(("key", "value"), [("dreamflow", "0.0.1"), ("torch", "1.0")])
def test_a_worker_that_is_not_like_the_job_is_refused_unless_mixed(
    farm: Farm, key: str, value: str
) -> None:
    folder = farm.begin()
    edit_job_file(folder, lambda metadata: metadata["record"].update({key: value}))
    with pytest.raises(OutputError, match="was begun with"):
        farm.render()
    assert not shard_folder(folder, 0).exists()
    with pytest.warns(UserWarning, match="was begun with"):
        farm.render(mixed=True)
    assert is_shard_done(open_sharded_job(folder), 0)


def test_frames_that_are_rendered_elsewhere_are_counted(farm: Farm) -> None:
    """Each call renders one frame here, and the folder shows it while nothing has come back."""
    folder = farm.begin()
    shown: list[int] = []

    class Slow(ShardActor):
        def go_on(self) -> Any:
            shown.append(DoneFrames(open_sharded_job(folder)).total)
            return super().go_on()

    start = farm.cluster.start_actor
    farm.cluster.cpus = 1
    farm.cluster.start_actor = lambda kind, *rest: start(Slow, *rest)  # type: ignore[method-assign]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dreamflow.cluster.actor.SLICE_S", 0.0)
        farm.render(shares_files=False)
    assert shown == sorted(shown)
    assert len(set(shown)) > SHOTS
    assert farm.is_right()


def test_what_comes_back_damaged_does_not_count(farm: Farm) -> None:
    folder = farm.begin()
    damaged: list[int] = []

    class Damaging(ShardActor):
        def read_piece(self, number: int, name: str) -> bytes:
            content = super().read_piece(number, name)
            if number in damaged or not name.startswith("chunk"):
                return content
            damaged.append(number)
            return content[:-1] + bytes([content[-1] ^ 1])

    start = farm.cluster.start_actor
    farm.cluster.start_actor = lambda kind, *rest: start(  # type: ignore[method-assign]
        Damaging if farm.cluster.workers == 0 else kind, *rest
    )
    farm.render(shares_files=False)
    assert damaged == [0]
    assert all(is_shard_done(open_sharded_job(folder), n) for n in range(SHOTS))
    assert farm.is_right()


def test_a_clip_that_differs_by_a_byte_is_not_read(farm: Farm, tmp_path: Path) -> None:
    farm.film = Path(shutil.copy(farm.film, tmp_path / "film.mp4"))
    folder = farm.begin()
    content = bytearray(farm.film.read_bytes())
    content[len(content) // 2] ^= 1
    farm.film.write_bytes(content)
    with pytest.raises(MediaError):
        farm.render()
    assert not shard_folder(folder, 0).exists()


def test_only_the_frames_of_a_shard_are_sent(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamflow.cluster.parcel.MAX_PACKET_BYTES", 5 * 64 * 48 * 3 // 2)
    clip = Clip(film)
    sizes: list[int] = []

    def put(packet: list[Frame]) -> list[Frame]:
        sizes.append(len(packet))
        return packet

    frames = list(clip)[7:12]
    sent = send_frames(7, frames, put)
    assert sizes == [2, 2, 1]
    for start in range(7, 12):
        assert list(sent.frames_from(start, lambda packet: packet)) == frames[start - 7 :]


@pytest.mark.parametrize("address", ["here", "ray://", "ray://host", "host:0", "ray://a/b:1", ":1"])
def test_other_addresses_are_refused(address: str) -> None:
    with refused("cluster"):
        ShardOptions(cluster=address)


@pytest.mark.parametrize("more", [["--shards", "none"], ["--workers", "0"]])
def test_a_cluster_needs_shards_and_workers(
    film: Path, tmp_path: Path, cli: Cli, more: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamflow.cli.settings.workers.check_cluster", lambda address: None)
    run = cli("video", film, tmp_path / "d.mp4", *FAST, "--cluster", "local", *more)
    assert run.code == 1
    assert more[0] in run.err
    assert not list(tmp_path.iterdir())


def test_ray_is_not_imported_unless_asked_for(film: Path, tmp_path: Path) -> None:
    code = "import sys, dreamflow, dreamflow.cli.entry_point, dreamflow.cluster.render\n"
    code += "assert 'ray' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
def test_a_cluster_of_rays_own_renders_the_film_of_one_process(
    film: Path, tmp_path: Path, cli: Cli
) -> None:
    assert cli("video", film, tmp_path / "one.mp4", *LINE).code == 0
    assert cli("video", film, tmp_path / "ray.mp4", *LINE, "--workers", "0").code == 0
    words = ["jobs", "shard", "all", tmp_path / "ray.mp4.job", "--cluster", "local"]
    line = [sys.executable, "-m", "dreamflow", *map(str, words)]
    run = subprocess.run(line, env=dict(os.environ), capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    assert cli("jobs", "join", tmp_path / "ray.mp4.job").code == 0
    assert (tmp_path / "ray.mp4").read_bytes() == (tmp_path / "one.mp4").read_bytes()


def test_without_ray_one_line_says_what_to_install(
    film: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *more: None if name == "ray" else find(name, *more)
    )
    run = cli("video", film, tmp_path / "d.mp4", *FAST, "--cluster", "auto")
    assert run.code == 1
    assert "dreamflow[cluster]" in run.err
    assert not list(tmp_path.iterdir())
