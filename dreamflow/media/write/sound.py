"""Sound of an output: copied where the container holds its codec, else encoded again."""

from __future__ import annotations

import warnings

from dreamflow.core.errors import DreamFlowWarning
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.write.containers import ContainerFormat


def sound_options(container_format: ContainerFormat, output_spec: OutputSpec) -> list[str]:
    """Return ffmpeg's options that take over the sound tracks of its second input.

    Empty where there are none. Warns where sound is encoded again or left out.
    """
    sound, fallback = output_spec.sound, container_format.sound_fallback
    if sound is None or not sound.codecs:
        return []
    if fallback is None:
        warnings.warn(f"a {container_format.suffix} has no sound", DreamFlowWarning, 2)
        return []
    options, codec_name = fallback
    mapped = "1:a" if sound.track is None else f"1:a:{sound.track}"
    unsupported = sorted(set(sound.codecs) - container_format.sound_codecs)
    if not unsupported:
        return ["-map", mapped, "-c:a", "copy"]
    warnings.warn(
        f"{container_format.suffix} cannot hold {', '.join(unsupported)} sound: encoded anew as "
        f"{codec_name}",
        DreamFlowWarning,
        2,
    )
    return ["-map", mapped, *options]
