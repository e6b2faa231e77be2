"""How a command shows its progress."""

from __future__ import annotations

import os
from dataclasses import dataclass

from dreamflow.cli.output.report import reports_json
from dreamflow.cli.output.terminal import stderr_console
from dreamflow.core.errors import SettingsError
from dreamflow.core.options.declaration import Options, option

PROGRESS_KINDS = ("auto", "bar", "lines", "json", "none")
PROGRESS_VARIABLE = "DREAMFLOW_PROGRESS"
"""Environment variable with the kind that `auto` stands for."""


@dataclass(frozen=True)
class ProgressOptions(Options):
    """How progress is shown on stderr; it changes nothing of the output."""

    progress: str = option(
        "auto",
        "How progress is shown: bar, lines, json (a JSON object a line), none, or auto: a bar on a "
        "terminal, else lines.",
        choices=PROGRESS_KINDS,
        saved=False,
    )

    @property
    def kind(self) -> str:
        """The kind that is shown here: one of `PROGRESS_KINDS`, but not `auto`.

        Raises:
            SettingsError: The environment variable holds something else.
        """
        kind = self.progress
        if kind == "auto":
            kind = os.environ.get(PROGRESS_VARIABLE) or "auto"
        if kind not in PROGRESS_KINDS:
            allowed = ", ".join(PROGRESS_KINDS)
            raise SettingsError(
                f"${PROGRESS_VARIABLE} {kind!r} is unknown; choose {allowed}",
                setting="progress",
                value=kind,
                allowed=allowed,
            )
        if kind == "auto" and reports_json():
            kind = "json"
        if kind == "auto":
            kind = "bar" if stderr_console().is_terminal else "lines"
        return kind
