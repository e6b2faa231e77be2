"""Optical flow, what of it can be trusted, and carrying a dream along it."""

from dreamflow.motion.carry import Carried
from dreamflow.motion.flow import Motion, estimate_motion, to_gray
from dreamflow.motion.regions import regions
from dreamflow.motion.trust import flow_trust

__all__ = ["Carried", "Motion", "estimate_motion", "flow_trust", "regions", "to_gray"]
