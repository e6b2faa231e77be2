"""A resumed render is bit for bit what it would have been without the interruption."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import (
    CommandResult,
    make_film,
    make_texture,
    psnr,
    refused,
    run_ffmpeg,
)
from job_rendering import CARRY, DREAM, FRAMES, SETTINGS, Rendering, decode_output

import dreamflow.jobs.output
import dreamflow.media.write.segments.film_segments
from dreamflow.core.machine.memory import MB
from dreamflow.core.machine.options import MachineOptions
from dreamflow.dream.options import DreamOptions
from dreamflow.dream.tiles import choose_tiling
from dreamflow.jobs.resume.begun_job import restore_machine_options
from dreamflow.jobs.storage.folder import job_folder_path
from dreamflow.media.options import ClipOptions, EncodeOptions
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.read.video.probe import probe_video
from dreamflow.media.stills.read import read_picture
from dreamflow.media.stills.write import write_picture
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.temporal.options import CarryOptions

Cli = Callable[..., CommandResult]


UNDREAMED = replace(SETTINGS, dream=DreamOptions(iterations=0))
"""For what is about formats: their frames move, and are different from each other, anyway."""
KINDS = {
    "a film": ("d.mp4", SETTINGS),
    "pictures": ("d", SETTINGS),
    "a gif": ("d.gif", UNDREAMED),
    "VP9": ("d.webm", UNDREAMED),
    "ProRes": ("d.mov", replace(UNDREAMED, encode=EncodeOptions(codec="prores"))),
    "FFV1": ("d.mkv", replace(UNDREAMED, encode=EncodeOptions(codec="ffv1"))),
    "AV1": ("d.mp4", replace(UNDREAMED, encode=EncodeOptions(codec="av1"))),
    "a loop": (
        "d.mp4",
        VideoSettings(DREAM, replace(CARRY, loop=True), ClipOptions(size="64", end="10")),
    ),
    "every third frame": (
        "d.mp4",
        replace(SETTINGS, clip=ClipOptions(size="64", every=3, end=str(3 * FRAMES))),
    ),
    "another rate": (
        "d.mp4",
        VideoSettings(DREAM, CARRY, ClipOptions(size="64", fps=10, start="1s", end="2.6s")),
    ),
    "schedules": (
        "d.mp4",
        VideoSettings(
            DreamOptions(
                layer=("0: conv1/7x7_s2, 0.3s: conv1/7x7_s2, 0.6s: conv2/3x3",),
                octaves=1,
                iterations="0: 2, 1s: 1",
                step="0: 3, 15: 1",
                jitter=8,
            ),
            CARRY,
            SETTINGS.clip,
        ),
    ),
    "each frame anew": (
        "d.mp4",
        VideoSettings(DREAM, CarryOptions(carry=False), SETTINGS.clip),
    ),
}


@pytest.mark.filterwarnings("ignore::dreamflow.core.errors.DreamFlowWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_render_is_bit_identical(kind: str, render: Rendering) -> None:
    name, settings = KINDS[kind]
    whole = decode_output(render("whole" + Path(name).suffix, settings))
    for at in (3, 6, 13):
        render.interrupt(name, settings, at)
    frames = len(whole) * (2 if settings.carry.loop else 1)
    assert render.messages == [f"going on from frame {at} of {frames}" for at in (3, 6)]
    out = render(name, settings)
    assert decode_output(out) == whole
    assert not job_folder_path(out).exists()


def test_a_resumed_render_in_two_passes_is_bit_identical(render: Rendering) -> None:
    """All but one are dreamed backwards first, unseen; what is broken off there begins anew."""
    twice = replace(CARRY, passes=2)
    settings = VideoSettings(DREAM, twice, SETTINGS.clip)
    whole = decode_output(render("whole.mp4", settings))
    for at in (8, 20, 27):
        render.interrupt("d.mp4", settings, at)
    out = render("d.mp4", settings)
    assert decode_output(out) == whole
    assert render.messages == [f"going on from frame {at} of {2 * FRAMES - 1}" for at in (20, 27)]


def test_a_resumed_render_in_two_passes_over_cuts_is_bit_identical(render: Rendering) -> None:
    (render.folder / "shots").mkdir()
    for number in range(24):
        picture = make_texture(64, 96, seed=number // 8)
        write_picture(render.folder / "shots" / f"{number:02}.png", picture)
    settings = VideoSettings(DREAM, replace(CARRY, passes=2), ClipOptions())
    source = render.folder / "shots"
    whole = decode_output(render("whole.mp4", settings, source=source))
    for at in (14, 15, 18, 23, 29, 30, 40):
        render.interrupt("d.mp4", settings, at, source=source)
    assert decode_output(render("d.mp4", settings, source=source)) == whole


def test_a_cut_where_a_render_was_interrupted_is_detected(render: Rendering) -> None:
    """The finder of shots knows what was before, even where the render was broken off."""
    pictures = [make_texture(64, 96, seed=n // 7) for n in range(21)]
    (render.folder / "shots").mkdir()
    for number, picture in enumerate(pictures):
        write_picture(render.folder / "shots" / f"{number}.png", picture)
    settings = VideoSettings(DREAM, CARRY, ClipOptions())
    source = render.folder / "shots"
    whole = decode_output(render("whole.mp4", settings, source=source))
    for at in (6, 7, 8, 13, 14):
        render.interrupt("d.mp4", settings, at, source=source)
    assert decode_output(render("d.mp4", settings, source=source)) == whole


def test_variable_frame_times_survive_segments(render: Rendering) -> None:
    film = render.folder / "uneven.mp4"
    even = make_film(render.folder / "even.mp4", frames=40)
    run_ffmpeg(
        *("-i", even, "-vf", "select='not(eq(mod(n,5),1))'", "-fps_mode", "passthrough"),
        *("-enc_time_base", "1/24", film),
    )
    settings = VideoSettings(DREAM, CARRY, ClipOptions())
    render.interrupt("d.mp4", settings, source=film)
    out = render("d.mp4", settings, source=film)
    wanted, got = ([frame.time for frame in open_clip(path)] for path in (film, out))
    assert len(wanted) == len(got)
    assert max(abs(float(a - b)) for a, b in zip(wanted, got, strict=True)) < 1e-3


def test_the_frame_rate_is_exact_over_many_segments(render: Rendering) -> None:
    film = make_film(render.folder / "in.mp4", frames=50, rate="30000/1001")
    out = render("d.mp4", replace(UNDREAMED, clip=ClipOptions()), source=film)
    info = probe_video(out)
    assert (info.rate, len(info.timestamps), info.constant_rate) == (
        Fraction(30000, 1001),
        50,
        True,
    )
    assert set(np.diff(info.timestamps)) == {int(info.timestamps[1])}


def test_frames_at_segment_borders_are_as_accurate_as_others(render: Rendering) -> None:
    """Frames at a border are as near to the dream as the others are."""
    pictures = decode_output(render("d", SETTINGS))
    sources = [read_picture(render.folder / "d" / f"frame_{n:06d}.png") for n, _ in pictures]
    film = [frame.picture for frame in open_clip(render("d.mp4", SETTINGS))]
    near = [psnr(a, b) for a, b in zip(sources, film, strict=True)]
    border = [near[n] for n in range(len(near)) if n % 6 in (0, 5)]
    assert min(border) > min(near) - 0.5
    assert np.mean(border) > np.mean(near) - 1


def test_a_plate_is_resumed_with_its_dream(render: Rendering) -> None:
    """It has every frame, as if never broken off; another one is refused."""
    whole, plate = render.folder / "whole.mkv", render.folder / "plate.mkv"
    render("w.mp4", plate_path=whole)
    render.interrupt("d.mp4", plate_path=plate)
    with refused("plate"):
        render("d.mp4")
    assert not plate.exists()
    render("d.mp4", plate_path=plate)
    pictures = [[frame.picture for frame in open_clip(path)] for path in (whole, plate)]
    assert len(pictures[0]) == len(pictures[1]) > 9
    assert all(np.array_equal(a, b) for a, b in zip(*pictures, strict=True))


def test_a_tiled_job_is_resumed_in_the_same_tiles(
    render: Rendering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine with other memory, too: it is remembered, and another is refused."""
    monkeypatch.setattr(dreamflow.dream.tiles, "MIN_TILE_CORE_PX", 16)
    settings = replace(SETTINGS, clip=ClipOptions(size="96", end=str(FRAMES)))
    network = render.network
    small = replace(network.machine, memory_limit=MB)
    with monkeypatch.context() as patch:
        patch.setattr(network, "machine", small)
        whole = decode_output(render("whole.mp4", settings))
        render.interrupt("d.mp4", settings)
    with refused("memory"):
        render("d.mp4", settings)
    kept = restore_machine_options(render.folder / "d.mp4", MachineOptions())
    assert kept.memory == 1
    monkeypatch.setattr(network, "machine", small)
    assert choose_tiling(network, DREAM.layer, 54, 96, MB)
    assert decode_output(render("d.mp4", settings)) == whole


TRACED = {
    "a film": SETTINGS,
    "each frame anew": replace(SETTINGS, carry=CarryOptions(carry=False)),
    "two passes": replace(SETTINGS, carry=replace(CARRY, passes=2)),
    "a loop": replace(
        SETTINGS,
        carry=replace(CARRY, loop=True),
        clip=ClipOptions(size="64", end="10"),
    ),
    "nothing dreamed": UNDREAMED,
}


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a trace file in order, but for how long things took."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "milliseconds"} for row in rows]


@pytest.mark.parametrize("kind", TRACED)
def test_a_resumed_trace_has_the_lines_of_an_uninterrupted_one(
    kind: str, render: Rendering
) -> None:
    settings, trace = TRACED[kind], render.folder / "t.jsonl"
    render("whole.mp4", settings, trace_path=render.folder / "whole.jsonl")
    whole = read_rows(render.folder / "whole.jsonl")
    shown = 10 if kind == "a loop" else FRAMES
    assert {row["frame"] for row in whole} == set(range(shown))
    for at in (3, 6, 13):
        render.interrupt("d.mp4", settings, at, trace_path=trace)
    render("d.mp4", settings, trace_path=trace)
    assert read_rows(trace) == whole


def test_a_flash_has_its_line_in_the_trace_also_where_it_is_interrupted(render: Rendering) -> None:
    source = render.folder / "shots"
    source.mkdir()
    for number in range(16):
        picture = make_texture(64, 96, seed=0)
        if number == 7:
            picture = np.full_like(picture, 250)
        write_picture(source / f"{number:02}.png", picture)
    settings = VideoSettings(DREAM, CARRY, ClipOptions())
    render("whole.mp4", settings, source=source, trace_path=render.folder / "whole.jsonl")
    whole = read_rows(render.folder / "whole.jsonl")
    assert [row["frame"] for row in whole] == list(range(16))
    assert [row["fresh"] for row in whole] == [True] + 15 * [False]
    trace = render.folder / "t.jsonl"
    for at in (7, 8, 9):
        render.interrupt("d.mp4", settings, at, source=source, trace_path=trace)
    render("d.mp4", settings, source=source, trace_path=trace)
    assert read_rows(trace) == whole
