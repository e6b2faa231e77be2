"""`dreamflow frame`: preview one frame, or several layers side by side."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamflow.cli.output.terminal import print_line, print_note, word_flags
from dreamflow.cli.progress.bars import progress_bar
from dreamflow.cli.progress.options import ProgressOptions
from dreamflow.cli.registry import Command, Section
from dreamflow.cli.settings.binding import with_options
from dreamflow.cli.settings.inherited import is_given
from dreamflow.cli.settings.prepare import (
    RenderFlags,
    check_gains_and_trace,
    check_layers,
    list_input_paths,
    prepare_networks,
    stop_on_ctrl_c,
)
from dreamflow.cli.settings.shared_options import (
    FRAMES_PANEL,
    AtOption,
    DebugOption,
    GainsOption,
    LikeAllOption,
    LikeOption,
    OverwriteOption,
    PresetsOption,
    RunInOption,
    TraceOption,
)
from dreamflow.core.errors import IneffectiveSettingWarning, SettingsError, named
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.options.declaration import option_fields
from dreamflow.dream.options import DreamOptions
from dreamflow.media.options import FilmOptions, PictureFileOptions
from dreamflow.media.sound.options import SoundOptions
from dreamflow.pipelines.settings.looks import Look, build_preset_looks
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.reports.options import GuideOptions
from dreamflow.temporal.options import CarryOptions

if TYPE_CHECKING:
    from dreamflow.core.frames import Frame
    from dreamflow.core.options.declaration import Options
    from dreamflow.media.read.mattes.matte import Matte
    from dreamflow.networks.network import Network
    from dreamflow.pipelines.inputs import InputFiles
    from dreamflow.reports.preview import PreviewFrames


@functools.partial(with_options, without=("audio_out",))
def frame_command(
    source: Annotated[
        Path, typer.Argument(help="A clip, or a picture.", metavar="SOURCE", show_default=False)
    ],
    out: Annotated[
        Path,
        typer.Argument(
            help="The picture: .png, .jpg, .webp, .tif or .exr.", metavar="OUT", show_default=False
        ),
    ],
    *,
    ctx: typer.Context = None,  # type: ignore[assignment]  # `batch` has none
    at: AtOption = GuideOptions.at,
    run_in: RunInOption = 0,
    size: Annotated[
        str | None,
        typer.Option(
            help="Fit into WIDTHxHEIGHT (or make the longer side N); keeps the aspect.",
            metavar="SIZE",
            rich_help_panel=FRAMES_PANEL,
        ),
    ] = None,
    film: FilmOptions,
    encode: PictureFileOptions,
    preset: PresetsOption = None,
    like: LikeOption = None,
    like_all: LikeAllOption = None,
    dream: DreamOptions,
    carry: CarryOptions,
    gains: GainsOption = None,
    show: ShowOptions,
    sound: SoundOptions,
    machine: MachineOptions,
    reporting: ProgressOptions,
    overwrite: OverwriteOption = False,
    trace: TraceOption = None,
    debug: DebugOption = False,
) -> None:
    """Preview one frame of a clip, or dream a picture.

    Several --preset NAME, or --preset all, draw a labelled contact sheet, one picture each; so do
    several --layer NAME. With weights, as --layer NAME=WEIGHT, layers are blended into one dream.

    Schedules (`dreamflow video --help`) are those of the whole clip, at the time of the frame.
    """
    looks = collect_looks(ctx, preset or (), Look("", dream, carry, show))
    preset_files = [Path(name) for name in preset or () if Path(name).exists()]
    inputs = [gains, *preset_files]
    for look in looks:
        inputs += list_input_paths([], *look.groups, sound, machine)
    flags = RenderFlags(overwrite, gains=gains, trace=trace, inputs=[*filter(None, inputs)])
    check_frame(source, out, looks, machine, flags)
    from dreamflow.media.depth.write import DeepOutput
    from dreamflow.media.read.clip import Clip
    from dreamflow.media.read.single_frame import open_frames_up_to
    from dreamflow.media.stills.write import ALPHA_PICTURE_SUFFIXES
    from dreamflow.media.write.output_path import check_output
    from dreamflow.pipelines.hearing import hear_clip, warn_of_unheard
    from dreamflow.reports.look_sheet import open_look_mattes
    from dreamflow.reports.preview import (
        add_source_alpha,
        collect_preview_inputs,
        describe_film_difference,
    )

    keeps_alpha = out.suffix.lower() in ALPHA_PICTURE_SUFFIXES and not is_sheet(looks)
    clip = film.clip_options(size)
    deep_output = None if is_sheet(looks) else DeepOutput.of(out, encode)
    frames = open_frames_up_to(source, at, run_in, clip, not keeps_alpha, deep_output)
    if isinstance(frames, Clip):
        groups_of_looks = [group for look in looks for group in look.groups]
        warn_of_unheard(sound, groups_of_looks)
        frames = hear_clip(frames, sound, groups_of_looks)
    mattes = open_look_mattes(looks, frames, source, film.exr_layer)
    matte_files = [path for matte in mattes if matte for path in matte.source_paths]
    check_output(out, overwrite, [*flags.inputs, *matte_files])
    if len(looks) == 1 and (difference := describe_film_difference(frames, dream, carry)):
        print_note(word_flags(difference))
    dreamed, network = dream_looks(out, frames, looks, mattes, machine, reporting, flags)
    with stop_on_ctrl_c():
        if keeps_alpha and dreamed.original is None:
            picture = add_source_alpha(dreamed.picture, source, film.exr_layer)
            dreamed = replace(dreamed, picture=picture)
        inputs_of_looks = [
            collect_preview_inputs(source, look.dream, matte)
            for look, matte in zip(looks, mattes, strict=True)
        ]
        if isinstance(frames, Clip) and frames.hearing:
            inputs_of_looks.append(dict(frames.hearing.files))
        files = merge_inputs(inputs_of_looks)
        groups = (dream, carry, show, clip, sound, encode)
        about = {} if isinstance(frames, tuple) else {"at": at}
        about |= {"presets": [look.name for look in looks]} if len(looks) > 1 else {}
        write_frame(out, dreamed, source, network, groups, files, about)
    height, width = dreamed.picture.shape[:2]
    print_line(f"{out}: {width}x{height}")


FRAME = Command(
    "frame",
    frame_command,
    Section.PREVIEW,
    1,
    "dreamflow frame clip.mp4 look.png --at 40% --layer inception_3b/3x3 "
    "--layer inception_4c/output",
)


def collect_looks(ctx: typer.Context | None, presets: Sequence[str], base: Look) -> list[Look]:
    """Return the looks to dream: one for each of several presets, else what the options say.

    Args:
        ctx: The context of the command; None where another command runs it.
        presets: Names of presets; a single one is in the options already.
        base: What the options say. What stands on the command line overrides the presets.
    """
    if ctx is None or len(presets) < 2:
        return [base]
    names = (setting.name for group in base.groups for setting in option_fields(type(group)))
    given = {name for name in names if is_given(ctx, name)}
    return build_preset_looks(presets, base, given)


def is_sheet(looks: Sequence[Look]) -> bool:
    """Return whether looks give a contact sheet: several of them, or one with several layers."""
    from dreamflow.reports.preview import wants_contact_sheet

    return len(looks) > 1 or wants_contact_sheet(looks[0].dream)


def dream_looks(
    out: Path,
    frames: PreviewFrames,
    looks: Sequence[Look],
    mattes: Sequence[Matte | None],
    machine: MachineOptions,
    reporting: ProgressOptions,
    flags: RenderFlags,
) -> tuple[Frame, Network]:
    """Dream a frame with each look, and return it, or the sheet, and the first look's network.

    Args:
        out: The picture, which the progress bar names.
        frames: The frame, after those that lead up to it.
        looks: The looks.
        mattes: The matte of each.
        machine: What to dream on.
        reporting: How progress is shown.
        flags: The options of the command that are no settings.
    """
    from dreamflow.core.frames import Frame
    from dreamflow.reports.look_sheet import estimate_sheet_steps, render_looks
    from dreamflow.reports.preview import render_preview

    networks = prepare_networks([look.dream.network for look in looks], machine)
    first = looks[0]
    network = networks[first.dream.network]
    total = estimate_sheet_steps(frames, looks)
    with (
        stop_on_ctrl_c(),
        progress_bar(f"dreaming {out.name}", total, "step", kind=reporting.kind) as progress,
    ):
        if len(looks) > 1:
            sheet = render_looks(
                *(frames, looks, networks, mattes, progress, print_note), gains_path=flags.gains
            )
            return Frame(0, Fraction(0), sheet), network
        dreamed = render_preview(
            *(frames, network, first.dream, first.carry, progress, first.show, mattes[0]),
            notify=print_note,
            gains_path=flags.gains,
            trace_path=flags.trace,
        )
        return dreamed, network


def merge_inputs(inputs: Iterable[InputFiles]) -> InputFiles:
    """Return the files of several dreams, each once, by the name of the input."""
    merged: dict[str, list[Path]] = {}
    for files in inputs:
        for name, paths in files.items():
            known = merged.setdefault(name, [])
            known += [path for path in paths if path not in known]
    return merged


def check_frame(
    source: Path, out: Path, looks: Sequence[Look], machine: MachineOptions, flags: RenderFlags
) -> None:
    """Check what can be checked before the source is opened."""
    from dreamflow.media.depth.write import EXR_SUFFIX
    from dreamflow.media.stills.read import is_still
    from dreamflow.media.stills.write import WRITABLE_PICTURE_SUFFIXES
    from dreamflow.media.write.output_path import check_output

    shown = "a contact sheet" if is_sheet(looks) else "a frame"
    suffixes = (*WRITABLE_PICTURE_SUFFIXES, *(() if is_sheet(looks) else (EXR_SUFFIX,)))
    if out.suffix.lower() not in suffixes:
        allowed = ", ".join(suffixes)
        raise SettingsError(f"{out}: {shown} is written as {allowed}", value=out, allowed=allowed)
    if flags.trace and len(looks) > 1:
        raise SettingsError(
            f"{named('trace')} is of one dream: give one {named('preset')}",
            setting="trace",
            value=flags.trace,
        )
    inputs = [source, *flags.inputs]
    check_output(out, flags.overwrite, inputs)
    check_gains_and_trace(flags, inputs, [out])
    given = [named(name) for name in ("gains", "trace") if getattr(flags, name)]
    if given and is_still(source):
        do = "does" if len(given) == 1 else "do"
        warnings.warn(
            f"{source.name} is a picture: {' and '.join(given)} {do} nothing for it",
            IneffectiveSettingWarning,
            2,
        )
    for look in looks:
        check_layers(look.dream, machine)


def write_frame(
    out: Path,
    dreamed: Frame,
    source: Path,
    network: Network,
    groups: Sequence[Options],
    inputs: InputFiles,
    about: Mapping[str, Any],
) -> None:
    """Write a dreamed picture, with the settings that it was made with in it and beside it.

    Args:
        out: The file.
        dreamed: The frame; its picture may be (H, W, 4) RGBA where it has no original.
        source: The clip or picture that was dreamed.
        network: The network that dreamed.
        groups: The settings.
        inputs: The files that the picture depends on.
        about: What its record says besides: the frame of a clip, the presets of a sheet.
    """
    from dreamflow.jobs.resume.fingerprints import INPUTS_KEY, fingerprint_inputs, hash_fingerprints
    from dreamflow.media.depth.original import PictureOriginal
    from dreamflow.media.depth.write import write_deep_picture
    from dreamflow.media.records.embedded_settings import add_sidecar, format_record_comment
    from dreamflow.media.stills.write import write_picture
    from dreamflow.pipelines.settings.paths import publish_record
    from dreamflow.pipelines.settings.record import build_settings_record

    record = build_settings_record("frame", source, network, *groups)
    record |= about
    record[INPUTS_KEY] = hash_fingerprints(fingerprint_inputs(inputs))
    record = publish_record(record, out)
    comment = format_record_comment(record)
    if isinstance(dreamed.original, PictureOriginal):
        options = next(group for group in groups if isinstance(group, PictureFileOptions))
        write_deep_picture(out, dreamed.original, comment, options)
    else:
        write_picture(out, dreamed.picture, comment)
    add_sidecar(out, record)
