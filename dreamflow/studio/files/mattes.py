"""Mattes that are painted: kept as PNG files in a folder of the studio's own."""

from __future__ import annotations

import contextlib
import hashlib
import io
import time
from collections.abc import Container
from pathlib import Path

import numpy as np
from PIL import Image

from dreamflow.core.errors import MediaError, OutputError
from dreamflow.media.files.atomic_file import atomic_write
from dreamflow.media.files.pillow import PILLOW_READ_ERRORS, open_png
from dreamflow.media.read.mattes.matte_fitting import matte_grey
from dreamflow.media.resize import resize_picture
from dreamflow.media.stills.read import decode_picture, is_still

MAX_MATTE_BYTES = 32 * 2**20
"""Bytes of a painted picture at most, as the page sends it."""
MAX_PAINTED_SIDE_PX = 1920
"""Longer side of a painted matte: edges are soft, so that films of 4K need no more."""
MIN_AGE_S = 24 * 3600
"""Seconds for which a matte that nothing refers to stays."""
KEPT_SUFFIX = ".kept"
"""Suffix of the empty file beside a matte that is never cleared."""
NAME_CHARS, DIGEST_CHARS = 60, 12


class PaintedMattes:
    """A folder of painted mattes; each state is a file of its own, so that undo finds it again.

    Those that nothing refers to any more are cleared away, but not on their first day, in which a
    command that was copied may yet be run.

    Attributes:
        folder: The folder; it is made with the first matte.
    """

    def __init__(self, folder: Path) -> None:
        """Name the folder."""
        self.folder = folder

    def keep(self, content: bytes, source: Path) -> Path:
        """Keep a painted picture as a grey PNG, and return its path.

        Args:
            content: A PNG: white where the dream is shown.
            source: The clip or picture that it is painted over, which names it.

        Raises:
            MediaError: It is no PNG, or too large.
            OutputError: It cannot be written.
        """
        grey = _read_painted(content)
        digest = hashlib.sha256(f"{grey.size}".encode() + grey.tobytes()).hexdigest()
        path = self.folder / f"{source.stem[:NAME_CHARS]}-matte-{digest[:DIGEST_CHARS]}.png"
        if path.exists():
            path.touch()  # painted again, it is as young as a new one
        else:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(f"{self.folder} cannot be made: {error.strerror}") from error
            with atomic_write(path) as part:
                grey.save(part, "PNG")
        return path

    def keep_for_ever(self, path: Path) -> None:
        """Never clear a matte: what refers to it leaves the studio. Other files are left alone."""
        if path.parent == self.folder:
            with contextlib.suppress(OSError):
                path.with_suffix(KEPT_SUFFIX).touch()

    def clear(self, used: Container[str]) -> None:
        """Delete the mattes that are not used any more.

        Args:
            used: The paths of those that are.
        """
        youngest_s = time.time() - MIN_AGE_S
        for path in self.folder.glob("*-matte-*.png"):
            with contextlib.suppress(OSError):
                is_wanted = str(path) in used or path.with_suffix(KEPT_SUFFIX).exists()
                if not is_wanted and path.stat().st_mtime < youngest_s:
                    path.unlink()


def find_painting_size(width: int, height: int) -> tuple[int, int]:
    """Return the size of a matte that is painted over a source of (width, height) pixels."""
    share = min(1.0, MAX_PAINTED_SIDE_PX / max(width, height))
    return max(1, round(width * share)), max(1, round(height * share))


def render_matte(path: Path, width: int, height: int) -> bytes:
    """Return a matte that is a picture as a PNG of a size, to be painted on.

    Raises:
        MediaError: It is a film or a folder, or cannot be read.
    """
    if not is_still(path):
        raise MediaError(f"{path.name} is no single picture: it is not painted on", where=str(path))
    picture = decode_picture(path)
    alpha = picture.alpha8()
    grey = matte_grey(picture.levels8()) if alpha is None else alpha
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(resize_picture(grey, width, height))).save(file, "PNG")
    return file.getvalue()


def _read_painted(content: bytes) -> Image.Image:
    """Return the grey picture that a page has sent."""
    try:
        with open_png(content) as image:
            if max(image.size) > MAX_PAINTED_SIDE_PX:
                raise MediaError(f"a painted matte has at most {MAX_PAINTED_SIDE_PX} pixels a side")
            return image.convert("L")
    except PILLOW_READ_ERRORS as error:
        raise MediaError("what was painted is no PNG picture") from error
