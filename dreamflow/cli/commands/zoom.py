"""`dreamflow zoom`: an endless zoom into a dream."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from dreamflow.cli.output.terminal import print_line
from dreamflow.cli.progress.options import ProgressOptions
from dreamflow.cli.registry import Command, Section
from dreamflow.cli.settings.binding import with_options
from dreamflow.cli.settings.prepare import (
    RenderFlags,
    check_layers,
    check_render_files,
    format_render_summary,
    kept_analysis_folder,
    list_input_paths,
    prepare_network,
    track_render,
)
from dreamflow.cli.settings.shared_options import (
    AtOption,
    DebugOption,
    FreshOption,
    LikeAllOption,
    LikeOption,
    NoShardsOption,
    NoWorkersOption,
    OverwriteOption,
    PresetOption,
    RepairOption,
    WatchOption,
)
from dreamflow.core.errors import SettingsError, named
from dreamflow.core.machine.options import MachineOptions
from dreamflow.dream.options import DreamOptions
from dreamflow.media.options import EncodeOptions, FilmOptions
from dreamflow.media.sound.options import SoundOptions
from dreamflow.pipelines.settings.options import ZoomOptions
from dreamflow.reports.options import GuideOptions

if TYPE_CHECKING:
    from dreamflow.media.sound.hearing import Hearing


@with_options
def zoom_command(
    image: Annotated[
        Path | None,
        typer.Argument(
            help="What to zoom into: a picture, or a frame of a clip; without it, noise.",
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
    film: FilmOptions,
    preset: PresetOption = None,
    like: LikeOption = None,
    like_all: LikeAllOption = None,
    dream: DreamOptions,
    zoom: ZoomOptions,
    sound: SoundOptions,
    encode: EncodeOptions,
    machine: MachineOptions,
    reporting: ProgressOptions,
    overwrite: OverwriteOption = False,
    fresh: FreshOption = False,
    repair: RepairOption = False,
    watch: WatchOption = None,
    shards: NoShardsOption = None,
    workers: NoWorkersOption = None,
    debug: DebugOption = False,
) -> None:
    """Zoom into a picture, a frame or noise, and dream on what comes nearer.

    Speed, rotation, drift and growth are per second: every frame rate shows the same zoom.
    Settings marked * may change over time: --speed "smooth, 0: 1, 3s: 1.5". With --reverse, times
    count from the end of the film. --iterations and --step say how strong the dream becomes.
    """
    source, out = (image, out) if out else (None, image)
    if out is None:
        raise SettingsError("name the film: dreamflow zoom OUT, or dreamflow zoom IMAGE OUT")
    refuse_shards(shards, workers)
    inputs = list_input_paths([], dream, sound, machine, preset=preset)
    flags = RenderFlags(
        overwrite, fresh, watch, progress_kind=reporting.kind, repair=repair, inputs=inputs
    )
    from dreamflow.pipelines.zoom.hearing import fit_zoom_to_audio

    zoom = fit_zoom_to_audio(zoom, sound)
    hearing = check_zoom(source, out, dream, zoom, sound, encode, machine, flags)
    # These load PyTorch, which takes seconds: the checks above come first.
    from dreamflow.jobs.renders.render_zoom import render_zoom
    from dreamflow.pipelines.zoom.pipeline import count_zoom_frames, make_zoom_timeline
    from dreamflow.pipelines.zoom.start_picture import (
        ZoomSettings,
        make_zoom_output_spec,
        make_zoom_start_picture,
    )

    settings = ZoomSettings(dream, zoom, encode, film, sound)
    picture = make_zoom_start_picture(source, settings, at)
    output_spec = make_zoom_output_spec(settings, picture, *([source] if source else []))
    check_render_files(out, flags, output_spec.sources)
    network = prepare_network(dream.network, restore_zoom_machine(out, machine, fresh))
    started_s = time.monotonic()
    height, width = picture.shape[:2]
    timeline = make_zoom_timeline(zoom, hearing and hearing.signals)
    total = count_zoom_frames(zoom, timeline, height, width, dream.seed)
    total += output_spec.frames if zoom.reverse else 0
    with track_render(out, total, flags) as controls:
        result = render_zoom(source, picture, out, network, settings, controls, at, hearing)
    summary = format_render_summary(result, output_spec, time.monotonic() - started_s)
    print_line(f"{out}: {summary}")


ZOOM = Command(
    "zoom",
    zoom_command,
    Section.RENDER,
    3,
    "dreamflow zoom meadow.jpg zoom.mp4 --seconds 20 --rotation 4 "
    "--layers conv2/norm2,inception_3b/5x5_reduce,inception_4c/output",
)


def refuse_shards(shards: str | None, workers: str | None) -> None:
    """Raise SettingsError where a zoom is to be spread over workers: each frame needs the last."""
    for setting, value in (("shards", shards), ("workers", workers)):
        if value not in (None, "none", "1"):
            raise SettingsError(
                f"{named(setting)} {value}: a zoom cannot be cut, since each of its frames is "
                "dreamed on the one before; several zooms can be rendered at the same time",
                setting=setting,
                value=value,
            )


def check_zoom(
    source: Path | None,
    out: Path,
    dream: DreamOptions,
    zoom: ZoomOptions,
    sound: SoundOptions,
    encode: EncodeOptions,
    machine: MachineOptions,
    flags: RenderFlags,
) -> Hearing | None:
    """Check what can be checked before the picture is read, and return what its schedules hear."""
    from dreamflow.jobs.storage.folder import is_job_folder, job_folder_path

    if source is None:
        resumes = not flags.fresh and is_job_folder(job_folder_path(out))
        check_lone_path_is_output(out, flags.overwrite or resumes)
    from dreamflow.media.write.containers import check_encode_options
    from dreamflow.pipelines.zoom.hearing import hear_zoom
    from dreamflow.pipelines.zoom.pipeline import (
        make_zoom_timeline,
        parse_zoom_layers,
        schedule_zoom_layers,
    )
    from dreamflow.pipelines.zoom.start_picture import warn_of_idle_settings

    for blend in parse_zoom_layers(zoom) or [None]:
        layers = tuple(name.strip() for name in blend.split("+")) if blend else dream.layer
        check_layers(replace(dream, layer=layers), machine)
    dream = schedule_zoom_layers(zoom, dream)
    hearing = hear_zoom(dream, zoom, sound, kept_analysis_folder(out, flags))
    timeline = make_zoom_timeline(zoom, hearing and hearing.signals)
    for group in (dream, zoom):
        group.check_schedules(timeline, warn=False)
    check_encode_options(out, encode)
    warn_of_idle_settings(out, encode)
    return hearing


def restore_zoom_machine(out: Path, machine: MachineOptions, fresh: bool) -> MachineOptions:
    """Return the machine's options, those that are not given as in the zoom that is resumed."""
    from dreamflow.jobs.renders.render_zoom import forward_frames_folder
    from dreamflow.jobs.resume.begun_job import restore_machine_options

    if fresh:
        return machine
    # A zoom with --reverse dreams its frames forwards first, as a job of its own.
    machine = restore_machine_options(forward_frames_folder(out), machine)
    return restore_machine_options(out, machine)


def check_lone_path_is_output(out: Path, overwrite: bool) -> None:
    """Raise SettingsError where the only path given is more likely what is to be zoomed into."""
    from dreamflow.media.stills.read import is_picture
    from dreamflow.media.write.containers import CONTAINER_FORMAT_BY_SUFFIX

    is_film = out.suffix.lower() in CONTAINER_FORMAT_BY_SUFFIX
    if is_picture(out) and not is_film:
        raise SettingsError(f"name the film, too: dreamflow zoom {quote(str(out))} zoom.mp4")
    if is_film and out.is_file() and not overwrite:
        raise SettingsError(
            f"{out} exists already: to zoom into a frame of it, name the film, too: `dreamflow "
            f"zoom {quote(str(out))} zoom.mp4 --at 2s`; to zoom into noise, give a new name, or "
            f"{named('overwrite')}"
        )
