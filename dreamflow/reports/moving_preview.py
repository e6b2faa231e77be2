"""A moving preview: a short piece of a clip, dreamed as in the film."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from dreamflow.core.callbacks import DoneCallback, MessageCallback
from dreamflow.core.frames import Frame
from dreamflow.dream.progress import StepCounter
from dreamflow.media.options import ClipOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.mattes.matte import Matte
from dreamflow.networks.network import Network
from dreamflow.pipelines.channel_choice import (
    apply_channel_picks,
    describe_channel_picks,
    has_channel_picks,
    make_channel_picks,
)
from dreamflow.pipelines.compositor import Compositor, make_matte_lookup
from dreamflow.pipelines.dreamer_controls import open_dreamer_controls
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.looks import Look
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.pipelines.video.pipeline import build_video_pipeline
from dreamflow.reports.preview import estimate_frame_steps


@dataclass(frozen=True)
class PreviewPiece:
    """The piece of a clip that a moving preview shows, after the frames that lead up to it.

    Attributes:
        clip: Both, in this order.
        run_in: How many frames lead up to it.
        shown: The piece alone.
    """

    clip: Clip
    run_in: int
    shown: Clip

    @property
    def offset(self) -> Fraction:
        """Seconds from the first frame that leads up to the piece to the piece's first."""
        return self.shown.start_time - self.clip.start_time

    @property
    def output_spec(self) -> OutputSpec:
        """Size and timing of the piece; a preview has no sound, chapters or tags."""
        return replace(self.shown.output_spec, sound=None, chapters=(), extras=None)


def open_preview_piece(
    source: Path, at: str, seconds: float, run_in: int, options: ClipOptions
) -> PreviewPiece:
    """Open a piece of a clip and some frames before it.

    Args:
        source: The clip.
        at: Timecode of the piece's first frame, such as `48`, `2s` or `40%`. A piece that would
            run past the end begins earlier.
        seconds: Length of the piece; it has one frame at least.
        run_in: Frames before it to open too, fewer where the clip begins within them.
        options: The size, and how a film is read.

    Raises:
        MediaError: The source cannot be read, or is a single picture.
        SettingsError: The clip has no such frame.
    """
    clip = Clip(source, options)
    number = clip.parse_frame_number(at)
    count = max(1, round(seconds * clip.rate))
    stop = min(number + count, clip.info.frames)
    first = max(0, stop - count)
    begin = max(0, first - run_in)
    return PreviewPiece(clip.subclip(begin, stop), first - begin, clip.subclip(first, stop))


def estimate_piece_steps(piece: PreviewPiece, look: Look) -> list[int]:
    """Return about how many steps each frame takes."""
    moment = piece.clip.timeline.moment_at(Fraction(0))
    first, later = estimate_frame_steps(look.dream, look.carry, moment)
    return [first, *[later] * (len(piece.clip) - 1)]


def dream_preview_piece(
    piece: PreviewPiece,
    network: Network,
    look: Look,
    matte: Matte | None = None,
    progress: DoneCallback = lambda done: None,
    notify: MessageCallback = lambda line: None,
    *,
    gains_path: Path | None = None,
) -> Iterator[Frame]:
    """Yield the dreamed frames of a piece; those that lead up to it are dreamed and not shown.

    Args:
        piece: The piece.
        network: Network to dream with.
        look: The settings; a loop of the whole clip is left out.
        matte: Where the dream is shown.
        progress: Called with the steps done, out of those that `estimate_piece_steps` expects.
        notify: Called with a line on channels that were picked.
        gains_path: A TOML file with constants of the temporal step; None is the defaults.

    Yields:
        Frames whose times count from the piece's first.

    Raises:
        SettingsError: A setting does not fit the network or the frames.
    """
    dream = look.dream
    if has_channel_picks(dream):
        picks = make_channel_picks(dream, network, piece.clip.first_picture())
        for line in describe_channel_picks(network, picks):
            notify(line)
        dream = apply_channel_picks(dream, picks)
    settings = VideoSettings(dream, replace(look.carry, loop=False), show=look.show)
    steps = StepCounter(estimate_piece_steps(piece, look), progress)
    with open_dreamer_controls(gains_path, None, on_step=steps.step) as controls:
        pipeline = build_video_pipeline(piece.clip, network, settings, matte, controls)
        shown = 0
        for frame in pipeline:
            steps.finish_parts(steps.parts_done + 1)
            if frame is None:
                continue
            shown += 1
            if shown > piece.run_in:
                yield replace(frame, time=frame.time - piece.offset)


def composite_preview_piece(
    piece: PreviewPiece, dreamed: Iterable[Frame], show: ShowOptions, matte: Matte | None = None
) -> Iterator[Frame]:
    """Yield frames of a piece that were dreamed with all of the dream shown, as they are shown.

    Args:
        piece: The piece.
        dreamed: What `dream_preview_piece` has yielded of it, without a matte and with the default
            strength.
        show: How much of the dream is shown.
        matte: Where it is shown; one that crops the frames belongs to `dream_preview_piece`.

    Raises:
        SettingsError: A schedule does not fit the piece.
    """
    compositor = Compositor(show, piece.clip.timeline, make_matte_lookup(matte))
    for frame in dreamed:
        shown = compositor(replace(frame, time=frame.time + piece.offset))
        yield replace(shown, time=frame.time)
