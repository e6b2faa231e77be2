"""Frames into video files and folders of pictures, with sound, subtitles, chapters and record."""
