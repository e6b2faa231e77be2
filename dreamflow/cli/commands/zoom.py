"""`dreamflow zoom`: an endless zoom into a dream."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from dreamflow.cli.binding import (
    AtOption,
    DebugOption,
    FreshOption,
    LikeOption,
    OverwriteOption,
    PresetOption,
    WatchOption,
    with_options,
)
from dreamflow.cli.prepare import (
    apply_machine_options,
    check_layers,
    format_render_summary,
    track_render,
)
from dreamflow.core.errors import SettingsError
from dreamflow.core.machine.options import MachineOptions
from dreamflow.dream.options import DreamOptions
from dreamflow.media.options import EncodeOptions
from dreamflow.pipelines.settings.options import ZoomOptions
from dreamflow.reports.options import GuideOptions

ZOOM_EXAMPLE = (
    "Example: dreamflow zoom meadow.jpg zoom.mp4 --seconds 20 --rotation 4 "
    "--layers conv2/norm2,inception_3b/5x5_reduce,inception_4c/output"
)


@with_options
def zoom_command(
    image: Annotated[
        Path | None,
        typer.Argument(
            help="What to zoom into: a picture, or a frame of a clip; else it begins in noise.",
            metavar="IMAGE|CLIP",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Argument(
            help="The film: .mp4, .mov, .mkv, .webm, .gif or .webp; without suffix, a folder of "
            "PNGs.",
            metavar="OUT",
            show_default=False,
        ),
    ] = None,
    *,
    at: AtOption = GuideOptions.at,
    preset: PresetOption = None,
    like: LikeOption = None,
    dream: DreamOptions,
    zoom: ZoomOptions,
    encode: EncodeOptions,
    machine: MachineOptions,
    overwrite: OverwriteOption = False,
    fresh: FreshOption = False,
    watch: WatchOption = None,
    debug: DebugOption = False,
) -> None:
    """Zoom into a picture, a frame or noise, which is dreamed on as it comes nearer.

    Speed, rotation, drift and growth are per second: another frame rate shows the same journey.
    What is marked * may change over time, in the order in which it is dreamed:
    --speed "smooth, 0: 1, 3s: 1.5". --iterations and --step tell how strong the dream becomes.
    """
    source, out = (image, out) if out else (None, image)
    if out is None:
        raise SettingsError("name the film: dreamflow zoom OUT, or dreamflow zoom IMAGE OUT")
    from dreamflow.jobs.storage.folder import is_job_folder, job_folder_path

    if source is None:
        check_lone_path_is_output(
            out, overwrite or (not fresh and is_job_folder(job_folder_path(out)))
        )
    from dreamflow.jobs.output import check_output_and_plate
    from dreamflow.media.write.containers import check_encode_options
    from dreamflow.pipelines.zoom.pipeline import (
        make_zoom_timeline,
        parse_zoom_layers,
        schedule_zoom_layers,
    )

    for blend in parse_zoom_layers(zoom) or [None]:
        named = tuple(name.strip() for name in blend.split("+")) if blend else dream.layer
        check_layers(replace(dream, layer=named), machine)
    for group in (schedule_zoom_layers(zoom, dream), zoom):
        group.check_schedules(make_zoom_timeline(zoom), warn=False)
    check_encode_options(out, encode)
    from dreamflow.jobs.render_zoom import forward_frames_folder, render_zoom
    from dreamflow.pipelines.zoom.start_picture import (
        ZoomSettings,
        make_zoom_output_spec,
        make_zoom_start_picture,
    )

    settings = ZoomSettings(dream, zoom, encode)
    picture = make_zoom_start_picture(source, settings, at)
    outline = make_zoom_output_spec(settings, picture, *([source] if source else []))
    check_output_and_plate(out, overwrite, fresh, outline.sources)
    from dreamflow.jobs.job import restore_machine_options
    from dreamflow.networks.loading import load_network

    if not fresh:
        # A zoom out is a job of its own, before that of the output.
        machine = restore_machine_options(
            out, restore_machine_options(forward_frames_folder(out), machine)
        )
    used = apply_machine_options(machine)
    network = load_network(dream.network, machine.weights, machine=used)
    started, rounds = time.monotonic(), 1 + zoom.reverse
    total = outline.frames * rounds
    with track_render(out, total, overwrite, fresh, watch) as handles:
        done = render_zoom(source, picture, out, network, settings, handles, at)
    typer.echo(f"{out}: {format_render_summary(done, outline, time.monotonic() - started)}")


def check_lone_path_is_output(out: Path, overwrite: bool) -> None:
    """Raise SettingsError where the only name given is more likely that of what to zoom into."""
    from dreamflow.media.stills import is_picture
    from dreamflow.media.write.containers import CONTAINER_FORMAT_BY_SUFFIX

    film = out.suffix.lower() in CONTAINER_FORMAT_BY_SUFFIX
    if is_picture(out) and not film:
        raise SettingsError(f"name the film, too: dreamflow zoom {quote(str(out))} zoom.mp4")
    if film and out.is_file() and not overwrite:
        raise SettingsError(
            f"{out} exists already: to zoom into a frame of it, name the film, too: `dreamflow "
            f"zoom {quote(str(out))} zoom.mp4 --at 2s`; to zoom out of noise, give a new name, or "
            "--overwrite"
        )
