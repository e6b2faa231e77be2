"""Optical flow from a folder of .flo files.

`backward_12_11.flo` is the flow from frame 12 back to frame 11, and `forward_11_12.flo` that from
11 to 12, as the scripts around Ruder et al. 2016 name theirs; leading zeros do not matter. Frames
are numbered from 0, as they are in the source.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from dreamflow.core.errors import MediaError, SettingsError, named
from dreamflow.core.files.regular_file import read_file_bytes
from dreamflow.core.frames import Frame
from dreamflow.core.opencv import cv2
from dreamflow.temporal.flow.estimators import estimate_dis, resize_flow, to_gray
from dreamflow.temporal.flow.flow_pair import FlowPair
from dreamflow.temporal.motion.confidence import flow_positions, sample_linear

TAG = b"PIEH"
"""What a .flo file begins with: 202021.25 as float32, little-endian (Baker et al. 2007)."""
HEADER_BYTES = 12
UNKNOWN_ABOVE = 1e9
"""Larger values mean that the flow is not known there."""
NOWHERE_PX = 1e5
"""An unknown flow points this far, out of every frame, so that it has no confidence."""
ASPECT_TOLERANCE = 0.02
"""Largest relative difference between the aspects of a flow and of the frames."""
FILE_NAME = re.compile(r"(backward|forward)_(\d+)_(\d+)\.flo")
DIFFERENCE_BLUR_PX = 2.0


def read_flo(path: Path) -> np.ndarray:
    """Read a .flo file of Middlebury's format.

    Returns:
        float32 (H, W, 2), (dx, dy) in pixels; NaN where the flow is unknown.

    Raises:
        MediaError: The file cannot be read, or is no whole .flo file.
    """
    try:
        data = read_file_bytes(path)
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}", where=str(path)) from error
    if len(data) < HEADER_BYTES or data[:4] != TAG:
        raise MediaError(
            f"{path} is not a .flo file (Middlebury's format of optical flow)", where=str(path)
        )
    width, height = (int(side) for side in np.frombuffer(data[4:HEADER_BYTES], "<i4"))
    if min(width, height) < 1 or len(data) != HEADER_BYTES + width * height * 8:
        raise MediaError(
            f"{path} is damaged: it declares {width}x{height} and has {len(data)} bytes",
            where=str(path),
        )
    flow = np.frombuffer(data[HEADER_BYTES:], "<f4").reshape(height, width, 2).astype(np.float32)
    known = (np.abs(flow) <= UNKNOWN_ABOVE).all(axis=-1)
    flow[~known] = np.nan
    return flow


def invert_flow(flow: np.ndarray, there: np.ndarray, here: np.ndarray) -> np.ndarray:
    """Derive the opposite flow: from `there` to `here`, of one from `here` to `there`.

    Where a pixel of `here` points at one of `there`, the flow of that one leads back to it. Where
    several point at one, the most alike is right: the others are hidden in `there`, and no flow
    leads back to them. The flow of what none points at leads out of the frame.

    Args:
        flow: float32 (H, W, 2) on `here`, in pixels.
        there: Frame that the flow points into, uint8 (H, W, 3).
        here: Frame that it lives on, alike.

    Returns:
        float32 (H, W, 2) on `there`.
    """
    height, width = flow.shape[:2]
    x, y = flow_positions(flow)
    difference = cv2.absdiff(sample_linear(to_gray(there), x, y), to_gray(here))
    unlike = cv2.GaussianBlur(difference.astype(np.float32), (0, 0), DIFFERENCE_BLUR_PX)
    column, row = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    # Of those that write to one place the last one stays: the most alike.
    order = np.argsort(-np.asarray(unlike[inside], np.float32), kind="stable")
    back = np.full_like(flow, NOWHERE_PX)
    back[row[inside][order], column[inside][order]] = -flow[inside][order]
    holes = back[..., 0] == NOWHERE_PX
    # Rounding leaves single holes wherever the scene grows; they take the flow around them.
    near = np.dstack([cv2.medianBlur(part, 3) for part in cv2.split(back)])
    back[holes] = near[holes]
    return back


class FlowFolder:
    """A source of flow that reads it from a folder of .flo files.

    The flow of one direction is enough: the other is derived from it. Files of another size are
    resized where the aspect agrees.
    """

    def __init__(self, folder: Path) -> None:
        """Look for flow in a folder.

        Raises:
            SettingsError: There is no such folder, or no flow in it.
        """
        if not folder.is_dir():
            raise SettingsError(
                f"{named('flow_dir')} {folder}: there is no such folder",
                setting="flow_dir",
                value=str(folder),
            )
        self.folder = folder
        self._files: dict[tuple[int, int], Path] = {}
        for path in sorted(folder.iterdir()):
            if match := FILE_NAME.fullmatch(path.name):
                self._files[int(match[2]), int(match[3])] = path
        if not self._files:
            raise SettingsError(
                f"{named('flow_dir')} {folder}: no flow is in it; name the flow from frame 1 back "
                "to frame 0 backward_1_0.flo",
                setting="flow_dir",
                value=str(folder),
            )

    def __call__(self, before: Frame, here: Frame) -> FlowPair:
        """Return the flow between two frames.

        Frames that do not follow each other, as over a flash or from a loop's end to its beginning,
        have no file: DIS estimates their flow.

        Raises:
            MediaError: The file is missing, damaged, or of another aspect.
        """
        backward = self._read(here, before)
        forward = self._read(before, here)
        if backward is not None:
            if forward is None:
                forward = invert_flow(backward, before.picture, here.picture)
            return FlowPair(backward, forward)
        if forward is not None:
            return FlowPair(invert_flow(forward, here.picture, before.picture), forward)
        if 0 <= before.index < here.index:
            path = self.folder / f"backward_{here.index}_{before.index}.flo"
            raise MediaError(
                f"{path}: there is no such file; it is the flow from frame {here.index} back to "
                f"frame {before.index}",
                where=str(path),
            )
        return estimate_dis(before.picture, here.picture)

    def _read(self, origin: Frame, target: Frame) -> np.ndarray | None:
        path = self._files.get((origin.index, target.index))
        if path is None:
            return None
        flow = read_flo(path)
        (height, width), (rows, columns) = origin.picture.shape[:2], flow.shape[:2]
        if abs(columns * height / (rows * width) - 1) > ASPECT_TOLERANCE:
            raise MediaError(
                f"{path} is {columns}x{rows}, but the frames are {width}x{height}",
                where=str(path),
            )
        # After resizing, so that what is unknown spreads to all that it touches, and stays far out.
        flow = resize_flow(flow, height, width)
        flow[np.isnan(flow).any(axis=-1)] = NOWHERE_PX
        return flow
