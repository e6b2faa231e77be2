"""`dreamflow` and `python -m dreamflow` start here."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from dreamflow.core.machine.joined_memory import restart_with_joined_memory

SIGINT_EXIT_CODE = 130
LONG_COMMANDS = frozenset({"batch", "sweep", "video", "zoom"})
"""Commands for which it is worth the time to start with joined memory."""


def main() -> None:
    """Run the command line; Ctrl-C while it is loaded ends the process at once."""
    if LONG_COMMANDS.intersection(sys.argv[1:2]):
        restart_with_joined_memory()
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # a shell may have set it to be ignored
        signal.signal(signal.SIGINT, _stop_at_once)
    from dreamflow.cli.entry_point import main as run_command_line

    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, before)
    run_command_line()


def _stop_at_once(number: int, frame: FrameType | None) -> None:
    """End the process: nothing has been made, and half-loaded modules cannot end it cleanly."""
    os.write(2, b"stopped\n")
    os._exit(SIGINT_EXIT_CODE)


if __name__ == "__main__":
    main()
