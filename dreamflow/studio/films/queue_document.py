"""The film queue as it is kept in a file: its schema, and what is checked when it is read."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from dreamflow.core.files.documents import PathText, ShortText
from dreamflow.core.options.values import parse_size
from dreamflow.media.options import EncodeOptions
from dreamflow.media.records.record_schema import Settings
from dreamflow.pipelines.settings.presets import validate_settings
from dreamflow.studio.outside import FilmChoices

WAITING, RUNNING, DONE, FAILED, STOPPED = "waiting", "running", "done", "failed", "stopped"
MAX_RENDERS = 10_000
FrameText = Annotated[str, Meta(pattern=r"^[0-9]{0,12}\Z")]
State = Annotated[str, Meta(pattern=r"^(waiting|running|done|failed|stopped)\Z")]


class QueuedRender(Struct, frozen=True, kw_only=True):
    """A film of the queue, as it is kept.

    Attributes:
        key: Identifies it; names its log and its latest frame.
        source: The clip.
        out: The film.
        settings: The look, as plain values.
        size: As in `ClipOptions`, or "".
        codec: As in `EncodeOptions`.
        quality: As in `EncodeOptions`.
        start: Number of the first frame, or "".
        end: Number of the frame to stop before, or "".
        threads: CPU threads; 0 measures.
        stands_back: Whether previews go before it.
        state: How it stands.
        pid: Of its process, while it runs.
        message: A line on how it ended.
    """

    key: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\Z")]
    source: PathText
    out: PathText
    settings: Settings = field(default_factory=Settings)
    size: ShortText = ""
    codec: ShortText = "auto"
    quality: ShortText = "good"
    start: FrameText = ""
    end: FrameText = ""
    threads: Annotated[int, Meta(ge=0, le=1024)] = 0
    stands_back: bool = False
    state: State = WAITING
    pid: Annotated[int, Meta(ge=0)] = 0
    message: Annotated[str, Meta(max_length=10_000)] = ""

    @property
    def film(self) -> FilmChoices:
        """What is chosen of the film besides its look."""
        return FilmChoices(
            *(self.source, self.out, self.size, self.codec, self.quality, self.start, self.end)
        )


class QueueDocument(Struct, frozen=True):
    """The file of the queue: its films, and whether all of it is halted."""

    renders: Annotated[list[QueuedRender], Meta(max_length=MAX_RENDERS)]
    is_paused: bool = False


def check_queued_settings(render: QueuedRender) -> None:
    """Check a film of a queue that was read. Raises DreamFlowError."""
    validate_settings(render.settings, render.out)
    if render.size:
        parse_size(render.size)
    EncodeOptions(codec=render.codec, quality=render.quality)
