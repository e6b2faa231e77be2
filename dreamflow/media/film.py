"""Frames into a film: encoded, joined with its sound and settings, and then put in its place."""

from __future__ import annotations

import warnings
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from dreamflow.errors import DreamFlowWarning, OutputError
from dreamflow.frames import Frame
from dreamflow.media import ffmpeg
from dreamflow.media.formats import Format
from dreamflow.media.interrupt import finished_first
from dreamflow.media.keep import note_kept, partial_path, worth_keeping
from dreamflow.media.metadata import add_gif_comment, as_comment, write_sidecar
from dreamflow.media.outline import Outline
from dreamflow.media.stills import working_path
from dreamflow.options import EncodeOptions

GIF_FASTEST = 50
"""Frames a second: browsers show a GIF's frame for two hundredths of a second at least."""


class FilmWriter:
    """A film: encoded first, then joined with the sound and the settings, then renamed.

    Once frames are encoded they are never thrown away: where the last step fails, or is broken
    off, the encoded picture is kept as `partial`, and the error says so.
    """

    def __init__(
        self,
        path: Path,
        kind: Format,
        outline: Outline,
        encode: EncodeOptions,
        record: dict[str, Any],
    ) -> None:
        self.path = path
        self.partial = partial_path(path)
        self.frames = 0
        self.record = record
        self._format = kind
        self._outline = outline
        self._encode = encode
        self._part = working_path(path, "part", kind.container)
        self._joined = working_path(path, "joined")
        self._pipe: ffmpeg.FramePipe | None = None
        self._padding = ((0, outline.height % 2), (0, outline.width % 2), (0, 0))
        self._padded = kind.even and (outline.height % 2 or outline.width % 2)

    def __enter__(self) -> Self:
        outline = self._outline
        height, width = outline.height, outline.width
        if self._padded:
            height, width = height + height % 2, width + width % 2
            warnings.warn(
                f"{self._format.suffix} films need even sides: the last row or column is repeated, "
                f"{outline.width}x{outline.height} becomes {width}x{height}",
                DreamFlowWarning,
                2,
            )
        if self._format.suffix == ".gif" and outline.rate > GIF_FASTEST:
            warnings.warn(
                f"a GIF shows at most {GIF_FASTEST} frames a second: this one will run slow; "
                "give --fps 25",
                DreamFlowWarning,
                2,
            )
        options = self._format.video_options(self._encode.crf)
        if outline.pixel_aspect != 1 and self._format.suffix != ".gif":
            # Without a maximum, setsar rounds to integers below 100.
            aspect = f"setsar={outline.pixel_aspect}:max=65535"
            at = options.index("-vf") + 1
            options[at] = f"{options[at]},{aspect}"
        options.append(str(self._part.absolute()))
        self._pipe = ffmpeg.FramePipe(width, height, outline.rate, outline.constant_rate, options)
        return self

    def write(self, frame: Frame) -> None:
        """Add a frame. Raises OutputError where ffmpeg died, the disk is full, or sizes differ."""
        assert self._pipe is not None
        picture = frame.picture
        if self._padded:
            picture = np.pad(picture, self._padding, mode="edge")
        with finished_first():
            self._pipe.write(picture, frame.time)
            self.frames += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._pipe is not None
        try:
            if kind is None:
                self._close()
                self._finish(self.path)
            elif self.frames and worth_keeping(kind):
                self._close()
                self._finish(self.partial)
                note_kept(error, self.frames, self.partial)
            else:
                self._pipe.kill()
        except BaseException as failed:
            self._pipe.kill()
            self._keep_picture(failed if error is None else error)
            if error is None:
                raise
        finally:
            self._part.unlink(missing_ok=True)
            self._joined.unlink(missing_ok=True)

    def _close(self) -> None:
        """Let ffmpeg finish what it has: a Ctrl-C waits for that, or the film would be cut off."""
        assert self._pipe is not None
        with finished_first():
            self._pipe.close()

    def _keep_picture(self, error: BaseException) -> None:
        """Keep what is encoded, without sound, where it could not be finished."""
        if self.frames and self._part.exists() and self._part.stat().st_size:
            partial = partial_path(self.path, self._format.container)
            self._part.replace(partial)
            if self._pipe is not None and self._pipe.complete:
                note_kept(error, self.frames, partial)
            else:
                error.add_note(f"what was encoded until then is kept in {partial}")

    def _finish(self, target: Path) -> None:
        sound = self._sound_options()
        if self._format.suffix == ".gif":
            self._make_gif()
        elif not sound:
            self._join([])
        else:
            try:
                self._join(sound)
            except OutputError as error:
                warnings.warn(f"the sound is left out: {error}", DreamFlowWarning, 2)
                self._join([])
        try:
            self._joined.replace(target)
            if self.record:
                write_sidecar(target, self.record)
        except OSError as error:
            raise OutputError(f"{target} cannot be written: {error.strerror}") from error

    def _make_gif(self) -> None:
        """Choose one palette for the whole film, then write with it: two passes, little memory."""
        palette = working_path(self.path, "palette", ".png")
        # A GIF's pixels are square.
        square = f"scale=w=iw*{float(self._outline.pixel_aspect):.6f}:h=ih:flags=lanczos"
        part = ("-i", str(self._part.absolute()))
        try:
            ffmpeg.run(
                [
                    *(*part, "-vf", f"{square},palettegen=stats_mode=diff"),
                    *("-update", "1", str(palette.absolute())),
                ],
                "choosing the palette",
            )
            ffmpeg.run(
                [
                    *(*part, "-i", str(palette.absolute()), "-lavfi"),
                    f"[0:v]{square}[v];[v][1:v]paletteuse=dither=sierra2_4a:diff_mode=rectangle",
                    *("-fps_mode", "passthrough", "-loop", "0", "-f", "gif"),
                    str(self._joined.absolute()),
                ],
                "writing the GIF",
            )
        finally:
            palette.unlink(missing_ok=True)
        if self.record:
            add_gif_comment(self._joined, as_comment(self.record))

    def _join(self, options: list[str]) -> None:
        """Put picture, sound and settings into one file; the picture is not encoded again."""
        sound = self._outline.sound if options else None
        arguments: list[str] = []
        late = sound.start if sound and sound.begin == 0 else Fraction(0)
        if late:
            arguments += ["-itsoffset", seconds(late)]
        arguments += ["-i", str(self._part.absolute())]
        if sound:
            if sound.begin > 0:
                arguments += ["-ss", seconds(sound.start + sound.begin)]
            if sound.cut or self.frames < self._outline.frames:
                arguments += ["-t", seconds(self._written_length() + late)]
            arguments += ["-i", str(sound.path.absolute())]
        # Sound from before the first frame taken would push the picture back.
        arguments += ["-map", "0:v", *options, "-copypriorss:a", "0", "-c:v", "copy"]
        arguments += ["-map_metadata", "-1", "-strict", "-1"]
        if self.record:
            arguments += ["-metadata", f"comment={as_comment(self.record)}"]
        arguments += [*self._format.finish, str(self._joined.absolute())]
        ffmpeg.run(arguments, f"finishing {self.path}")

    def _written_length(self) -> Fraction:
        outline = self._outline
        return outline.length if self.frames >= outline.frames else self.frames / outline.rate

    def _sound_options(self) -> list[str]:
        """Return the options that copy the sound, or encode it anew, saying so."""
        sound, fallback = self._outline.sound, self._format.sound_fallback
        if sound is None:
            return []
        if fallback is None:
            warnings.warn(f"a {self._format.suffix} has no sound", DreamFlowWarning, 2)
            return []
        options, name = fallback
        strange = sorted({codec for codec in sound.codecs if codec not in self._format.sound})
        if not strange:
            return ["-map", "1:a", "-c:a", "copy"]
        warnings.warn(
            f"{self._format.suffix} cannot hold {', '.join(strange)} sound: encoded anew as {name}",
            DreamFlowWarning,
            2,
        )
        return ["-map", "1:a", *options]


def seconds(time: Fraction) -> str:
    """Return a time as ffmpeg reads it, to the microsecond."""
    return f"{float(time):.6f}"
