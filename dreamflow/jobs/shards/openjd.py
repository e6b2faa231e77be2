"""Job bundles for render farms: the commands of a sharded job as an OpenJD template.

The template (Open Job Description, version 2023-09) has three steps: find the shots, render the
shards, join them. Each is a `dreamflow` command, so nothing of a farm's is needed to run it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dreamflow.core.errors import OutputError, named
from dreamflow.core.text.path_text import path_to_text
from dreamflow.jobs.shards.shard import ShardedJob
from dreamflow.jobs.shards.worker import list_inputs
from dreamflow.jobs.storage.job_file import job_output_path
from dreamflow.media.files.atomic_file import atomic_write, make_write_error

SPECIFICATION = "jobtemplate-2023-09"
TEMPLATE_FILE = "template.json"
SETTINGS_FILE = "settings.json"
ASSETS_FILE = "asset_references.json"
"""Files of a bundle; the last is read by Deadline Cloud, which copies what it names."""
DEFAULT_CHUNK_SHARDS = 4
"""Shards that a task renders one after the other, unless the farm is told otherwise."""
MAX_NAME_CHARS = 100
"""Characters of the job's name, of the 128 that the specification allows."""


def write_bundle(bundle: Path, job: ShardedJob, machine_words: Sequence[str]) -> None:
    """Write a job bundle: a folder that `openjd run` and render farms take.

    Args:
        bundle: The folder; it is made, and the bundle's own files in it are replaced.
        job: The job, whose shards are found.
        machine_words: Options of the machine that the command which began the job was given.

    Raises:
        OutputError: The folder cannot be written, or holds other files.
    """
    own = {TEMPLATE_FILE, SETTINGS_FILE, ASSETS_FILE}
    try:
        bundle.mkdir(exist_ok=True)
        others = sorted(path.name for path in bundle.iterdir() if path.name not in own)
    except OSError as error:
        raise make_write_error(bundle, error) from error
    if others:
        raise OutputError(
            f"{named('openjd')} {bundle} holds {others[0]}, which is none of a bundle's: name "
            "another folder",
            setting="openjd",
            value=bundle,
            where=str(bundle),
        )
    files = [path for paths in list_inputs(job.metadata).values() for path in paths]
    assets = {"inputs": {"filenames": [path_to_text(path) for path in files]}}
    template = make_template(job, machine_words)
    _write_json(bundle / SETTINGS_FILE, job.metadata["record"])
    _write_json(bundle / ASSETS_FILE, {"assetReferences": assets})
    _write_json(bundle / TEMPLATE_FILE, template)


def make_template(job: ShardedJob, machine_words: Sequence[str]) -> dict[str, Any]:
    """Return the template of a job; see `write_bundle`.

    Args:
        job: The job.
        machine_words: Options of the machine.
    """
    out = job_output_path(job.folder, job.metadata).absolute()
    command = job.metadata["record"]["command"]
    begin = [command, "{{Param.Clip}}", "{{Param.Out}}", "--like-all", "{{Param.Settings}}"]
    begin += [*machine_words, "--shards", job.plan.kind, "--workers", "0", "--progress", "lines"]
    shard = ["jobs", "shard", "{{Task.Param.Shard}}", "{{Param.Job}}", "--progress", "lines"]
    join = ["jobs", "join", "{{Param.Job}}", "--progress", "lines"]
    return {
        "specificationVersion": SPECIFICATION,
        "extensions": ["TASK_CHUNKING"],
        "name": f"dream {out.name}"[:MAX_NAME_CHARS],
        "parameterDefinitions": [
            # The default of a path must lie in the bundle; what lies elsewhere is a text.
            _text_parameter("Clip", path_to_text(job.plan.clip), "The clip that is dreamed."),
            _text_parameter("Out", path_to_text(out), "The dream."),
            _text_parameter("Job", path_to_text(job.folder.absolute()), "The job's folder."),
            {
                "name": "Settings",
                "type": "PATH",
                "objectType": "FILE",
                "dataFlow": "IN",
                "default": SETTINGS_FILE,
                "description": "The settings of the dream.",
            },
            _text_parameter("Shards", f"1-{len(job.plan.shards)}", "The shards to render."),
            {
                "name": "ShardsPerTask",
                "type": "INT",
                "default": DEFAULT_CHUNK_SHARDS,
                "minValue": 1,
                "description": "Shards that a task renders one after the other.",
            },
        ],
        "steps": [
            _step("FindShots", begin),
            _step("Shards", shard, after="FindShots")
            | {
                "parameterSpace": {
                    "taskParameterDefinitions": [
                        {
                            "name": "Shard",
                            "type": "CHUNK[INT]",
                            "range": "{{Param.Shards}}",
                            "chunks": {
                                "defaultTaskCount": "{{Param.ShardsPerTask}}",
                                "rangeConstraint": "CONTIGUOUS",
                            },
                        }
                    ]
                }
            },
            _step("Join", join, after="Shards"),
        ],
    }


def _text_parameter(name: str, default: str, what: str) -> dict[str, Any]:
    return {"name": name, "type": "STRING", "default": default, "description": what}


def _step(name: str, words: Sequence[str], after: str | None = None) -> dict[str, Any]:
    """Return a step that runs one `dreamflow` command."""
    step: dict[str, Any] = {
        "name": name,
        "script": {"actions": {"onRun": {"command": "dreamflow", "args": list(words)}}},
    }
    return step | {"dependencies": [{"dependsOn": after}]} if after else step


def _write_json(path: Path, plain: dict[str, Any]) -> None:
    with atomic_write(path) as part:
        part.write_text(json.dumps(plain, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
