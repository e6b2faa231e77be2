"""Builds a comparison: a folder with a web page, two films or pictures, and nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from dreamflow._version import __version__
from dreamflow.core.callbacks import DoneCallback
from dreamflow.core.errors import OutputError, named
from dreamflow.core.frames import Frame
from dreamflow.media.files.atomic_file import atomic_write
from dreamflow.media.options import EncodeOptions
from dreamflow.media.read.clip import Clip
from dreamflow.media.records.embedded_settings import (
    FOLDER_SETTINGS_FILE,
    RECORD_VERSION_KEY,
    read_record_if_any,
    requested_settings,
)
from dreamflow.media.stills.read import is_still, read_picture
from dreamflow.media.stills.write import write_picture
from dreamflow.media.write.codecs import make_video_encoding
from dreamflow.media.write.even_sides import pad_to_even, round_up_to_even
from dreamflow.media.write.ffmpeg import FfmpegFramePipe
from dreamflow.pipelines.settings.groups import defaults_of, diff_settings
from dreamflow.reports.compare.page import ComparedItem, ComparedSetting, render_compare_page
from dreamflow.reports.page_folder import INDEX_FILE, check_can_be_folder, write_page_text

COMPARISON_CRF = 12
"""x264's constant rate factor: finer than a film's 17, since a second encoding must not show."""
KEYFRAME_INTERVAL = 8
"""Frames between keyframes: a browser seeks by decoding from the one before."""


def check_comparison_folder(out: Path, overwrite: bool) -> None:
    """Check that a comparison can be written to a folder: a new or empty one, or a comparison's.

    Raises:
        OutputError: It cannot.
    """
    check_can_be_folder(out, "a comparison")
    if not out.is_dir() or not any(out.iterdir()):
        return
    if read_record_if_any(out).get("command") != "compare":
        raise OutputError(f"{out} holds other files; name a new folder")
    if not overwrite:
        raise OutputError(
            f"{out} exists already; add {named('overwrite')} to replace it", setting="overwrite"
        )


def count_comparison_frames(*sources: Path) -> int:
    """Return how many frames are written for a comparison."""
    return sum(1 if is_still(source) else len(Clip(source)) for source in sources)


def make_comparison(
    first: Path,
    second: Path,
    out: Path,
    *,
    overwrite: bool = False,
    progress: DoneCallback = lambda done: None,
) -> Path:
    """Write a page on which two films or pictures are compared, and return it.

    Films are encoded anew, without sound, so that every browser plays them and can go to any frame.

    Args:
        first: A film, a folder of pictures or a picture.
        second: What it is compared with: a film with a film, a picture with a picture.
        out: The folder.
        overwrite: Whether an earlier comparison in it may be replaced.
        progress: Called with the frames written.

    Raises:
        MediaError: One of them cannot be read.
        OutputError: The folder holds something else or cannot be written, or a film is to be
            compared with a picture.
    """
    check_comparison_folder(out, overwrite)
    if is_still(first) != is_still(second):
        still, film = (first, second) if is_still(first) else (second, first)
        raise OutputError(
            f"{still} is a picture and {film} moves: compare two films, or two pictures"
        )
    is_new = not out.exists()
    record = {RECORD_VERSION_KEY: __version__, "command": "compare"}
    try:
        out.mkdir(exist_ok=True)
        # First, since this file marks the folder as a comparison's.
        write_page_text(out / FOLDER_SETTINGS_FILE, json.dumps(record, indent=2) + "\n")
        done = 0

        def follow(frames: int) -> None:
            progress(done + frames)

        a = _copy(first, out, "a", follow)
        done = a.frames
        b = _copy(second, out, "b", follow)
        page = out / INDEX_FILE
        write_page_text(page, render_compare_page(a, b, compare_settings(a.record, b.record)))
    except BaseException:
        if is_new:
            shutil.rmtree(out, ignore_errors=True)
        raise
    return page


def compare_settings(
    first: Mapping[str, Any], second: Mapping[str, Any]
) -> list[ComparedSetting] | None:
    """Return the settings in which two records differ; None where one of them has none."""
    a, b = requested_settings(dict(first)), requested_settings(dict(second))
    if not a or not b:
        return None

    def value_in(settings: Mapping[str, Any], name: str) -> Any:
        return settings.get(name, next(iter(defaults_of(name)), None))

    return [
        ComparedSetting(name, value_in(a, name), value_in(b, name)) for name in diff_settings(a, b)
    ]


def _copy(source: Path, out: Path, stem: str, progress: DoneCallback) -> ComparedItem:
    """Write one side into the folder, and return its facts."""
    record = read_record_if_any(source)
    if is_still(source):
        picture = read_picture(source)
        file = f"{stem}.png"
        write_picture(out / file, picture)
        progress(1)
        height, width = picture.shape[:2]
        return ComparedItem(source.name, file, False, width, height, 1, Fraction(0), record)
    clip, file = Clip(source), f"{stem}.mp4"
    frames = encode_for_browsers(clip, clip, out / file, progress)
    width, height = clip.width, clip.height
    return ComparedItem(source.name, file, True, width, height, frames, clip.rate, record)


def encode_for_browsers(
    frames: Iterable[Frame], clip: Clip, path: Path, progress: DoneCallback = lambda done: None
) -> int:
    """Encode frames as a film without sound that browsers play and seek in at once.

    Args:
        frames: The frames.
        clip: The clip that they are of.
        path: The film.
        progress: Called with the frames done.

    Returns:
        How many frames there were.
    """
    encoding = make_video_encoding("h264", EncodeOptions(crf=COMPARISON_CRF))
    width, height = round_up_to_even(clip.width, clip.height)
    options = [] if clip.constant_rate else ["-enc_time_base", "demux"]
    options += [*encoding.ffmpeg_options(), "-g", str(KEYFRAME_INTERVAL)]
    options += ["-movflags", "+faststart", "-map_metadata", "-1"]
    done = 0
    with atomic_write(path) as part:
        pipe = FfmpegFramePipe(
            width, height, clip.rate, clip.constant_rate, [*options, str(part.absolute())]
        )
        try:
            for frame in frames:
                pipe.write(pad_to_even(frame.picture), frame.time)
                done += 1
                progress(done)
            pipe.close()
        except BaseException:
            pipe.kill()
            raise
    return done
