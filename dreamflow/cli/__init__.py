"""The command line. Only this package knows typer, and nothing below it knows a terminal."""

from __future__ import annotations

import sys
import warnings
from typing import Any

from dreamflow.cli import (
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
    reference,
    shots,
    sweep,
    terminal,
    video,
    zoom,
)
from dreamflow.cli.app import app
from dreamflow.errors import DreamFlowError, DreamFlowWarning, Stopped, nearest

__all__ = ["app", "main"]

app.command("video", epilog=video.EXAMPLE)(video.video)
app.command("sweep", epilog=sweep.EXAMPLE)(sweep.sweep)
app.command("zoom", epilog=zoom.EXAMPLE)(zoom.zoom)
app.command("batch", epilog=batch.EXAMPLE)(batch.batch)
app.add_typer(jobs.jobs_app, name="jobs")
app.command("frame", epilog=frame.EXAMPLE)(frame.frame)
app.command("guide", epilog=guide.EXAMPLE)(guide.guide)
app.command("channels", epilog=channels.EXAMPLE)(channels.channels)
app.command("shots", epilog=shots.EXAMPLE)(shots.shots)
app.command("measure", epilog=measure.EXAMPLE)(measure.measure)
app.command("layers", epilog=listing.LAYERS_EXAMPLE)(listing.layers)
app.command("classes", epilog=listing.CLASSES_EXAMPLE)(listing.classes)
app.command("options", epilog=reference.EXAMPLE)(reference.show_options)
app.add_typer(listing.presets_app, name="presets")
app.add_typer(models.models_app, name="models")
app.command("distill", epilog=distill.EXAMPLE)(distill.distill)
app.command("bench", epilog=bench.EXAMPLE)(bench.bench)
app.command("doctor")(listing.doctor)

INTERRUPTED = 130


def main() -> None:
    """Run the command line; every error the user can mend is one line and a non-zero exit."""
    debug = "--debug" in sys.argv
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", DreamFlowWarning)
            warnings.showwarning = terminal.show_warning
            code = app(standalone_mode=False)
        if code == INTERRUPTED:  # typer has caught the Ctrl-C before the work began
            terminal.note("stopped")
    except (DreamFlowError, KeyboardInterrupt) as error:
        if debug:
            raise
        stopped = isinstance(error, (Stopped, KeyboardInterrupt))
        tell = terminal.note if stopped else terminal.error
        tell(terminal.with_notes(error, "stopped" if stopped else ""))
        code = INTERRUPTED if stopped else 1
    except Exception as error:
        # Typer's own errors (a missing argument, an unknown option) know how to say themselves.
        say = getattr(error, "format_message", None)
        if debug or (say is None and not isinstance(error, MemoryError)):
            raise_or_report(error, debug)
            code = 1
        else:
            message = say() if say else "not enough memory; give a smaller --size"
            if getattr(error, "option_name", None) and hasattr(error, "possibilities"):
                message = unknown_option(error)
            if message:  # none where a group without a command has just shown its help
                terminal.error(with_usage_hint(" ".join(message.split()).rstrip("."), error))
            code = getattr(error, "exit_code", 1)
    sys.exit(code if isinstance(code, int) else 0)


def unknown_option(error: Any) -> str:
    """Return that there is no such option, and which ones may have been meant, the likest first."""
    parameters = error.ctx.command.params if error.ctx else []
    known = [flag for one in parameters for flag in (*one.opts, *one.secondary_opts)]
    return error.message + nearest(error.option_name, [flag for flag in known if flag[:2] == "--"])


def with_usage_hint(message: str, error: Exception) -> str:
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
    terminal.error(terminal.fault(error))
