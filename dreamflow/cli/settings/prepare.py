"""What commands check and set up before the work begins, and the line that they end with."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dreamflow.cli.output.report import reports_json, write_report
from dreamflow.cli.output.terminal import print_note
from dreamflow.cli.progress.bars import progress_bar
from dreamflow.core.errors import OutputError, SettingsError, UserInterrupt, named
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.options.declaration import Options
from dreamflow.core.targets import CLASS_LAYER
from dreamflow.core.text.wording import format_count
from dreamflow.dream.options import DreamOptions

if TYPE_CHECKING:
    from dreamflow.core.machine.machine import Machine
    from dreamflow.jobs.controls import RenderControls, RenderResult
    from dreamflow.media.output_spec import OutputSpec
    from dreamflow.networks.network import Network

TRACE_SUFFIX = ".jsonl"


@dataclass(frozen=True)
class RenderFlags:
    """The options of a render that are not settings.

    Attributes:
        overwrite: Replace an output that exists.
        fresh: Start over where a render was interrupted.
        repair: Dream damaged pieces of an interrupted render again.
        watch: A picture file that holds the latest frame.
        plate: The file of the residual plate.
        gains: A TOML file with constants of the controller.
        trace: A JSONL file for what the controller measured and did in each frame.
        progress_kind: How progress is shown; see `ProgressOptions.kind`.
        inputs: Files besides the sources that the command reads, such as a preset.
        allow_playlist: Whether the sources of a queue may be HLS playlists.
    """

    overwrite: bool = False
    fresh: bool = False
    watch: Path | None = None
    plate: Path | None = None
    gains: Path | None = None
    trace: Path | None = None
    progress_kind: str = "none"
    repair: bool = False
    inputs: Sequence[Path] = ()
    allow_playlist: bool = False


@contextmanager
def stop_on_ctrl_c() -> Generator[None]:
    """Turn Ctrl-C into a UserInterrupt with the same notes; typer would drop them."""
    try:
        yield
    except KeyboardInterrupt as error:
        stopped = UserInterrupt("stopped")
        for note in getattr(error, "__notes__", []):
            stopped.add_note(note)
        raise stopped from error


@contextmanager
def track_render(
    out: Path, total: int, flags: RenderFlags, steps: tuple[int, int] | None = None
) -> Generator[RenderControls]:
    """Show the progress of a render, and yield its controls.

    Args:
        out: The output.
        total: How many frames are dreamed.
        flags: The options of the render.
        steps: About how many steps the first frame takes, and each later one; the progress bar then
            moves within a frame. None for whole frames only.
    """
    from dreamflow.dream.progress import FrameProgress
    from dreamflow.jobs.controls import RenderControls

    title = f"dreaming {out.name}"
    with stop_on_ctrl_c(), progress_bar(title, total, kind=flags.progress_kind) as progress:
        frame_progress = FrameProgress(progress, *(steps or (1, 1)))
        yield RenderControls(
            frame_progress.finish_frames,
            print_note,
            watch_path=flags.watch,
            overwrite=flags.overwrite,
            fresh=flags.fresh,
            repair=flags.repair,
            plate_path=flags.plate,
            resume_command=read_command_line(),
            on_step=frame_progress.step if steps else None,
            gains_path=flags.gains,
            trace_path=flags.trace,
            on_saved=lambda done: report_saved(out, done),
        )


def report_saved(out: Path, frames: int) -> None:
    """Tell a program that drives this command how many frames of an output are safe."""
    if reports_json():
        write_report("saved", output=str(out), frames=frames)


def read_command_line() -> list[str]:
    """Return the words of this command line; given again, they resume the render."""
    # --fresh would start over, and --repair was for then. A word that the system's encoding cannot
    # hold is kept as "?".
    words = [word for word in sys.argv[1:] if word not in ("--fresh", "--repair")]
    return ["dreamflow", *(word.encode(errors="replace").decode() for word in words)]


INPUT_SETTINGS = ("weights", "matte", "cuts", "guided_by", "flow_dir", "audio")
"""Settings that may name a file or folder that a command reads."""


def list_input_paths(
    sources: Iterable[Path | None], *groups: Options, preset: str | None = None
) -> list[Path]:
    """Return the files and folders that a command reads, and must not write to.

    Args:
        sources: What it reads whatever its settings are; None is left out.
        *groups: Its settings.
        preset: The preset; one that is known by name is no file of the user's.
    """
    values = [getattr(group, name, None) for group in groups for name in INPUT_SETTINGS]
    series = [path for group in groups for path in getattr(group, "data_files", {}).values()]
    named_paths = [Path(value) for value in (*values, *series, preset) if value]
    return [*filter(None, sources), *(path for path in named_paths if path.exists())]


def kept_analysis_folder(out: Path, flags: RenderFlags) -> Path | None:
    """Return the job's folder that may keep the analysis of a sound; None where it starts over."""
    from dreamflow.jobs.storage.folder import job_folder_path

    return None if flags.fresh else job_folder_path(out)


def check_render_files(out: Path, flags: RenderFlags, sources: Sequence[Path]) -> None:
    """Refuse outputs that must not or cannot be written, and a gains file that cannot be read.

    Args:
        out: The output.
        flags: The options of the render.
        sources: The files that the render reads.

    Raises:
        OutputError: An output exists, has no folder, or is another file of the render.
        SettingsError: A file of another format than its option takes.
    """
    from dreamflow.jobs.output import check_output_and_plate
    from dreamflow.jobs.storage.folder import is_job_folder, job_folder_path
    from dreamflow.jobs.storage.publish import count_published_frames
    from dreamflow.jobs.watch import LatestFrameWriter
    from dreamflow.media.records.embedded_settings import sidecar_path

    sources = [*sources, *flags.inputs]
    check_output_and_plate(out, flags.overwrite, flags.fresh, sources, flags.plate)
    begun = is_job_folder(job_folder_path(out)) or count_published_frames(out) > 0
    outputs = [path for path in (out, sidecar_path(out), flags.plate) if path]
    also_watched = [*outputs, flags.watch] if flags.watch else outputs
    check_gains_and_trace(flags, sources, also_watched, resumes=begun and not flags.fresh)
    if flags.watch:
        LatestFrameWriter(flags.watch, [*outputs, *sources])


def check_gains_and_trace(
    flags: RenderFlags, sources: Sequence[Path], outputs: Sequence[Path], resumes: bool = False
) -> None:
    """Refuse a gains file that cannot be read, and a trace that must not or cannot be written.

    Args:
        flags: The options of the render.
        sources: The files that the render reads.
        outputs: The other files that it writes.
        resumes: Whether an interrupted render is resumed; then its trace exists and goes on.

    Raises:
        OutputError: The trace exists and is not empty, has no folder, or is another file of the
            render.
        SettingsError: The gains file is refused, or the trace is no `.jsonl` file.
    """
    if flags.gains is not None:
        check_gains_file(flags.gains)
    if flags.trace is None:
        return
    from dreamflow.media.write.output_path import check_output, find_same_file
    from dreamflow.temporal.trace import is_trace_file

    trace = f"{named('trace')} {flags.trace}"
    if flags.trace.suffix.lower() != TRACE_SUFFIX:
        raise SettingsError(
            f"{trace}: a trace is a {TRACE_SUFFIX} file; give it that suffix",
            setting="trace",
            value=flags.trace,
            allowed=TRACE_SUFFIX,
        )
    if find_same_file(flags.trace, outputs) is not None:
        raise OutputError(
            f"{trace}: this is another file of the render; give the trace a name of its own",
            setting="trace",
            value=flags.trace,
        )
    inputs = [*sources, *([flags.gains] if flags.gains else [])]
    try:
        # A render that is killed before its job is begun leaves an empty trace.
        is_empty = flags.trace.is_file() and not flags.trace.stat().st_size
        is_own = is_empty or (resumes and flags.trace.exists() and is_trace_file(flags.trace))
        check_output(flags.trace, flags.overwrite or is_own, inputs)
    except OutputError as error:
        raise error.located(named("trace"), " ") from None


def check_gains_file(path: Path) -> None:
    """Raise SettingsError where a file of gains cannot be read or holds what is no gain."""
    from dreamflow.temporal.control.gains_file import load_gains

    try:
        load_gains(path)
    except SettingsError as error:
        raise error.located(named("gains"), " ") from None


def check_layers(dream: DreamOptions, machine: MachineOptions) -> None:
    """Raise SettingsError for an unknown network or layer, before weights are loaded."""
    from dreamflow.networks.classes import check_network_has_target
    from dreamflow.networks.loading import network_layers
    from dreamflow.pipelines.settings.presets import note_presets

    known = network_layers(dream.network, machine.weights)
    for target, keyframe in dream.layers.first_keyframe_by_target.items():
        try:
            check_network_has_target(dream.network, known, target)
        except SettingsError as error:
            if target.layer != CLASS_LAYER:
                note_presets(error, target.layer)
            if dream.layers.is_constant:
                raise
            raise error.located(f"{named('layer')}, {keyframe}") from None


def prepare_network(name: str, machine: MachineOptions) -> Network:
    """Set up threads and memory as the machine's options say, and load a network."""
    from dreamflow.networks.loading import load_network

    return load_network(name, machine.weights, machine=apply_machine_options(machine))


def prepare_networks(names: Iterable[str], machine: MachineOptions) -> dict[str, Network]:
    """Set up threads and memory as the machine's options say, and load networks, by name."""
    from dreamflow.networks.loading import load_network

    prepared = apply_machine_options(machine)
    return {
        name: load_network(name, machine.weights, machine=prepared) for name in dict.fromkeys(names)
    }


def apply_machine_options(options: MachineOptions) -> Machine:
    """Set up threads and memory of this process, and return the machine that networks load on."""
    from dreamflow.core.machine.machine import Machine

    return Machine.from_options(options)


def format_duration_and_size(frames: int, output_spec: OutputSpec) -> str:
    """Return how long and how large a film of some frames is: `4.00 s of 640x360`."""
    seconds = float(output_spec.duration_of(frames))
    return f"{seconds:.2f} s of {output_spec.width}x{output_spec.height}"


def format_render_summary(result: RenderResult, output_spec: OutputSpec, elapsed_s: float) -> str:
    """Return the last line of a render: how many frames, how large, and how long it took."""
    frames, dreamed = result.frames, result.dreamed_frames
    count, size = format_count(frames, "frame"), format_duration_and_size(frames, output_spec)
    if not dreamed:
        return f"{count}, {size}, dreamed before"
    how = "dreamed" if dreamed >= frames else f"{dreamed} of them dreamed now"
    took = f"{elapsed_s:.1f}" if elapsed_s < 10 else f"{elapsed_s:.0f}"
    return f"{count}, {size}, {how} in {took} s ({elapsed_s / dreamed:.2f} s a frame)"
