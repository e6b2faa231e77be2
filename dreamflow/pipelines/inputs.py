"""The files that an output depends on, under the names that jobs and records keep them by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

SOURCE_INPUT = "source"
"""The clip or picture that a preview shows."""
CLIP_INPUT = "clip"
"""The clip that a video or sweep dreams."""
PICTURE_INPUT = "picture"
"""The picture that a sweep or zoom starts from."""
CUTS_INPUT = "--cuts file"
FLOW_INPUT = "--flow-dir"
MATTE_INPUT = "--matte"
"""A matte of which only the files read so far must stay as they were."""
FIXED_MATTE_INPUT = "--matte files"
"""A matte of which every file must stay as it was, whether it was read yet or not."""
REFERENCE_INPUT = "--guided-by file"

InputFiles = Mapping[str, Sequence[Path]]
"""The files of each input, by the input's name. Files of a clip of pictures that were not read yet
may change between the runs of a job: a broken picture can be replaced, missing flow be added."""


def list_flow_files(folder: str | Path) -> list[Path]:
    """Return the .flo files of a folder, by name."""
    return sorted(Path(folder).glob("*.flo"))
