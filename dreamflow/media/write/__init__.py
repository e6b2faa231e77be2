"""Frames into films and folders of pictures, with sound and metadata."""
