"""What a job renders, where to, and what it depends on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dreamflow.core.machine.machine import Machine
from dreamflow.jobs.storage.job_file import JobMetadata
from dreamflow.media.options import EncodeOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.sound.hearing import Hearing
from dreamflow.media.write.containers import container_format_for
from dreamflow.pipelines.inputs import InputFiles
from dreamflow.pipelines.pipeline import Pipeline


@dataclass(frozen=True)
class JobSpec:
    """What a job renders, where to, and what it depends on.

    Attributes:
        pipeline: Makes the frames.
        output_path: The output; without a suffix it is a folder of PNGs.
        output_spec: Size, timing and sound of the frames.
        encode: How the frames are encoded.
        record: The settings, kept with the output; a job resumes only with the same ones.
        inputs: The files that the frames depend on; a job resumes only with the same ones.
        machine: The machine that the network computes on.
        rebuild: Makes the pipeline anew, to dream a damaged piece again; None where that cannot be.
        intermediates: Folders of DreamFlow's that only this job reads: they go when it is done.
        hearing: What its schedules hear, if anything; the sound's analysis is kept with the job.
        prepare: Called with the job's folder, which is held, and its metadata before the first
            frame: keeps there what the pipeline needs.
    """

    pipeline: Pipeline
    output_path: Path
    output_spec: OutputSpec
    encode: EncodeOptions
    record: dict[str, Any]
    inputs: InputFiles
    machine: Machine
    rebuild: Callable[[], Pipeline] | None = None
    intermediates: Sequence[Path] = ()
    hearing: Hearing | None = None
    prepare: Callable[[Path, JobMetadata], None] = lambda folder, metadata: None

    @property
    def sources(self) -> list[Path]:
        """The files and folders that the job reads, and must not write to."""
        return [
            *self.output_spec.sources,
            *(path for files in self.inputs.values() for path in files),
        ]

    def with_whole_path(self) -> JobSpec:
        """Return the same job whose output, where that is a folder, is named by its whole path."""
        if container_format_for(self.output_path) is None:
            return replace(self, output_path=self.output_path.resolve())
        return self
