"""Subtitles of an output: copied into Matroska, else encoded as the container's text."""

from __future__ import annotations

import warnings

from dreamflow.core.errors import LeftOutWarning
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.write.containers import ContainerFormat
from dreamflow.media.write.tracks.inputs import InputNumbers

TEXT_SUBTITLE_CODECS = frozenset({"ass", "mov_text", "srt", "ssa", "subrip", "text", "webvtt"})
"""FFmpeg's names of subtitle codecs that are text; the others are pictures."""
NOT_IN_MATROSKA = ("mov_text", "unknown")
"""Subtitle codecs that cannot be copied into Matroska."""


def subtitle_options(container_format: ContainerFormat, output_spec: OutputSpec) -> list[str]:
    """Return ffmpeg's options that take over the source's subtitle tracks.

    Empty where there are none. Warns of those that the container cannot hold.
    """
    tracks = output_spec.sound.subtitle_codecs if output_spec.sound else ()
    number = InputNumbers.of(output_spec).subtitles
    options: list[str] = []
    unsupported: set[str] = set()
    output_track = 0
    for input_track, codec in enumerate(tracks):
        encoder = _choose_encoder(container_format, codec)
        if encoder is None:
            unsupported.add(codec)
            continue
        options += ["-map", f"{number}:s:{input_track}", f"-c:s:{output_track}", encoder]
        output_track += 1
    if unsupported:
        warnings.warn(
            f"{container_format.suffix} cannot hold {', '.join(sorted(unsupported))} subtitles: "
            "left out",
            LeftOutWarning,
            2,
        )
    return options


def trim_subtitles(end_s: str) -> str:
    """Return the bitstream filter that cuts subtitles to an output, shifted to its start.

    Subtitles that are pictures have no duration: another packet ends them, so they are not cut.

    Args:
        end_s: Seconds from the start of the output to its end.
    """
    is_over = "gt(d\\,0)*lte((pts+d)*tb\\,0)+eq(d\\,0)*lt(pts\\,0)"
    start, end = "max(PTS\\,0)", f"min(PTS+DURATION\\,{end_s}/TB)"
    return (
        f"noise=drop=gte(pts*tb\\,{end_s})+{is_over},"
        f"setts=pts={start}:dts={start}:duration=if(DURATION\\,{end}-{start}\\,0)"
    )


def _choose_encoder(container_format: ContainerFormat, codec: str) -> str | None:
    """Return FFmpeg's encoder of a subtitle track, or None where the container cannot hold it."""
    if container_format.subtitle_encoder is None:
        return None
    if container_format.suffix == ".mkv" and codec not in NOT_IN_MATROSKA:
        return "copy"
    return container_format.subtitle_encoder if codec in TEXT_SUBTITLE_CODECS else None
