"""torchvision beside a PyTorch that its compiled ops were not built for.

A torchvision wheel built for CUDA cannot load its ops beside a CPU-only PyTorch, and then its
import fails, since `torchvision::nms` and `torchvision::qnms` have no schema. Its classifiers,
feature extraction and RAFT need neither: with the two schemas defined they work.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import torch

_op_library: torch.library.Library | None = None
MISSING_OP_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def import_torchvision() -> tuple[ModuleType, bool]:
    """Return torchvision, and whether the missing schemas had to be defined for it.

    Raises ImportError where it is not installed, RuntimeError where it is broken otherwise.
    """
    global _op_library
    try:
        return importlib.import_module("torchvision"), _op_library is not None
    except RuntimeError as error:
        if "torchvision::" not in str(error) or _op_library is not None:
            raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    _op_library = torch.library.Library("torchvision", "DEF")
    for schema in MISSING_OP_SCHEMAS:
        _op_library.define(schema)
    return importlib.import_module("torchvision"), True
