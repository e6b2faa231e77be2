"""The state of a zoom between two ticks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dreamflow.core.tensors import array_to_tensor, tensor_to_array
from dreamflow.pipelines.pipeline import LAYOUT_KEY, PipelineState

LOOP_LAYOUT = 2
"""Layout of the states of loops; those of other zooms have the first."""


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
        """Return the state that `save` made arrays and numbers of."""
        lead_in = state.get("lead_in")
        return cls(
            state["tick"],
            array_to_tensor(state["dream"], device),
            None if lead_in is None else array_to_tensor(lead_in, device),
        )
