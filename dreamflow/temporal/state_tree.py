"""A state of the temporal step as it is kept: as a tree of tensors, numbers and texts, and back."""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from dreamflow.core.files.documents import DocumentError, fit_schema
from dreamflow.core.tensors import in_pixel_order
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.motion.crops import grid_of_blocks
from dreamflow.temporal.state import CarriedDream, DreamState

TreeT = TypeVar("TreeT")


def state_to_tree(state: DreamState) -> dict[str, Any]:
    """Return a state as tensors, numbers and texts, in dicts and tuples.

    The tensors are those of the state, on its device: nothing is transferred until they are written
    to a file.
    """
    return {
        "dreams": {number: _dream_to_tree(dream) for number, dream in state.dreams.items()},
        "weights": dict(state.weights),
        "since_measured": state.since_measured,
        "facts": vars(state.facts),
        "pending": vars(state.pending),
    }


def state_from_tree(tree: Any, device: torch.device) -> DreamState:
    """Return the state of a tree from `state_to_tree`, on a device.

    In place of tensors there may be the arrays that they were written as: images (1, C, H, W) as
    (H, W, C), all others in their own shape.

    Raises:
        DocumentError: A part of the tree is missing or of another type.
    """
    return fit_tree(tree, DreamState, device)


def check_state(state: DreamState, height: int, width: int, gains: Gains) -> None:
    """Check that a state can be that of a frame: its tensors fit each other and the frame.

    Args:
        state: The state.
        height: Height of the frame in pixels.
        width: Its width.
        gains: The constants.

    Raises:
        DocumentError: It cannot.
    """
    like = CarriedDream.begin(torch.zeros(1, 3, height, width), gains)
    for dream in state.dreams.values():
        if _list_shapes(dream) != _list_shapes(like):
            raise DocumentError("a carried dream is not of the frame's size")
        if dream.reference_gain_map is not None:
            _check_shapes({"gain of the objective": dream.reference_gain_map}, dream.age)
        if (ground := dream.ground) is not None:
            _check_shapes({"dream of the ground": ground.residual}, dream.residual)
            parts = {"age": ground.age, "mask": ground.hidden, "vacated part": ground.vacated}
            _check_shapes(
                {f"{name} of the ground": part for name, part in parts.items()}, dream.age
            )
            if ground.measured.dim() != 4 or ground.measured.shape[:2] != (1, 4):
                raise DocumentError("what is measured of the ground is not given by area")
    if not state.weights or not state.weights.keys() <= state.dreams.keys():
        raise DocumentError("the weights are not those of the carried dreams")
    if any(weight.numel() != 1 for weight in state.weights.values()):
        raise DocumentError("a weight is not one number")
    grid = grid_of_blocks(height, width, gains)
    uncovered, pending = state.facts.uncovered, state.pending
    if uncovered is not None and (uncovered.dtype, uncovered.shape) != (np.float32, grid):
        raise DocumentError("what is uncovered is not in blocks of the frame")
    if pending.values is not None and (
        pending.grid != grid or pending.values.shape != (len(pending.names) + math.prod(grid),)
    ):
        raise DocumentError("what is to be read back does not have its names")


def _check_shapes(tensors: dict[str, Tensor], like: Tensor) -> None:
    """Raise DocumentError where a tensor does not have the shape of another one."""
    for name, tensor in tensors.items():
        if tensor.shape != like.shape:
            raise DocumentError(f"the {name} is not of the frame's size")


def _list_shapes(dream: CarriedDream) -> list[tuple[int, ...]]:
    """Return the shapes of a carried dream's tensors, the ground's aside.

    A () tensor counts as (1,), as which it comes back from a file.
    """
    energies = [*vars(dream.setpoint).values(), *vars(dream.setpoint_target).values()]
    tensors = (dream.residual, dream.age, dream.reference_energy, *energies)
    return [tuple(tensor.shape) or (1,) for tensor in tensors]


def _dream_to_tree(dream: CarriedDream) -> dict[str, Any]:
    return vars(dream) | {
        "setpoint": vars(dream.setpoint),
        "setpoint_target": vars(dream.setpoint_target),
        "ground": dream.ground and vars(dream.ground),
    }


def _read_array(value: Any) -> Tensor | None:
    """Return a tensor, or an array as one; None for anything else, and for unfit arrays."""
    if isinstance(value, Tensor):
        return value
    if not isinstance(value, np.ndarray) or value.dtype != np.float32 or value.ndim > 4:
        return None
    tensor = torch.as_tensor(value)
    return tensor.permute(2, 0, 1)[None] if tensor.dim() == 3 else tensor


def fit_tree(tree: Any, schema: type[TreeT], device: torch.device) -> TreeT:
    """Return a part of a state's tree as a class has it, its tensors on a device.

    In place of a tensor there may be the array that it was written as.

    Args:
        tree: Tensors, arrays, numbers and texts, in dicts, lists and tuples.
        schema: The class: a dataclass, or a class of msgspec.
        device: Where its tensors are to be.

    Raises:
        DocumentError: A part is missing, or of another type.
    """

    def to_tensor(kind: type, value: Any) -> Any:
        if kind is not Tensor:
            return value
        tensor = _read_array(value)
        if not isinstance(tensor, Tensor):
            return value
        tensor = tensor.to(device)
        return in_pixel_order(tensor) if tensor.dim() == 4 else tensor

    return fit_schema(tree, schema, to_tensor)
