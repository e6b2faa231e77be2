"""Telling what a file holds by its first bytes, whatever its name says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from dreamflow.core.files.regular_file import open_regular_file

SIGNATURE_BYTES = 64
"""Bytes of a file that are looked at."""
ISO_BRAND_BYTES = slice(8, 12)
"""Place of the main brand in a file of the ISO base media format (ISO/IEC 14496-12, 4.3)."""
HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
"""Main brands of HEIF files (ISO/IEC 23008-12, annex B); `mif1` and `msf1` may hold AVIF too."""
AVIF_BRANDS = frozenset({b"avif", b"avis"})


class Content(Enum):
    """What reads a file."""

    PILLOW = auto()
    HEIF = auto()
    EXR = auto()
    FLOAT_PICTURE = auto()
    DPX = auto()
    UNREADABLE = auto()
    """A picture that is not read here."""
    OTHER = auto()
    """Neither a picture nor a film."""
    FILM = auto()


@dataclass(frozen=True)
class FileKind:
    """A kind of file.

    Attributes:
        name: What it is in words, after "is", such as "a PNG picture".
        content: What reads it.
        suffixes: Lower-case suffixes of its names.
        signature: Matches its first bytes; None where its names are all that tells it.
    """

    name: str
    content: Content
    suffixes: frozenset[str] = frozenset()
    signature: re.Pattern[bytes] | None = None


def _kind(name: str, content: Content, suffixes: str = "", signature: bytes = b"") -> FileKind:
    pattern = re.compile(signature, re.DOTALL) if signature else None
    return FileKind(name, content, frozenset(suffixes.split()), pattern)


PNG = _kind("a PNG picture", Content.PILLOW, ".png", rb"\x89PNG\r\n\x1a\n")
WEBP = _kind("a WebP picture", Content.PILLOW, ".webp", rb"RIFF....WEBP")
AVIF = _kind("an AVIF picture", Content.PILLOW, ".avif")
HEIF = _kind("a HEIF picture", Content.HEIF, ".heic .heif .hif")
JPEG = _kind("a JPEG picture", Content.PILLOW, ".jpg .jpeg .jpe .jfif .mpo", rb"\xff\xd8\xff")
TIFF = _kind("a TIFF picture", Content.PILLOW, ".tif .tiff", rb"II[*+]\0|MM\0[*+]")
TGA = _kind("a TGA picture", Content.PILLOW, ".tga")
EXR = _kind("an OpenEXR picture", Content.EXR, ".exr", rb"\x76\x2f\x31\x01")
FILE_KINDS = (
    PNG,
    JPEG,
    WEBP,
    TIFF,
    EXR,
    _kind("a BMP picture", Content.PILLOW, ".bmp", rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0"),
    _kind("a PNM picture", Content.PILLOW, ".ppm .pgm .pbm .pnm", rb"P[1-6]\s"),
    _kind(
        "a JPEG 2000 picture",
        Content.PILLOW,
        ".jp2 .j2k .jpx .j2c",
        rb"\0\0\0\x0cjP  \r\n\x87\n.{8}jp[2xh]|\xff\x4f\xff\x51",
    ),
    _kind("a Photoshop picture", Content.PILLOW, ".psd", rb"8BPS"),
    _kind("a Radiance HDR picture", Content.FLOAT_PICTURE, ".hdr", rb"#\?(RADIANCE|RGBE)"),
    _kind("a PFM picture", Content.FLOAT_PICTURE, ".pfm", rb"P[Ff]\s"),
    _kind("a DPX picture", Content.DPX, ".dpx", rb"SDPX|XPDS"),
    TGA,
    _kind("a JPEG XL picture", Content.UNREADABLE, ".jxl", rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n"),
    _kind("a Cineon picture", Content.UNREADABLE, ".cin", rb"\x80\x2a\x5f\xd7"),
    _kind("a Fujifilm raw picture", Content.UNREADABLE, ".raf", rb"FUJIFILMCCD-RAW"),
    _kind("a Panasonic raw picture", Content.UNREADABLE, ".rw2", rb"IIU\0"),
    _kind("an Olympus raw picture", Content.UNREADABLE, ".orf", rb"IIR[OS]|MMOR"),
    _kind("a PDF document", Content.OTHER, ".pdf", rb"%PDF"),
    _kind("a PostScript drawing", Content.UNREADABLE, ".eps .ps", rb"%!PS|\xc5\xd0\xd3\xc6"),
    _kind("an SVG drawing", Content.UNREADABLE, ".svg", rb"\s*(<\?xml[^>]*>\s*)?<svg"),
    _kind("a web page", Content.OTHER, ".html", rb"(?i)\s*<(!doctype html|html|head)"),
    _kind("a ZIP archive", Content.OTHER, ".zip", rb"PK\x03\x04"),
    _kind("a GIF picture", Content.FILM, ".gif", rb"GIF8[79]a"),
    _kind("a Matroska film", Content.FILM, ".mkv .webm", rb"\x1a\x45\xdf\xa3"),
    _kind("an AVI film", Content.FILM, ".avi", rb"RIFF....AVI "),
    _kind("an MXF film", Content.FILM, ".mxf", rb"\x06\x0e\x2b\x34\x02\x05\x01\x01"),
)
"""Kinds that their first bytes tell, and TGA."""
ISO_FILM = _kind("an MP4 or MOV film", Content.FILM, ".mp4 .mov .m4v")
CANON_RAW = _kind("a Canon raw picture", Content.UNREADABLE, ".cr3")
CAMERA_RAW = _kind(
    "a camera's raw picture",
    Content.UNREADABLE,
    ".dng .cr2 .nef .nrw .arw .srf .sr2 .pef .srw .3fr .fff .iiq .erf .dcr .kdc .mos .mef .rwl",
)
"""TIFF files whose first picture is a thumbnail."""
PICTURE_SUFFIXES = frozenset[str]().union(
    *(
        kind.suffixes
        for kind in (*FILE_KINDS, AVIF, HEIF)
        if kind.content not in (Content.UNREADABLE, Content.OTHER, Content.FILM)
    )
)
"""Suffixes of the picture files that are read."""
MJPEG_SUFFIXES = frozenset({".mjpeg", ".mjpg"})
"""Films that are nothing but one JPEG after another."""


def read_file_kind(path: Path) -> FileKind | None:
    """Return what kind of file a path is by its first bytes, None where they tell nothing.

    Raises:
        OSError: It cannot be opened, or is a device or a pipe.
    """
    with open_regular_file(path) as file:
        data = file.read(SIGNATURE_BYTES)
    suffix = path.suffix.lower()
    if suffix in MJPEG_SUFFIXES:
        return None
    if data[4:8] == b"ftyp":
        return _iso_kind(data)
    for kind in FILE_KINDS:
        if kind.signature and kind.signature.match(data):
            return CAMERA_RAW if kind is TIFF and suffix in CAMERA_RAW.suffixes else kind
    return TGA if suffix in TGA.suffixes and data else None


def _iso_kind(data: bytes) -> FileKind:
    """Return the kind of a file of the ISO base media format by its brands."""
    size = min(int.from_bytes(data[:4]), len(data))
    main = data[ISO_BRAND_BYTES]
    brands = {main, *(data[at : at + 4] for at in range(16, size - 3, 4))}
    if main in AVIF_BRANDS or (main in HEIF_BRANDS and brands & AVIF_BRANDS):
        return AVIF
    if main in HEIF_BRANDS:
        return HEIF
    return CANON_RAW if main == b"crx " else ISO_FILM


def has_picture_suffix(path: Path) -> bool:
    """Return whether a path's name is that of a picture file."""
    return path.suffix.lower() in PICTURE_SUFFIXES
