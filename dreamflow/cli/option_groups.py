"""All groups of settings that commands take."""

from __future__ import annotations

from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.options.declaration import Options
from dreamflow.dream.options import DreamOptions
from dreamflow.media.options import ClipOptions, EncodeOptions
from dreamflow.networks.distill.options import DistillOptions
from dreamflow.pipelines.settings.options import ShowOptions, SweepOptions, ZoomOptions
from dreamflow.reports.options import (
    ChannelDreamOptions,
    ChannelsOptions,
    GuideDreamOptions,
    GuideOptions,
)
from dreamflow.temporal.options import CarryOptions

ALL_OPTION_GROUPS: tuple[type[Options], ...] = (
    DreamOptions,
    GuideDreamOptions,
    GuideOptions,
    ChannelDreamOptions,
    ChannelsOptions,
    CarryOptions,
    ShowOptions,
    ClipOptions,
    EncodeOptions,
    MachineOptions,
    SweepOptions,
    ZoomOptions,
    DistillOptions,
)
"""All groups, in the order in which they are listed."""
