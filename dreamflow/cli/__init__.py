"""The command line. Only this package knows typer, and nothing below it knows a terminal."""

from __future__ import annotations

import sys
import warnings
from typing import Any

from dreamflow.cli import terminal
from dreamflow.cli.app import app
from dreamflow.cli.commands import (
    batch,
    bench,
    channels,
    distill,
    frame,
    guide,
    jobs,
    listing,
    measure,
    models,
    shots,
    sweep,
    video,
    zoom,
)
from dreamflow.cli.commands import (
    options_table as reference,
)
from dreamflow.core.errors import DreamFlowError, DreamFlowWarning, UserInterrupt, suggest_similar

__all__ = ["app", "main"]

app.command("video", epilog=video.VIDEO_EXAMPLE)(video.video_command)
app.command("sweep", epilog=sweep.SWEEP_EXAMPLE)(sweep.sweep_command)
app.command("zoom", epilog=zoom.ZOOM_EXAMPLE)(zoom.zoom_command)
app.command("batch", epilog=batch.BATCH_EXAMPLE)(batch.batch_command)
app.add_typer(jobs.jobs_app, name="jobs")
app.command("frame", epilog=frame.FRAME_EXAMPLE)(frame.frame_command)
app.command("guide", epilog=guide.GUIDE_EXAMPLE)(guide.guide_command)
app.command("channels", epilog=channels.CHANNELS_EXAMPLE)(channels.channels_command)
app.command("shots", epilog=shots.SHOTS_EXAMPLE)(shots.shots_command)
app.command("measure", epilog=measure.MEASURE_EXAMPLE)(measure.measure_command)
app.command("layers", epilog=listing.LAYERS_EXAMPLE)(listing.layers_command)
app.command("classes", epilog=listing.CLASSES_EXAMPLE)(listing.classes_command)
app.command("options", epilog=reference.OPTIONS_EXAMPLE)(reference.show_options)
app.add_typer(listing.presets_app, name="presets")
app.add_typer(models.models_app, name="models")
app.command("distill", epilog=distill.DISTILL_EXAMPLE)(distill.distill_command)
app.command("bench", epilog=bench.BENCH_EXAMPLE)(bench.bench_command)
app.command("doctor")(listing.doctor_command)

SIGINT_EXIT_CODE = 130


def main() -> None:
    """Run the command line; every error the user can mend is one line and a non-zero exit."""
    debug = "--debug" in sys.argv
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", DreamFlowWarning)
            warnings.showwarning = terminal.show_warning
            code = app(standalone_mode=False)
        if code == SIGINT_EXIT_CODE:  # typer has caught the Ctrl-C before the work began
            terminal.print_note("stopped")
    except (DreamFlowError, KeyboardInterrupt) as error:
        if debug:
            raise
        stopped = isinstance(error, (UserInterrupt, KeyboardInterrupt))
        tell = terminal.print_note if stopped else terminal.print_error
        tell(terminal.format_error(error, "stopped" if stopped else ""))
        code = SIGINT_EXIT_CODE if stopped else 1
    except Exception as error:
        # Typer's own errors (a missing argument, an unknown option) know how to say themselves.
        say = getattr(error, "format_message", None)
        if debug or (say is None and not isinstance(error, MemoryError)):
            raise_or_report(error, debug)
            code = 1
        else:
            message = say() if say else "not enough memory; give a smaller --size"
            if getattr(error, "option_name", None) and hasattr(error, "possibilities"):
                message = format_unknown_option(error)
            if message:  # none where a group without a command has just shown its help
                terminal.print_error(add_usage_hint(" ".join(message.split()).rstrip("."), error))
            code = getattr(error, "exit_code", 1)
    sys.exit(code if isinstance(code, int) else 0)


def format_unknown_option(error: Any) -> str:
    """Return that there is no such option, and which ones may have been meant, the likest first."""
    parameters = error.ctx.command.params if error.ctx else []
    known = [flag for one in parameters for flag in (*one.opts, *one.secondary_opts)]
    return error.message + suggest_similar(
        error.option_name, [flag for flag in known if flag[:2] == "--"]
    )


def add_usage_hint(message: str, error: Exception) -> str:
    """Return a usage error's message, and where to read on: the help of the command meant."""
    context = getattr(error, "ctx", None)
    if context is None:
        return message
    see = " See" if message.endswith("?") else "; see"
    return f"{message}{see} `{context.command_path} --help`"


def raise_or_report(error: Exception, debug: bool) -> None:
    """Show a fault of ours: all of it with --debug, else one line that says how to get it."""
    if debug:
        raise error
    terminal.print_error(terminal.format_internal_error(error))
