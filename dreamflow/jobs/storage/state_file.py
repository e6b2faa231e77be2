"""A pipeline's state in a file: arrays as .npy, the rest as JSON. Nothing is unpickled."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from dreamflow.core.errors import OutputError, named
from dreamflow.media.atomic_file import atomic_write
from dreamflow.pipelines.pipeline import PipelineState

STATE_TREE_KEY = "tree"
"""Entry of the file that holds the JSON; the arrays are `array_0`, `array_1` and so on."""


def write_state(path: Path, state: PipelineState) -> None:
    """Replace a state file, completely or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    arrays: list[np.ndarray] = []
    tree = np.array(json.dumps(_to_json_tree(state, arrays)))
    array_by_name = {f"array_{number}": array for number, array in enumerate(arrays)}
    with atomic_write(path) as part, part.open("wb") as file:
        np.savez(file, allow_pickle=False, **{STATE_TREE_KEY: tree}, **array_by_name)


def read_state(path: Path) -> PipelineState:
    """Return the state in a file.

    Raises:
        OutputError: The file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as entries:
            return _from_json_tree(json.loads(str(entries[STATE_TREE_KEY])), entries)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise OutputError(
            f"{path} is damaged: start over with {named('fresh')}",
            setting="fresh",
            where=str(path),
        ) from error


def _to_json_tree(value: Any, arrays: list[np.ndarray]) -> Any:
    """Return a value as JSON, in which arrays stand by their number in the list.

    An image, a tensor (1, C, H, W), becomes an array (H, W, C): restored, it has the memory layout
    (channels last) that it had.
    """
    if isinstance(value, Tensor):
        pixels = value[0].permute(1, 2, 0) if value.dim() == 4 else value
        value = np.ascontiguousarray(pixels.detach().cpu().numpy())
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, Fraction):
        return {"fraction": str(value)}
    if isinstance(value, dict):
        return {"dict": [[key, _to_json_tree(item, arrays)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_to_json_tree(item, arrays) for item in value]}
    return value


def _from_json_tree(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "array":
        return arrays[f"array_{content}"]
    if kind == "fraction":
        return Fraction(content)
    if kind == "dict":
        return {key: _from_json_tree(item, arrays) for key, item in content}
    items = [_from_json_tree(item, arrays) for item in content]
    return tuple(items) if kind == "tuple" else items
