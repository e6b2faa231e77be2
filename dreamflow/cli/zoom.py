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
from dreamflow.cli.prepare import check_layers, followed_render, set_machine, what_came
from dreamflow.errors import SettingsError
from dreamflow.options import DreamOptions, EncodeOptions, GuideOptions, MachineOptions, ZoomOptions

EXAMPLE = (
    "Example: dreamflow zoom meadow.jpg zoom.mp4 --seconds 20 --rotation 4 "
    "--layers conv2/norm2,inception_3b/5x5_reduce,inception_4c/output"
)


@with_options
def zoom(
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
    from dreamflow.media.folder import is_job, job_path

    if source is None:
        check_only_name(out, overwrite or (not fresh and is_job(job_path(out))))
    from dreamflow.journeys.zoom import layers_over, zoom_layers, zoom_timeline
    from dreamflow.media.formats import check_encode
    from dreamflow.media.writer import check_target

    for blend in zoom_layers(zoom) or [None]:
        named = tuple(name.strip() for name in blend.split("+")) if blend else dream.layer
        check_layers(replace(dream, layer=named), machine)
    for group in (layers_over(zoom, dream), zoom):
        group.check_over(zoom_timeline(zoom), warn=False)
    check_encode(out, encode)
    from dreamflow.render.zoom import (
        ZoomSettings,
        first_picture,
        forwards_path,
        render_zoom,
        zoom_outline,
    )

    settings = ZoomSettings(dream, zoom, encode)
    picture = first_picture(source, settings, at)
    outline = zoom_outline(settings, picture, *([source] if source else []))
    check_target(out, overwrite, fresh, outline.sources)
    from dreamflow.networks import load_network
    from dreamflow.render import remembered

    if not fresh:
        # A zoom out is a job of its own, before that of the output.
        machine = remembered(out, remembered(forwards_path(out), machine))
    set_machine(machine)
    network = load_network(dream.network, machine.weights, machine.device, machine.precision)
    started, rounds = time.monotonic(), 1 + zoom.reverse
    total = outline.frames * rounds
    with followed_render(out, total, overwrite, fresh, watch) as handles:
        done = render_zoom(source, picture, out, network, settings, handles, at)
    typer.echo(f"{out}: {what_came(done, outline, time.monotonic() - started)}")


def check_only_name(out: Path, overwrite: bool) -> None:
    """Raise SettingsError where the only name given is more likely that of what to zoom into."""
    from dreamflow.media.formats import FORMATS
    from dreamflow.media.stills import is_picture

    film = out.suffix.lower() in FORMATS
    if is_picture(out) and not film:
        raise SettingsError(f"name the film, too: dreamflow zoom {quote(str(out))} zoom.mp4")
    if film and out.is_file() and not overwrite:
        raise SettingsError(
            f"{out} exists already: to zoom into a frame of it, name the film, too: `dreamflow "
            f"zoom {quote(str(out))} zoom.mp4 --at 2s`; to zoom out of noise, give a new name, or "
            "--overwrite"
        )
