"""What must be the same for a job to be resumed, and what may differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import (
    CommandResult,
    make_film,
    make_texture,
    random_weights,
    refused,
)
from job_rendering import (
    CARRY,
    DREAM,
    FRAMES,
    SETTINGS,
    Interruption,
    Rendering,
    decode_output,
    edit_job_file,
    job_id,
)

from dreamflow.core.errors import DreamFlowWarning, OutputError, SettingsError
from dreamflow.core.frames import Frame
from dreamflow.core.machine.options import MachineOptions
from dreamflow.dream.options import DreamOptions
from dreamflow.jobs.controls import RenderControls
from dreamflow.jobs.job import render_job
from dreamflow.jobs.job_spec import JobSpec
from dreamflow.jobs.resume.begun_job import restore_machine_options
from dreamflow.jobs.storage.state_file import write_state
from dreamflow.media.options import ClipOptions, EncodeOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.stills.write import write_picture
from dreamflow.networks.caffe import googlenet
from dreamflow.networks.network import Network
from dreamflow.pipelines.pipeline import LAYOUT_KEY
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.pipelines.settings.record import build_settings_record
from dreamflow.temporal.options import CarryOptions

Cli = Callable[..., CommandResult]


def test_a_changed_setting_is_named(render: Rendering) -> None:
    render.interrupt("d.mp4")
    other = VideoSettings(
        DreamOptions(layer=("conv2/3x3",), octaves=1, iterations=1, jitter=8, step=2),
        CARRY,
        SETTINGS.clip,
    )
    with pytest.raises(SettingsError) as error:
        render("d.mp4", other)
    assert (error.value.setting, error.value.where) == ("step", "d.mp4.job")
    assert str(error.value) == (
        "the job d.mp4.job was begun with step 1.5, not 2: give the same settings, or start over "
        "with fresh"
    )
    render("d.mp4", other, fresh=True)
    assert render.messages == []


def test_a_job_without_newer_settings_is_resumed(render: Rendering) -> None:
    """A setting that an older version did not have counts as being at its default."""
    whole = decode_output(render("whole.mp4"))
    folder = render.interrupt("d.mp4")

    def drop_younger(metadata: dict[str, Any]) -> None:
        for younger in ("strength", "matte", "noise", "octave_iterations"):
            del metadata["record"]["settings"][younger]

    edit_job_file(folder, drop_younger)
    with refused("strength", "d.mp4.job"):
        render("d.mp4", replace(SETTINGS, show=ShowOptions(strength=0.5)))
    assert decode_output(render("d.mp4")) == whole


def old_layout_state() -> dict[str, Any]:
    """Return the state of a job after 9 frames as version 0.1.0 (51fab5e) wrote it."""
    picture = np.zeros((36, 64, 3), np.uint8)
    frame = {"index": 8, "time": Fraction(8, 24), "picture": picture, "source": None, "whole": None}
    residual = np.zeros((36, 64, 3), np.float32)
    carried = {"residual": residual, "settled": residual[..., 0], "goal": (1.0, 1.0, 1.0)}
    dreamer = {
        "before": frame,
        "carried": {0: carried},
        "shares": {0: 1.0},
        "measured": None,
        "unwatched": 0,
        "ground": None,
    }
    journey = {
        "done": 9,
        "total": FRAMES,
        "shown": 9,
        "read": 12,
        "dreamer": dreamer,
        "marker": {"before": None},
    }
    return {"frames": 9, "journey": journey}


def test_a_job_of_the_old_state_layout_is_refused_and_can_be_finished(
    render: Rendering, cli: Cli
) -> None:
    folder = render.interrupt("d.mp4")
    write_state(folder / "state.npz", old_layout_state(), job_id(folder))
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(OutputError, match="another version of DreamFlow") as error:
        render("d.mp4")
    assert (error.value.setting, error.value.where) == ("fresh", "d.mp4.job")
    assert f"`dreamflow jobs finish {folder}`" in str(error.value)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
    assert f"9 of {FRAMES}" in cli("jobs", "list", render.folder).out
    assert cli("jobs", "show", folder).code == 0
    run = cli("jobs", "finish", folder)
    assert run.code == 0
    assert len(decode_output(render.folder / "d.mp4")) == 9


def test_a_job_of_the_old_state_layout_can_be_started_over(render: Rendering) -> None:
    folder = render.interrupt("d.mp4")
    write_state(folder / "state.npz", old_layout_state(), job_id(folder))
    assert len(decode_output(render("d.mp4", fresh=True))) == FRAMES


class CountingPipeline:
    """Yields grey frames; its state has a layout of its own."""

    def __init__(self, layout: int, frames: int = 4) -> None:
        self.done, self.total, self.layout = 0, frames, layout

    def __iter__(self) -> Iterator[Frame]:
        while self.done < self.total:
            self.done += 1
            picture = np.full((16, 16, 3), self.done, np.uint8)
            yield Frame(self.done - 1, Fraction(self.done - 1, 24), picture)

    def state(self) -> dict[str, Any]:
        return {LAYOUT_KEY: self.layout, "done": self.done}

    def restore(self, state: dict[str, Any]) -> None:
        self.done = state["done"]


def test_any_pipeline_resumes_only_from_its_own_state_layout(
    tmp_path: Path, noise_network: Network
) -> None:
    spec = OutputSpec.at_constant_rate(16, 16, Fraction(24), 4)
    record = build_settings_record("video", Path("grey"), noise_network)

    def render_layout(layout: int, stop_at: int | None = None) -> int:
        def progress(done: int, total: int) -> None:
            if done == stop_at:
                raise Interruption

        job = JobSpec(
            CountingPipeline(layout),
            tmp_path / "d.mkv",
            spec,
            EncodeOptions(),
            record,
            {},
            noise_network.machine,
        )
        return render_job(job, RenderControls(progress)).dreamed_frames

    with pytest.raises(Interruption):
        render_layout(2, stop_at=3)
    for layout in (1, 3):
        with pytest.raises(OutputError, match="another version of DreamFlow"):
            render_layout(layout)
    assert render_layout(2) == 1


def test_a_changed_source_is_refused(render: Rendering) -> None:
    film = make_film(render.folder / "in.mp4", frames=20)
    settings = VideoSettings(DREAM, CARRY, ClipOptions())
    render.interrupt("d.mp4", settings, source=film)
    make_film(film, frames=20, options=("-crf", "30"))
    with refused("clip", "d.mp4.job"):
        render("d.mp4", settings, source=film)


def test_only_pictures_that_were_not_read_yet_may_change(render: Rendering) -> None:
    """Those that were not read yet may change; those that were, not."""
    source = render.folder / "shots"
    source.mkdir()
    for number in range(20):
        write_picture(source / f"{number:02}.png", make_texture(64, 96, seed=number // 9))
    good = (source / "15.png").read_bytes()
    settings = VideoSettings(DREAM, CARRY, ClipOptions())
    render.interrupt("d.mp4", settings, 9, source=source)
    write_picture(source / "19.png", make_texture(64, 96, seed=7))
    render.interrupt("d.mp4", settings, 17, source=source)
    write_picture(source / "15.png", make_texture(64, 96, seed=5))
    with refused("clip"):
        render("d.mp4", settings, source=source)
    (source / "15.png").write_bytes(good)
    whole = decode_output(render("whole.mp4", settings, source=source))
    assert decode_output(render("d.mp4", settings, source=source)) == whole


def test_an_edited_cut_list_is_refused(render: Rendering) -> None:
    cuts = render.folder / "cuts.txt"
    cuts.write_text("5\n")
    settings = VideoSettings(DREAM, CarryOptions(cuts=str(cuts)), SETTINGS.clip)
    render.interrupt("d.mp4", settings)
    cuts.write_text("7\n")
    with refused("cuts"):
        render("d.mp4", settings)


def test_a_job_keeps_its_device_and_threads(render: Rendering) -> None:
    render.interrupt("d.mp4")
    threads = torch.get_num_threads()
    found = restore_machine_options(render.folder / "d.mp4", MachineOptions())
    assert (found.device, found.threads) == ("cpu", threads)
    assert restore_machine_options(render.folder / "e.mp4", MachineOptions()) == MachineOptions()
    torch.set_num_threads(threads + 1)
    try:
        with refused("threads"):
            render("d.mp4")
    finally:
        torch.set_num_threads(threads)


def test_a_job_is_resumed_in_its_precision(render: Rendering) -> None:
    exact, render.network = render.network, googlenet.build_googlenet(random_weights(), "0" * 64)
    render.network.to("cpu", torch.bfloat16)
    whole = decode_output(render("whole.mp4"))
    folder = render.interrupt("d.mp4")
    assert (
        restore_machine_options(render.folder / "d.mp4", MachineOptions()).precision == "bfloat16"
    )
    assert decode_output(render("d.mp4")) == whole
    folder = render.interrupt("e.mp4")
    render.network = exact
    assert decode_output(render("exact.mp4")) != whole
    with refused("precision"):
        render("e.mp4")
    # One that was begun before there was a choice.
    edit_job_file(folder, lambda metadata: metadata["machine"].pop("precision"))
    assert restore_machine_options(render.folder / "e.mp4", MachineOptions()).precision == "float32"
    asked = MachineOptions(precision="bfloat16")
    assert restore_machine_options(render.folder / "e.mp4", asked).precision == "bfloat16"
    render.network = googlenet.build_googlenet(random_weights(), "0" * 64).to("cpu", torch.bfloat16)
    with refused("precision"):
        render("e.mp4")


def test_another_version_of_pytorch_resumes_with_a_warning(render: Rendering) -> None:
    folder = render.interrupt("d.mp4")
    edit_job_file(folder, lambda metadata: metadata["record"].update(torch="1.0"))
    with pytest.warns(DreamFlowWarning, match="begun with PyTorch 1.0, this is"):
        render("d.mp4")
