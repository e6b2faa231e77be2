"""A film's frame as it was decoded, and a dream added to its samples.

A dream is a change of RGB signal; a film's samples are mostly YUV, with chroma at half the size.
The conversion is linear, so a change is converted by itself and added to the samples: those that it
does not touch stay as they are, to the bit, and nothing is resampled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import av
import numpy as np
from av.video.plane import VideoPlane

from dreamflow.media.colour.rgb_conversion import EXACT_RGB_SWSCALE_FLAGS
from dreamflow.media.read.video.orientation import Orientation, apply_orientation
from dreamflow.media.resize import fit_inside, resize_picture
from dreamflow.media.sample_format import SampleFormat


@dataclass(frozen=True)
class FilmSamples:
    """The samples of a frame.

    Attributes:
        planes: (height, width) uint8 or uint16 each, in FFmpeg's order: Y, U, V, or Y alone, or
            G, B, R; then alpha, which is straight.
        format: How they are laid out, and what they mean.
    """

    planes: tuple[np.ndarray, ...]
    format: SampleFormat

    @classmethod
    def of_frame(
        cls, frame: av.VideoFrame, sample_format: SampleFormat, orientation: Orientation
    ) -> FilmSamples:
        """Return the samples of a decoded frame, upright.

        Args:
            frame: The frame, which is converted where its format is another one.
            sample_format: A planar format.
            orientation: As in `apply_orientation`.
        """
        if frame.format.name != sample_format.pixel_format:
            frame = frame.reformat(
                format=sample_format.pixel_format, interpolation=EXACT_RGB_SWSCALE_FLAGS
            )
        sizes = sample_format.plane_sizes(frame.width, frame.height)
        planes = (
            _read_plane(plane, size, sample_format.sample_bytes)
            for plane, size in zip(frame.planes, sizes, strict=True)
        )
        upright = (apply_orientation(plane[..., None], orientation)[..., 0] for plane in planes)
        return cls(tuple(upright), sample_format)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the frame."""
        height, width = self.planes[0].shape
        return width, height

    def with_change(self, change: np.ndarray) -> FilmSamples:
        """Return the samples with a change of the picture.

        Args:
            change: (height, width, 3) float32, what is added to RGB signal of full scale 1.
        """
        added = _add_to_planes(self.planes, change, self.format)
        return replace(self, planes=(*added, *self.planes[len(added) :]))

    def with_alpha(self, shown: np.ndarray, before: np.ndarray) -> FilmSamples:
        """Return the samples with alpha, (height, width) 0 to 1, where it is above what it was."""
        *colours, alpha = self.planes
        codes = np.rint(shown * np.float32(2**self.format.bits - 1)).astype(alpha.dtype)
        return replace(self, planes=(*colours, np.where(shown > before, codes, alpha)))

    def resized(self, width: int, height: int) -> FilmSamples:
        """Return the samples of the frame at another size."""
        sizes = self.format.plane_sizes(width, height)
        planes = (
            resize_picture(plane, *size) for plane, size in zip(self.planes, sizes, strict=True)
        )
        return replace(self, planes=tuple(planes))

    def letterboxed(self, width: int, height: int) -> FilmSamples:
        """Return the samples of the frame within another size, transparent or black around it."""
        wide, high = fit_inside(self.size, (width, height))
        if (wide, high) == (width, height):
            return self.resized(width, height)
        inside, layout = self.resized(wide, high), self.format
        planes: list[np.ndarray] = []
        blacks = _black_codes(layout)
        whole_sizes = layout.plane_sizes(width, height)
        for plane, black, (across, down) in zip(inside.planes, blacks, whole_sizes, strict=True):
            boxed = np.full((down, across), black, plane.dtype)
            left, top = (across - plane.shape[1]) // 2, (down - plane.shape[0]) // 2
            boxed[top : top + plane.shape[0], left : left + plane.shape[1]] = plane
            planes.append(boxed)
        return replace(self, planes=tuple(planes))

    def to_bytes(self) -> np.ndarray:
        """Return all samples, plane after plane, as ffmpeg reads raw frames: (bytes,) uint8."""
        flat = [np.ascontiguousarray(plane).reshape(-1).view(np.uint8) for plane in self.planes]
        return np.concatenate(flat)


def _read_plane(plane: VideoPlane, size: tuple[int, int], sample_bytes: int) -> np.ndarray:
    kind = np.dtype(np.uint8 if sample_bytes == 1 else "<u2")
    rows = np.frombuffer(memoryview(plane), kind).reshape(-1, plane.line_size // kind.itemsize)
    return rows[: size[1], : size[0]]


def _black_codes(sample_format: SampleFormat) -> list[int]:
    """Return the code of transparent black in each component of a format."""
    unit = 1 << (sample_format.bits - 8)
    luma, middle = (0 if sample_format.tags.is_full_range else 16 * unit), 128 * unit
    count = len(sample_format.layout.components)
    colours = [luma] * 3 if sample_format.is_rgb else [luma, middle, middle]
    return [*colours, 0][:count]


def _add_to_planes(
    planes: tuple[np.ndarray, ...], change: np.ndarray, sample_format: SampleFormat
) -> list[np.ndarray]:
    """Return the planes of colour with a change."""
    if sample_format.is_rgb:
        parts = [change[..., channel] for channel in (1, 2, 0)]
    else:
        parts = _split_change(change, sample_format)
    largest, unit = 2**sample_format.bits - 1, 1 << (sample_format.bits - 8)
    spans, reserved = [largest] * 3, 0
    if not sample_format.tags.is_full_range:
        # Codes that video keeps for synchronisation (BT.709-6, 5.5).
        reserved = unit
        chroma = 219 if sample_format.is_rgb else 224
        spans = [219 * unit, chroma * unit, chroma * unit]
    added: list[np.ndarray] = []
    for plane, part, span in zip(planes, parts, spans, strict=False):
        delta = np.rint(part * np.float32(span)).astype(np.int32)
        codes = np.clip(plane + delta, reserved, largest - reserved).astype(plane.dtype)
        added.append(np.where(delta == 0, plane, codes))
    return added


def _split_change(change: np.ndarray, sample_format: SampleFormat) -> list[np.ndarray]:
    """Return a change of RGB as changes of luma and of both colour differences, subsampled."""
    red, blue = sample_format.luma_weights
    weights = np.array([red, 1 - red - blue, blue], np.float32)
    luma = change @ weights
    if len(sample_format.layout.components) < 3:
        return [luma]
    height, width = luma.shape
    chroma_width, chroma_height = sample_format.plane_sizes(width, height)[1]
    differences = (
        (change[..., 2] - luma) / np.float32(2 * (1 - blue)),
        (change[..., 0] - luma) / np.float32(2 * (1 - red)),
    )
    return [luma, *(_subsample(part, chroma_width, chroma_height) for part in differences)]


def _subsample(plane: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return colour differences at the size of chroma: at every second column, between two rows.

    That is where samples of 4:2:2 and 4:2:0 lie (H.273, chroma sample location type 0).
    """
    if height < plane.shape[0]:
        below = np.concatenate([plane[1::2], plane[-1:]])[:height]
        plane = (plane[::2] + below) / 2
    while width < plane.shape[1]:
        padded = np.pad(plane, ((0, 0), (1, 1)), "edge")
        plane = (padded[:, :-2:2] + 2 * padded[:, 1:-1:2] + padded[:, 2::2]) / 4
    return plane
