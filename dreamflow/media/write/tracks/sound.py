"""Sound of an output: copied where the container holds its codec, else encoded again."""

from __future__ import annotations

import warnings
from fractions import Fraction

from dreamflow.core.errors import ConvertedOutputWarning, LeftOutWarning
from dreamflow.media.files.film_file import open_film
from dreamflow.media.output_spec import OutputSpec, Sound
from dreamflow.media.write.containers import ContainerFormat
from dreamflow.media.write.tracks.inputs import InputNumbers

EDIT_LIST_SUFFIXES = (".mp4", ".m4v", ".mov")
EDIT_LIST_PREROLL_S = Fraction(1, 10)
"""Seconds of sound from before the first frame that are kept for decoders: Opus needs 0.08."""
TIMESTAMP_TOLERANCE_S = Fraction(1, 2000)
"""Seconds by which a time stamp may be rounded: half of Matroska's unit."""


def sound_options(container_format: ContainerFormat, output_spec: OutputSpec) -> list[str]:
    """Return ffmpeg's options that take over sound tracks: of another file, or of the source.

    Empty where there are none. Warns where sound is encoded again.
    """
    sound, fallback = output_spec.heard_sound, container_format.sound_fallback
    if sound is None or not sound.codecs or fallback is None:
        return []
    options, codec_name = fallback
    number = InputNumbers.of(output_spec).sound
    mapped = f"{number}:a" if sound.track is None else f"{number}:a:{sound.track}"
    unsupported = sorted(set(sound.codecs) - container_format.sound_codecs)
    if not unsupported:
        return ["-map", mapped, "-c:a", "copy"]
    warnings.warn(
        f"{container_format.suffix} cannot hold {', '.join(unsupported)} sound: encoded anew as "
        f"{codec_name}",
        ConvertedOutputWarning,
        2,
    )
    return ["-map", mapped, *options]


def warn_of_lost_tracks(format_name: str, output_spec: OutputSpec) -> None:
    """Warn of sound and subtitles where an output holds neither, and where they are to be found."""
    sound = output_spec.sound
    if sound is None:
        return
    tracks = {"sound": sound.codecs, "subtitles": sound.subtitle_codecs}
    lost = [name for name, codecs in tracks.items() if codecs]
    if lost:
        them = "it" if lost == ["sound"] else "them"
        warnings.warn(
            f"{format_name} has no {' and no '.join(lost)}: take {them} from {sound.path.name}, "
            f"from {float(sound.begin):.2f} s on",
            LeftOutWarning,
            2,
        )


def keep_preroll(suffix: str, sound: Sound) -> list[str]:
    """Return ffmpeg's options for copied sound from before the first frame.

    Decoders of AAC, Opus and MP3 need the packets before to give the first ones at full strength.
    MP4 and QuickTime hide such packets by an edit list. Matroska hides as much as the encoder added
    at the track's beginning; more would delay the picture.
    """
    if sound.begin == 0:
        return []
    if suffix in EDIT_LIST_SUFFIXES:
        return ["-bsf:a", _drop_before(EDIT_LIST_PREROLL_S)]
    options: list[str] = []
    for number, priming in enumerate(_read_priming(sound)):
        options += [f"-bsf:a:{number}", _drop_before(priming)]
    return options


def _drop_before(preroll: Fraction) -> str:
    """Return the bitstream filter that drops packets more than this before the first frame."""
    return f"noise=drop=lt(pts*tb\\,{-float(preroll + TIMESTAMP_TOLERANCE_S):.6f})"


def _read_priming(sound: Sound) -> list[Fraction]:
    """Return by how many seconds each wanted track's first packet comes before its beginning."""
    first: dict[int, Fraction] = {}
    with open_film(sound.path, sound.film_format) as container:
        streams = list(container.streams.audio)
        streams = streams if sound.track is None else [streams[sound.track]]
        tracks = [stream.index for stream in streams]
        for packet in container.demux(streams):
            if packet.pts is not None and packet.time_base:
                first.setdefault(packet.stream.index, packet.pts * packet.time_base)
            if len(first) == len(tracks):
                break
    return [max(Fraction(0), -first.get(index, Fraction(0))) for index in tracks]
