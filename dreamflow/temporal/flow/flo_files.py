"""Optical flow that comes from elsewhere: a folder of .flo files.

`backward_12_11.flo` is the flow from frame 12 back to frame 11, and `forward_11_12.flo` that from
11 to 12, as the scripts around Ruder et al. 2016 name theirs; leading zeros do not matter. Frames
are numbered from 0, as they are in the source.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from dreamflow.core.errors import MediaError, SettingsError
from dreamflow.core.frames import Frame
from dreamflow.core.opencv import cv2
from dreamflow.temporal.confidence import positions
from dreamflow.temporal.flow.estimators import Motion, estimate_motion, scaled, to_gray

TAG = b"PIEH"
"""What a .flo file begins with: 202021.25 as float32, little-endian (Baker et al. 2007)."""
HEADER_BYTES = 12
UNKNOWN_ABOVE = 1e9
"""Larger values mean that the flow is not known there."""
NOWHERE_PX = 1e5
"""An unknown flow points this far, out of every frame, so that nothing trusts it."""
ASPECT_TOLERANCE = 0.02
FILE_NAME = re.compile(r"(backward|forward)_(\d+)_(\d+)\.flo")


def read_flo(path: Path) -> np.ndarray:
    """Read Middlebury's .flo: float32 (H, W, 2), (dx, dy) in pixels; unknown flow is NaN.

    Raises MediaError where it cannot be read, or is no whole .flo file.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) < HEADER_BYTES or data[:4] != TAG:
        raise MediaError(f"{path} is not a .flo file (Middlebury's format of optical flow)")
    width, height = (int(side) for side in np.frombuffer(data[4:HEADER_BYTES], "<i4"))
    if min(width, height) < 1 or len(data) != HEADER_BYTES + width * height * 8:
        raise MediaError(f"{path} is damaged: it says {width}x{height} and has {len(data)} bytes")
    flow = np.frombuffer(data[HEADER_BYTES:], "<f4").reshape(height, width, 2).astype(np.float32)
    known = (np.abs(flow) <= UNKNOWN_ABOVE).all(axis=-1)
    flow[~known] = np.nan
    return flow


def opposite(flow: np.ndarray, there: np.ndarray, here: np.ndarray) -> np.ndarray:
    """Return the flow (H, W, 2) from `there` to `here` that one from `here` to `there` implies.

    there, here: frames, uint8 (H, W, 3). Each pixel of `here` says of the one that it points at
    where that one went. Where several point at one, the most alike is right: the others are
    hidden in `there`, and no flow leads back to them. What none points at leads out of the frame.
    """
    height, width = flow.shape[:2]
    x, y = positions(flow)
    followed = cv2.remap(to_gray(there), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    unlike = cv2.GaussianBlur(cv2.absdiff(followed, to_gray(here)).astype(np.float32), (0, 0), 2)
    column, row = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    # Of those that write to one place the last one stays: the most alike.
    order = np.argsort(-unlike[inside], kind="stable")
    back = np.full_like(flow, NOWHERE_PX)
    back[row[inside][order], column[inside][order]] = -flow[inside][order]
    holes = back[..., 0] == NOWHERE_PX
    # Rounding leaves single holes wherever the scene grows; they have the flow around them.
    near = np.dstack([cv2.medianBlur(part, 3) for part in cv2.split(back)])
    back[holes] = near[holes]
    return back


class FlowFolder:
    """The motion between frames, from a folder of .flo files.

    The flow of one way is enough: the other is derived from it. Files of another size are scaled
    where the aspect agrees.
    """

    def __init__(self, folder: Path) -> None:
        """Raise SettingsError where there is no such folder, or no flow in it."""
        if not folder.is_dir():
            raise SettingsError(f"--flow-dir {folder}: there is no such folder")
        self.folder = folder
        self.files: dict[tuple[int, int], Path] = {}
        """By the frames that the flow leads from and to."""
        for path in sorted(folder.iterdir()):
            if match := FILE_NAME.fullmatch(path.name):
                self.files[int(match[2]), int(match[3])] = path
        if not self.files:
            raise SettingsError(
                f"--flow-dir {folder}: no flow is in it; name the flow from frame 1 back to frame "
                "0 backward_1_0.flo"
            )

    def __call__(self, before: Frame, here: Frame) -> Motion:
        """Return the motion between two frames.

        Raises MediaError where the file is not there or does not fit. Frames that do not follow
        each other (over a flash, or from a loop's end to its beginning) do without: DIS is used.
        """
        backward = self._read(here, before)
        forward = self._read(before, here)
        if backward is not None:
            if forward is None:
                forward = opposite(backward, before.picture, here.picture)
            return Motion.of(backward, forward)
        if forward is not None:
            return Motion.of(opposite(forward, here.picture, before.picture), forward)
        if 0 <= before.index < here.index:
            name = f"backward_{here.index}_{before.index}.flo"
            raise MediaError(
                f"{self.folder / name}: there is no such file; it is the flow from frame "
                f"{here.index} back to frame {before.index}"
            )
        return estimate_motion(before.picture, here.picture)

    def _read(self, origin: Frame, target: Frame) -> np.ndarray | None:
        path = self.files.get((origin.index, target.index))
        if path is None:
            return None
        flow = read_flo(path)
        (height, width), (high, wide) = origin.picture.shape[:2], flow.shape[:2]
        if abs(wide * height / (high * width) - 1) > ASPECT_TOLERANCE:
            raise MediaError(f"{path} is {wide}x{high}, but the frames are {width}x{height}")
        # After scaling, so that what is unknown spreads to all that it touches, and stays far out.
        flow = scaled(flow, height, width)
        flow[np.isnan(flow).any(axis=-1)] = NOWHERE_PX
        return flow
