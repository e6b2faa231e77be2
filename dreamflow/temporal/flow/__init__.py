"""Optical flow: estimators, files, and its completion where it is unknown."""
