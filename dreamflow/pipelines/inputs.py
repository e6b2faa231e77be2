"""The files that an output depends on, under the names that jobs and records keep them by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dreamflow.dream.options import DreamOptions
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.cut_list import CUTS_KEYWORDS
from dreamflow.media.read.mattes.matte import Matte
from dreamflow.media.read.sequences.picture_files import list_source_files
from dreamflow.media.sound.options import SoundOptions
from dreamflow.pipelines.settings.groups import VideoSettings

SOURCE_INPUT = "source"
"""The clip or picture that a preview shows."""
CLIP_INPUT = "clip"
"""The clip that is dreamed."""
PLAYLIST_INPUT = "playlist or a file that it names"
"""A playlist and the files that it names, which are dreamed as one clip."""
PICTURE_INPUT = "picture"
"""The picture that a sweep or a zoom begins with."""
CUTS_INPUT = "--cuts file"
FLOW_INPUT = "--flow-dir"
MATTE_INPUT = "--matte"
"""A matte of which only the files that were read must stay as they were."""
FIXED_MATTE_INPUT = "--matte files"
"""A matte of which every file must stay as it was."""
REFERENCE_INPUT = "--guided-by file"
GAINS_INPUT = "--gains file"
AUDIO_INPUT = "--audio file"
DATA_INPUT = "--data files"
FORWARD_FRAMES_INPUT = "frames of the zoom"
"""Pictures that a reversed zoom has dreamed forwards; they go when the output is done."""

InputFiles = Mapping[str, Sequence[Path]]
"""The files of each input, by the input's name. Files of a clip of pictures that were not read yet
may change between the runs of a job: a broken picture can be replaced, missing flow be added."""


def list_flow_files(folder: str | Path) -> list[Path]:
    """Return the .flo files of a folder, by name."""
    return sorted(Path(folder).glob("*.flo"))


def list_reference_files(options: DreamOptions) -> dict[str, list[Path]]:
    """Return the files of the reference, by its input's name; {} where there is no reference."""
    if options.guided_by is None:
        return {}
    return {REFERENCE_INPUT: list_source_files(Path(options.guided_by))}


def list_gains_files(path: Path | None) -> dict[str, list[Path]]:
    """Return the file of gains by its input's name; {} where the defaults are used."""
    return {} if path is None else {GAINS_INPUT: [path]}


def list_audio_files(sound: SoundOptions) -> dict[str, list[Path]]:
    """Return the file that is heard in place of the source's sound, by its input's name."""
    return {} if sound.audio is None else {AUDIO_INPUT: [Path(sound.audio)]}


def list_matte_files(matte: Matte | None, clip: Clip | None = None) -> dict[str, list[Path]]:
    """Return the files of a matte, by its input's name; {} where there is no matte.

    Args:
        matte: The matte.
        clip: The clip that it goes with, if any. Where that is resampled, its frames are numbered
            otherwise than its files, so none of the matte's files may change.
    """
    if matte is None:
        return {}
    is_fixed = matte.bounding_box is not None or (clip is not None and clip.is_resampled)
    return {FIXED_MATTE_INPUT if is_fixed else MATTE_INPUT: matte.files}


def list_clip_files(clip: Clip, settings: VideoSettings, matte: Matte | None = None) -> InputFiles:
    """Return the files that the dream of a clip depends on, by their inputs' names."""
    carry = settings.carry
    name = PLAYLIST_INPUT if clip.info.playlist_files else CLIP_INPUT
    files: dict[str, Sequence[Path]] = {name: clip.files}
    files |= clip.hearing.files if clip.hearing else {}
    files |= list_audio_files(settings.sound)
    if carry.cuts not in CUTS_KEYWORDS:
        files[CUTS_INPUT] = [Path(carry.cuts)]
    files |= list_reference_files(settings.dream)
    if carry.flow_dir is not None:
        files[FLOW_INPUT] = list_flow_files(carry.flow_dir)
    return files | list_matte_files(matte, clip)
