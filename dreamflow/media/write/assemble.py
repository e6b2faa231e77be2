"""Assembling a finished output from its segments: joined, muxed or animated, and verified."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dreamflow.media.files.atomic_file import part_path, sync_to_disk
from dreamflow.media.options import EncodeOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.write.animation.encode_animation import make_gif, make_webp
from dreamflow.media.write.containers import ContainerFormat
from dreamflow.media.write.frame_times import find_frame_times
from dreamflow.media.write.segments.join_segments import join_segments
from dreamflow.media.write.tracks.mux import MuxedOutput, mux_tracks
from dreamflow.media.write.verify_output import verify_animation, verify_video


def assemble_output(
    segments: Sequence[Path],
    frames: int,
    target: Path,
    container_format: ContainerFormat,
    encode: EncodeOptions,
    output_spec: OutputSpec,
    record: dict[str, Any],
) -> None:
    """Make an output of its segments, and verify it by decoding it.

    A video's picture is not encoded again. Sound that cannot be muxed is left out, with a warning.

    Args:
        segments: Encoded segments in order; they stay as they are.
        frames: Number of frames in all of them.
        target: The file to write, in the segments' folder.
        container_format: Its format.
        encode: How it is encoded.
        output_spec: Its timing, sound and chapters.
        record: Settings to embed; {} for none.

    Raises:
        OutputError: The output cannot be written, or is not complete.
    """
    joined = part_path(target.with_name(f"joined{segments[0].suffix}"))
    try:
        times = find_frame_times(join_segments(segments, joined), output_spec)
        if container_format.suffix == ".gif":
            verify_video(target, make_gif(joined, times, target, output_spec, record))
        elif container_format.suffix == ".webp":
            shown = make_webp(joined, times, target, encode, output_spec, record)
            verify_animation(target, shown)
        else:
            encoding = container_format.video_encoding(encode, output_spec.samples)
            muxer_options = [*encoding.muxer_options, *container_format.muxer_options]
            output = MuxedOutput(
                *(joined, times, container_format, output_spec, record), encoding.joined_options
            )
            mux_tracks(output, target, muxer_options)
            verify_video(target, frames)
        sync_to_disk(target)
    finally:
        joined.unlink(missing_ok=True)
