"""The inputs of the ffmpeg run that puts an output together, by number."""

from __future__ import annotations

from dataclasses import dataclass

from dreamflow.media.output_spec import OutputSpec

METADATA_INPUT = 1
"""The file of tags and chapters; input 0 is the picture."""


@dataclass(frozen=True)
class InputNumbers:
    """Numbers of the further inputs, as far as there are any.

    Attributes:
        sound: The file of the sound, from the output's first frame on.
        source: The source from the output's first frame on: its covers and attached files, and its
            sound where no other takes its place.
        subtitles: The source from its own start on, shifted: a subtitle may begin before the output
            does.
    """

    sound: int
    source: int
    subtitles: int

    @classmethod
    def of(cls, output_spec: OutputSpec) -> InputNumbers:
        """Return the numbers for an output: a sound of its own is an input before the source."""
        first = METADATA_INPUT + 1
        source = first if output_spec.music is None else first + 1
        return cls(first, source, source + 1)
