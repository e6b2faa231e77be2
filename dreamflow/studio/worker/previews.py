"""Dreams what a request asks for, with networks and frames that are held from the one before."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import msgspec

from dreamflow.core.errors import DreamFlowWarning, MemoryFullError
from dreamflow.core.frames import Frame
from dreamflow.core.machine.machine import Machine
from dreamflow.core.machine.memory import release_freed_memory
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.machine.out_of_memory import explain_out_of_memory, is_out_of_memory
from dreamflow.core.options.values import fit_size
from dreamflow.core.schedules.timecode import Moment
from dreamflow.dream.octaves import plan_octaves
from dreamflow.media.options import ClipOptions
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.mattes.matte import open_matte
from dreamflow.media.read.mattes.matte_files import MatteTarget
from dreamflow.media.read.single_frame import open_clip_up_to, open_frames_up_to
from dreamflow.media.sound.hearing import Hearing
from dreamflow.media.stills.read import is_still
from dreamflow.networks.loading import load_network
from dreamflow.networks.network import Network
from dreamflow.pipelines.compositor import get_matte_box
from dreamflow.pipelines.hearing import hear_clip, heard_signals, warn_if_shorter
from dreamflow.pipelines.settings.looks import Look
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.pipelines.settings.paths import given_paths
from dreamflow.pipelines.settings.presets import validate_settings
from dreamflow.reports.moving_preview import (
    composite_preview_piece,
    dream_preview_piece,
    open_preview_piece,
)
from dreamflow.reports.preview import (
    DreamedPreview,
    PreviewFrames,
    at_beginning_of_picture,
    compose_preview,
    dream_preview,
    get_matte_frames,
    open_preview_compositor,
)
from dreamflow.studio.files.file_stamp import stamp_path
from dreamflow.studio.looks.controls import open_sound
from dreamflow.studio.worker.encoding import EncodedPicture, encode_png, encode_webp
from dreamflow.studio.worker.film_measurement import measure_film_frames
from dreamflow.studio.worker.held import Held
from dreamflow.studio.worker.held_dreams import HeldDreams
from dreamflow.studio.worker.messages import (
    FilmMeasured,
    MeasureFilm,
    PreviewPicture,
    PreviewRequest,
    Request,
)

MAX_NETWORKS = 2
MAX_CLIPS = 4
MAX_FRAMES = 6
MAX_HEARINGS = 4
"""Networks, opened clips, frames with those before them, and analysed sounds held at once."""
SMALLEST_SIDE_PX = 64
"""Longer side below which a preview is not made smaller where memory is full."""
COARSE_SHARES = (0.0, 0.25, 0.6)
"""Shares of the iterations of a coarse picture's octaves, from the full size on; coarser octaves
have all. Their dream is that of the full picture, before its fine detail."""
COARSE_ITERATIONS_SHARE = 0.25
"""Share of the iterations of a coarse picture that has a single octave."""


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
        self._clips: Held[Clip] = Held(MAX_CLIPS)
        self._frames: Held[PreviewFrames] = Held(MAX_FRAMES)
        self._hearings: Held[Hearing | None] = Held(MAX_HEARINGS)
        self._dreams = HeldDreams()

    def make(
        self, request: PreviewRequest, on_step: Callable[[], None], *, coarse: bool = False
    ) -> PreviewPicture:
        """Return the picture of a request; where memory is full, a smaller one, and a note.

        Args:
            request: What is asked for.
            on_step: Called at each step; what it raises ends the work.
            coarse: Whether few steps are to be made, unless the full dream is held.

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
                    encoded, coarse = self._dream(replace_size(request, size), on_step, coarse)
                break
            except Exception as error:
                if not (isinstance(error, MemoryFullError) or is_out_of_memory(error)):
                    raise
                size = halve_size(size, error)
            self._let_go()  # when the error, and what its traceback refers to, is gone
            notes = [f"the memory is full: shown at {size} pixels"]
        told = (w.message for w in caught if issubclass(w.category, DreamFlowWarning))
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

    def _let_go(self) -> None:
        """Let go of all that is held but the networks, and of the memory that it took."""
        for held in (self._clips, self._frames, self._hearings, self._dreams):
            held.clear()
        release_freed_memory()

    def measure(self, request: MeasureFilm, on_step: Callable[[], None]) -> FilmMeasured:
        """Return what a few frames of a film take; see `measure_film_frames`."""
        look = open_look(request)
        return measure_film_frames(request, look, self._load(look.dream.network), on_step)

    def _dream(
        self, request: PreviewRequest, on_step: Callable[[], None], coarse: bool
    ) -> tuple[EncodedPicture, bool]:
        """Return the picture of a request, and whether it is coarse."""
        look = open_look(request)
        if request.moving_s:
            return self._dream_moving(request, look, on_step), False
        # A dream that is held is composited anew, and needs no coarse one before it.
        coarse = coarse and self._make_key(request, look, request.run_in) not in self._dreams
        run_in = 0 if coarse else request.run_in
        frames = self._open_frames(request, run_in)
        if isinstance(frames, Clip):
            frames = self._hear(frames, request, look)
        if coarse:
            look = make_coarse(look, frames)
        key = self._make_key(request, look, run_in)
        dream, carry, show = at_beginning_of_picture(frames, look.dream, look.carry, look.show)
        matte = None
        if show.matte:
            matte = open_matte(show, get_matte_frames(frames, Path(request.source)))
        compositor = open_preview_compositor(frames, carry, show, matte)

        def dream_still() -> DreamedPreview:
            network, box = self._load(dream.network), get_matte_box(matte, carry)
            return dream_preview(frames, network, dream, carry, lambda _: on_step(), box=box)

        return encode_png(
            compose_preview(self._dreams.get(key, dream_still), compositor).picture
        ), coarse

    def _dream_moving(
        self, request: PreviewRequest, look: Look, on_step: Callable[[], None]
    ) -> EncodedPicture:
        piece = open_preview_piece(
            Path(request.source),
            request.at,
            request.moving_s,
            request.run_in,
            make_clip_options(request),
        )
        piece = replace(piece, clip=self._hear(piece.clip, request, look))
        matte = None
        if look.show.matte:
            matte = open_matte(look.show, MatteTarget.from_clip(piece.clip))
        is_cropped = look.show.matte_crop  # then the matte is in the dream already
        shown_at_once = look if is_cropped else replace(look, show=ShowOptions())

        def dream_piece() -> DreamedPreview:
            return DreamedPreview(
                tuple(
                    dream_preview_piece(
                        piece,
                        self._load(look.dream.network),
                        shown_at_once,
                        matte if is_cropped else None,
                        lambda _: on_step(),
                    )
                )
            )

        key = self._make_key(request, look, request.run_in)
        shown: Iterable[Frame] = self._dreams.get(key, dream_piece).frames
        if not is_cropped:
            shown = composite_preview_piece(piece, shown, look.show, matte)
        return encode_webp([frame.picture for frame in shown], float(1000 / piece.shown.rate))

    def _hear(self, clip: Clip, request: PreviewRequest, look: Look) -> Clip:
        """Return a clip with what the schedules of a look hear; a sound is analysed once."""
        sound = open_sound(request.settings)
        stamps = [(path, stamp_path(Path(path))) for _, path in given_paths(request.settings)]
        key = (request.source, stamp_path(clip.path), sound, heard_signals(look.groups), *stamps)
        hearing = self._hearings.get(key, lambda: hear_clip(clip, sound, look.groups).hearing)
        if hearing is None:
            return clip
        warn_if_shorter(hearing, clip.start_time + clip.length)
        return clip.hear(hearing)

    def _make_key(self, request: PreviewRequest, look: Look, run_in: int) -> Hashable:
        """Return what tells a dream from others: all that it depends on, but how it is shown."""
        is_cropped = look.show.matte_crop
        named_files = [
            (name, path, stamp_path(Path(path)))
            for name, path in given_paths(request.settings)
            if name != "matte" or is_cropped
        ]
        return (
            *(self._make_frames_key(request, run_in), request.moving_s, look.dream, look.carry),
            *(look.show if is_cropped else None, open_sound(request.settings)),
            tuple(named_files),
        )

    def _load(self, name: str) -> Network:
        weights = self._options.weights
        return self._networks.get(name, lambda: load_network(name, weights, machine=self.machine))

    def _open_frames(self, request: PreviewRequest, run_in: int) -> PreviewFrames:
        source, options = Path(request.source), make_clip_options(request)

        def open_frames() -> PreviewFrames:
            if is_still(source):
                return open_frames_up_to(source, request.at, run_in, options)
            key = (source, stamp_path(source), options)
            clip = self._clips.get(key, lambda: Clip(source, options))
            return open_clip_up_to(clip, request.at, run_in).held()

        return self._frames.get(self._make_frames_key(request, run_in), open_frames)

    def _make_frames_key(self, request: PreviewRequest, run_in: int) -> Hashable:
        # Its time and size too: a clip that has changed is opened anew.
        stamp = stamp_path(Path(request.source))
        return request.source, stamp, request.at, run_in, make_clip_options(request)


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
    """Return half of a size, as its longer side. Raises MemoryFullError where that is too small."""
    longer = max(fit_size(size, 1, 1)) // 2 if size.isdecimal() else 0
    if not longer:
        longer = max(int(side) for side in size.lower().split("x")) // 2
    if longer < SMALLEST_SIDE_PX:
        raise MemoryFullError(explain_out_of_memory(error)) from error
    return str(longer)
