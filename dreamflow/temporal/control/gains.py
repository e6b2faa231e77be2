"""Every constant of the temporal step, with its unit, its range and the formula it stands in.

Times are in seconds and lengths in shares of the frame's longer side, so that one set of gains
holds at any frame rate and size. Shares and sizes of steps that are taken once a frame are those
of a frame of 1/30 s (`REFERENCE_S`), as the settings `decay` and `carry_step` are;
`duration_in_frames` of `effort_controller` converts them.
"""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from typing import Any

from dreamflow.core.errors import SettingsError
from dreamflow.core.text.wording import shorten_repr

REFERENCE_S = 1 / 30
"""Duration of the frame that amounts "per frame" are given for."""


def gain(default: float, unit: str, low: float, high: float, formula: str) -> Any:
    """Declare a gain: its default, unit, smallest and largest value, and the formula it is in."""
    metadata = {"unit": unit, "low": low, "high": high, "formula": formula}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Gains:
    """The constants of the temporal step. See docs/architecture.md for how the parts interact."""

    # Advect: what is carried to the next frame, and how far the flow is believed.
    decay_drop: float = gain(
        0.15, "1", 0, 1, "decay at stability 0 = decay - decay_drop; at 0.5 decay; at 1 one"
    )
    lost_confidence: float = gain(
        0.15, "1", 0, 1, "a frame whose mean confidence is lower begins a new shot"
    )
    longest_frame: float = gain(
        1 / 30,
        "s",
        1 / 240,
        10,
        "frame duration = min(longest_frame, time since the last frame); a warp takes its toll per "
        "frame, so slower clips are carried as if at 30 frames a second",
    )
    age_time: float = gain(
        0.316,
        "s",
        0.01,
        60,
        "age -> 1 - (1 - age) * exp(-duration / age_time), 0 where disoccluded",
    )
    coverage_power: float = gain(
        7, "1", 1, 64, "coverage = 1 - (1 - age) ** coverage_power: whether there is a dream yet"
    )

    # Energy by area: how strong the dream's forms are, against those of a fresh dream.
    area: float = gain(
        0.075, "of longer side", 0.01, 0.5, "side of the areas that energy is measured in"
    )
    area_blur: float = gain(1, "areas", 0.1, 8, "sigma of the blur over those areas")
    reference_confidence_power: float = gain(
        0.25,
        "1",
        0,
        4,
        "w = confidence ** power: share of the warped reference energy; the rest is its mean",
    )

    # Equalise: each band of the residual is pulled to the energy of a fresh dream.
    band_pull: float = gain(
        4,
        "1/firmness",
        0,
        16,
        "band *= (setpoint / rms) ** min(1, band_pull * firmness) per frame; the mean colour goes "
        "the same share of the way",
    )
    finest_band_pull: float = gain(
        4, "1/firmness", 0, 16, "the same for the finest band, which each warp softens most"
    )
    max_lost_gain: float = gain(
        1.12,
        "1",
        1,
        4,
        "largest factor of a band per frame = min(max_lost_gain, 1 / mean confidence) / decay * "
        "min(max_lost_gain, what strong areas that come down take from the whole)",
    )
    max_band_gain: float = gain(
        1.25, "1", 1, 4, "largest factor of a band per frame; its inverse is the smallest"
    )
    finest_band_excess: float = gain(
        1.02, "1", 1, 2, "largest factor of the finest band = that of the others * this"
    )
    line_blur: float = gain(
        0.6, "samples", 0.3, 3, "lines = finest band - its blur with this sigma: what a warp takes"
    )
    max_line_gain: float = gain(
        1.05, "1", 1, 4, "largest factor of the lines per frame, beside that of their band"
    )
    setpoint_time: float = gain(
        0.149, "s", 0.01, 60, "setpoint -> setpoint_target with this time constant"
    )

    # Controller: PI control of the effort by the objective that the dream has gained.
    setpoint: float = gain(
        0.98, "1", 0.1, 4, "overshoot = gain_ema / reference_gain / setpoint, within 0.1 to 10"
    )
    p_exponent: float = gain(
        24, "1", 0, 400, "effort = base_effort * overshoot ** (-p_exponent * firmness)"
    )
    i_exponent: float = gain(
        60,
        "1/s",
        0,
        400,
        "base_effort *= overshoot ** (-i_exponent * firmness * seconds since measured)",
    )
    initial_effort: float = gain(0.4, "1", 0, 4, "base_effort of a fresh dream")
    min_effort: float = gain(0.02, "1", 0, 1, "smallest effort")
    max_effort: float = gain(1.1, "1", 0, 8, "largest effort")
    measure_interval: float = gain(
        1 / 15, "s", 1 / 240, 10, "seconds between measurements of the objective"
    )
    gain_ema_time: float = gain(
        0.0728, "s", 0.001, 60, "time constant of gain_ema, the average of the measured gain"
    )
    renewal_interval: float = gain(
        2, "s", 0.1, 3600, "seconds between fresh dreams that tell how strong one is now"
    )
    renewal_first_movers: float = gain(
        0.25,
        "s",
        0,
        3600,
        "what moves by itself is dreamed afresh, on crops, this long after a shot's beginning or a "
        "fresh dream of the frame: in a shot's first frame nothing is known of it",
    )
    renewal_interval_movers: float = gain(
        1, "s", 0.1, 3600, "seconds between the further fresh dreams of what moves by itself"
    )
    renewal_share_movers: float = gain(
        0.7, "1", 0, 1, "reference gain on what moves -> that of such a dream, by this share"
    )
    renewal_interval_changing: float = gain(
        0.5, "s", 0.1, 3600, "renewal_interval where the settings or the reference change over time"
    )

    # Fill: what has come into view is dreamed with large steps, on crops of the frame.
    fill_step: float = gain(
        1.5, "of step", 0, 16, "step on disoccluded areas = fill_step * step * (1 - coverage)"
    )
    fill_below_coverage: float = gain(0.8, "1", 0, 1, "areas of less coverage are dreamed as crops")
    crop_block: float = gain(
        0.05, "of longer side", 0.01, 1, "side of the blocks that crops are made of"
    )
    crop_block_share: float = gain(
        0.2, "1", 0, 1, "share of a block's pixels that must be disoccluded for it to count"
    )
    crop_block_mover: float = gain(
        0.04, "1", 0, 1, "share of a block's pixels that must move by themselves for it to count"
    )
    crop_min_share: float = gain(
        0.2, "1", 0, 1, "share of a crop that must be disoccluded for it to be worth dreaming"
    )
    crop_min_mover: float = gain(
        0.5, "blocks", 0, 16, "what moves and covers this area is dreamed, however small its share"
    )
    crop_split_share: float = gain(
        0.85, "1", 0, 1, "a crop is divided where its two parts have this share of its area"
    )
    crop_whole_share: float = gain(
        0.75, "1", 0, 1, "crops that cover more of the frame become one of the whole frame"
    )

    # Regrow: forms that have faded are dreamed again at a smaller size.
    regrow_scale: float = gain(
        2, "1", 1, 16, "forms are dreamed at the octave whose scale is nearest to this"
    )
    regrow_iterations: float = gain(
        2 / 3, "of carry_iterations", 0, 8, "iterations of the regrowth, at least one"
    )
    regrow_step: float = gain(
        32, "1/firmness", 0, 400, "step = carry_step * min(regrow_max, regrow_step * firmness * m)"
    )
    regrow_max: float = gain(
        2, "of carry_step", 0, 16, "largest step of the regrowth; m is the missing amplitude"
    )
    regrow_above: float = gain(
        0.15,
        "1",
        0,
        1,
        "missing amplitude m, 1 - sqrt(energy / reference), from which on it is done; at twice it "
        "as much is done an octave coarser, with min(1, m / regrow_above - 1) of the step",
    )
    large_forms: float = gain(
        0.7,
        "of a fresh dream's",
        0,
        16,
        "steps in still coarser octaves = large_forms * those of a fresh dream * max(m, 1 - "
        "coverage) * (1 - age) ** 2, all by area, none on what moves by itself; also from the same "
        "missing amplitude on",
    )

    # Refine: small steps on the whole frame, larger where the dream is young or weak.
    local_gain_power: float = gain(
        2,
        "1",
        0,
        16,
        "local_gain = (energy_ratio / its geometric mean) ** (-local_gain_power * firmness)",
    )
    min_local_gain: float = gain(0.3, "1", 0, 1, "smallest local_gain")
    max_local_gain: float = gain(1.6, "1", 1, 16, "largest local_gain")
    bare_below: float = gain(
        0.85, "1", 0.01, 4, "areas whose energy_ratio is lower count as young, down to age 0 at 0"
    )
    young_below_age: float = gain(0.7, "1", 0, 1, "younger areas need all iterations")
    young_share: float = gain(
        0.1,
        "1",
        0.001,
        1,
        "share of young areas at which half of the iterations that are left out are made; none at "
        "half of it, all at half as much again",
    )
    young_below_overshoot: float = gain(
        1.1,
        "1",
        0.1,
        10,
        "overshoot at which half of these are made, all at 0.05 less, none at 0.05 more: the whole "
        "is not to grow for a part",
    )
    young_step: float = gain(
        1.5, "of carry_step", 0, 16, "step at age 0; it falls with (1 - age) ** 2"
    )

    # Movers: what moves against the camera, and the ground that it hides.
    mover_motion: float = gain(
        0.004, "of longer side", 0, 0.2, "flow against the camera's per frame that makes a mover"
    )
    mover_min_size: float = gain(
        0.009, "of longer side", 0, 0.2, "smaller movers, in width, are left out"
    )
    mover_newness: float = gain(
        0.15,
        "1",
        0,
        1,
        "newness of what moves = mover_newness + mover_regrowth * missing amplitude, 0 to 1",
    )
    mover_regrowth: float = gain(
        4, "1", 0, 16, "the missing amplitude is that of what moves by itself, without the rest"
    )
    mover_effort: float = gain(
        6,
        "1",
        0,
        16,
        "iterations on what moves = uncover_iterations * mover_effort * share, share = 0 to 1 of "
        "mover_urgency * (missing amplitude - mover_patience), beside those of the fill",
    )
    mover_urgency: float = gain(
        10,
        "1",
        0,
        64,
        "how fast their share grows with the missing amplitude: from none to all within "
        "1 / mover_urgency",
    )
    mover_patience: float = gain(
        0.06,
        "1",
        0,
        1,
        "missing amplitude below which there are none of them: they take the most time of a frame",
    )
    mover_max_work: float = gain(
        3, "frames", 0, 64, "these iterations * share of the frame that is dreamed, at most"
    )
    mover_step: float = gain(
        0.5, "of step", 0, 16, "step of these iterations = mover_step * step * newness"
    )
    mover_momentum: float = gain(
        0.8, "1", 0, 0.99, "share of each of these changes that the next one goes on with"
    )
    mover_setpoint: float = gain(
        1.4, "1", 0.1, 4, "missing amplitude = 1 - sqrt(gain / (mover_setpoint * reference gain))"
    )
    mover_unmeasured: float = gain(
        0.1, "1", 0, 1, "missing amplitude of what moves where the objective is not measured yet"
    )
    ground_time: float = gain(
        1, "s", 0, 60, "the ground under what stands still is remembered for this long"
    )
    vacated_time: float = gain(
        0.316, "s", 0.01, 60, "vacated *= exp(-duration / vacated_time), from 1 where a mover left"
    )
    vacated_return: float = gain(
        0.5,
        "1",
        0,
        1,
        "where a mover has just left, residual and age go to the ground's own in each frame, "
        "vacated_return * the ground's age of the way",
    )
    ground_reach: float = gain(
        2,
        "areas",
        0.1,
        8,
        "sigma of the average of the reference gain over ground, which vacated ground is held to",
    )
    vacated_regrowth: float = gain(
        5,
        "1",
        0,
        16,
        "newness of vacated ground = vacated * min(1, vacated_regrowth * missing amplitude)",
    )
    vacated_limit: float = gain(
        1, "1", 0.1, 4, "excess of vacated ground = sqrt(gain / (limit * reference gain)) - 1"
    )
    vacated_fading: float = gain(
        2,
        "1",
        0,
        4,
        "residual *= 1 - vacated_fading * vacated * excess of vacated ground per frame",
    )
    mover_fading: float = gain(
        0.5,
        "1",
        0,
        4,
        "residual *= 1 - mover_fading * excess of all that moves per frame, on what moves",
    )
    measured_time: float = gain(
        0.1, "s", 0.001, 60, "time constant of the averages of what movers and vacated ground gain"
    )
    mover_hole: float = gain(
        0.05, "of longer side", 0, 0.5, "holes in what moves are closed up to this width"
    )
    camera_min_share: float = gain(
        0.55, "1", 0, 1, "the ground is remembered where the camera moves this share of the frame"
    )
    mover_margin: float = gain(
        0.0125, "of longer side", 0, 0.2, "width of the margin around what moves"
    )
    mover_border: float = gain(
        0.004, "of longer side", 0.0001, 0.2, "sigma of the border of what moves"
    )

    # Confidence and completion of the flow.
    flow_relative_tolerance: float = gain(
        0.01, "1", 0, 1, "consistent: |b + f|^2 <= relative * (|b|^2 + |f|^2) + absolute^2"
    )
    flow_absolute_tolerance: float = gain(
        0.00221, "of longer side", 0, 0.1, "Ruder et al. 2016, equation 5: 0.5 px^2 at 320 px"
    )
    confidence_blur: float = gain(
        0.0047, "of longer side", 0, 0.1, "sigma that softens the border of an untrusted area"
    )
    photometric_tolerance: float = gain(
        5, "levels", 0.1, 255, "consistent below this difference, falling to 0 at twice that"
    )
    photometric_blur: float = gain(
        0.0094, "of longer side", 0, 0.1, "sigma of the average that the difference is taken over"
    )
    completed_tolerance: float = gain(
        10, "levels", 0.1, 255, "photometric_tolerance where the flow was completed from around"
    )
    island: float = gain(
        0.028, "of longer side", 0, 0.2, "smaller islands of agreeing flow are not passed on"
    )
    completion_border: float = gain(
        0.0125, "of longer side", 0, 0.2, "sigma of the border of a completed area"
    )
    compressed_area: float = gain(
        0.65, "1", 0, 1, "confidence 0 where a pixel comes from less of a pixel's area"
    )
    uncompressed_area: float = gain(
        0.85, "1", 0, 2, "confidence 1 where it comes from at least this much of it"
    )
    compression_blur: float = gain(
        0.0047, "of longer side", 0, 0.1, "sigma of the flow that areas are taken from"
    )

    def __post_init__(self) -> None:
        for declared in fields(self):
            check_gain(declared, getattr(self, declared.name))
        if self.uncompressed_area <= self.compressed_area:
            raise SettingsError(
                "uncompressed_area must be larger than compressed_area",
                setting="uncompressed_area",
                value=self.uncompressed_area,
                allowed=f"above {self.compressed_area:g}",
            )


def check_gain(declared: Field[Any], value: object) -> None:
    """Raise SettingsError where a gain is no number or out of its range."""
    low, high = declared.metadata["low"], declared.metadata["high"]
    allowed = f"{low:g} to {high:g} {declared.metadata['unit']}"
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not low <= value <= high:  # type: ignore[operator]
        raise SettingsError(
            f"{declared.name} = {shorten_repr(value)}: it must be {allowed}",
            setting=declared.name,
            value=value,
            allowed=allowed,
        )
