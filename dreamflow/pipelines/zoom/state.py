"""The state of a zoom between two ticks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dreamflow.core.files.documents import DocumentError, fit_schema
from dreamflow.core.tensors import array_to_tensor, tensor_to_array
from dreamflow.pipelines.pipeline import LAYOUT_KEY, PipelineState

LOOP_LAYOUT = 2
"""Layout of the states of loops; those of other zooms have the first."""


@dataclass(frozen=True)
class SavedZoomState:
    """A `ZoomState` as it is saved, its images as float32 arrays (H, W, 3)."""

    tick: int
    dream: np.ndarray
    lead_in: np.ndarray | None = None


@dataclass(frozen=True)
class ZoomState:
    """What a zoom has dreamed at a tick.

    Attributes:
        tick: Number of the tick; below 0 in the lead-in of a loop.
        image: float32 (1, 3, H, W) in [0, 1], what the camera sees, with a margin.
        lead_in: While a loop dissolves into it: the lead-in's image at the same tick of the loop.
    """

    tick: int
    image: Tensor
    lead_in: Tensor | None = None

    def save(self, is_loop: bool) -> PipelineState:
        """Return the state as arrays and numbers."""
        state: PipelineState = {"tick": self.tick, "dream": tensor_to_array(self.image)}
        if is_loop:
            lead_in = None if self.lead_in is None else tensor_to_array(self.lead_in)
            state |= {LAYOUT_KEY: LOOP_LAYOUT, "lead_in": lead_in}
        return state

    @classmethod
    def load(cls, state: PipelineState, device: torch.device) -> ZoomState:
        """Return the state that `save` made arrays and numbers of. Raises DocumentError."""
        saved = fit_schema(state, SavedZoomState)
        images = [image for image in (saved.dream, saved.lead_in) if image is not None]
        if any(image.dtype != np.float32 or image.ndim != 3 for image in images):
            raise DocumentError("its images are not float32 (H, W, 3)")
        lead_in = None if saved.lead_in is None else array_to_tensor(saved.lead_in, device)
        return cls(saved.tick, array_to_tensor(saved.dream, device), lead_in)
