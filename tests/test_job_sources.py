"""A source that is gone, or is another one than was dreamed, is an error that keeps the job."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from conftest import CommandResult, make_film, make_texture
from job_rendering import CARRY, DREAM, Rendering, decode_output

from dreamflow.core.errors import MediaError
from dreamflow.core.frames import Frame
from dreamflow.jobs.listing import finish_job, inspect_job
from dreamflow.jobs.storage.folder import job_folder_path
from dreamflow.media.options import ClipOptions
from dreamflow.media.read.clip import Clip
from dreamflow.media.stills.write import write_picture
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.options import ShowOptions

Cli = Callable[..., CommandResult]
FRAMES = 8


def read_sound(path: Path) -> np.ndarray:
    """Return a film's sound, float (samples,), or none."""
    with av.open(str(path)) as film:
        if not film.streams.audio:
            return np.zeros(0)
        return np.concatenate([frame.to_ndarray()[0] for frame in film.decode(audio=0)])


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return the largest correlation of two sounds, one moved by up to an AAC frame."""
    length = min(len(one), len(other)) - 1024
    return max(
        float(np.corrcoef(one[a : a + length], other[b : b + length])[0, 1])
        for shift in range(0, 1024, 4)
        for a, b in ((shift, 0), (0, shift))
    )


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return make_film(tmp_path / "in.mp4", frames=FRAMES, sound=True)


def make_inputs(folder: Path, film: Path, what: str) -> tuple[Path, VideoSettings, list[Path]]:
    """Return a source, settings that name an input of a kind, and that input's files."""
    settings = VideoSettings(DREAM, CARRY, ClipOptions())
    if what == "clip":
        return film, settings, [film]
    if what == "picture folder":
        source = folder / "pictures"
        source.mkdir()
        for number in range(FRAMES):
            write_picture(source / f"{number}.png", make_texture(36, 64, number))
        return source, settings, [source / "1.png"]
    if what == "matte":
        matte = folder / "matte.png"
        write_picture(matte, np.full((48, 64, 3), 255, np.uint8))
        return film, replace(settings, show=ShowOptions(matte=str(matte))), [matte]
    if what == "cuts":
        cuts = folder / "cuts.txt"
        cuts.write_text("4\n")
        return film, replace(settings, carry=replace(CARRY, cuts=str(cuts))), [cuts]
    if what == "guided_by":
        picture = folder / "guide.png"
        write_picture(picture, make_texture(64, 64, 1))
        return film, replace(settings, dream=replace(DREAM, guided_by=str(picture))), [picture]
    assert what == "flow_dir"
    from dreamflow.temporal.flow.flo_files import write_flo_file

    flow = folder / "flow"
    flow.mkdir()
    for number in range(1, FRAMES):
        write_flo_file(flow / f"{number:06d}.flo", np.zeros((48, 64, 2), np.float32))
    return film, replace(settings, carry=replace(CARRY, flow_dir=str(flow))), sorted(flow.iterdir())


INPUTS = ("clip", "picture folder", "matte", "cuts", "guided_by")


def change(path: Path) -> None:
    if path.suffix == ".mp4":
        make_film(path, frames=FRAMES, rate="30", sound=True)
    else:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)


@pytest.mark.parametrize("how", ["gone", "changed"])
@pytest.mark.parametrize("what", INPUTS)
def test_an_input_is_checked_before_the_film_is_joined(
    what: str, how: str, film: Path, render: Rendering, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, settings, files = make_inputs(render.folder, film, what)
    backup = [path.read_bytes() for path in files]
    read = Clip.frames_from

    def meanwhile(clip: Clip, start: int = 0) -> Iterator[Frame]:
        """All frames; then, while the last of them are dreamed, the input changes."""
        yield from read(clip, start)
        if clip.path == source:
            for path in files:
                path.unlink() if how == "gone" else change(path)

    with monkeypatch.context() as patched:
        patched.setattr(Clip, "frames_from", meanwhile)
        with pytest.raises(MediaError) as found:
            render("d.mp4", settings, source=source)
    assert found.value.setting in (what, "clip")
    assert not (render.folder / "d.mp4").exists()
    job = job_folder_path(render.folder / "d.mp4")
    with pytest.raises(MediaError):
        finish_job(job)
    for path, content in zip(files, backup, strict=True):
        path.write_bytes(content)
    out = render("d.mp4", settings, source=source)
    assert len(decode_output(out)) == FRAMES
    if source == film:
        assert correlation(read_sound(out), read_sound(film)) > 0.99
    assert not job.exists()


@pytest.mark.parametrize("how", ["gone", "changed"])
def test_jobs_finish_takes_no_other_sources_sound(
    how: str, film: Path, render: Rendering, cli: Cli
) -> None:
    settings = VideoSettings(DREAM, CARRY, ClipOptions())
    job = render.interrupt("d.mp4", settings, 6, source=film)
    aside = film.with_name("aside.mp4")
    shutil.copy(film, aside)
    film.unlink() if how == "gone" else change(film)
    for arguments in ((), (render.folder / "look.mp4",)):
        run = cli("jobs", "finish", job, *arguments)
        assert run.code == 1
        assert "clip" in run.err
        assert "--silent" in run.err
        assert len(run.err.strip().splitlines()) == 1
    assert not any((render.folder / name).exists() for name in ("d.mp4", "look.mp4"))
    run = cli("jobs", "finish", job, render.folder / "silent.mp4", "--silent")
    assert run.code == 0
    assert len(decode_output(render.folder / "silent.mp4")) == 6
    assert not len(read_sound(render.folder / "silent.mp4"))
    shutil.copy(aside, film)
    assert cli("jobs", "finish", job).code == 0
    sound = read_sound(render.folder / "d.mp4")
    assert correlation(sound, read_sound(film)) > 0.99


def test_pictures_behind_those_that_were_read_do_not_matter(render: Rendering, film: Path) -> None:
    """Of a folder whose render was interrupted, a film of the frames so far can be made."""
    source, settings, _ = make_inputs(render.folder, film, "picture folder")
    job = render.interrupt("d.mp4", settings, 2, source=source)
    (source / "7.png").write_bytes(b"no picture")
    done = inspect_job(job).frames
    assert 0 < done < FRAMES
    assert finish_job(job)[1] == done


def test_the_frames_of_a_reversed_zoom_are_its_inputs(
    tmp_path: Path, noise_network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are dreamed forwards into a folder first: what is exchanged there is not shown."""
    from dreamflow.core.errors import SettingsError
    from dreamflow.jobs.controls import RenderControls
    from dreamflow.jobs.renders.render_zoom import forward_frames_folder, render_zoom
    from dreamflow.media.options import EncodeOptions
    from dreamflow.pipelines.settings.options import ZoomOptions
    from dreamflow.pipelines.zoom.start_picture import ZoomSettings

    settings = ZoomSettings(DREAM, ZoomOptions(seconds=0.5, fps=16, reverse=True), EncodeOptions())
    out, picture = tmp_path / "d.mp4", make_texture(36, 64, 1)

    def stop(done: int, total: int) -> None:
        if done == 8 + 3:
            raise KeyboardInterrupt

    def zoom(controls: RenderControls) -> None:
        render_zoom(None, picture, out, noise_network, settings, controls)

    with pytest.raises(KeyboardInterrupt):
        zoom(RenderControls(stop))
    frames = forward_frames_folder(out)
    first, second = frames / "frame_000001.png", frames / "frame_000002.png"
    content = first.read_bytes()
    shutil.copy(second, first)
    with pytest.raises(SettingsError):
        zoom(RenderControls())
    assert not out.exists()
    first.write_bytes(content)
    zoom(RenderControls())
    assert len(decode_output(out)) == 8
