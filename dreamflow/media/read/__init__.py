"""Frames and mattes from video files, animated pictures and folders of pictures."""
