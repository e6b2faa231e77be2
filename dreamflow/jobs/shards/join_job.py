"""A job whose shards are rendered already, joined to its output on whatever machine this is."""

from __future__ import annotations

from pathlib import Path

from dreamflow.core.machine.machine import Machine
from dreamflow.jobs.controls import RenderControls, RenderResult
from dreamflow.jobs.job import resume_job
from dreamflow.jobs.job_spec import JobSpec
from dreamflow.jobs.shards.join import JoinPipeline, NoRenderer, free_while_joining
from dreamflow.jobs.shards.worker import list_inputs, open_sharded_job, open_source_of
from dreamflow.jobs.storage.job_file import job_output_path
from dreamflow.media.options import EncodeOptions
from dreamflow.media.output_spec import OutputSpec


def join_job(folder: Path, controls: RenderControls) -> tuple[Path, OutputSpec, RenderResult]:
    """Make the output of a job whose shards are done; return it, its size and what was done.

    Nothing is dreamed, so neither the network nor the job's device is needed.

    Args:
        folder: The job's folder.
        controls: How the join is followed, and what it may replace.

    Raises:
        OutputError: A shard is not done, or is damaged: the error names all of them. Or the output
            cannot be written.
        MediaError: An input of the job is gone or has changed.
    """
    sharded = open_sharded_job(folder)
    metadata = sharded.metadata
    clip, spec = open_source_of(sharded).clip, sharded.output_spec

    def join() -> JoinPipeline:
        return JoinPipeline(
            clip, lambda: sharded, NoRenderer(), with_sources=metadata["plate"] is not None
        )

    job = JobSpec(
        pipeline=join(),
        output_path=job_output_path(folder, metadata),
        output_spec=spec,
        encode=EncodeOptions(**metadata["encode"]),
        record=metadata["record"],
        inputs=list_inputs(metadata),
        machine=Machine.default("cpu"),
        rebuild=join,
    )
    result = resume_job(job, free_while_joining(job.pipeline, controls))
    return job.output_path, spec, result
