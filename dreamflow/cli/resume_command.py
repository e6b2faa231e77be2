"""The command that resumes an interrupted render, as a shell takes it."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dreamflow.core.text.path_text import path_from_text

RENDER_COMMANDS = ("video", "sweep", "zoom", "batch")
"""The commands that begin jobs."""


def is_render_command(words: Sequence[str]) -> bool:
    """Return whether the words in a job are one of DreamFlow's commands that render.

    A job may come from anyone: nothing else is shown to be pasted into a shell.
    """
    return (
        len(words) > 1
        and words[0] == "dreamflow"
        and words[1] in RENDER_COMMANDS
        and all(word.isprintable() for word in words)
    )


def format_resume_command(job: Path, job_metadata: Mapping[str, Any]) -> str:
    """Return the command that resumes a job, on a line that can be pasted into a shell."""
    join_words = subprocess.list2cmdline if os.name == "nt" else shlex.join
    command: dict[str, Any] = job_metadata.get("command") or {}
    words: list[str] = command.get("words", [])
    if not is_render_command(words):
        line = join_words(["dreamflow", "jobs", "finish", str(job)])
        return f"it was not started by a command; to make an output of its frames:\n{line}"
    line, folder = join_words(words), path_from_text(command["folder"])
    if folder != Path.cwd():
        line = f"cd {join_words([str(folder)])} && {line}"
    return f"to go on:\n{line}"
