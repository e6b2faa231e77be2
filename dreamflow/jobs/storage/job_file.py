"""A job's job.json: its schema, its identity, and the seal that shows whether it was altered.

What a job is made of is believed only as far as it fits the schema; what says how a film is timed
and encoded must be just what was written, so the whole file is sealed with a hash.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from dreamflow.core.errors import DreamFlowError, OutputError, named
from dreamflow.core.files.documents import (
    Count,
    DocumentError,
    FractionText,
    Hash,
    PathText,
    ShortText,
    Word,
    fit_schema,
    is_table,
    parse_json,
)
from dreamflow.jobs.storage.sealed_document import (
    SEAL_KEY,
    check_seal,
    compute_seal,
    read_document_bytes,
)
from dreamflow.media.files.atomic_file import atomic_write
from dreamflow.media.options import EncodeOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.records.record_schema import (
    ComparedRecordDocument,
    RecordDocument,
    SettingValue,
)
from dreamflow.media.write.containers import container_format_for

JobMetadata = dict[str, Any]
"""What job.json holds, which `JobDocument` describes."""

JOB_FOLDER_SUFFIX = ".job"
JOB_FILE = "job.json"
FIRST_FORMAT_VERSION = 1
"""That of version 0.1.0; see `jobs.first_format`."""
JOB_FORMAT_VERSION = 2
"""Version of the files of a job's folder but for the state; see `pipelines.pipeline.LAYOUT_KEY`."""
FORMAT_KEY, ID_KEY = "job", "id"
PUBLISHING_FRAMES_KEY = "placing"
"""Key of the metadata: number of frames of the output that is being published."""
MAX_JOB_FILE_BYTES = 256 * 2**20
"""Bytes of job.json at most: the names of a million pictures fit."""

Code = Annotated[int, Meta(ge=0, le=65_535)]
Side = Annotated[int, Meta(ge=1, le=2**17)]
PlainFileName = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^/\\\0]+\Z")]


class SoundDocument(Struct, forbid_unknown_fields=True):
    """A `media.output_spec.Sound`."""

    path: PathText
    codecs: list[ShortText]
    start: FractionText
    begin: FractionText
    cut: bool
    subtitles: list[ShortText]
    track: Count | None
    is_playlist: bool
    is_seekable: bool


class ExtrasDocument(Struct, forbid_unknown_fields=True):
    """A `media.source_extras.SourceExtras`."""

    path: PathText
    tags: list[tuple[str, str]]
    timecode: ShortText
    attachments: list[str]
    covers: list[Count]
    other_tracks: list[str]


class FrameNumbersDocument(Struct, forbid_unknown_fields=True):
    """The numbers of an output's frames in its source: each, or (start, stop, step)."""

    numbers: list[int] | None = None
    range: tuple[int, int, int] | None = None


class ColourTagsDocument(Struct, forbid_unknown_fields=True):
    """A `media.colour.carried_tags.ColourTags`."""

    matrix: Code
    primaries: Code
    transfer: Code
    is_full_range: bool
    mastering_display: Annotated[str, Meta(max_length=200, pattern=r"^[A-Z0-9(),]*\Z")]
    content_light: Annotated[str, Meta(max_length=30, pattern=r"^[0-9,]*\Z")]


class SamplesDocument(Struct, forbid_unknown_fields=True):
    """A `media.sample_format.SampleFormat`."""

    pixel_format: Annotated[str, Meta(max_length=20, pattern=r"^[a-z][a-z0-9]*\Z")]
    tags: ColourTagsDocument


class OutlineDocument(Struct, forbid_unknown_fields=True):
    """A `media.output_spec.OutputSpec`."""

    width: Side
    height: Side
    rate: FractionText
    frames: Count
    length: FractionText
    constant_rate: bool
    pixel_aspect: FractionText
    sound: SoundDocument | None
    sources: list[PathText]
    chapters: list[tuple[FractionText, FractionText, Annotated[str, Meta(max_length=65_536)]]]
    extras: ExtrasDocument | None
    frame_numbers: FrameNumbersDocument
    music: SoundDocument | None = None
    samples: SamplesDocument | None = None


class MachineDocument(Struct, forbid_unknown_fields=True):
    """The machine that a job is rendered on."""

    device: ShortText = "auto"
    threads: Annotated[int, Meta(ge=0, le=1024)] = 0
    memory: Annotated[int, Meta(ge=0, le=10_000_000)] = 0
    precision: ShortText = "float32"


class CommandDocument(Struct, forbid_unknown_fields=True):
    """The command line of a job, and the folder that it was given in."""

    words: list[Word]
    folder: PathText


class JobDocument(Struct, forbid_unknown_fields=True):
    """What job.json holds.

    Attributes:
        job: Version of the format.
        seal: Hash of all the rest.
        id: What tells the job's files from any other's.
        out: The output's name.
        record: The settings, which are kept with the output.
        outline: Size, timing and sound of the frames.
        encode: How they are encoded.
        chunk: Frames of a segment.
        plate: The plate, if there is one.
        placing: Frames of the output that is being published.
        inputs: Name, size and hash of each file of each input; only a job that a command began, and
            can resume, has this and what follows.
        input_files: Their paths.
        machine: What it is rendered on.
        command: What began it.
    """

    job: int
    seal: Hash
    id: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
    out: PlainFileName
    record: dict[str, Any]
    outline: OutlineDocument
    encode: dict[ShortText, SettingValue]
    chunk: Annotated[int, Meta(ge=1, le=100_000)]
    plate: PathText | None
    placing: Count = 0
    inputs: dict[ShortText, list[tuple[str, FractionText, Hash]]] | None = None
    input_files: dict[ShortText, list[PathText]] | None = None
    machine: MachineDocument = field(default_factory=MachineDocument)
    command: CommandDocument | None = None


def make_job_id() -> str:
    """Return what tells a job's files from those of any other: 32 hex digits."""
    return secrets.token_hex(16)


def read_job_file(folder: Path) -> JobMetadata | None:
    """Return the metadata of a job's folder, or None where it is not one.

    Raises:
        OutputError: The job's format is of another version, or the file cannot be read, does not
            fit its schema, or was altered since it was written.
    """
    path = folder / JOB_FILE
    try:
        content = read_document_bytes(path, MAX_JOB_FILE_BYTES)
        if content is None:
            return None
        metadata = parse_json(content)
        if not is_table(metadata):
            raise DocumentError("it is no JSON object")
        if metadata.get(FORMAT_KEY) != JOB_FORMAT_VERSION:
            raise _make_version_error(folder, metadata.get(FORMAT_KEY))
        check_seal(metadata)
        check_metadata(folder, metadata)
    except DocumentError as error:
        raise make_damaged_error(path, error) from error
    return metadata


def write_job_file(folder: Path, metadata: JobMetadata) -> None:
    """Write a job's metadata, sealed.

    Raises:
        OutputError: They cannot be written.
    """
    plain = json.loads(json.dumps({FORMAT_KEY: JOB_FORMAT_VERSION, **metadata}))
    plain[SEAL_KEY] = compute_seal(plain)
    text = json.dumps(plain, ensure_ascii=False, indent=2)
    with atomic_write(folder / JOB_FILE) as part:
        part.write_text(text + "\n", encoding="utf-8")


def job_output_path(folder: Path, metadata: JobMetadata) -> Path:
    """Return the output of a job; a name that is not UTF-8 is known by the folder's."""
    name = folder.name.removesuffix(JOB_FOLDER_SUFFIX)
    is_own = name.encode(errors="replace").decode() == metadata["out"]
    return folder.with_name(name if is_own else metadata["out"])


def make_damaged_error(path: Path, error: DocumentError) -> OutputError:
    """Return the error for a job.json that is not what DreamFlow writes."""
    return OutputError(
        f"{path} is damaged: {error}; start over with {named('fresh')}",
        setting="fresh",
        where=str(path),
    )


def _make_version_error(folder: Path, version: Any) -> OutputError:
    how = "finish it with that version"
    if version == FIRST_FORMAT_VERSION:
        how = f"`dreamflow jobs finish {folder}` makes an output of what it has"
    return OutputError(
        f"{folder} is a job of another version of DreamFlow: {how}, or start over with "
        f"{named('fresh')}",
        setting="fresh",
        where=str(folder),
    )


def check_metadata(folder: Path, metadata: JobMetadata) -> None:
    """Check that metadata fit their schema, and that an output can be made of them.

    Raises:
        DocumentError: They do not.
    """
    job = fit_schema(metadata, JobDocument)
    if job.inputs is not None:
        fit_schema(job.record, RecordDocument)
        fit_schema(job.record, ComparedRecordDocument)
        if job.input_files is None or job.input_files.keys() != job.inputs.keys():
            raise DocumentError("its inputs and their files do not fit")
    if job.out in (".", ".."):
        raise DocumentError("its output has no name")
    try:
        spec = OutputSpec.from_dict(metadata["outline"])
        if spec.rate <= 0 or spec.length < 0 or spec.pixel_aspect <= 0:
            raise DocumentError("its output's times and sizes must be above 0")
        container = container_format_for(folder.with_name(job.out))
        encode = EncodeOptions(**metadata["encode"])
        if container is not None:
            container.video_encoding(encode, spec.samples)
    except TypeError as error:
        raise DocumentError("encode has a key that is no setting") from error
    except DreamFlowError as error:
        raise DocumentError(str(error)) from error
