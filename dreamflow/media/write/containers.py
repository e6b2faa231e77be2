"""Container formats that can be written, by the output's suffix, and what each can hold."""

from __future__ import annotations

import warnings
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dreamflow.core.errors import (
    DependencyError,
    DreamFlowError,
    IneffectiveSettingWarning,
    OutputError,
    SettingsError,
    named,
)
from dreamflow.media.files.sequence_name import SEQUENCE_SUFFIXES, SequenceName
from dreamflow.media.options import KEEP_HDR, EncodeOptions
from dreamflow.media.sample_format import SampleFormat
from dreamflow.media.write.codecs import VideoEncoding, lossless_rgb_encoding, make_video_encoding
from dreamflow.media.write.deep_codecs import DEEP_CODECS, make_deep_encoding


@dataclass(frozen=True)
class ContainerFormat:
    """What a container format holds, and how it is written.

    Attributes:
        suffix: Suffix of the output, with its dot.
        codecs: Video codecs that it holds, the default first; none for animated pictures, which
            are encoded from lossless segments at the end.
        sound_codecs: Sound codecs that it holds, by FFmpeg's names.
        sound_fallback: FFmpeg's options and the name of the codec for other sound; None where the
            format has no sound.
        subtitle_encoder: FFmpeg's encoder of subtitles that are text; None where it has none.
        muxer_options: FFmpeg's options of the finished file.
    """

    suffix: str
    codecs: tuple[str, ...]
    sound_codecs: frozenset[str]
    sound_fallback: tuple[tuple[str, ...], str] | None
    subtitle_encoder: str | None = None
    muxer_options: tuple[str, ...] = ()

    def video_encoding(
        self, encode: EncodeOptions, samples: SampleFormat | None = None
    ) -> VideoEncoding:
        """Return how the video stream is encoded.

        Args:
            encode: The settings.
            samples: The samples of the frames, where they come in depth; None is 8-bit RGB.

        Raises:
            SettingsError: The format does not hold the codec, or the codec has no such quality.
            DependencyError: This ffmpeg lacks the encoder.
        """
        codec = self.choose_codec(encode)
        if codec and samples is not None:
            return make_deep_encoding(codec, encode, samples)
        if codec:
            return make_video_encoding(codec, encode)
        if encode.lossless and self.suffix == ".gif":
            raise SettingsError(
                f"a .gif has 256 colours: {named('lossless')} is for .webp, .mkv and others",
                setting="lossless",
                value=True,
                allowed="a suffix other than .gif",
            )
        return lossless_rgb_encoding()

    def choose_codec(self, encode: EncodeOptions) -> str:
        """Return the codec of the video stream; "" where the format is an animated picture.

        Raises:
            SettingsError: The format does not hold the codec, or HDR.
        """
        if encode.codec != "auto" and encode.codec not in self.codecs:
            raise self._make_codec_error(encode.codec)
        candidates = self.codecs if encode.codec == "auto" else (encode.codec,)
        if encode.hdr != KEEP_HDR:
            return next(iter(candidates), "")
        deep = [codec for codec in DEEP_CODECS if codec in candidates]
        if not deep:
            held = [codec for codec in self.codecs if codec in DEEP_CODECS]
            what = encode.codec if held else f"a {self.suffix}"
            advice = f"choose {named('codec')} {', '.join(held)}" if held else "use .mp4 or .mov"
            raise SettingsError(
                f"{named('hdr')} {KEEP_HDR}: {what} keeps no HDR; {advice}",
                setting="hdr",
                value=encode.hdr,
                allowed=", ".join(held) or ".mp4, .mov, .mkv, .webm",
            )
        return deep[0]

    def _make_codec_error(self, codec: str) -> SettingsError:
        suffixes = [
            other.suffix for other in CONTAINER_FORMAT_BY_SUFFIX.values() if codec in other.codecs
        ]
        held = f"; {self.suffix} holds {', '.join(self.codecs)}" if self.codecs else ""
        return SettingsError(
            f"{self.suffix} cannot hold {codec}, which goes into {', '.join(suffixes)}{held}",
            setting="codec",
            value=codec,
            allowed=", ".join(self.codecs) or "auto",
        )


AAC_FALLBACK = (("-c:a", "aac", "-b:a", "192k"), "AAC")
OPUS_FALLBACK = (
    # libopus refuses layouts such as "5.1(side)": they are converted to one that it has.
    ("-c:a", "libopus", "-b:a", "160k", "-af", "aformat=channel_layouts=7.1|5.1|stereo|mono"),
    "Opus",
)
MP4_SOUND_CODECS = frozenset({"aac", "mp3", "mp3float", "ac3", "eac3", "alac", "opus", "libopus"})
MOV_SOUND_CODECS = frozenset({"aac", "mp3", "mp3float", "ac3", "alac", "pcm_s16le", "pcm_s24le"})
MKV_SOUND_CODECS = (
    MP4_SOUND_CODECS | MOV_SOUND_CODECS | {"vorbis", "libvorbis", "flac", "mp2", "mp2float", "dca"}
)
WEBM_SOUND_CODECS = frozenset({"opus", "libopus", "vorbis", "libvorbis"})
FASTSTART_OPTIONS = ("-movflags", "+faststart")

CONTAINER_FORMAT_BY_SUFFIX = {
    container_format.suffix: container_format
    for container_format in (
        ContainerFormat(
            ".mp4",
            ("h264", "h265", "av1", "vp9"),
            MP4_SOUND_CODECS,
            AAC_FALLBACK,
            "mov_text",
            FASTSTART_OPTIONS,
        ),
        ContainerFormat(
            ".m4v",
            ("h264", "h265"),
            MP4_SOUND_CODECS,
            AAC_FALLBACK,
            "mov_text",
            ("-f", "mp4", *FASTSTART_OPTIONS),
        ),
        ContainerFormat(
            ".mov",
            ("h264", "h265", "prores"),
            MOV_SOUND_CODECS,
            AAC_FALLBACK,
            "mov_text",
            FASTSTART_OPTIONS,
        ),
        ContainerFormat(
            ".mkv",
            ("h264", "h265", "av1", "vp9", "prores", "ffv1"),
            MKV_SOUND_CODECS,
            AAC_FALLBACK,
            "subrip",
        ),
        ContainerFormat(".webm", ("vp9", "av1"), WEBM_SOUND_CODECS, OPUS_FALLBACK, "webvtt"),
        ContainerFormat(".gif", (), frozenset(), None),
        ContainerFormat(".webp", (), frozenset(), None),
    )
}


def container_format_for(path: Path) -> ContainerFormat | None:
    """Return the format of an output by its suffix; None for pictures.

    Pictures are a folder (no suffix), or a pattern of numbered names such as `out_%04d.exr`.

    Raises:
        OutputError: The suffix is unknown, or the name is nothing but a suffix.
    """
    suffix = path.suffix.lower()
    if path.name.lower() in CONTAINER_FORMAT_BY_SUFFIX:
        raise OutputError(f"{path} is only a suffix; give the output a name", where=str(path))
    if not suffix or SequenceName.parse(path) is not None:
        return None
    if suffix not in CONTAINER_FORMAT_BY_SUFFIX:
        allowed = f"{', '.join(CONTAINER_FORMAT_BY_SUFFIX)}, %04d.exr, or a name without suffix"
        if suffix in SEQUENCE_SUFFIXES:
            why = "a film is no single picture, which `dreamflow frame` makes; for numbered ones"
            advice = f"{why} give a pattern, as {path.with_name(f'{path.stem}_%04d{path.suffix}')}"
        else:
            why = f"{suffix} is not a format DreamFlow writes"
            advice = f"{why}; use {allowed} for a folder of PNGs"
        raise OutputError(
            f"{path}: {advice}",
            value=suffix,
            allowed=allowed,
            where=str(path),
        )
    return CONTAINER_FORMAT_BY_SUFFIX[suffix]


def ignored_encode_settings(path: Path) -> tuple[tuple[str, ...], str]:
    """Return the names of the settings that an output ignores, and what it is called.

    Pictures, and a format that is encoded from lossless segments, ignore quality.

    Args:
        path: The output.
    """
    container_format, sequence = container_format_for(path), SequenceName.parse(path)
    of_exr = ("exr_compression", "exr_type", "layers_out")
    if sequence is not None:
        names = () if sequence.suffix == ".exr" else of_exr
        names += () if sequence.suffix == ".png" else ("hdr",)
        return ("codec", "quality", "crf", *names), f"a sequence of {sequence.suffix}"
    if container_format is None:
        return ("codec", "quality", "crf", *of_exr), "a folder of PNGs"
    quality = () if container_format.codecs else ("quality", "crf")
    return ("start_number", *quality, *of_exr), f"a {container_format.suffix}"


def check_encode_options(path: Path, encode: EncodeOptions) -> None:
    """Check that an output can be encoded so, and warn of settings that its format ignores.

    Raises:
        OutputError: The output's suffix is unknown.
        SettingsError: The format does not hold the codec, or the codec has no such quality.
        DependencyError: This ffmpeg lacks the encoder.
    """
    container_format = container_format_for(path)
    if container_format:
        container_format.video_encoding(encode)
    ignored, format_name = ignored_encode_settings(path)
    if container_format and container_format.choose_codec(encode) not in DEEP_CODECS:
        ignored += ("output_space",)
    for name in ignored:
        if getattr(encode, name) != getattr(EncodeOptions, name):
            warnings.warn(
                f"{named(name)} does nothing for {format_name}", IneffectiveSettingWarning, 2
            )


def find_unusable_settings(
    path: Path, requested: Mapping[str, Any], droppable: Container[str]
) -> dict[str, tuple[Any, DreamFlowError]]:
    """Find which settings of EncodeOptions an output has no use for.

    Args:
        path: The output. One of unknown suffix has none; `check_encode_options` refuses it.
        requested: Value of each setting by name.
        droppable: Names of the settings that may be left out.

    Returns:
        By name of each unusable setting: its value, and the error that refuses it.

    Raises:
        SettingsError: The output cannot be written even without the droppable settings.
        DependencyError: This ffmpeg lacks the encoder.
    """
    try:
        container_format = container_format_for(path)
    except OutputError:
        return {}
    usable = EncodeOptions(**{name: requested[name] for name in requested if name not in droppable})
    if container_format:
        container_format.video_encoding(usable)
    ignored, format_name = ignored_encode_settings(path)
    unusable: dict[str, tuple[Any, DreamFlowError]] = {}
    for name, value in requested.items():
        if name not in droppable or value == getattr(EncodeOptions, name):
            continue
        try:
            if name in ignored:
                raise SettingsError(f"it does nothing for {format_name}", setting=name, value=value)
            extended = replace(usable, **{name: value})
            if container_format:
                container_format.video_encoding(extended)
            usable = extended
        except (SettingsError, DependencyError) as error:
            unusable[name] = (value, error)
    return unusable
