"""Muxing: picture, sound, subtitles, chapters and settings into one file, by ffmpeg."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from dreamflow.core.errors import DreamFlowWarning, OutputError
from dreamflow.media.atomic_file import DISK_FULL_MESSAGE, part_path
from dreamflow.media.container_policy import ffmpeg_input_arguments
from dreamflow.media.embedded_settings import format_record_comment
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.write import ffmpeg
from dreamflow.media.write.chapters import format_chapters


def mux_tracks(
    joined: Path,
    frames: int,
    target: Path,
    muxer_options: Sequence[str],
    output_spec: OutputSpec,
    record: dict[str, Any],
    sound_options: list[str],
    subtitle_options: list[str],
) -> None:
    """Put all tracks into one file; the picture is not encoded again.

    Subtitles that cannot be muxed are left out, and then the sound, with a warning.

    Args:
        joined: The video stream.
        frames: Number of its frames.
        target: The file to write.
        muxer_options: ffmpeg's options of the file.
        output_spec: Timing, source of the sound, and chapters.
        record: Settings to embed; {} for none.
        sound_options: ffmpeg's options that map the sound.
        subtitle_options: ffmpeg's options that map the subtitles.

    Raises:
        OutputError: ffmpeg failed without sound and subtitles too, or the disk is full.
    """
    chapters = part_path(target.with_name("chapters.txt"))
    attempts = [(sound_options + subtitle_options, "")]
    attempts += [(sound_options, "the subtitles are left out")] if subtitle_options else []
    attempts += [([], "the sound is left out")] if sound_options else []
    try:
        for number, (track_options, _) in enumerate(attempts, start=1):
            try:
                arguments = mux_arguments(
                    joined, frames, chapters, output_spec, record, track_options
                )
                ffmpeg.run_ffmpeg_command(
                    [*arguments, *muxer_options, str(target.absolute())], f"finishing {target.name}"
                )
                return
            except OutputError as error:
                if number == len(attempts) or DISK_FULL_MESSAGE in str(error):
                    raise
                warnings.warn(f"{attempts[number][1]}: {error}", DreamFlowWarning, 2)
    finally:
        chapters.unlink(missing_ok=True)


def mux_arguments(
    joined: Path,
    frames: int,
    chapters: Path,
    output_spec: OutputSpec,
    record: dict[str, Any],
    track_options: list[str],
) -> list[str]:
    """Return ffmpeg's arguments up to the name of the output.

    Args:
        joined: The video stream.
        frames: Number of its frames.
        chapters: A file to write the chapters to, where there are any.
        output_spec: Timing, source of the sound, and chapters.
        record: Settings to embed; {} for none.
        track_options: Options that map sound and subtitles; none leaves them out.
    """
    sound = output_spec.sound if track_options else None
    cuts_tracks = sound is not None and (sound.ends_early or frames < output_spec.frames)
    start_offset = sound.start if sound and sound.begin == 0 else Fraction(0)
    duration = ("-t", format_seconds(output_spec.duration_of(frames) + start_offset))
    arguments: list[str] = []
    if start_offset:
        arguments += ["-itsoffset", format_seconds(start_offset)]
    arguments += ["-i", str(joined.absolute())]
    if sound:
        if sound.begin > 0:
            arguments += ["-ss", format_seconds(sound.start + sound.begin)]
        if cuts_tracks:
            arguments += duration
        arguments += [*ffmpeg_input_arguments(), "-i", str(sound.path.absolute())]
    chapters_input = "-1"
    if output_spec.chapters:
        chapters.write_text(format_chapters(output_spec, frames, start_offset), encoding="utf-8")
        arguments += ["-f", "ffmetadata", "-i", str(chapters.absolute())]
        chapters_input = "2" if sound else "1"
    # Sound from before the first frame would delay the picture.
    arguments += ["-map", "0:v", *track_options, "-copypriorss:a", "0", "-c:v", "copy"]
    arguments += ["-map_metadata:g", "-1", "-map_chapters", chapters_input, "-strict", "-1"]
    if sound and sound.subtitle_codecs and cuts_tracks:
        arguments += duration
    if record:
        arguments += ["-metadata", f"comment={format_record_comment(record)}"]
    return arguments


def format_seconds(time: Fraction) -> str:
    """Return a time as ffmpeg reads it, to the microsecond."""
    return f"{float(time):.6f}"
