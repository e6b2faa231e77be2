"""A clip, dreamed frame by frame."""
