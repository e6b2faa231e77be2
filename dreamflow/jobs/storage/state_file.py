"""A journey's state in a file: arrays as they are, and the rest as JSON. Nothing is unpickled."""

from __future__ import annotations

import json
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from dreamflow.core.errors import OutputError
from dreamflow.media.atomic_file import atomic_write
from dreamflow.pipelines.pipeline import PipelineState

STATE_TREE_KEY = "tree"


def write_state(path: Path, state: PipelineState) -> None:
    """Write a state, whole or not at all. Raises OutputError."""
    arrays: list[np.ndarray] = []
    tree = np.array(json.dumps(_to_json_tree(state, arrays)))
    named = {f"array_{number}": array for number, array in enumerate(arrays)}
    with atomic_write(path) as part, part.open("wb") as file:
        np.savez(file, allow_pickle=False, **{STATE_TREE_KEY: tree}, **named)


def read_state(path: Path) -> PipelineState:
    """Return a state that was written. Raises OutputError where the file is damaged."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            return _from_json_tree(json.loads(str(kept[STATE_TREE_KEY])), kept)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise OutputError(f"{path} is damaged ({error}): give --fresh to start over") from error


def _to_json_tree(value: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, Tensor):
        # Images in the order of their memory, so that they are restored in the same.
        image = value[0].permute(1, 2, 0) if value.dim() == 4 else value
        value = np.ascontiguousarray(image.detach().cpu().numpy())
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


def _from_json_tree(value: Any, arrays: Any) -> Any:
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
