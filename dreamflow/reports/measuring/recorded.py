"""What a dream is measured with: the frames, the objective and the strength that it records."""

from __future__ import annotations

import warnings
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamflow.core.callbacks import MessageCallback
from dreamflow.core.errors import MeasurementWarning, SettingsError, WeightsError, named
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.schedules.schedule import as_schedule, parse_layer_schedule
from dreamflow.dream.options import DreamOptions
from dreamflow.media.options import ClipOptions
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.temporal.options import CarryOptions

if TYPE_CHECKING:
    from dreamflow.core.machine.machine import Machine
    from dreamflow.core.schedules.timecode import Timeline
    from dreamflow.media.read.clip import Clip
    from dreamflow.networks.network import Network
    from dreamflow.reports.coherence.dream_meter import ObjectiveAtTime
    from dreamflow.reports.coherence.strength import StrengthAtTime

MAX_MEASURED_SIDE_PX = 480
"""Dreams larger than this are measured at this size, unless --size says otherwise."""
SOURCE_SETTINGS = ("start", "end", "every", "fps", "missing", "deinterlace", "video_track")
"""Settings that a dream records of which frames of its source it shows, and how they are read."""


def resolve_source_options(
    frames: ClipOptions, dream_settings: dict[str, Any], dream: Clip
) -> ClipOptions:
    """Return which frames of the source were dreamed, and the size to measure at."""
    opening = {name: getattr(frames, name) for name in ("size", "decoder", "allow_playlist")}
    if frames == ClipOptions(**opening):
        taken = {name: dream_settings[name] for name in SOURCE_SETTINGS if name in dream_settings}
        frames = replace(frames, **taken)
    if frames.size is None:
        longest = min(max(dream.width, dream.height), MAX_MEASURED_SIDE_PX)
        frames = replace(frames, size=str(longest))
    return frames


def load_objective(
    layer: list[str] | None,
    network: str | None,
    dream_settings: dict[str, Any],
    recorded_network: dict[str, Any],
    machine: MachineOptions,
    used: Machine,
    timeline: Timeline,
    notify: MessageCallback,
) -> ObjectiveAtTime | None:
    """Return the objective of the dream at each time, guided by the same picture if there was one.

    Args:
        layer: Layers; None for those that the dream records.
        network: Name of the network; None for the one that the dream records.
        dream_settings: The settings that the dream records.
        recorded_network: The record of its network.
        machine: The options of the machine, among them the weights.
        used: The machine that the network computes on.
        timeline: The time of the frames.
        notify: Called with a line for the user where a picture guided the dream.

    Returns:
        None where neither the dream nor the user names layers, or where they change.
    """
    layers = layer or dream_settings.get("layer")
    if not layers:
        if network:
            raise SettingsError(
                f"{named('network')} alone is no objective: give a {named('layer')} too",
                setting="layer",
            )
        return None
    if layer is None and parse_layer_schedule(tuple(layers)):
        warnings.warn(
            "the dream's layers change over time, so no objective is measured: to measure one, "
            f"give its {named('layer')}",
            MeasurementWarning,
            2,
        )
        return None
    from dreamflow.pipelines.settings.timeline import SettingsTimeline

    name = network or dream_settings.get("network") or DreamOptions.network
    is_recorded = recorded_network.get("name") == name
    sha256 = recorded_network.get("weights_sha256") if is_recorded else None
    loaded = load_and_check_network(name, sha256 or "", machine, used)
    options = DreamOptions(layer=tuple(layers), **read_reference_settings(dream_settings, notify))
    settings = SettingsTimeline(loaded, options, CarryOptions(), timeline)
    return lambda time: settings.at(time).objective


def load_and_check_network(
    name: str, expected_sha256: str, machine: MachineOptions, used: Machine
) -> Network:
    """Load a network, and warn where its weights are not those that the dream was made with.

    Args:
        name: The network.
        expected_sha256: SHA-256 of the dream's weights; "" where it is not known.
        machine: The options of the machine, among them the weights.
        used: The machine that the network computes on.

    Raises:
        WeightsError: There are no weights.
    """
    from dreamflow.networks.loading import load_network
    from dreamflow.networks.weights.registry import describe_hash

    expected = f"the dream was made with the weights of {name} {describe_hash(expected_sha256)}"
    try:
        network = load_network(name, machine.weights, machine=used)
    except WeightsError as error:
        if expected_sha256:
            error.add_note(expected)
        raise
    if expected_sha256 and network.weights_hash != expected_sha256:
        give = "give those" if machine.weights else f"give a file of them as {named('weights')}"
        warnings.warn(
            f"{expected}, and is measured with others: {give}", MeasurementWarning, stacklevel=2
        )
    return network


def read_reference_settings(
    dream_settings: dict[str, Any], notify: MessageCallback
) -> dict[str, Any]:
    """Return the settings of the picture that guided a dream; none where it is gone. Say both."""
    from dreamflow.media.read.sequences.picture_files import match_pictures

    reference = dream_settings.get("guided_by")
    if reference is None:
        return {}
    if not Path(reference).exists() and not match_pictures(Path(reference)):
        warnings.warn(
            f"the dream was guided by {reference}, which is gone: it is measured without it",
            MeasurementWarning,
            stacklevel=2,
        )
        return {}
    notify(f"the objective is the product with the guide, {reference}")
    return {
        name: dream_settings[name] for name in ("guided_by", "guidance") if name in dream_settings
    }


def has_scheduled_settings(dream_settings: dict[str, Any]) -> bool:
    """Return whether any of the settings that an output records changes over time."""
    from dreamflow.pipelines.settings.presets import parse_setting_value

    return any(
        setting.metadata["scheduled"]
        and setting.name in dream_settings
        and as_schedule(parse_setting_value(setting.name, dream_settings[setting.name], (group,)))
        is not None
        for group in (DreamOptions, CarryOptions, ShowOptions)
        for setting in fields(group)
    )


def find_strength_schedule(
    dream_settings: dict[str, Any], timeline: Timeline
) -> StrengthAtTime | None:
    """Return the strength of a dream at each time, where it records a schedule of it."""
    from dreamflow.pipelines.settings.presets import parse_setting_value

    if "strength" not in dream_settings:
        return None
    strength = parse_setting_value("strength", dream_settings["strength"], (ShowOptions,))
    if as_schedule(strength) is None:
        return None
    show = ShowOptions(strength=strength)
    return lambda time: show.at(timeline.moment_at(time)).strength
