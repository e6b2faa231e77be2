"""Shards of outputs that keep more than 8 bits: the same, to the byte, as in one go."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from conftest import WEIGHTS_NAME, make_texture, refused, run_ffmpeg
from cut_film import make_cut_film
from job_rendering import Interruption, decode_output
from shard_rendering import SETTINGS, Shards, work

from dreamflow.core.errors import DreamFlowWarning
from dreamflow.jobs.controls import RenderControls
from dreamflow.jobs.shards.join_job import join_job
from dreamflow.jobs.shards.plan import shard_folder
from dreamflow.jobs.shards.shard import is_shard_done
from dreamflow.jobs.shards.sharded import Sharding
from dreamflow.jobs.shards.worker import open_sharded_job
from dreamflow.media.options import EncodeOptions
from dreamflow.networks.loading import load_network
from dreamflow.networks.network import Network
from dreamflow.pipelines.settings.options import ShowOptions

EXR = replace(SETTINGS, encode=EncodeOptions(layers_out="all"))


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with films of cuts: of 10 bits, with alpha, of pictures of 8 and 16 bits."""
    folder = tmp_path_factory.mktemp("depth")
    film = make_cut_film(folder)
    for name, pixel_format in (("10.mkv", "yuv422p10le"), ("alpha.mkv", "yuva444p10le")):
        # A ramp over a texture, so that the low bits are not those of 8-bit codes.
        look = f"scale=80:60:flags=lanczos,format={pixel_format},crop=64:48"
        run_ffmpeg("-i", film, "-vf", look, "-c:v", "ffv1", "-an", folder / name)
    for bits, kind in ((8, np.uint8), (16, np.uint16)):
        pictures = folder / f"rgba{bits}"
        pictures.mkdir()
        scale = 1 if bits == 8 else 257
        for number in range(8):
            shot, step = divmod(number, 4)
            texture = make_texture(64, 96, shot)[8:56, step : 64 + step].astype(kind) * scale
            alpha = np.full((48, 64, 1), 200 * scale + number, kind)
            picture = np.dstack([texture[..., ::-1], alpha])
            cv2.imwrite(str(pictures / f"p_{number:03d}.png"), picture)
    return folder


@pytest.fixture(scope="module")
def network(noise_home: Path) -> Network:
    """The network that workers find, too."""
    return load_network("googlenet", noise_home / "weights" / WEIGHTS_NAME, "cpu", "float32")


@pytest.fixture
def shards(tmp_path: Path, network: Network, sources: Path) -> Shards:
    return Shards(tmp_path, network, sources / "10.mkv")


def read_output(folder: Path) -> list[bytes]:
    """Return what was written in a folder: the bytes of pictures, or the packets of a film."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix not in ("", ".json"))
    if len(paths) > 1:
        return [path.read_bytes() for path in paths]
    with av.open(str(paths[0])) as film:
        return [bytes(packet) for packet in film.demux(video=0)]


@pytest.mark.parametrize(
    ("source", "name", "encode"),
    [
        ("10.mkv", "d.mp4", {"codec": "h265", "quality": "draft"}),
        ("10.mkv", "d.mkv", {"codec": "ffv1"}),
        ("alpha.mkv", "d.mkv", {"codec": "ffv1"}),
        ("alpha.mkv", "d.mov", {"codec": "prores"}),
        ("rgba8", "d.mkv", {"codec": "ffv1"}),
        ("rgba16", "d.mkv", {"codec": "ffv1"}),
        ("rgba16", "d", {}),
        ("10.mkv", "d_####.exr", {"layers_out": "all"}),
    ],
)
def test_an_output_in_depth_is_that_of_one_process(
    shards: Shards, sources: Path, source: str, name: str, encode: dict[str, str]
) -> None:
    settings = replace(SETTINGS, encode=EncodeOptions(**encode))
    outputs: list[list[bytes]] = []
    for kind, sharding in (("one", None), ("cut", Sharding())):
        folder = shards.folder / kind
        folder.mkdir()
        shards.render(f"{kind}/{name}", sharding, settings, sources / source)
        outputs.append(read_output(folder))
    assert len(outputs[0]) >= 8
    assert outputs[0] == outputs[1]


def test_workers_that_have_the_folder_alone_make_the_same_pictures(
    shards: Shards, monkeypatch: pytest.MonkeyPatch, noise_home: Path
) -> None:
    (shards.folder / "one").mkdir()
    (shards.folder / "cut").mkdir()
    shards.render("one/d_####.exr", None, EXR, plate_path=shards.folder / "one.mkv")
    folder = shards.prepare("cut/d_####.exr", EXR, plate_path=shards.folder / "cut.mkv")
    work(folder, [3, 1, 0, 2], monkeypatch, noise_home)
    join_job(folder, RenderControls(plate_path=shards.folder / "cut.mkv"))
    assert read_output(shards.folder / "cut") == read_output(shards.folder / "one")
    plates = [decode_output(shards.folder / f"{kind}.mkv") for kind in ("cut", "one")]
    assert plates[0] == plates[1]


def test_a_damaged_picture_of_a_shard_is_noticed_and_dreamed_again(
    shards: Shards, monkeypatch: pytest.MonkeyPatch, noise_home: Path
) -> None:
    (shards.folder / "cut").mkdir()
    folder = shards.prepare("cut/d_####.exr", EXR)
    work(folder, range(4), monkeypatch, noise_home)
    kept = sorted(shard_folder(folder, 2).rglob("*.exr"))[3]
    content = kept.read_bytes()
    kept.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    job = open_sharded_job(folder)
    assert [is_shard_done(job, n) for n in range(4)] == [True, True, False, True]
    work(folder, range(4), monkeypatch, noise_home)
    assert kept.read_bytes() == content


def test_a_render_in_depth_that_is_stopped_goes_on(shards: Shards) -> None:
    settings = replace(SETTINGS, encode=EncodeOptions(codec="ffv1"))
    one = shards.render("one.mkv", None, settings)
    for stop_at in (3, 11, 20, None):
        with contextlib.suppress(Interruption):
            shards.render("cut.mkv", settings=settings, stop_at=stop_at)
    assert decode_output(shards.folder / "cut.mkv") == decode_output(one)


def test_a_seam_in_depth_keeps_the_depth_of_the_source(shards: Shards, sources: Path) -> None:
    """Where nothing of the dream is shown, the samples of a seam are those of the source."""
    pan, frames = shards.folder / "pan.mkv", 48
    raw = np.stack([make_texture(64, 160, 5)[8:56, step : 64 + step] for step in range(frames)])
    (shards.folder / "raw").write_bytes((raw.astype("<u2") * 257 + 77).clip(0, 65535).tobytes())
    line = ["-f", "rawvideo", "-pix_fmt", "rgb48le", "-s", "64x48", "-r", "8"]
    run_ffmpeg(*line, "-i", shards.folder / "raw", "-c:v", "ffv1", pan)
    show = ShowOptions(strength=0)
    settings = replace(SETTINGS, encode=EncodeOptions(codec="ffv1"), show=show)
    with pytest.warns(DreamFlowWarning):
        shards.render("cut.mkv", Sharding("spans", span_s=2.5), settings, source=pan)
    kept, given = (read_samples(path) for path in (shards.folder / "cut.mkv", pan))
    assert kept == given


def read_samples(path: Path) -> list[bytes]:
    """Return the frames of a film in RGB of 16 bits."""
    with av.open(str(path)) as film:
        return [frame.to_ndarray(format="rgb48le").tobytes() for frame in film.decode(video=0)]


def test_what_shards_do_not_keep_is_refused(shards: Shards) -> None:
    with refused("plate"):
        shards.render("d_####.exr", settings=EXR, plate_path=shards.folder / "p_####.exr")
    with refused("layers_out"):
        shards.render("d_####.exr", Sharding("spans"), EXR)
    assert not list(shards.folder.iterdir())
