"""Dreams what a request asks for, with networks and frames that are held from the one before."""

from __future__ import annotations

import io
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np
from PIL import Image

from dreamflow.core.errors import DreamFlowWarning, MemoryFullError
from dreamflow.core.machine.machine import Machine
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.machine.out_of_memory import is_out_of_memory
from dreamflow.core.options.values import fit_size
from dreamflow.core.schedules.timecode import Moment
from dreamflow.dream.octaves import plan_octaves
from dreamflow.media.options import ClipOptions
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.mattes.matte import open_matte
from dreamflow.media.read.mattes.matte_files import MatteTarget
from dreamflow.media.read.single_frame import open_frames_up_to
from dreamflow.networks.loading import load_network
from dreamflow.networks.network import Network
from dreamflow.pipelines.hearing import hear_clip
from dreamflow.pipelines.settings.looks import Look
from dreamflow.pipelines.settings.presets import validate_settings
from dreamflow.reports.moving_preview import dream_preview_piece, open_preview_piece
from dreamflow.reports.preview import PreviewFrames, get_matte_frames, render_preview
from dreamflow.studio.looks.controls import open_sound
from dreamflow.studio.worker.film_measurement import measure_film_frames
from dreamflow.studio.worker.messages import (
    FilmMeasured,
    MeasureFilm,
    PreviewPicture,
    PreviewRequest,
    Request,
)

MAX_NETWORKS = 2
MAX_FRAMES = 6
"""Networks, and frames with what leads up to them, that are held at once."""
SMALLEST_SIDE_PX = 64
"""Longer side below which a preview is not made smaller where memory is full."""
COARSE_SHARES = (0.0, 0.25, 0.6)
"""Shares of the iterations of a coarse picture's octaves, from the full size on; coarser octaves
have all. Their dream is that of the full picture, before its fine detail."""
COARSE_ITERATIONS_SHARE = 0.25
"""Share of the iterations of a coarse picture that has a single octave."""
PNG_COMPRESSION = 1
"""Quick: the picture goes no further than to a browser on this machine."""
WEBP_QUALITY = 85

ValueT = TypeVar("ValueT")


class Held(Generic[ValueT]):
    """Values by key, of which the one used longest ago goes first."""

    def __init__(self, capacity: int) -> None:
        self._values: OrderedDict[Any, ValueT] = OrderedDict()
        self._capacity = capacity

    def get(self, key: Any, make: Callable[[], ValueT]) -> ValueT:
        """Return the value of a key; it is made where it is not held."""
        if key not in self._values:
            while len(self._values) >= self._capacity:
                self._values.popitem(last=False)
            self._values[key] = make()
        self._values.move_to_end(key)
        return self._values[key]

    def clear(self) -> None:
        """Let go of all."""
        self._values.clear()


@dataclass(frozen=True)
class EncodedPicture:
    """A picture's file, and its size in pixels."""

    image: bytes
    media_type: str
    width: int
    height: int


class PreviewMaker:
    """Answers requests one after the other.

    Attributes:
        machine: What it dreams on.
    """

    def __init__(self, options: MachineOptions) -> None:
        """Set up this process as the options say."""
        self._options = options
        self.machine = Machine.from_options(options)
        self._networks: Held[Network] = Held(MAX_NETWORKS)
        self._frames: Held[PreviewFrames] = Held(MAX_FRAMES)

    def make(
        self, request: PreviewRequest, on_step: Callable[[], None], *, coarse: bool = False
    ) -> PreviewPicture:
        """Return the picture of a request; where memory is full, a smaller one, and a note.

        Args:
            request: What is asked for.
            on_step: Called at each step; what it raises ends the work.
            coarse: Whether few steps are to be made.

        Raises:
            DreamFlowError: The source cannot be read, or a setting is wrong or does not fit.
            MemoryFullError: Memory is full even for a small picture.
        """
        started_s = time.monotonic()
        notes: list[str] = []
        size = request.size
        while True:
            try:
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always", DreamFlowWarning)
                    encoded = self._dream(replace_size(request, size), on_step, coarse)
                break
            except Exception as error:
                if not (isinstance(error, MemoryFullError) or is_out_of_memory(error)):
                    raise
                self._frames.clear()
                size = halve_size(size, error)
                notes = [f"the memory is full: shown at {size} pixels"]
        told = [w.message for w in caught if issubclass(w.category, DreamFlowWarning)]
        return PreviewPicture(
            number=request.number,
            is_coarse=coarse,
            is_last=not (coarse and request.full),
            image=encoded.image,
            media_type=encoded.media_type,
            width=encoded.width,
            height=encoded.height,
            seconds=time.monotonic() - started_s,
            notes=[*notes, *dict.fromkeys(map(str, told))],
        )

    def measure(self, request: MeasureFilm, on_step: Callable[[], None]) -> FilmMeasured:
        """Return what a few frames of a film take; see `measure_film_frames`."""
        look = open_look(request)
        return measure_film_frames(request, look, self._load(look.dream.network), on_step)

    def _dream(
        self, request: PreviewRequest, on_step: Callable[[], None], coarse: bool
    ) -> EncodedPicture:
        look = open_look(request)
        network = self._load(look.dream.network)
        if request.moving_s:
            return self._dream_moving(request, look, network, on_step)
        frames = self._open_frames(request, 0 if coarse else request.run_in)
        if isinstance(frames, Clip):
            frames = hear_clip(frames, open_sound(request.settings), look.groups)
        if coarse:
            look = make_coarse(look, frames)
        matte = None
        if look.show.matte:
            matte = open_matte(look.show, get_matte_frames(frames, Path(request.source)))
        dreamed = render_preview(
            frames, network, look.dream, look.carry, lambda _: on_step(), look.show, matte
        )
        return encode_png(dreamed.picture)

    def _dream_moving(
        self, request: PreviewRequest, look: Look, network: Network, on_step: Callable[[], None]
    ) -> EncodedPicture:
        piece = open_preview_piece(
            Path(request.source),
            request.at,
            request.moving_s,
            request.run_in,
            make_clip_options(request),
        )
        piece = replace(
            piece, clip=hear_clip(piece.clip, open_sound(request.settings), look.groups)
        )
        matte = None
        if look.show.matte:
            matte = open_matte(look.show, MatteTarget.from_clip(piece.clip))
        dreamed = dream_preview_piece(piece, network, look, matte, lambda _: on_step())
        pictures = [frame.picture for frame in dreamed]
        return encode_webp(pictures, float(1000 / piece.shown.rate))

    def _load(self, name: str) -> Network:
        weights = self._options.weights
        return self._networks.get(name, lambda: load_network(name, weights, machine=self.machine))

    def _open_frames(self, request: PreviewRequest, run_in: int) -> PreviewFrames:
        source = Path(request.source)
        # Its time and size too: a clip that has changed is opened anew.
        facts = source.stat() if source.exists() else None
        seen = (facts.st_mtime_ns, facts.st_size, facts.st_ino) if facts else None
        options = make_clip_options(request)
        key = (request.source, seen, request.at, run_in, options)

        def open_frames() -> PreviewFrames:
            frames = open_frames_up_to(source, request.at, run_in, options)
            return frames.held() if isinstance(frames, Clip) else frames

        return self._frames.get(key, open_frames)


def open_look(request: Request) -> Look:
    """Return the look of a request. Raises SettingsError."""
    return Look().over("", validate_settings(request.settings, "the look")).blended()


def make_coarse(look: Look, frames: PreviewFrames) -> Look:
    """Return a look with few iterations on the larger octaves."""
    moment = frames.timeline.moment_at(Fraction(0)) if isinstance(frames, Clip) else Moment()
    dream = look.dream.at(moment)
    counts = [octave.iterations for octave in plan_octaves(dream)]
    if not counts:
        return look
    shares = [*[1.0] * len(counts), *reversed(COARSE_SHARES)][-len(counts) :]
    if len(counts) == 1:
        shares = [COARSE_ITERATIONS_SHARE]
    few = [round(count * share) for count, share in zip(counts, shares, strict=True)]
    few[0] = max(1, few[0])
    return replace(look, dream=replace(dream, octave_iterations=",".join(map(str, few))))


def make_clip_options(request: PreviewRequest) -> ClipOptions:
    """Return what a request takes of its source."""
    return ClipOptions(size=request.size, start=request.start or None, end=request.end or None)


def replace_size(request: PreviewRequest, size: str) -> PreviewRequest:
    """Return a request for another size."""
    return msgspec.structs.replace(request, size=size)


def halve_size(size: str, error: BaseException) -> str:
    """Return half of a size, as its longer side. Raises the error where that is too small."""
    longer = max(fit_size(size, 1, 1)) // 2 if size.isdecimal() else 0
    if not longer:
        longer = max(int(side) for side in size.lower().split("x")) // 2
    if longer < SMALLEST_SIDE_PX:
        raise error
    return str(longer)


def encode_png(picture: np.ndarray) -> EncodedPicture:
    """Return a picture (H, W, 3) uint8 RGB as a PNG."""
    height, width = picture.shape[:2]
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=PNG_COMPRESSION)
    return EncodedPicture(file.getvalue(), "image/png", width, height)


def encode_webp(pictures: list[np.ndarray], frame_ms: float) -> EncodedPicture:
    """Return pictures (H, W, 3) uint8 RGB as a WebP that repeats for ever, evenly timed."""
    first, *others = [Image.fromarray(picture) for picture in pictures]
    file = io.BytesIO()
    first.save(
        file,
        "WEBP",
        save_all=True,
        append_images=others,
        duration=max(1, round(frame_ms)),
        loop=0,
        quality=WEBP_QUALITY,
        method=0,
    )
    height, width = pictures[0].shape[:2]
    return EncodedPicture(file.getvalue(), "image/webp", width, height)
