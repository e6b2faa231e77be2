"""Importing torchvision beside a PyTorch that its compiled operators were not built for.

A torchvision wheel built for CUDA cannot load its operators beside a CPU-only PyTorch, and then its
import fails, since `torchvision::nms` and `torchvision::qnms` have no schema. Its classifiers,
feature extraction and RAFT need neither: with the two schemas defined they work.
"""

from __future__ import annotations

import importlib
import sys
from functools import lru_cache
from types import ModuleType

import torch

MISSING_OP_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
"""Schemas of the operators whose absence makes the import fail."""


def import_torchvision() -> tuple[ModuleType, bool]:
    """Import torchvision.

    Returns:
        The module, and whether the missing schemas had to be defined for it.

    Raises:
        ImportError: It is not installed.
        RuntimeError: It is broken in another way.
    """
    try:
        return importlib.import_module("torchvision"), _are_schemas_defined()
    except RuntimeError as error:
        if "torchvision::" not in str(error) or _are_schemas_defined():
            raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    _define_missing_schemas()
    return importlib.import_module("torchvision"), True


@lru_cache(maxsize=1)
def _define_missing_schemas() -> torch.library.Library:
    """Define the schemas; they exist as long as the library returned, which the cache holds."""
    library = torch.library.Library("torchvision", "DEF")
    for schema in MISSING_OP_SCHEMAS:
        library.define(schema)
    return library


def _are_schemas_defined() -> bool:
    return _define_missing_schemas.cache_info().currsize > 0
