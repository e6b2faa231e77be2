"""When each layer of a sweep is shown, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from dreamflow.core.errors import SettingsError, named
from dreamflow.pipelines.settings.options import DEFAULT_FADE_S, DEFAULT_HOLD_S, SweepOptions


def compute_sweep_times(
    count: int, sweep: SweepOptions, rate: Fraction, clip_length_s: Fraction | None = None
) -> tuple[Fraction, Fraction]:
    """Return how long each layer of a sweep is held, and how long a fade takes, in seconds.

    Args:
        count: Number of layers.
        sweep: Its `hold`, `fade` and `seconds`.
        rate: Frames per second.
        clip_length_s: Length of the clip that is swept, if it is one. The sweep fills it where the
            options leave the length open.

    Raises:
        SettingsError: The length is zero, or longer than the clip, or a layer gets less than a
            frame.
    """
    hold = _to_seconds(DEFAULT_HOLD_S if sweep.hold is None else sweep.hold)
    fade = _to_seconds(DEFAULT_FADE_S if sweep.fade is None else sweep.fade)
    unscaled = count * hold + (count - 1) * fade
    if unscaled == 0:
        raise SettingsError(
            f"{named('hold')} 0 leaves no time for the layers; give a {named('fade')}, or a longer "
            "hold",
            setting="hold",
            value=0,
        )
    length = unscaled if sweep.seconds is None else _to_seconds(sweep.seconds)
    is_length_open = sweep.seconds is None and sweep.hold is None and sweep.fade is None
    if is_length_open and clip_length_s is not None:
        length = clip_length_s
    if clip_length_s is not None and length > clip_length_s:
        raise SettingsError(
            f"{count} layers take {float(length):.2f} s, the clip has {float(clip_length_s):.2f} "
            f"s: give less {named('hold')} or {named('fade')}, fewer {named('layers')}, or neither "
            "hold nor fade to fill the clip",
            allowed=f"at most {float(clip_length_s):.2f} s",
        )
    hold, fade = hold * length / unscaled, fade * length / unscaled
    if (hold + fade) * rate < 1:
        raise SettingsError(
            f"{count} layers in {float(length):.2f} s leave less than a frame for each: give more "
            f"time, or fewer {named('layers')}",
            setting="layers",
        )
    return hold, fade


def format_sweep_schedule(layers: Sequence[str], hold: Fraction, fade: Fraction) -> str:
    """Return the schedule of a sweep: each layer is held, then fades into the next.

    The fades are smooth at both ends: a linear fade would end visibly, since little moves while a
    layer is held.

    Args:
        layers: Targets or blends, in order.
        hold: Seconds that each is held.
        fade: Seconds of each fade.
    """
    keyframes: list[str] = []
    for number, layer in enumerate(layers):
        begin = number * (hold + fade)
        is_held_before_fade = hold and fade and number + 1 < len(layers)
        times = [begin, begin + hold] if is_held_before_fade else [begin]
        # Rounded down: no keyframe may come after the end.
        keyframes += [f"{int(time * 1_000_000) / 1e6:.6f}s: {layer}" for time in times]
    return ", ".join(["smooth" if fade else "hold", *keyframes])


def _to_seconds(setting: float) -> Fraction:
    """Return the seconds that are written: 0.1 is a tenth, not the float a little above it."""
    return Fraction(str(setting))
