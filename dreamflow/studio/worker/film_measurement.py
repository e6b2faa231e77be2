"""What a film will take: a few of its frames, dreamed at its size and encoded as it will be."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import av
import av.error
import numpy as np

from dreamflow.core.errors import DreamFlowWarning
from dreamflow.core.frames import Frame
from dreamflow.media.files.film_file import open_film
from dreamflow.media.options import ClipOptions, EncodeOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.mattes.matte import open_matte
from dreamflow.media.read.mattes.matte_files import MatteTarget
from dreamflow.media.write.animation.encode_animation import make_gif, make_webp
from dreamflow.media.write.containers import ContainerFormat, container_format_for
from dreamflow.media.write.even_sides import pad_to_even, round_up_to_even
from dreamflow.media.write.ffmpeg import FfmpegFramePipe
from dreamflow.media.write.frame_times import FrameTimes
from dreamflow.media.write.segments.film_segments import choose_segment_frames
from dreamflow.networks.network import Network
from dreamflow.pipelines.hearing import hear_clip
from dreamflow.pipelines.settings.looks import Look
from dreamflow.reports.moving_preview import PreviewPiece, dream_preview_piece, open_preview_piece
from dreamflow.studio.looks.controls import open_sound
from dreamflow.studio.worker.messages import FilmMeasured, MeasureFilm

MEASURED_FRAMES = 6
"""Frames that are dreamed: the first from nothing, a second with which the motion begins, and four
that stand for all others."""
LOOK_AHEAD_CODECS = ("h264", "h265")
LOOK_AHEAD_FRAMES = 48
"""Codecs whose encoders look up to 40 frames ahead, and spend more on what is referred to for long;
and frames that are encoded by them, forwards and backwards in turns. The first turn is counted."""
SOUND_SAMPLE_S = 10.0
"""Seconds of the source of which the sound's bytes are counted."""


def measure_film_frames(
    request: MeasureFilm, look: Look, network: Network, on_step: Callable[[], None]
) -> FilmMeasured:
    """Dream and encode a few frames of a film, and return what they took.

    Args:
        request: The film.
        look: Its look.
        network: The network, loaded.
        on_step: Called at each step; what it raises ends the work.

    Raises:
        DreamFlowError: The source cannot be read, or a setting is wrong or does not fit.
    """
    options = ClipOptions(
        size=request.size or None, start=request.start or None, end=request.end or None
    )
    container_format = container_format_for(Path(f"film{request.suffix}"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DreamFlowWarning)  # the render tells them
        piece = _open_piece(request, look, options)
        matte = None
        if look.show.matte:
            matte = open_matte(look.show, MatteTarget.from_clip(piece.clip))
        frames, times_s = list[Frame](), [time.monotonic()]
        for frame in dream_preview_piece(piece, network, look, matte, lambda done: on_step()):
            frames.append(frame)
            times_s.append(time.monotonic())
        spec = piece.clip.output_spec
        # An animated picture has one key frame, its first, and no sound.
        is_animation = container_format is not None and not container_format.codecs
        key_bytes, later_bytes = _encode(
            request, container_format, spec, [frame.picture for frame in frames], on_step
        )
        taken_s = np.diff(times_s)
        return FilmMeasured(
            number=request.number,
            first_s=float(taken_s[0]),
            later_s=float(np.mean(taken_s[min(2, len(taken_s) - 1) :])),
            key_bytes=key_bytes,
            later_bytes=later_bytes,
            frames_a_key=piece.clip.info.frames if is_animation else choose_segment_frames(spec),
            sound_bytes_a_s=0.0 if is_animation else measure_sound(piece.clip.path),
            width=spec.width,
            height=spec.height,
        )


def _open_piece(request: MeasureFilm, look: Look, options: ClipOptions) -> PreviewPiece:
    clip = Clip(Path(request.source), options)
    seconds = float(MEASURED_FRAMES / clip.rate)
    piece = open_preview_piece(clip.path, request.at, seconds, 0, options)
    return replace(piece, clip=hear_clip(piece.clip, open_sound(request.settings), look.groups))


def _encode(
    request: MeasureFilm,
    container_format: ContainerFormat | None,
    spec: OutputSpec,
    pictures: Sequence[np.ndarray],
    on_step: Callable[[], None],
) -> tuple[float, float]:
    """Return the bytes of a key frame, and of another; 0 of pictures in a folder."""
    if container_format is None:
        return 0.0, 0.0
    encode = EncodeOptions(codec=request.codec, quality=request.quality)
    encoding = container_format.video_encoding(encode)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"film{encoding.segment_suffix}"
        width, height = spec.width, spec.height
        if encoding.needs_even_sides:
            width, height = round_up_to_even(width, height)
        count = len(pictures)
        if encoding.codec in LOOK_AHEAD_CODECS and container_format.codecs:
            count = max(count, LOOK_AHEAD_FRAMES)
        pipe = FfmpegFramePipe(
            width, height, spec.rate, True, [*encoding.ffmpeg_options(), str(path)]
        )
        try:
            for number, picture in zip(range(count), _swing(pictures), strict=False):
                on_step()
                whole = pad_to_even(picture) if encoding.needs_even_sides else picture
                pipe.write(whole, number / spec.rate)
            pipe.close()
        except BaseException:
            pipe.kill()
            raise
        if not container_format.codecs:
            return _animate(path, container_format, encode, spec, len(pictures))
        with open_film(path) as film:
            packets = [p for p in film.demux(film.streams.video[0]) if p.size]
    packets = sorted(packets, key=lambda packet: packet.pts or 0)[: len(pictures)]
    key = [packet.size for packet in packets if packet.is_keyframe]
    later = [packet.size for packet in packets if not packet.is_keyframe] or key
    return float(np.mean(key)), float(np.mean(later))


def _swing(pictures: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield pictures forwards and backwards in turns, without end."""
    return itertools.cycle([*pictures, *pictures[-2:0:-1]])


def _animate(
    film: Path,
    container_format: ContainerFormat,
    encode: EncodeOptions,
    spec: OutputSpec,
    count: int,
) -> tuple[float, float]:
    """Return the bytes of an animated picture of a film's first frame, and of each later one."""
    sizes: list[int] = []
    for frames in (1, count):
        starts = tuple(number / spec.rate for number in range(frames))
        path = film.with_name(f"{frames}{container_format.suffix}")
        times = FrameTimes(starts, frames / spec.rate)
        if container_format.suffix == ".gif":
            make_gif(film, times, path, spec, {})
        else:
            make_webp(film, times, path, encode, spec, {})
        sizes.append(path.stat().st_size)
    return float(sizes[0]), (sizes[1] - sizes[0]) / max(1, count - 1)


def measure_sound(path: Path) -> float:
    """Return how many bytes a second of a source's sound has; 0 of a folder or a silent film."""
    if not path.is_file():
        return 0.0
    size, end_s = 0, 0.0
    with contextlib.suppress(av.error.FFmpegError, OSError), open_film(path) as film:
        if film.streams.audio:
            for packet in film.demux(list(film.streams.audio)):
                size += packet.size
                if packet.pts is not None and packet.time_base:
                    end_s = max(
                        end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base)
                    )
                if end_s >= SOUND_SAMPLE_S:
                    break
    return size / end_s if end_s else 0.0
