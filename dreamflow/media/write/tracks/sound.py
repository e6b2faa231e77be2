"""Sound of an output: copied where the container holds its codec, else encoded again."""

from __future__ import annotations

import warnings

from dreamflow.core.errors import DreamFlowWarning
from dreamflow.media.output_spec import OutputSpec, Sound
from dreamflow.media.write.containers import ContainerFormat
from dreamflow.media.write.tracks.inputs import SOURCE_INPUT

EDIT_LIST_SUFFIXES = (".mp4", ".m4v", ".mov")
PREROLL_S = 0.1
"""Seconds of sound from before the first frame that are kept for decoders: Opus needs 0.08."""


def sound_options(container_format: ContainerFormat, output_spec: OutputSpec) -> list[str]:
    """Return ffmpeg's options that take over the sound tracks of its input SOURCE_INPUT.

    Empty where there are none. Warns where sound is encoded again or left out.
    """
    sound, fallback = output_spec.sound, container_format.sound_fallback
    if sound is None or not sound.codecs:
        return []
    if fallback is None:
        warnings.warn(f"a {container_format.suffix} has no sound", DreamFlowWarning, 2)
        return []
    options, codec_name = fallback
    unsupported = sorted(set(sound.codecs) - container_format.sound_codecs)
    if not unsupported:
        return ["-map", f"{SOURCE_INPUT}:a", "-c:a", "copy"]
    warnings.warn(
        f"{container_format.suffix} cannot hold {', '.join(unsupported)} sound: encoded anew as "
        f"{codec_name}",
        DreamFlowWarning,
        2,
    )
    return ["-map", f"{SOURCE_INPUT}:a", *options]


def keep_preroll(suffix: str, sound: Sound) -> list[str]:
    """Return ffmpeg's options for copied sound from before the first frame.

    Decoders of AAC, Opus and MP3 need the packets before to give the first ones at full strength.
    MP4 and QuickTime hide them by an edit list, Matroska only those that the codec itself adds.
    """
    if sound.begin == 0:
        return []
    if suffix in EDIT_LIST_SUFFIXES:
        return ["-bsf:a", f"noise=drop=lt(pts*tb\\,-{PREROLL_S})"]
    # Sound from before the first frame would delay the picture.
    return ["-copypriorss:a", "0"]
