"""The motion between two frames, as the temporal step takes it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from dreamflow.core.imaging.arrays import image_size
from dreamflow.core.imaging.filters import resize_area, resize_linear


@dataclass(frozen=True)
class MoverMasks:
    """What moves against the camera between two frames, on the compute device.

    Attributes:
        core: float32 (1, 1, H, W) in [0, 1], on the current frame: 1 where something moves by
            itself.
        here: The same with a margin around it.
        before: The same on the previous frame, with a margin.
        camera: float32 (1, 2, H, W), the camera's backward flow, (dx, dy) in pixels.
        shares: float32 (rows, columns) on the host: share of each block of the current frame that
            moves.
        knows_ground: Whether the camera's motion explains enough of the frame to carry the ground
            along it.
    """

    core: Tensor
    here: Tensor
    before: Tensor
    camera: Tensor
    shares: np.ndarray
    knows_ground: bool = True

    def to(self, device: torch.device) -> MoverMasks:
        """Return the masks on a device."""
        return replace(
            self,
            core=self.core.to(device, non_blocking=True),
            here=self.here.to(device, non_blocking=True),
            before=self.before.to(device, non_blocking=True),
            camera=self.camera.to(device, non_blocking=True),
        )

    def resized(self, size: tuple[int, int]) -> MoverMasks:
        """Return the masks for frames of a (height, width) in pixels."""
        return replace(
            self,
            core=resize_linear(self.core, size),
            here=resize_linear(self.here, size),
            before=resize_linear(self.before, size),
            camera=_resize_flow(self.camera, size),
        )


@dataclass(frozen=True)
class Motion:
    """Backward flow along which a dream is carried, and how far it may be believed.

    Flow of large frames is estimated at a smaller size, (H, W): only so much is transferred and
    kept. `resized` makes it of the frames' size.

    Attributes:
        backward: float32 (1, 2, H, W) on the compute device, (dx, dy) in pixels, from the current
            frame into the previous one.
        confidence: float32 (1, 1, H, W) in [0, 1] on the compute device; 0 where the scene was
            hidden in the previous frame, or outside of it.
        mean_confidence: Mean of the confidence, known to the host.
        disoccluded: float32 (rows, columns) on the host: share of each block of the frame whose
            confidence is too low for a dream to be carried.
        movers: What moves by itself; None where nothing does.
    """

    backward: Tensor
    confidence: Tensor
    mean_confidence: float
    disoccluded: np.ndarray
    movers: MoverMasks | None = None

    def to(self, device: torch.device) -> Motion:
        """Return the motion on a device."""
        return replace(
            self,
            backward=self.backward.to(device, non_blocking=True),
            confidence=self.confidence.to(device, non_blocking=True),
            movers=self.movers and self.movers.to(device),
        )

    def resized(self, size: tuple[int, int]) -> Motion:
        """Return the motion for frames of a (height, width) in pixels."""
        return replace(
            self,
            backward=_resize_flow(self.backward, size),
            confidence=resize_linear(self.confidence, size),
            movers=self.movers and self.movers.resized(size),
        )

    def without_fields(self) -> Motion:
        """Return what the host knows of the motion: flow, confidence and masks are empty.

        They take 7 MB at 640x360, and what is dreamed once all is carried along needs none.
        """
        nothing = self.backward.new_empty(0)
        movers = self.movers and replace(
            self.movers, core=nothing, here=nothing, before=nothing, camera=nothing
        )
        return replace(self, backward=nothing, confidence=nothing, movers=movers)

    def resized_flow(self, size: tuple[int, int]) -> Tensor:
        """Return the flow, averaged by area, for frames of a (height, width) in pixels."""
        rows, columns = image_size(self.backward)
        scale = self.backward.new_tensor([size[1] / columns, size[0] / rows]).view(1, 2, 1, 1)
        return resize_area(self.backward, size) * scale


def _resize_flow(flow: Tensor, size: tuple[int, int]) -> Tensor:
    rows, columns = image_size(flow)
    if (rows, columns) == size:
        return flow
    scale = flow.new_tensor([size[1] / columns, size[0] / rows]).view(1, 2, 1, 1)
    return resize_linear(flow, size) * scale
