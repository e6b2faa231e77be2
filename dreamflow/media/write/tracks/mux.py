"""Muxing: picture, sound, subtitles, chapters, tags and settings into one file, by ffmpeg."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from dreamflow.core.errors import LeftOutWarning, OutputError
from dreamflow.media.files.atomic_file import DISK_FULL_MESSAGE, part_path
from dreamflow.media.files.container_policy import ffmpeg_input_arguments
from dreamflow.media.output_spec import OutputSpec, Sound
from dreamflow.media.records.embedded_settings import format_record_comment
from dreamflow.media.write import ffmpeg
from dreamflow.media.write.containers import ContainerFormat
from dreamflow.media.write.frame_times import FrameTimes
from dreamflow.media.write.tracks.extras import extra_track_options, kept_tags
from dreamflow.media.write.tracks.inputs import METADATA_INPUT, InputNumbers
from dreamflow.media.write.tracks.metadata_file import format_metadata_file
from dreamflow.media.write.tracks.sound import TIMESTAMP_TOLERANCE_S, keep_preroll, sound_options
from dreamflow.media.write.tracks.subtitles import subtitle_options, trim_subtitles

MOV_MAX_COMMENT_BYTES = 65_535
"""Bytes of a comment in QuickTime's classic user data, whose lengths have 16 bits."""
MOV_CLASSIC_TAGS = frozenset(
    (
        "title",
        "artist",
        "album",
        "date",
        "creation_time",
        "genre",
        "copyright",
        "location",
        "make",
        "model",
        "timecode",
    )
)
"""Tags that FFmpeg writes into QuickTime's classic user data, which every player reads."""


@dataclass(frozen=True)
class MuxedOutput:
    """What is put together.

    Attributes:
        joined: The video stream.
        times: When its frames are shown.
        container_format: The format of the output.
        output_spec: Timing, source of the sound, chapters and extras.
        record: Settings to embed; {} for none.
        joined_options: ffmpeg's options of the video stream's file.
    """

    joined: Path
    times: FrameTimes
    container_format: ContainerFormat
    output_spec: OutputSpec
    record: dict[str, Any]
    joined_options: tuple[str, ...] = ()

    @property
    def tags(self) -> dict[str, str]:
        """The source's tags that the format holds, and the settings as the comment."""
        extras = self.output_spec.extras
        tags = kept_tags(self.container_format.suffix, extras) if extras else {}
        return tags | ({"comment": format_record_comment(self.record)} if self.record else {})

    @property
    def start_offset(self) -> Fraction:
        """Seconds from the start of the output to its first frame."""
        sound = self.output_spec.sound
        return sound.start if sound and sound.begin == 0 else Fraction(0)


@dataclass(frozen=True)
class _Tracks:
    """Which tracks are put beside the picture.

    Attributes:
        sound: ffmpeg's options that map the sound.
        subtitles: ffmpeg's options that map the subtitles.
        extras: ffmpeg's options that map covers and attached files.
        without: What is left out, in words.
    """

    sound: list[str]
    subtitles: list[str]
    extras: list[str]
    without: str = ""


def mux_tracks(output: MuxedOutput, target: Path, muxer_options: Sequence[str]) -> None:
    """Put all tracks into one file; the picture is not encoded again.

    Covers and attached files that cannot be muxed are left out, then subtitles, and then sound,
    with a warning.

    Args:
        output: What is put together.
        target: The file to write.
        muxer_options: ffmpeg's options of the file.

    Raises:
        OutputError: ffmpeg failed with the picture alone too, or the disk is full.
    """
    spec, suffix = output.output_spec, output.container_format.suffix
    sound = sound_options(output.container_format, spec)
    subtitles = subtitle_options(output.container_format, spec)
    source = InputNumbers.of(spec).source
    extras = extra_track_options(suffix, spec.extras, source) if spec.extras else []
    attempts = [_Tracks(sound, subtitles, extras)]
    if extras:
        attempts.append(_Tracks(sound, subtitles, [], "covers and attached files are left out"))
    if subtitles:
        attempts.append(_Tracks(sound, [], [], "the subtitles are left out"))
    if sound:
        attempts.append(_Tracks([], [], [], "the sound is left out"))
    metadata = part_path(target.with_name("metadata.txt"))
    try:
        text = format_metadata_file(
            output.tags, spec.chapters, output.times.end, output.start_offset
        )
        metadata.write_text(text, encoding="utf-8")
        for number, tracks in enumerate(attempts, start=1):
            arguments = [*_mux_arguments(output, metadata, tracks), *muxer_options]
            if suffix == ".mov" and not _fits_classic_user_data(output.tags):
                arguments += ["-movflags", "+use_metadata_tags"]
            try:
                ffmpeg.run_ffmpeg_command(
                    [*arguments, str(target.absolute())], f"finishing {target.name}"
                )
                return
            except OutputError as error:
                if number == len(attempts) or DISK_FULL_MESSAGE in str(error):
                    raise
                warnings.warn(f"{attempts[number].without}: {error}", LeftOutWarning, 2)
    finally:
        metadata.unlink(missing_ok=True)


def _mux_arguments(output: MuxedOutput, metadata: Path, tracks: _Tracks) -> list[str]:
    """Return ffmpeg's arguments up to the options of the container."""
    spec, times, start_offset = output.output_spec, output.times, output.start_offset
    end = times.end + start_offset
    arguments = ["-itsoffset", format_seconds(start_offset)] if start_offset else []
    arguments += [*output.joined_options, "-i", str(output.joined.absolute())]
    arguments += ["-f", "ffmetadata", "-i", str(metadata.absolute())]
    if tracks.sound and spec.music:
        arguments += _music_arguments(spec.music, start_offset, end)
    needs_source = tracks.subtitles or tracks.extras or (tracks.sound and not spec.music)
    is_trimmed = not spec.music and _is_trimmed_by_filter(spec.sound, tracks)
    if needs_source:
        arguments += _source_arguments(output, None if is_trimmed else end)
    options = ["-map", "0:v", *tracks.sound, *tracks.subtitles, *tracks.extras, "-c:v", "copy"]
    options += ["-bsf:v:0", _hold_last_frame(times, start_offset)]
    if spec.heard_sound and "copy" in tracks.sound:
        options += keep_preroll(output.container_format.suffix, spec.heard_sound)
    elif tracks.sound and is_trimmed:
        options += ["-af", f"atrim=start=0:end={format_seconds(end)}"]
    if tracks.subtitles:
        options += ["-bsf:s", trim_subtitles(format_seconds(end))]
    chapters_input = METADATA_INPUT if spec.chapters else -1
    options += ["-map_metadata:g", f"{METADATA_INPUT}:g", "-map_chapters", str(chapters_input)]
    return [*arguments, *options, "-strict", "-1"]


def _music_arguments(music: Sound, start_offset: Fraction, end: Fraction) -> list[str]:
    """Return the arguments that open a sound of another file than the source, cut to the output."""
    arguments = ["-itsoffset", format_seconds(start_offset)] if start_offset else []
    if music.begin > 0:
        arguments += ["-ss", format_seconds(music.begin)]
    arguments += ["-t", format_seconds(end - start_offset)]
    return [*arguments, *ffmpeg_input_arguments(), "-i", str(music.path.absolute())]


def _is_trimmed_by_filter(sound: Sound | None, tracks: _Tracks) -> bool:
    """Return whether sound is read from its beginning, and what is not wanted cut off decoded.

    Copied sound loses packets instead; ffmpeg's `-t` would count from the beginning.
    """
    is_copied = "copy" in tracks.sound
    return sound is not None and not sound.is_seekable and sound.begin > 0 and not is_copied


def _source_arguments(output: MuxedOutput, end: Fraction | None) -> list[str]:
    """Return the arguments that open the source, for its sound and again for its subtitles.

    Args:
        output: What is put together.
        end: Seconds at which the sound is cut, if the source goes on; None does not cut it here.
    """
    spec = output.output_spec
    arguments: list[str] = []
    sound = spec.sound
    begin = sound.start + sound.begin if sound and sound.begin > 0 else Fraction(0)
    if begin and sound and sound.is_seekable:
        arguments += ["-ss", format_seconds(begin)]
    elif begin:
        # Read from its beginning; what comes before the picture is dropped behind.
        arguments += ["-itsoffset", format_seconds(-begin)]
    if end and sound and (sound.ends_early or len(output.times.starts) < spec.frames):
        arguments += ["-t", format_seconds(end)]
    path = sound.path if sound else spec.extras.path if spec.extras else None
    assert path is not None
    source = [*ffmpeg_input_arguments(sound and sound.film_format), "-i", str(path.absolute())]
    arguments += source
    if sound and sound.subtitle_codecs:
        arguments += ["-itsoffset", format_seconds(-begin), *source]
    return arguments


def _fits_classic_user_data(tags: dict[str, str]) -> bool:
    """Return whether QuickTime's classic user data hold these tags whole."""
    others = tags.keys() - MOV_CLASSIC_TAGS - {"comment"}
    return not others and all(len(text.encode()) <= MOV_MAX_COMMENT_BYTES for text in tags.values())


def _hold_last_frame(times: FrameTimes, start_offset: Fraction) -> str:
    """Return the bitstream filter that lets the last frame last to the end.

    MP4 keeps durations in decoding order, so there the last packet must last as long.
    """
    last_start = format_seconds(times.starts[-1] + start_offset - TIMESTAMP_TOLERANCE_S)
    end = format_seconds(times.end + start_offset)
    is_last = f"gte(PTS*TB\\,{last_start})+eq(N\\,{len(times.starts) - 1})"
    return f"setts=pts=PTS:dts=DTS:duration=if({is_last}\\,{end}/TB-PTS\\,DURATION)"


def format_seconds(time: Fraction) -> str:
    """Return a time as ffmpeg reads it, to the microsecond."""
    return f"{float(time):.6f}"
