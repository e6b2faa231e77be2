"""Text comments inside picture files: PNG, JPEG, TIFF, GIF and WebP."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from dreamflow.core.errors import LeftOutWarning
from dreamflow.media.files.pillow import PILLOW_READ_ERRORS, open_image, pillow_unlimited

IMAGE_DESCRIPTION_TAG = 270
"""Tag number of ImageDescription in EXIF and TIFF."""
VP8X_EXIF_FLAG = 0x08
"""Bit of the VP8X chunk's flags that says that a WebP holds EXIF data (RFC 9649, 2.7.1)."""
RIFF_HEADER_BYTES = 12
"""Bytes of a WebP file before its first chunk."""
GIF_EXTENSION, GIF_COMMENT_LABEL = b"\x21", b"\xfe"
"""First bytes of a comment extension (GIF89a specification, section 24)."""
GIF_HEADER_BYTES = 13
"""Bytes of a GIF's header and logical screen descriptor; the flags are byte 10."""
GIF_MAX_BLOCK_BYTES = 255
JPEG_MAX_COMMENT_BYTES = 65_533
"""Bytes of a JPEG's comment: the length of its segment, which counts itself, has 16 bits."""


def comment_save_options(suffix: str, comment: str) -> dict[str, Any]:
    """Return Pillow's options that save a comment in a picture; warns where it is too long.

    PNG keeps it as international text, JPEG as a comment, WebP and TIFF as ImageDescription
    (TIFF in ASCII).

    Args:
        suffix: Lower-case suffix of the picture's name.
        comment: The text; may be empty.
    """
    if suffix == ".png":
        if not comment:
            return {}
        text_chunks = PngInfo()
        text_chunks.add_itxt("Comment", comment)
        return {"pnginfo": text_chunks}
    if suffix in (".jpg", ".jpeg"):
        if len(comment.encode()) > JPEG_MAX_COMMENT_BYTES:
            warnings.warn(
                "the settings are too long for the comment of a JPEG, and are left out of it: a "
                ".png holds them",
                LeftOutWarning,
                2,
            )
            return {}
        return {"comment": comment.encode()}
    if suffix == ".webp":
        return {"exif": _exif_description(comment)}
    return {"tiffinfo": {IMAGE_DESCRIPTION_TAG: comment.encode("ascii", "replace").decode()}}


def read_comment(path: Path) -> str:
    """Return the comment in a picture file, or "" where there is none or it cannot be read."""
    try:
        with open_image(path) as image, pillow_unlimited():
            text = image.info.get("Comment") or image.info.get("comment") or ""
            text = text or image.getexif().get(IMAGE_DESCRIPTION_TAG, "")
    except PILLOW_READ_ERRORS:
        return ""
    return text.decode(errors="replace") if isinstance(text, bytes) else str(text)


def add_gif_comment(path: Path, text: str) -> None:
    """Insert a comment into a GIF file, right after its header and palette."""
    content = path.read_bytes()
    flags = content[10]
    palette_bytes = 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0
    position, data = GIF_HEADER_BYTES + palette_bytes, text.encode()
    pieces = [data[i : i + GIF_MAX_BLOCK_BYTES] for i in range(0, len(data), GIF_MAX_BLOCK_BYTES)]
    blocks = b"".join(bytes([len(piece)]) + piece for piece in pieces)
    extension = GIF_EXTENSION + GIF_COMMENT_LABEL + blocks + b"\x00"
    path.write_bytes(content[:position] + extension + content[position:])


def add_webp_comment(path: Path, text: str) -> None:
    """Append a comment to a WebP file without transparency, as an EXIF chunk (RFC 9649, 2.7)."""
    content, exif = bytearray(path.read_bytes()), _exif_description(text)
    if not content.startswith(
        b"VP8X", RIFF_HEADER_BYTES
    ):  # a file of one frame lacks the header of extended ones
        with open_image(path) as image:
            sides = [(side - 1).to_bytes(3, "little") for side in image.size]
        header = b"VP8X" + (10).to_bytes(4, "little") + bytes(4) + b"".join(sides)
        content[RIFF_HEADER_BYTES:RIFF_HEADER_BYTES] = header
    exif += b"\0" * (len(exif) % 2)
    content[20] |= VP8X_EXIF_FLAG
    content += b"EXIF" + len(exif).to_bytes(4, "little") + exif
    content[4:8] = (len(content) - 8).to_bytes(4, "little")
    path.write_bytes(content)


def _exif_description(comment: str) -> bytes:
    exif = Image.Exif()
    exif[IMAGE_DESCRIPTION_TAG] = comment
    return exif.tobytes()
