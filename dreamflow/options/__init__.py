"""Every setting of DreamFlow: its default, range, unit and help line live here, and only here.

The command line, presets, the Python API and the settings saved with an output are all read from
these dataclasses. Ranges are checked when an object is made, so library users meet them too.
"""

from dreamflow.options.carry import CarryOptions
from dreamflow.options.dream import SHAPING, DreamOptions
from dreamflow.options.forms import check_times, fit_size, given_size, numbers_of
from dreamflow.options.frames import ClipOptions, EncodeOptions, ShowOptions
from dreamflow.options.groups import (
    EVERY,
    GROUPS,
    VideoSettings,
    altered,
    as_dict,
    defaults_of,
    saved_fields,
)
from dreamflow.options.journeys import FADE_S, HOLD_S, SweepOptions, ZoomOptions
from dreamflow.options.machine import MachineOptions
from dreamflow.options.sheets import (
    ChannelDreamOptions,
    ChannelsOptions,
    GuideDreamOptions,
    GuideOptions,
)
from dreamflow.options.training import DistillOptions

__all__ = [
    "EVERY",
    "FADE_S",
    "GROUPS",
    "HOLD_S",
    "SHAPING",
    "CarryOptions",
    "ChannelDreamOptions",
    "ChannelsOptions",
    "ClipOptions",
    "DistillOptions",
    "DreamOptions",
    "EncodeOptions",
    "GuideDreamOptions",
    "GuideOptions",
    "MachineOptions",
    "ShowOptions",
    "SweepOptions",
    "VideoSettings",
    "ZoomOptions",
    "altered",
    "as_dict",
    "check_times",
    "defaults_of",
    "fit_size",
    "given_size",
    "numbers_of",
    "saved_fields",
]
