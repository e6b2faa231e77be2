"""Chunks into a film: joined, with its sound and settings, and looked through before it counts."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import imageio.v3 as iio

from dreamflow.core.errors import DreamFlowWarning, OutputError
from dreamflow.core.wording import format_count
from dreamflow.media.atomic_file import part_path, sync_to_disk
from dreamflow.media.options import EncodeOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.write import ffmpeg
from dreamflow.media.write.codecs import x264_crf
from dreamflow.media.write.containers import ContainerFormat
from dreamflow.media.write.metadata import add_gif_comment, add_webp_comment, format_record_comment
from dreamflow.media.write.sound import (
    format_chapters,
    output_duration,
    sound_options,
    subtitle_options,
)


def assemble_output(
    segments: Sequence[Path],
    frames: int,
    target: Path,
    kind: ContainerFormat,
    encode: EncodeOptions,
    outline: OutputSpec,
    record: dict[str, Any],
) -> None:
    """Make a film of its chunks, which hold so many frames. target: in the chunks' folder.

    The picture is not encoded again. Sound that cannot be joined is left out, with a warning.
    Raises OutputError where the film does not come out whole; the chunks stay as they are.
    """
    joined = part_path(target.with_name(f"joined{segments[0].suffix}"))
    try:
        concatenate_segments(segments, joined)
        sound, subtitles = sound_options(kind, outline), subtitle_options(kind, outline)
        if kind.suffix == ".gif":
            make_gif(joined, target, outline, record)
        elif kind.suffix == ".webp":
            make_webp(joined, target, encode, outline, record)
        else:
            finishing = [*kind.video_encoding(encode).muxer_options, *kind.muxer_options]
            mux_tracks(joined, frames, target, finishing, outline, record, sound, subtitles)
        if kind.suffix == ".webp":
            check_animation(target, frames)
        else:
            check_video(target, frames)
        sync_to_disk(target)
    finally:
        joined.unlink(missing_ok=True)


def concatenate_segments(segments: Sequence[Path], target: Path) -> None:
    """Write the packets of all chunks into one file, each frame at its exact time."""
    try:
        shown_in_order = sorted(in_order := _timestamps_in_decode_order(segments))
        # As few frames as possible between decoding and showing, so that no frame comes too late.
        place = {stamp: number for number, stamp in enumerate(shown_in_order)}
        delay = max(number - place[stamp] for number, stamp in enumerate(in_order))
        step = shown_in_order[1] - shown_in_order[0] if len(in_order) > 1 else 1
        before = [shown_in_order[0] - step * (delay - n) for n in range(delay)]
        decoded = iter(before + shown_in_order)
        shown = iter(in_order)
        with av.open(str(target.absolute()), "w") as out:
            stream = None
            for chunk in segments:
                with av.open(str(chunk.absolute())) as container:
                    video = container.streams.video[0]
                    if stream is None:
                        stream = out.add_stream_from_template(video, opaque=True)
                        stream.time_base = video.time_base
                    for packet in container.demux(video):
                        if packet.size:
                            packet.pts, packet.dts = next(shown), next(decoded)
                            packet.stream = stream
                            out.mux(packet)
    except (av.error.FFmpegError, OSError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise OutputError(f"joining the chunks in {target.parent} failed: {why}") from error


def _timestamps_in_decode_order(segments: Sequence[Path]) -> list[int]:
    """Return the times at which the frames are shown, in the order in which they are decoded."""
    stamps: list[int] = []
    for chunk in segments:
        with av.open(str(chunk.absolute())) as container:
            video = container.streams.video[0]
            start = round(Fraction(container.metadata["comment"]) / (video.time_base or 1))
            stamps += [start + (p.pts or 0) for p in container.demux(video) if p.size]
    return stamps


def make_gif(
    joined: Path, output_path: Path, output_spec: OutputSpec, record: dict[str, Any]
) -> None:
    """Choose one palette for the whole film, then write with it: two passes, little memory."""
    palette = part_path(output_path.with_name("palette.png"))
    square = square_pixel_filter(output_spec)
    part = ("-i", str(joined.absolute()))
    try:
        ffmpeg.run_ffmpeg_command(
            [
                *(*part, "-vf", f"{square},palettegen=stats_mode=diff"),
                *("-update", "1", str(palette.absolute())),
            ],
            "choosing the palette",
        )
        ffmpeg.run_ffmpeg_command(
            [
                *(*part, "-i", str(palette.absolute()), "-lavfi"),
                f"[0:v]{square}[v];[v][1:v]paletteuse=dither=sierra2_4a:diff_mode=rectangle",
                *("-fps_mode", "passthrough", "-loop", "0", "-f", "gif"),
                str(output_path.absolute()),
            ],
            "writing the GIF",
        )
    finally:
        palette.unlink(missing_ok=True)
    if record:
        add_gif_comment(output_path, format_record_comment(record))


def make_webp(
    joined: Path,
    output_path: Path,
    encode: EncodeOptions,
    output_spec: OutputSpec,
    record: dict[str, Any],
) -> None:
    """Write an animated WebP that plays for ever."""
    how = ("-lossless", "1") if encode.lossless else ("-quality", f"{100 - x264_crf(encode):.0f}")
    ffmpeg.run_ffmpeg_command(
        [
            *(
                "-i",
                str(joined.absolute()),
                "-vf",
                f"{square_pixel_filter(output_spec)},format=bgra",
            ),
            *("-c:v", "libwebp_anim", *how, "-loop", "0", "-fps_mode", "passthrough"),
            *("-f", "webp", str(output_path.absolute())),
        ],
        "writing the WebP",
    )
    if record:
        add_webp_comment(output_path, format_record_comment(record, ascii_only=True))


def square_pixel_filter(outline: OutputSpec) -> str:
    """Return the filter that makes a film's pixels square, as those of animated pictures are."""
    return f"scale=w=iw*{float(outline.pixel_aspect):.6f}:h=ih:flags=lanczos"


def mux_tracks(
    joined: Path,
    frames: int,
    target: Path,
    muxer_options: Sequence[str],
    outline: OutputSpec,
    record: dict[str, Any],
    sound_options: list[str],
    subtitle_options: list[str],
) -> None:
    """Put picture, settings, chapters and, by these options, sound and subtitles into one file.

    finishing: ffmpeg's options for the file.
    """
    chapters = part_path(target.with_name("chapters.txt"))

    def mux(options: list[str]) -> None:
        arguments = mux_arguments(joined, frames, chapters, outline, record, options)
        ffmpeg.run_ffmpeg_command(
            [*arguments, *muxer_options, str(target.absolute())], f"finishing {target.name}"
        )

    ways = [(sound_options + subtitle_options, "")]
    ways += [(sound_options, "the subtitles are left out")] if subtitle_options else []
    ways += [([], "the sound is left out")] if sound_options else []
    try:
        for number, (options, _) in enumerate(ways, start=1):
            try:
                mux(options)
                return
            except OutputError as error:
                if number == len(ways) or "disk is full" in str(error):
                    raise
                warnings.warn(f"{ways[number][1]}: {error}", DreamFlowWarning, 2)
    finally:
        chapters.unlink(missing_ok=True)


def mux_arguments(
    joined: Path,
    frames: int,
    chapters: Path,
    outline: OutputSpec,
    record: dict[str, Any],
    track_options: list[str],
) -> list[str]:
    """Return ffmpeg's arguments that join picture, settings, chapters and, by options, tracks.

    chapters: a file to write them to.
    """
    sound = outline.sound if track_options else None
    arguments: list[str] = []
    late = sound.start if sound and sound.begin == 0 else Fraction(0)
    if late:
        arguments += ["-itsoffset", format_seconds(late)]
    arguments += ["-i", str(joined.absolute())]
    if sound:
        if sound.begin > 0:
            arguments += ["-ss", format_seconds(sound.start + sound.begin)]
        if sound.ends_early or frames < outline.frames:
            arguments += ["-t", format_seconds(output_duration(outline, frames) + late)]
        arguments += ["-i", str(sound.path.absolute())]
    from_chapters = "-1"
    if outline.chapters:
        chapters.write_text(format_chapters(outline, frames, late), encoding="utf-8")
        arguments += ["-f", "ffmetadata", "-i", str(chapters.absolute())]
        from_chapters = "2" if sound else "1"
    # Sound from before the first frame taken would push the picture back.
    arguments += ["-map", "0:v", *track_options, "-copypriorss:a", "0", "-c:v", "copy"]
    arguments += ["-map_metadata:g", "-1", "-map_chapters", from_chapters, "-strict", "-1"]
    if sound and sound.subtitle_codecs and (sound.ends_early or frames < outline.frames):
        arguments += ["-t", format_seconds(output_duration(outline, frames) + late)]
    if record:
        arguments += ["-metadata", f"comment={format_record_comment(record)}"]
    return arguments


def check_video(path: Path, frames: int) -> None:
    """Decode a film from end to end. Raises OutputError where it has not so many frames."""
    found = 0
    try:
        with av.open(str(path.absolute())) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            for _ in container.decode(stream):
                found += 1
    except av.error.FFmpegError as error:
        raise OutputError(f"{path} was written, but does not decode: {error.strerror}") from error
    if found != frames:
        raise OutputError(
            f"{path} was written, but has {format_count(found, 'frame')}, not {frames}"
        )


def check_animation(path: Path, frames: int) -> None:
    """Decode an animated picture, in which frames that are alike may be one.

    Raises OutputError where it does not decode, or has more frames than there were.
    """
    try:
        found = sum(1 for _ in iio.imiter(path, plugin="pillow"))
    except (OSError, ValueError, EOFError) as error:
        raise OutputError(f"{path} was written, but does not decode: {error}") from error
    if not 1 <= found <= frames:
        raise OutputError(
            f"{path} was written, but has {format_count(found, 'frame')}, not {frames}"
        )


def format_seconds(time: Fraction) -> str:
    """Return a time as ffmpeg reads it, to the microsecond."""
    return f"{float(time):.6f}"
