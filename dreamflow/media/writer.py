"""Frames into a file that appears whole or not at all."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from dreamflow.errors import DreamFlowError, DreamFlowWarning, OutputError
from dreamflow.frames import Frame
from dreamflow.media import ffmpeg
from dreamflow.media.clip import Clip
from dreamflow.media.formats import Format, format_of
from dreamflow.media.metadata import FOLDER_FILE, add_gif_comment, as_comment, write_sidecar
from dreamflow.media.stills import working_path, write_picture
from dreamflow.options import EncodeOptions

GIF_FASTEST = 50
"""Frames a second: browsers show a GIF's frame for two hundredths of a second at least."""


class Writer(Protocol):
    """Takes frames; on leaving its `with` block the output appears under its name.

    `frames` is how many were written. After Ctrl-C what was finished is kept as `partial`.
    """

    frames: int
    partial: Path

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def write(self, frame: Frame) -> None:
        """Add a frame. Raises OutputError."""
        ...


def partial_path(path: Path, suffix: str | None = None) -> Path:
    """Return where what was finished of an output is kept: `dream.partial.mp4`."""
    return path.with_name(f"{path.stem}.partial{path.suffix if suffix is None else suffix}")


def worth_keeping(kind: type[BaseException] | None) -> bool:
    """Return whether frames made before this exception are the artist's, and so are kept."""
    return kind is not None and issubclass(
        kind, (KeyboardInterrupt, DreamFlowError, MemoryError, RuntimeError)
    )


def note_kept(error: BaseException | None, frames: int, partial: Path) -> None:
    """Say with an error what of the work is kept, and where."""
    if error is not None:
        error.add_note(f"the {frames} frames finished are kept in {partial}")


def check_output(path: Path, overwrite: bool, sources: Iterable[Path] = ()) -> None:
    """Raise OutputError where an output must not or cannot be written.

    Its folder is missing, it exists and `overwrite` is False, or it is one of the sources.
    """
    folder = path.resolve().parent
    if not folder.is_dir():
        raise OutputError(f"the folder {folder} does not exist; make it first")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"the folder {folder} cannot be written to")
    if path.resolve() == Path.cwd():
        raise OutputError(f"{path} is the folder you are in; name a new one")
    for source in sources:
        if path.exists() and source.exists() and path.samefile(source):
            raise OutputError(f"{path} is the source itself; give the output another name")
    if not path.exists():
        return
    if path.suffix and path.is_dir():
        raise OutputError(f"{path} is a folder; give the output another name")
    if not path.suffix and path.is_file():
        raise OutputError(f"{path} is a file; name a new folder, or add a suffix such as .mp4")
    empty = path.is_dir() and not any(path.iterdir())
    if not overwrite and not empty:
        raise OutputError(f"{path} exists already; add --overwrite to replace it")
    strange = [p.name for p in path.iterdir() if not _ours(p)] if path.is_dir() else []
    if strange:
        raise OutputError(f"{path} holds other files ({strange[0]}); name a new folder")


def _ours(path: Path) -> bool:
    return path.name == FOLDER_FILE or (path.name.startswith("frame_") and path.suffix == ".png")


def open_writer(
    path: str | Path,
    clip: Clip,
    *,
    encode: EncodeOptions | None = None,
    record: dict[str, Any] | None = None,
    overwrite: bool = False,
) -> Writer:
    """Open an output for the frames of a clip: its size, timing and sound are the clip's.

    path: .mp4, .m4v, .mov, .mkv, .webm or .gif, or a name without suffix for a folder of PNGs.
    record: settings to embed, and to write beside the output. Raises OutputError.
    """
    path = Path(path)
    kind = format_of(path)
    check_output(path, overwrite, clip.sources)
    if kind is None:
        return PicturesWriter(path.resolve(), record or {})
    return FilmWriter(path, kind, clip, encode or EncodeOptions(), record or {})


def write_video(
    path: str | Path,
    frames: Iterable[Frame],
    clip: Clip,
    *,
    crf: int = EncodeOptions.crf,
    record: dict[str, Any] | None = None,
    overwrite: bool = False,
) -> int:
    """Write frames made from a clip to a file, with the clip's sound; return how many.

    crf: quality, from 0 (lossless) to 51. See `open_writer` for the names it takes, for `record`
    and for what it raises.
    """
    encode = EncodeOptions(crf=crf)
    with open_writer(path, clip, encode=encode, record=record, overwrite=overwrite) as writer:
        for frame in frames:
            writer.write(frame)
    return writer.frames


class PicturesWriter:
    """A folder of PNGs, `frame_000000.png` and on, which appears when it is complete."""

    def __init__(self, path: Path, record: dict[str, Any]) -> None:
        self.path = path
        self.record = record
        self.frames = 0
        self.partial = partial_path(path)
        self._part = working_path(path, "part")

    def __enter__(self) -> Self:
        try:
            self._part.mkdir()
        except OSError as error:
            raise OutputError(f"{self.path} cannot be made: {error.strerror}") from error
        return self

    def write(self, frame: Frame) -> None:
        """Add a frame. Raises OutputError."""
        path = self._part / f"frame_{self.frames:06d}.png"
        write_picture(path, frame.picture, as_comment(self.record) if self.record else "")
        self.frames += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish(self.path)
            elif self.frames and worth_keeping(kind):
                self._finish(self.partial)
                note_kept(error, self.frames, self.partial)
        finally:
            shutil.rmtree(self._part, ignore_errors=True)

    def _finish(self, target: Path) -> None:
        if self.record:
            write_sidecar(self._part, self.record)
        try:
            shutil.rmtree(target, ignore_errors=True)
            self._part.replace(target)
        except OSError as error:
            raise OutputError(f"{target} cannot be written: {error.strerror}") from error


class FilmWriter:
    """A film: encoded first, then joined with the clip's sound and the settings, then renamed.

    Once frames are encoded they are never thrown away: where the last step fails, or is broken
    off, the encoded picture is kept as `partial`, and the error says so.
    """

    def __init__(
        self, path: Path, kind: Format, clip: Clip, encode: EncodeOptions, record: dict[str, Any]
    ) -> None:
        self.path = path
        self.partial = partial_path(path)
        self.frames = 0
        self.record = record
        self._format = kind
        self._clip = clip
        self._encode = encode
        self._part = working_path(path, "part", kind.container)
        self._joined = working_path(path, "joined")
        self._pipe: ffmpeg.FramePipe | None = None
        self._padding = ((0, clip.height % 2), (0, clip.width % 2), (0, 0))
        self._padded = kind.even and (clip.height % 2 or clip.width % 2)

    def __enter__(self) -> Self:
        clip, (height, width) = self._clip, (self._clip.height, self._clip.width)
        if self._padded:
            height, width = height + height % 2, width + width % 2
            warnings.warn(
                f"{self._format.suffix} films need even sides: the last row or column is repeated, "
                f"{clip.width}x{clip.height} becomes {width}x{height}",
                DreamFlowWarning,
                2,
            )
        if self._format.suffix == ".gif" and clip.rate > GIF_FASTEST:
            warnings.warn(
                f"a GIF shows at most {GIF_FASTEST} frames a second: this one will run slow; "
                "give --fps 25",
                DreamFlowWarning,
                2,
            )
        options = self._format.video_options(self._encode.crf)
        if clip.info.pixel_aspect != 1 and self._format.suffix != ".gif":
            # Without a maximum, setsar rounds to integers below 100.
            aspect = f"setsar={clip.info.pixel_aspect}:max=65535"
            at = options.index("-vf") + 1
            options[at] = f"{options[at]},{aspect}"
        self._pipe = ffmpeg.FramePipe(
            width, height, clip.rate, clip.constant_rate, [*options, str(self._part.absolute())]
        )
        return self

    def write(self, frame: Frame) -> None:
        """Add a frame. Raises OutputError where ffmpeg died, the disk is full, or sizes differ."""
        assert self._pipe is not None
        picture = frame.picture
        if self._padded:
            picture = np.pad(picture, self._padding, mode="edge")
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
                self._pipe.close()
                self._finish(self.path)
            elif self.frames and worth_keeping(kind):
                self._pipe.close()
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

    def _keep_picture(self, error: BaseException) -> None:
        """Keep what is encoded, without sound, where it could not be finished."""
        if self.frames and self._part.exists() and self._part.stat().st_size:
            partial = partial_path(self.path, self._format.container)
            self._part.replace(partial)
            note_kept(error, self.frames, partial)

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
        square = f"scale=w=iw*{float(self._clip.info.pixel_aspect):.6f}:h=ih:flags=lanczos"
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

    def _join(self, sound: list[str]) -> None:
        """Put picture, sound and settings into one file; the picture is not encoded again."""
        clip = self._clip
        arguments: list[str] = []
        late = clip.info.start if sound and clip.begin == 0 else Fraction(0)
        if late:
            arguments += ["-itsoffset", seconds(late)]
        arguments += ["-i", str(self._part.absolute())]
        if sound:
            if clip.begin > 0:
                arguments += ["-ss", seconds(clip.info.start + clip.begin)]
            if clip.stop < clip.info.frames or self.frames < len(clip):
                arguments += ["-t", seconds(self._written_length() + late)]
            arguments += ["-i", str(clip.path.absolute())]
        # Sound from before the first frame taken would push the picture back.
        arguments += ["-map", "0:v", *sound, "-copypriorss:a", "0", "-c:v", "copy"]
        arguments += ["-map_metadata", "-1", "-strict", "-1"]
        if self.record:
            arguments += ["-metadata", f"comment={as_comment(self.record)}"]
        arguments += [*self._format.finish, str(self._joined.absolute())]
        ffmpeg.run(arguments, f"finishing {self.path}")

    def _written_length(self) -> Fraction:
        whole = self._clip.length
        return whole if self.frames >= len(self._clip) else self.frames / self._clip.rate

    def _sound_options(self) -> list[str]:
        """Return the options that copy the clip's sound, or encode it anew, saying so."""
        tracks, fallback = self._clip.info.sound, self._format.sound_fallback
        if not tracks:
            return []
        if fallback is None:
            warnings.warn(f"a {self._format.suffix} has no sound", DreamFlowWarning, 2)
            return []
        options, name = fallback
        strange = sorted({codec for codec in tracks if codec not in self._format.sound})
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
