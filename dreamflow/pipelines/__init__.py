"""Pipelines: what makes the frames of an output, one after the other."""
