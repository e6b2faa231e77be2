"""The kinds of film that can be written, by the suffix of the output."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dreamflow.errors import OutputError

BT709 = (
    "scale=out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_int,"
    "format=yuv420p,"
    "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
)
"""Filter that converts to BT.709 and tags it so; ffmpeg drops the plain -color_* options."""


@dataclass(frozen=True)
class Format:
    """How one kind of film is written.

    even: whether sides must be even. sound: codecs that the container holds as they are.
    sound_fallback: ffmpeg's options for others, and the codec's name; None where there is no sound
    at all.
    """

    suffix: str
    even: bool
    sound: frozenset[str]
    sound_fallback: tuple[tuple[str, ...], str] | None
    finish: tuple[str, ...] = ()

    def video_options(self, crf: int) -> list[str]:
        """Return ffmpeg's options for the picture. crf: 0 (lossless) to 51, as x264 counts."""
        if self.suffix == ".gif":
            return ["-c:v", "libx264rgb", "-qp", "0", "-preset", "ultrafast"]
        if self.suffix == ".webm":
            # VP9 counts 0 to 63 where x264 counts 0 to 51.
            vp9 = ["-c:v", "libvpx-vp9", "-crf", str(round(crf * 63 / 51)), "-b:v", "0"]
            return ["-vf", BT709, *vp9, "-row-mt", "1", "-cpu-used", "4"]
        return ["-vf", BT709, "-c:v", "libx264", "-crf", str(crf), "-preset", "medium"]


AAC = (("-c:a", "aac", "-b:a", "192k"), "AAC")
OPUS = (
    # libopus refuses "5.1(side)" and its like: they are brought to a layout that it knows.
    ("-c:a", "libopus", "-b:a", "160k", "-af", "aformat=channel_layouts=7.1|5.1|stereo|mono"),
    "Opus",
)
MP4_SOUND = frozenset({"aac", "mp3", "mp3float", "ac3", "eac3", "alac", "opus", "libopus"})
MOV_SOUND = frozenset({"aac", "mp3", "mp3float", "ac3", "alac", "pcm_s16le", "pcm_s24le"})
MKV_SOUND = MP4_SOUND | MOV_SOUND | {"vorbis", "libvorbis", "flac", "mp2", "mp2float", "dca"}
WEBM_SOUND = frozenset({"opus", "libopus", "vorbis", "libvorbis"})
FASTSTART = ("-movflags", "+faststart")

FORMATS = {
    ".mp4": Format(".mp4", True, MP4_SOUND, AAC, FASTSTART),
    ".m4v": Format(".m4v", True, MP4_SOUND, AAC, ("-f", "mp4", *FASTSTART)),
    ".mov": Format(".mov", True, MOV_SOUND, AAC, FASTSTART),
    ".mkv": Format(".mkv", True, MKV_SOUND, AAC),
    ".webm": Format(".webm", False, WEBM_SOUND, OPUS),
    ".gif": Format(".gif", False, frozenset(), None),
}


def format_of(path: Path) -> Format | None:
    """Return the format of an output by its suffix; None for a folder of pictures (no suffix).

    Raises OutputError for a suffix that is not known.
    """
    suffix = path.suffix.lower()
    if path.name.lower() in FORMATS:
        raise OutputError(f"{path} is only a suffix; give the output a name")
    if not suffix:
        return None
    if suffix not in FORMATS:
        raise OutputError(
            f"{path}: {suffix} is not a format DreamFlow writes; use {', '.join(FORMATS)}, or a "
            "name without suffix for a folder of PNGs"
        )
    return FORMATS[suffix]
