"""The inputs of the ffmpeg run that puts an output together, by number."""

METADATA_INPUT = 1
"""The file of tags and chapters; input 0 is the picture."""
SOURCE_INPUT = 2
"""The source from the output's first frame on: its sound, covers and attached files."""
SUBTITLE_INPUT = 3
"""The source from its own start on, shifted: a subtitle may begin before the output does."""
