"""Optical flow, what of it can be trusted, and carrying a dream along it."""

from dreamflow.motion.carry import Carried
from dreamflow.motion.flow import Motion, estimate_motion, to_gray
from dreamflow.motion.mending import mended
from dreamflow.motion.regions import regions
from dreamflow.motion.shots import GivenCuts, Mark, Marker, ShotFinder, find_shots, marked_at
from dreamflow.motion.source import MotionSource, Remembered, foresee, motion_source
from dreamflow.motion.strength import held, over_frame, strength
from dreamflow.motion.trust import flow_trust

__all__ = [
    "Carried",
    "GivenCuts",
    "Mark",
    "Marker",
    "Motion",
    "MotionSource",
    "Remembered",
    "ShotFinder",
    "estimate_motion",
    "find_shots",
    "flow_trust",
    "foresee",
    "held",
    "marked_at",
    "mended",
    "motion_source",
    "over_frame",
    "regions",
    "strength",
    "to_gray",
]
