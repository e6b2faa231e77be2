"""The motion between two frames, as the temporal step takes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dreamflow.core.imaging.filters import resize_linear


@dataclass(frozen=True)
class FlowPair:
    """Optical flow between two frames, both ways, as an estimator found it.

    Attributes:
        backward: float32 (h, w, 2), (dx, dy) in pixels; it lives on the current frame and points
            into the previous one.
        forward: The same the other way round: on the previous frame, into the current one.
    """

    backward: np.ndarray
    forward: np.ndarray

    @property
    def reversed(self) -> FlowPair:
        """The flow of the same two frames in the opposite order."""
        return FlowPair(self.forward, self.backward)

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return self.backward.nbytes + self.forward.nbytes


@dataclass(frozen=True)
class Motion:
    """Backward flow along which a dream is carried, and how far it may be believed.

    Attributes:
        backward: float32 (1, 2, H, W) on the compute device, (dx, dy) in pixels, from the current
            frame into the previous one.
        confidence: float32 (1, 1, H, W) in [0, 1] on the compute device; 0 where the scene was
            hidden in the previous frame, or outside of it.
        mean_confidence: Mean of the confidence, known to the host.
        disoccluded: float32 (rows, columns) on the host: share of each block of the frame whose
            confidence is too low for a dream to be carried.
    """

    backward: Tensor
    confidence: Tensor
    mean_confidence: float
    disoccluded: np.ndarray

    def to(self, device: torch.device, height: int, width: int) -> Motion:
        """Return the motion on a device, for frames of a size in pixels.

        Flow is estimated on a smaller frame where the frames are large: only that is transferred.
        """
        backward = self.backward.to(device, non_blocking=True)
        confidence = self.confidence.to(device, non_blocking=True)
        rows, columns = backward.shape[2:]
        if (rows, columns) != (height, width):
            scale = backward.new_tensor([width / columns, height / rows]).view(1, 2, 1, 1)
            backward = resize_linear(backward, (height, width)) * scale
            confidence = resize_linear(confidence, (height, width))
        return Motion(backward, confidence, self.mean_confidence, self.disoccluded)
