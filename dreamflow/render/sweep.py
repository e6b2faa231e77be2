"""A sweep through the layers, rendered into a file."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

from dreamflow.errors import SettingsError
from dreamflow.journeys.sweep import Still, dream_sweep, sweep_layers, sweep_schedule, sweep_times
from dreamflow.media import Clip, is_picture, open_writer, read_picture
from dreamflow.media.clip import PICTURES_RATE, exact_rate
from dreamflow.media.cutlist import read_cuts
from dreamflow.media.outline import Outline
from dreamflow.media.readers import fitted
from dreamflow.media.writer import Writer
from dreamflow.networks import Network
from dreamflow.networks.graph import Layer
from dreamflow.options import ClipOptions, SweepOptions, VideoSettings, fit_size
from dreamflow.render.job import Progress, settings_record

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
    if not (is_picture(path) and path.is_file()):
        clip = Clip(path, options)
        hold, fade = sweep_times(len(names), sweep, clip.rate, clip.length)
        return SweepPlan(clip, clip.outline, tuple(names), sweep_schedule(names, hold, fade))
    if options.start or options.end or options.every != ClipOptions.every:
        raise SettingsError(f"{path} is a picture: it has no --start, --end or --every")
    rate = exact_rate(options.fps) if options.fps else PICTURES_RATE
    hold, fade = sweep_times(len(names), sweep, rate)
    picture = read_picture(path)
    height, width = picture.shape[:2]
    size = options.size or str(min(max(width, height), LARGEST_PX))
    picture = fitted(picture, *fit_size(size, width, height))
    length = len(names) * hold + (len(names) - 1) * fade
    still = Still(picture, rate, math.ceil(length * rate))
    height, width = picture.shape[:2]
    outline = Outline.made(width, height, rate, len(still), path)
    return SweepPlan(still, outline, tuple(names), sweep_schedule(names, hold, fade))


def render_sweep(
    plan: SweepPlan,
    path: Path,
    out: Path,
    network: Network,
    settings: VideoSettings,
    sweep: SweepOptions,
    overwrite: bool = False,
    progress: Progress = lambda done: None,
) -> Writer:
    """Dream a sweep into a file, and return the writer. path: of its source, for the record.

    Raises as `render_video` does; then nothing is left under `out`.
    """
    dream = replace(settings.dream, layer=(plan.schedule,))
    groups = (dream, settings.carry, settings.clip, settings.encode, sweep)
    record = settings_record("sweep", path, network, *groups)
    cuts = read_cuts(plan.source, settings.carry.cuts) if isinstance(plan.source, Clip) else None
    dreams = dream_sweep(
        plan.source, network, plan.schedule, dream, settings.carry, cuts, sweep.caption
    )
    with open_writer(
        out, plan.outline, encode=settings.encode, record=record, overwrite=overwrite
    ) as writer:
        for frame in dreams:
            writer.write(frame)
            progress(writer.frames)
    return writer
