"""`dreamflow` and `python -m dreamflow` start here."""

from __future__ import annotations

import os
import signal
from types import FrameType

SIGINT_EXIT_CODE = 130


def main() -> None:
    """Run the command line; Ctrl-C while it is loaded ends the process at once."""
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
