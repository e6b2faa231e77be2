"""Frames from films, animated pictures and folders of pictures."""
