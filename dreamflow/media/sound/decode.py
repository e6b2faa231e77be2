"""Decoding sound, a block at a time: mono at one rate, each sample at its own instant."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import av.container
import av.error
import numpy as np

from dreamflow.core.errors import DamagedSourceWarning, MediaError
from dreamflow.media.files.film_file import open_film
from dreamflow.media.output_spec import Sound
from dreamflow.media.read.video.container import find_track

SAMPLE_RATE = 24000
"""Samples a second of decoded sound."""
BLOCK_SAMPLES = 10 * SAMPLE_RATE
"""Samples of a block, which bounds the memory that decoding takes."""
RESAMPLED_SAMPLES = 2**15
"""Samples that are resampled together, since frames hold few."""
MAX_STAMP_ERROR_S = 0.04
"""Seconds by which a time stamp may be later than the sound so far before silence fills the gap."""
MAX_AMPLITUDE = 2.0**31
"""Largest amplitude: that of floats which hold integers, as some programs write them."""
MAX_SOUND_S = 24 * 3600
"""Seconds from which on time stamps are not believed."""


def decode_sound(path: Path, track: str | None = None) -> Iterator[np.ndarray]:
    """Yield a file's sound from the file's start on, all channels alike in one.

    Where time stamps leave a gap, there is silence; what does not decode is left out, with a
    DreamFlowWarning.

    Args:
        path: A sound or film file.
        track: Number from 0 or language of its sound track; None for the main one.

    Yields:
        float32 (samples,), SAMPLE_RATE a second, full scale from -1 to 1; BLOCK_SAMPLES but for the
        last.

    Raises:
        MediaError: It holds no sound, or cannot be read.
        SettingsError: It has no such track.
    """
    waiting: list[np.ndarray] = []
    count = 0
    for samples in _decode_pieces(path, track):
        waiting.append(samples)
        count += len(samples)
        while count >= BLOCK_SAMPLES:
            joined = np.concatenate(waiting)
            yield joined[:BLOCK_SAMPLES]
            waiting, count = [joined[BLOCK_SAMPLES:]], count - BLOCK_SAMPLES
    if count:
        yield np.concatenate(waiting)


def find_sound_track(
    path: Path, container: av.container.InputContainer, wanted: str | None
) -> av.AudioStream:
    """Return a container's main sound track, or the one that is asked for.

    Raises:
        MediaError: There is no sound, or its codec is unknown.
        SettingsError: There is no such track.
    """
    tracks = list(container.streams.audio)
    if not tracks:
        raise MediaError(f"{path} holds no sound", where=str(path))
    stream = container.streams.best("audio") or tracks[0]
    if wanted is not None:
        stream = tracks[find_track(path, tracks, "audio_track", wanted)]
    assert isinstance(stream, av.AudioStream)
    return stream


def read_sound_facts(path: Path) -> Sound:
    """Return the main sound track of a file, to go with frames.

    Raises:
        MediaError: It holds no sound, or cannot be read.
    """
    with _open_sound(path) as container:
        stream = find_sound_track(path, container, None)
        number = list(container.streams.audio).index(stream)
        return Sound(path, (stream.codec_context.name,), track=number)


def read_sound_length(path: Path) -> Fraction:
    """Return the seconds of a file's sound, as far as its container tells; else decoded.

    Raises:
        MediaError: It holds no sound, or cannot be read.
    """
    with _open_sound(path) as container:
        find_sound_track(path, container, None)
        if container.duration:
            return Fraction(container.duration, av.time_base)
    return Fraction(sum(map(len, decode_sound(path))), SAMPLE_RATE)


@contextmanager
def _open_sound(path: Path) -> Generator[av.container.InputContainer]:
    """Open a file whose sound is read; what FFmpeg cannot read is a MediaError."""
    try:
        with open_film(path) as container:
            yield container
    except (av.error.FFmpegError, MemoryError, OverflowError, OSError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise MediaError(f"{path}: its sound cannot be read: {why}", where=str(path)) from error


def _decode_pieces(path: Path, track: str | None) -> Iterator[np.ndarray]:
    """Yield pieces of sound, each following the one before without a gap."""
    with _open_sound(path) as container:
        yield from _place_frames(path, container, find_sound_track(path, container, track))


def _place_frames(
    path: Path, container: av.container.InputContainer, stream: av.AudioStream
) -> Iterator[np.ndarray]:
    container_start = Fraction(container.start_time or 0, av.time_base)
    resampler, position_s, has_begun = _Resampler(), 0.0, False
    for frame in _decode_frames(path, container, stream):
        if frame.pts is not None and frame.time_base is not None:
            due_s = float(frame.pts * frame.time_base - container_start)
            gap_s = due_s - position_s
            if gap_s > (MAX_STAMP_ERROR_S if has_begun else 0) and due_s < MAX_SOUND_S:
                yield from resampler.flush()
                yield from _make_silence(gap_s)
                position_s = due_s
        has_begun = True
        position_s += frame.samples / frame.sample_rate
        yield from resampler.take(mix_to_mono(frame), frame.sample_rate)
    if not has_begun:
        raise MediaError(f"{path}: nothing of its sound decodes", where=str(path))
    yield from resampler.flush()


def _make_silence(seconds: float) -> Iterator[np.ndarray]:
    remaining = round(seconds * SAMPLE_RATE)
    while remaining > 0:
        yield np.zeros(min(remaining, BLOCK_SAMPLES), np.float32)
        remaining -= BLOCK_SAMPLES


def _decode_frames(
    path: Path, container: av.container.InputContainer, stream: av.AudioStream
) -> Iterator[av.AudioFrame]:
    """Yield the frames that decode, and warn once where some do not."""
    damaged_packets = 0
    packets = container.demux(stream)
    try:
        for packet in packets:
            try:
                frames = packet.decode()
            except av.error.EOFError:
                break
            except av.error.FFmpegError:
                damaged_packets += 1
                continue
            yield from frames
    except av.error.FFmpegError:  # the file ends within a packet
        damaged_packets += 1
    if damaged_packets:
        warnings.warn(
            f"the sound of {path.name} is damaged: what does not decode is left out",
            DamagedSourceWarning,
            2,
        )


def mix_to_mono(frame: av.AudioFrame) -> np.ndarray:
    """Return the mean of a frame's channels, LFE included: float32 (samples,), full scale 1.

    What is not a number is silent.
    """
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    mean = samples.mean(axis=0, dtype=np.float64)
    if samples.dtype == np.uint8:
        mean = mean - 128
    if samples.dtype.kind in "iu":
        mean = mean / 2 ** (8 * samples.dtype.itemsize - 1)
    limited = np.clip(np.nan_to_num(mean, posinf=0, neginf=0), -MAX_AMPLITUDE, MAX_AMPLITUDE)
    return limited.astype(np.float32)


class _Resampler:
    """Brings mono sound to SAMPLE_RATE, in pieces of about RESAMPLED_SAMPLES."""

    def __init__(self) -> None:
        self._rate = SAMPLE_RATE
        self._waiting: list[np.ndarray] = []
        self._resampler: av.AudioResampler | None = None

    def take(self, samples: np.ndarray, rate: int) -> Iterator[np.ndarray]:
        """Take samples of a rate in, and yield what comes out."""
        if rate != self._rate:
            yield from self.flush()
            self._rate = rate
        self._waiting.append(samples)
        if sum(map(len, self._waiting)) >= RESAMPLED_SAMPLES:
            yield from self._resample()

    def flush(self) -> Iterator[np.ndarray]:
        """Yield the rest of what was taken in."""
        yield from self._resample()
        if self._resampler is not None:
            yield from (frame.to_ndarray()[0] for frame in self._resampler.resample(None))
            self._resampler = None

    def _resample(self) -> Iterator[np.ndarray]:
        if not self._waiting:
            return
        samples = np.concatenate(self._waiting)
        self._waiting = []
        if self._rate == SAMPLE_RATE:
            yield samples
            return
        if self._resampler is None:
            self._resampler = av.AudioResampler("fltp", "mono", SAMPLE_RATE)
        frame = av.AudioFrame.from_ndarray(samples[None], "fltp", "mono")
        frame.sample_rate = self._rate
        yield from (made.to_ndarray()[0] for made in self._resampler.resample(frame))
