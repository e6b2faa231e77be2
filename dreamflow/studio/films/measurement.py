"""What `dreamflow measure` says of a film, in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys

from dreamflow.core.errors import OutputError
from dreamflow.studio.films.queue_document import QueuedRender

MEASURE_NICENESS = 10
"""As the preview worker's: a render goes first."""
COLUMNS = "100"
"""Width of the text in characters."""


async def measure_film(render: QueuedRender) -> str:
    """Return what is measured of a finished film, as the command prints it.

    Raises:
        OutputError: It cannot be measured; the command's line says why.
    """
    words = [sys.executable, "-m", "dreamflow", "measure", "--", render.source, render.out]
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"COLUMNS": COLUMNS, "NO_COLOR": "1"},
    )
    if hasattr(os, "setpriority"):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, MEASURE_NICENESS)
    try:
        output, errors = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        raise
    if process.returncode:
        lines = errors.decode("utf-8", "replace").strip().splitlines()
        raise OutputError((lines or ["it ended without a word"])[-1].removeprefix("error: "))
    return output.decode("utf-8", "replace").strip()
