"""Side data of a decoded frame: display matrix, HDR brightness, Dolby Vision.

PyAV 18 reads all side data of a frame at once, and fails where FFmpeg knows a kind that PyAV does
not (EXIF), or crashes where an entry has a name (the ICC profile of a PNG). So all kinds that are
not needed are removed from a copy of the frame first, by FFmpeg's `sidedata` filter.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import av.filter

DISPLAY_MATRIX, MASTERING_DISPLAY, CONTENT_LIGHT_LEVEL, DOVI_METADATA = 6, 11, 14, 24
"""Kinds of side data that are read (FFmpeg's AV_FRAME_DATA_...)."""
DYNAMIC_METADATA = {17: "HDR10+", 23: "Dolby Vision", 25: "HDR Vivid"}
"""Names of the kinds that say of each picture how it is tone-mapped."""
SIDE_DATA_KINDS = 64
"""Kinds that are removed where they are not read; FFmpeg 8 knows 32."""
FILTER_TIME_BASE = Fraction(1, 25)
"""Time base within the filter, in seconds; any would do."""


@dataclass(frozen=True)
class SideData:
    """Side data of a frame, each as FFmpeg's bytes; b"" where there is none.

    Attributes:
        display_matrix: 9 int32, row by row.
        mastering_display: An AVMasteringDisplayMetadata.
        content_light_level: An AVContentLightMetadata.
        dolby_vision: An AVDOVIMetadata.
        dynamic_metadata: Names of the kinds of metadata that are said of each picture.
    """

    display_matrix: bytes = b""
    mastering_display: bytes = b""
    content_light_level: bytes = b""
    dolby_vision: bytes = b""
    dynamic_metadata: tuple[str, ...] = ()


def read_side_data(frame: av.VideoFrame) -> SideData:
    """Return the side data of a decoded frame that is needed; the frame stays as it is."""
    wanted = (DISPLAY_MATRIX, MASTERING_DISPLAY, CONTENT_LIGHT_LEVEL, DOVI_METADATA)
    graph = av.filter.Graph()
    nodes = [
        graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=FILTER_TIME_BASE
        )
    ]
    for kind in range(SIDE_DATA_KINDS):
        if kind not in wanted and kind not in DYNAMIC_METADATA:
            nodes.append(graph.add("sidedata", f"mode=delete:type={kind}"))
    graph.link_nodes(*nodes, graph.add("buffersink")).configure()
    graph.push(frame)
    graph.push(None)
    filtered: Any = graph.pull()
    found = {entry.type.value: bytes(entry) for entry in filtered.side_data}
    dynamic = tuple(name for kind, name in DYNAMIC_METADATA.items() if kind in found)
    return SideData(*(found.get(kind, b"") for kind in wanted), dynamic_metadata=dynamic)


def is_dolby_vision_5(side_data: SideData) -> bool:
    """Return whether a frame's Dolby Vision metadata is that of profile 5.

    Its pictures are IPT-PQ-C2 and mean nothing as YCbCr. FFmpeg tells it by an RPU of profile 0
    and full range (`ff_dovi_guess_profile_hevc`).
    """
    data = side_data.dolby_vision
    if len(data) < 8:
        return False
    header = int.from_bytes(data[:8], "little")
    # AVDOVIRpuDataHeader: byte 4 is vdr_rpu_profile, byte 10 bl_video_full_range_flag.
    return len(data) > header + 10 and data[header + 4] == 0 and data[header + 10] == 1
