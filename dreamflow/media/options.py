"""Settings of what is read from a source, and of how an output is encoded."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import ClassVar

from dreamflow.core.errors import SettingsError, named
from dreamflow.core.options.declaration import Options, option
from dreamflow.core.options.values import check_timecodes

DEFAULT_FRAME_TIMECODE = "50%"
"""The frame of a clip that stands for it where none is named."""
NUMBERED_BY_NAME, NUMBERED_AS_SOURCE = "auto", "source"
"""Values of `start_number`: the default, and that which takes over the source's numbers."""

KEEP_HDR = "keep"
"""Value of `hdr` that keeps PQ and HLG."""

EXR_LAYERS = ("dream", "matte", "confidence", "backward", "stmap")
"""Layers that an OpenEXR output may hold beside the beauty."""


@dataclass(frozen=True)
class FilmOptions(Options):
    """How the pictures of a film are read, all of them or a single one."""

    PANEL: ClassVar[str] = "Reading a film"
    deinterlace: str = option(
        "auto",
        "auto: frames that are marked as interlaced; on: all frames; off: none.",
        choices=("auto", "on", "off"),
    )
    video_track: str | None = option(
        None,
        "Video track: its number from 0, or its language (ger); else the main one.",
        metavar="TRACK",
    )
    exr_layer: str | None = option(
        None,
        "Layer of OpenEXR pictures, such as diffuse; else the main one.",
        metavar="LAYER",
    )
    alpha: str = option(
        "auto",
        "Colours of a transparent source: straight, or premultiplied (multiplied by alpha); auto: "
        "as its format has them, OpenEXR's premultiplied, those of PNG and films straight.",
        choices=("auto", "straight", "premultiplied"),
    )
    input_space: str | None = option(
        None,
        "Colour space of the source, where its file does not say or is wrong: Rec.709, Rec.2020, "
        "PQ, HLG, linear, or one of an OpenColorIO config ($OCIO, else ACES).",
        metavar="SPACE",
    )
    working_space: str | None = option(
        None,
        "Space of the config that a dream is added in, where the source's or the output's is one "
        "of it; else its scene-linear one.",
        metavar="SPACE",
    )
    # Neither kept with an output nor taken from a preset: only the user allows it.
    allow_playlist: bool = option(
        False,
        "Open an HLS playlist (.m3u8), and the files in its folder that it names, as one film.",
        saved=False,
    )

    def clip_options(self, size: str | None = None) -> ClipOptions:
        """Return the settings of a clip of a whole film that is read in this way."""
        own = {setting.name: getattr(self, setting.name) for setting in fields(FilmOptions)}
        return ClipOptions(size=size, **own)


@dataclass(frozen=True)
class ClipOptions(FilmOptions):
    """Which frames are taken from the source, and at what size."""

    PANEL: ClassVar[str] = "Which frames"
    size: str | None = option(
        None, "Fit into WIDTHxHEIGHT (or make the longer side N); keeps the aspect.", metavar="SIZE"
    )
    start: str | None = option(None, "First frame: 48, 2s, 1:02.5 or 40%.", metavar="WHEN")
    end: str | None = option(None, "Frame to stop before: 96, 4s, 1:02.5 or 60%.", metavar="WHEN")
    every: int = option(1, "Take only every Nth frame; the length stays.", low=1, high=100000)
    fps: float | None = option(
        None,
        "Resample to this many frames per second (a folder of pictures: its rate, else 24).",
        above=0,
        high=1000,
    )
    decoder: str = option(
        "auto",
        "opencv, pyav, or auto, which is pyav: its times and colours are exact.",
        choices=("auto", "opencv", "pyav"),
    )
    audio_track: str | None = option(
        None,
        "Sound track: its number from 0, or its language (ger); else all of them.",
        metavar="TRACK",
    )
    missing: str = option(
        "close",
        "Numbers missing in a folder of pictures: close the gap, hold the one before, black, or "
        "stop.",
        choices=("close", "hold", "black", "stop"),
    )

    def _check_fields(self) -> None:
        super()._check_fields()
        check_timecodes(self, "start", "end")


@dataclass(frozen=True)
class PictureFileOptions(Options):
    """How OpenEXR pictures are written."""

    PANEL: ClassVar[str] = "Output"
    exr_compression: str = option(
        "zip",
        "Of .exr pictures: zip, piz (for grain), none; or dwaa, which is small and not exact.",
        choices=("zip", "piz", "dwaa", "none"),
    )
    exr_type: str = option(
        "auto",
        "Numbers in .exr pictures: half, float, or auto: as exact as the source's.",
        choices=("auto", "half", "float"),
    )
    output_space: str | None = option(
        None,
        "Colour space of pictures and films in depth, named as the input's; else the source's.",
        metavar="SPACE",
    )
    bleed: bool = option(
        False,
        "Let a dream grow out of a transparent source's edges, with alpha of its own, in pictures "
        "and films that keep transparency.",
    )
    layers_out: str = option(
        "",
        "Layers in .exr pictures beside the beauty, with commas: dream (what it adds), matte, "
        "confidence (of the motion), backward (motion in pixels), stmap; or all.",
        metavar="LAYERS",
    )

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that are asked for, each once."""
        words = [word.strip() for word in self.layers_out.split(",") if word.strip()]
        return EXR_LAYERS if "all" in words else tuple(dict.fromkeys(words))

    def _check_fields(self) -> None:
        super()._check_fields()
        for word in self.layers:
            if word not in EXR_LAYERS:
                raise SettingsError(
                    f"{named('layers_out')} has no {word!r}; it has {', '.join(EXR_LAYERS)}, all",
                    setting="layers_out",
                    value=word,
                    allowed=", ".join((*EXR_LAYERS, "all")),
                )


@dataclass(frozen=True)
class EncodeOptions(PictureFileOptions):
    """How the output is encoded."""

    codec: str = option(
        "auto",
        "h264, h265, av1, vp9, prores, ffv1, or auto: one that plays everywhere. h265, av1, prores "
        "and ffv1 keep more than 8 bits where the source has them; prores and ffv1 transparency.",
        choices=("auto", "h264", "h265", "av1", "vp9", "prores", "ffv1"),
    )
    quality: str = option(
        "good",
        "draft (small, quick), good, or master (for further work; slow).",
        choices=("draft", "good", "master"),
    )
    crf: int | None = option(
        None, "Quality by number: 17 is good, 26 draft, 11 master.", low=0, high=51
    )
    lossless: bool = option(False, "Keep every pixel exactly as dreamed; large files.")
    hdr: str = option(
        "sdr",
        "Of an HDR source: sdr (tone-mapped), or keep: PQ or HLG as it is, in a film of 10 bits or "
        "more with its tags, or in 16-bit PNGs.",
        choices=("sdr", KEEP_HDR),
    )
    start_number: str = option(
        NUMBERED_BY_NAME,
        "Number of the first picture, such as 1001; source: each as its source frame; auto: source "
        "for numbered names, and from 0 in a folder.",
        metavar="N|source|auto",
    )

    def _check_fields(self) -> None:
        super()._check_fields()
        words = (NUMBERED_AS_SOURCE, NUMBERED_BY_NAME)
        if not re.fullmatch(rf"[0-9]{{1,9}}|{'|'.join(words)}", self.start_number):
            raise SettingsError(
                f"{named('start_number')} {self.start_number!r} is neither a number nor "
                f"{' nor '.join(words)}",
                setting="start_number",
                value=self.start_number,
                allowed=f"0 to 999999999, {', '.join(words)}",
            )

    def _check_combination(self) -> None:
        if self.lossless and self.crf is not None:
            raise SettingsError(
                f"give {named('crf')} or {named('lossless')}, not both",
                setting="crf",
                value=self.crf,
                allowed="none with lossless",
            )
