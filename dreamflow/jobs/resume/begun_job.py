"""What a job that was begun before says of how it goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dreamflow.core.machine.options import MachineOptions
from dreamflow.jobs.controls import RenderControls
from dreamflow.jobs.resume.changes import LEGACY_MACHINE_DEFAULTS
from dreamflow.jobs.storage.folder import job_folder_path
from dreamflow.jobs.storage.job_file import read_job_file


def restore_machine_options(out: Path, machine: MachineOptions) -> MachineOptions:
    """Return where to work: as the output's job did, if it has one, but for what is given.

    Args:
        out: The output.
        machine: The options given; those at their defaults are taken from the job.
    """
    metadata = read_job_file(job_folder_path(out))
    if metadata is None:
        return machine
    begun = LEGACY_MACHINE_DEFAULTS | metadata.get("machine", {})
    return replace(
        machine,
        device=begun.get("device", "auto") if machine.device == "auto" else machine.device,
        threads=machine.threads or begun.get("threads", 0),
        memory=machine.memory or begun.get("memory", 0),
        precision=begun["precision"] if machine.precision == "auto" else machine.precision,
    )


def find_kept_folder(out: Path, controls: RenderControls) -> Path | None:
    """Return the job's folder that may keep what was computed before; None where it starts over."""
    return None if controls.fresh else job_folder_path(out)
