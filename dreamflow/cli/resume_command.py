"""The command that resumes an interrupted render, as a shell takes it."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def format_resume_command(job: Path, job_metadata: Mapping[str, Any]) -> str:
    """Return the command that resumes a job, on a line that can be pasted into a shell."""
    join_words = subprocess.list2cmdline if os.name == "nt" else shlex.join
    command = job_metadata.get("command", {})
    if not command.get("words"):
        line = join_words(["dreamflow", "jobs", "finish", str(job)])
        return f"it was not started by a command; to make an output of its frames:\n{line}"
    line, folder = join_words(command["words"]), Path(command["folder"])
    if folder != Path.cwd():
        line = f"cd {join_words([str(folder)])} && {line}"
    return f"to go on:\n{line}"
