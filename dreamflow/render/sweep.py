"""A sweep through the layers, rendered into a file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from dreamflow.errors import SettingsError
from dreamflow.journeys.exemplars import guide_files
from dreamflow.journeys.sweep import (
    Still,
    spread,
    sweep_journey,
    sweep_layers,
)
from dreamflow.media import Clip, is_still, read_picture
from dreamflow.media.clip import PICTURES_RATE, exact_rate
from dreamflow.media.cutlist import read_cuts
from dreamflow.media.matte import Matte, open_matte
from dreamflow.media.matte_files import Frames
from dreamflow.media.outline import Outline
from dreamflow.media.readers import fitted
from dreamflow.networks import Network
from dreamflow.networks.network import Layer
from dreamflow.options import ClipOptions, ShowOptions, SweepOptions, VideoSettings, fit_size
from dreamflow.render.inputs import MATTE, MATTES
from dreamflow.render.job import Handles, Rendered, render
from dreamflow.render.picking import pick_once
from dreamflow.render.record import settings_record
from dreamflow.render.video import inputs_of

LARGEST_PX = 1280
"""A picture that is larger is swept at this size, unless `size` says otherwise."""


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep shows: its frames, the outline of its output, its layers and their schedule."""

    source: Still | Clip
    outline: Outline
    layers: tuple[str, ...]
    schedule: str


def plan_sweep(
    path: Path, options: ClipOptions, sweep: SweepOptions, network: str, known: dict[str, Layer]
) -> SweepPlan:
    """Open a picture or a clip, and spread layers over it.

    network: its name; known: its layers, shallow to deep.

    Raises MediaError, or SettingsError for layers, lengths or a span that cannot be.
    """
    names = sweep_layers(network, known, sweep)
    if not is_still(path):
        clip = Clip(path, options)
        _, schedule = spread(clip, names, sweep, clip.rate)
        return SweepPlan(clip, clip.outline, tuple(names), schedule)
    if options.start or options.end or options.every != ClipOptions.every:
        raise SettingsError(f"{path} is a picture: it has no --start, --end or --every")
    rate = exact_rate(options.fps) if options.fps else PICTURES_RATE
    picture = read_picture(path)
    height, width = picture.shape[:2]
    size = options.size or str(min(max(width, height), LARGEST_PX))
    picture = fitted(picture, *fit_size(size, width, height))
    still, schedule = spread(picture, names, sweep, rate)
    height, width = picture.shape[:2]
    outline = Outline.made(width, height, rate, len(still), path)
    return SweepPlan(still, outline, tuple(names), schedule)


def open_sweep_matte(plan: SweepPlan, path: Path, show: ShowOptions) -> Matte | None:
    """Return the matte of a sweep. path: of its source. See `Matte` for what it raises."""
    source = plan.source
    if isinstance(source, Clip):
        return open_matte(show, Frames.of(source))
    high, wide = read_picture(path, warn_of_alpha=False).shape[:2]
    height, width = source.picture.shape[:2]
    length, rate = source.timeline.length, source.rate
    frames = Frames(width, height, (wide, high), length=length, number=lambda s: int(s * rate))
    return open_matte(show, frames)


def render_sweep(
    plan: SweepPlan,
    path: Path,
    out: Path,
    network: Network,
    settings: VideoSettings,
    sweep: SweepOptions,
    handles: Handles | None = None,
    matte: Matte | None = None,
) -> Rendered:
    """Dream a sweep into a file. path: of its source. matte: see `open_sweep_matte`.

    See `render` for what it raises, and how it goes on.
    """
    source, handles = plan.source, handles or Handles()
    dream = replace(settings.dream, layer=(plan.schedule,))
    dream, more = pick_once(dream, network, source.first_picture, out, handles)
    settings = replace(settings, dream=dream)
    groups = (dream, settings.carry, settings.show, settings.clip, settings.encode, sweep)
    record = settings_record("sweep", path, network, *groups) | more
    cuts, inputs = None, {"picture": [path], **guide_files(dream)}
    if isinstance(source, Clip):
        cuts, inputs = read_cuts(source, settings.carry.cuts), inputs_of(source, settings)
    if matte:
        inputs = {**inputs, MATTE if matte.box is None else MATTES: matte.files}
    journey = sweep_journey(
        *(source, network, dream.layer[0], dream, settings.carry, cuts),
        *(sweep.caption, settings.show, matte),
    )
    outline = plan.outline.beside(matte.sources if matte else ())
    return render(journey, out, outline, settings.encode, record, inputs, network.device, handles)
