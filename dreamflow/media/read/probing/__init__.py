"""Probing video files before they are decoded: packets, tracks, colours, order of frames."""
