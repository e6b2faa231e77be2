"""The dream itself: octaves, gradient ascent and objectives. Pure torch: no files, no terminal."""

from dreamflow.dream.ascent import ascend
from dreamflow.dream.engine import OctavePlan, dream, first_plan
from dreamflow.dream.objective import Objective, parse_layers

__all__ = ["Objective", "OctavePlan", "ascend", "dream", "first_plan", "parse_layers"]
