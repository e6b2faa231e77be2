"""Dreams that the worker holds: another matte or strength composites them anew."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

from dreamflow.core.errors import DreamFlowWarning
from dreamflow.reports.preview import DreamedPreview
from dreamflow.studio.worker.held import Held

MAX_DREAM_BYTES = 128 * 2**20
"""Bytes of the dreams that are held: those of about 300 tiles, or of 15 moving previews."""


@dataclass(frozen=True)
class HeldDream:
    """What was dreamed, before it is composited.

    Attributes:
        dreamed: Its frames.
        told: The warnings of the dream, which each of its pictures tells anew.
    """

    dreamed: DreamedPreview
    told: tuple[DreamFlowWarning, ...]

    @property
    def size(self) -> int:
        """Bytes of its pictures."""
        return sum(
            picture.nbytes
            for frame in self.dreamed.frames
            for picture in (frame.picture, frame.source, frame.full_picture)
            if picture is not None
        )


class HeldDreams:
    """Dreams by all that they depend on, which is not how they are shown."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._held: Held[HeldDream] = Held(MAX_DREAM_BYTES, lambda held: held.size)

    def __contains__(self, key: Hashable) -> bool:
        """Return whether the dream of a key is held."""
        return key in self._held

    def get(self, key: Hashable, dream: Callable[[], DreamedPreview]) -> DreamedPreview:
        """Return a dream that is held, or make it; what it warned of is told in any case."""

        def make() -> HeldDream:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", DreamFlowWarning)
                made = dream()
            frames = tuple(frame.without_original() for frame in made.frames)
            told = [w.message for w in caught if isinstance(w.message, DreamFlowWarning)]
            return HeldDream(replace(made, frames=frames), tuple(told))

        held = self._held.get(key, make)
        for warning in held.told:
            warnings.warn(warning, stacklevel=2)
        return held.dreamed

    def clear(self) -> None:
        """Let go of all."""
        self._held.clear()
