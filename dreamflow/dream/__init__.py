"""The dream itself: octaves, gradient ascent and objectives. Pure torch: no files, no terminal."""

from dreamflow.blend import parse_layers
from dreamflow.dream.ascent import ascend
from dreamflow.dream.engine import OctavePlan, dream, emphasis, first_plan
from dreamflow.dream.objective import Objective
from dreamflow.dream.shaping import Shaping

__all__ = [
    "Objective",
    "OctavePlan",
    "Shaping",
    "ascend",
    "dream",
    "emphasis",
    "first_plan",
    "parse_layers",
]
