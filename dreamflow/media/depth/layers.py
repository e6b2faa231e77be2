"""The layers of an OpenEXR output beside its beauty, under the names that compositors read.

    dream.R, dream.G, dream.B   what the dream adds to the source: beauty - dream is the source
    matte.Y                     how much of the dream is shown, 0 to 1
    confidence.Y                how far the motion may be believed, 0 to 1
    backward.u, backward.v      motion from the frame into the one before, in pixels, v upwards
    stmap.u, stmap.v            the same as a map of places, 0 to 1 from the lower left corner

Nuke names motion `backward` with u and v, and counts upwards, as it does places.
"""

from __future__ import annotations

import numpy as np

from dreamflow.media.depth.original import PictureOriginal

MATTE, CONFIDENCE = "matte.Y", "confidence.Y"
BACKWARD_U, BACKWARD_V = "backward.u", "backward.v"


def collect_layers(picture: PictureOriginal) -> dict[str, np.ndarray]:
    """Return the wanted layers of a dreamed picture, (H, W) over its pixels, by channel."""
    wanted, rows_columns = picture.wanted_layers, picture.pixels.shape[:2]
    planes = picture.planes_over_pixels()
    nothing = np.zeros(rows_columns, np.float32)
    layers: dict[str, np.ndarray] = {}
    if "dream" in wanted:
        added = picture.measure_dream()
        layers |= {f"dream.{name}": added[..., n] for n, name in enumerate("RGB")}
    if "matte" in wanted:
        layers[MATTE] = planes.get(MATTE, nothing).astype(np.float16)
    if "confidence" in wanted:
        layers[CONFIDENCE] = planes.get(CONFIDENCE, nothing).astype(np.float16)
    right, up = planes.get(BACKWARD_U, nothing), planes.get(BACKWARD_V, nothing)
    if "backward" in wanted:
        layers |= {BACKWARD_U: right, BACKWARD_V: up}
    if "stmap" in wanted:
        (x, y), (width, height) = picture.origin, picture.size
        row, column = np.indices(rows_columns, np.float32)
        layers["stmap.u"] = (column + x + np.float32(0.5) + right) / width
        layers["stmap.v"] = 1 - (row + y + np.float32(0.5) - up) / height
    return layers
