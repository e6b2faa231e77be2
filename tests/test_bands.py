"""The energies of a residual by bands and areas, and how they are held near a setpoint."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from temporal_scenes import FRAME_RATES, GAINS, make_residual
from torch import Tensor

from dreamflow.core.imaging.filters import gaussian_blur, resize_linear
from dreamflow.core.imaging.pyramid import BANDS, split_bands
from dreamflow.core.imaging.warp import warp
from dreamflow.temporal.control.bands import (
    BandEnergies,
    equalise_bands,
    measure_bands,
    measure_energy,
    over_frames,
)
from dreamflow.temporal.control.gains import REFERENCE_S

HEIGHT, WIDTH = 64, 96


def equalised(
    residual: Tensor,
    setpoint: BandEnergies,
    firmness: float,
    *,
    coverage: Tensor | None = None,
    max_gain: float = GAINS.max_band_gain,
    frames: float = 1.0,
) -> Tensor:
    """Return a residual whose bands were pulled towards a setpoint, covered unless said."""
    covered = torch.ones_like(residual[:, :1]) if coverage is None else coverage
    return equalise_bands(residual, setpoint, covered, firmness, max_gain, frames, GAINS)


@pytest.fixture(scope="module")
def residual() -> Tensor:
    return make_residual(HEIGHT, WIDTH)


@pytest.fixture(scope="module")
def setpoint(residual: Tensor) -> BandEnergies:
    return measure_bands(residual, GAINS)


# --- Energies


def test_energies_are_of_the_finest_lines_each_band_and_each_colour(
    residual: Tensor, setpoint: BandEnergies
) -> None:
    assert setpoint.lines.shape == ()
    assert setpoint.bands.shape == (BANDS + 1,)
    assert setpoint.mean.shape == (3,)
    torch.testing.assert_close(setpoint.mean, residual.mean((2, 3))[0])


@given(factor=st.floats(0.01, 100))
def test_energies_grow_with_the_residual(factor: float) -> None:
    residual = make_residual(40, 48)
    one, other = measure_bands(residual, GAINS), measure_bands(factor * residual, GAINS)
    for name in ("lines", "bands", "mean"):
        torch.testing.assert_close(
            getattr(other, name), factor * getattr(one, name), rtol=1e-3, atol=1e-5
        )


def test_energies_approach_others_by_a_share(setpoint: BandEnergies) -> None:
    doubled = BandEnergies(2 * setpoint.lines, 2 * setpoint.bands, 2 * setpoint.mean)
    half_way = setpoint.approach(doubled, 0.5)
    torch.testing.assert_close(half_way.bands, 1.5 * setpoint.bands)
    torch.testing.assert_close(half_way.mean, 1.5 * setpoint.mean)


def test_energy_by_area_is_where_the_forms_are() -> None:
    residual = make_residual(96, 192)
    residual[..., 96:] *= 0.1
    energy = measure_energy(residual, GAINS)
    columns = energy.shape[3]
    assert energy.min() > 0
    assert energy[..., : columns // 4].min() > 30 * energy[..., -(columns // 4) :].max()


def test_energy_by_area_leaves_fine_lines_and_mean_colour_out() -> None:
    forms = gaussian_blur(make_residual(96, 192), 3.0)
    lines = 0.03 * torch.where(torch.arange(192) % 2 == 0, 1.0, -1.0)
    tint = torch.tensor([0.1, 0.0, -0.1]).view(1, 3, 1, 1)
    torch.testing.assert_close(
        measure_energy(forms + lines + tint, GAINS), measure_energy(forms, GAINS), rtol=0.02, atol=0
    )


@pytest.mark.parametrize("factor", [2, 4])
def test_areas_scale_with_the_frame(factor: int) -> None:
    """A scene at several times the size has the same areas, and forms as strong in each."""
    small = gaussian_blur(make_residual(72, 96), 4.0)
    large = resize_linear(small, (72 * factor, 96 * factor))
    one, other = measure_energy(small, GAINS), measure_energy(large, GAINS)
    torch.testing.assert_close(other, one, rtol=0.15, atol=0)


@pytest.mark.parametrize("size", [(1, 1), (1, 64), (3, 5), (9, 300)])
def test_a_frame_of_any_size_is_measured_and_equalised(size: tuple[int, int]) -> None:
    residual = make_residual(*size)
    assert measure_energy(residual, GAINS).isfinite().all()
    result = equalised(residual, measure_bands(2 * residual, GAINS), 1.0)
    assert result.shape == residual.shape
    assert result.isfinite().all()


# --- Equalisation


@pytest.mark.parametrize("firmness", [0.0, 0.25, 1.0])
def test_what_is_at_its_setpoint_is_left_alone(
    residual: Tensor, setpoint: BandEnergies, firmness: float
) -> None:
    torch.testing.assert_close(equalised(residual, setpoint, firmness), residual, atol=1e-6, rtol=0)


def test_firmness_0_changes_nothing(residual: Tensor, setpoint: BandEnergies) -> None:
    weak = 0.5 * residual
    torch.testing.assert_close(equalised(weak, setpoint, 0.0), weak, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("factor", "firmness"), [(0.9, 0.2), (1.2, 0.2), (0.9, 0.05)])
def test_each_band_is_brought_nearer_to_its_setpoint(
    residual: Tensor, setpoint: BandEnergies, factor: float, firmness: float
) -> None:
    before = measure_bands(factor * residual, GAINS).bands[:BANDS]
    after = measure_bands(equalised(factor * residual, setpoint, firmness), GAINS).bands[:BANDS]
    target = setpoint.bands[:BANDS]
    assert ((after - target).abs() < (before - target).abs()).all()


def test_no_band_grows_by_more_than_its_largest_gain(
    residual: Tensor, setpoint: BandEnergies
) -> None:
    weak = 1e-4 * residual
    before = measure_bands(weak, GAINS).bands[:BANDS]
    after = measure_bands(equalised(weak, setpoint, 1.0), GAINS).bands[:BANDS]
    most = GAINS.max_band_gain * GAINS.finest_band_excess * GAINS.max_line_gain
    assert (after <= most * 1.01 * before).all()


def test_a_largest_gain_of_1_gives_back_no_more_than_a_warp_takes(
    residual: Tensor, setpoint: BandEnergies
) -> None:
    before = measure_bands(0.5 * residual, GAINS).bands[:BANDS]
    after = measure_bands(equalised(0.5 * residual, setpoint, 1.0, max_gain=1.0), GAINS)
    most = GAINS.finest_band_excess * GAINS.max_line_gain
    torch.testing.assert_close(after.bands[:BANDS], before, rtol=most - 1, atol=0)


def test_what_warps_take_of_the_finest_lines_is_given_back() -> None:
    residual = gaussian_blur(make_residual(HEIGHT, WIDTH), 0.7)
    setpoint = measure_bands(residual, GAINS)
    flow = torch.full((1, 2, HEIGHT, WIDTH), 0.5)
    carried = residual
    for _ in range(8):
        carried = equalised(warp(carried, flow), setpoint, 0.25)
    after = measure_bands(carried, GAINS)
    assert after.lines > 0.9 * setpoint.lines
    assert after.bands[0] == pytest.approx(float(setpoint.bands[0]), rel=0.1)
    assert measure_bands(warp(residual, flow), GAINS).lines < 0.95 * setpoint.lines


@pytest.mark.parametrize("firmness", [0.1, 1.0])
def test_the_mean_colour_goes_as_far_back_as_a_band(
    residual: Tensor, setpoint: BandEnergies, firmness: float
) -> None:
    tint = torch.tensor([0.05, 0.0, -0.02])
    tinted = residual + tint.view(1, 3, 1, 1)
    after = measure_bands(equalised(tinted, setpoint, firmness), GAINS).mean
    left = 1 - min(1.0, GAINS.band_pull * firmness)
    torch.testing.assert_close(after, setpoint.mean + left * tint, atol=1e-5, rtol=0)


def test_areas_without_a_dream_may_lose_their_finest_lines(
    residual: Tensor, setpoint: BandEnergies
) -> None:
    coverage = torch.ones(1, 1, HEIGHT, WIDTH)
    coverage[..., WIDTH // 2 :] = 0
    weak = 0.9 * residual
    lifted = equalised(weak, setpoint, 0.25, coverage=coverage)
    change = split_bands(lifted)[0] / split_bands(weak)[0]
    assert change[..., 8:-8, 8 : WIDTH // 2 - 8].median() > 1.05
    assert change[..., 8:-8, WIDTH // 2 + 8 : -8].median() == pytest.approx(1, abs=0.01)


# --- Durations


@given(st.floats(0, 1), st.floats(0, 3), st.floats(0, 3))
def test_shares_of_two_durations_make_that_of_both(share: float, one: float, other: float) -> None:
    left = (1 - over_frames(share, one)) * (1 - over_frames(share, other))
    assert left == pytest.approx(1 - over_frames(share, one + other), abs=1e-9)


def test_the_mean_colour_is_pulled_alike_in_equal_times(
    residual: Tensor, setpoint: BandEnergies
) -> None:
    """After a tenth of a second the same of a tint is left, at any frame rate."""
    tint = torch.tensor([0.05, 0.0, -0.02])
    left: list[Tensor] = []
    for rate in FRAME_RATES:
        tinted = residual + tint.view(1, 3, 1, 1)
        frames = 1 / (rate * REFERENCE_S)
        for _ in range(rate // 6):
            tinted = equalised(tinted, setpoint, 0.1, frames=frames)
        left.append(measure_bands(tinted, GAINS).mean - setpoint.mean)
    for other in left[1:]:
        torch.testing.assert_close(other, left[0], atol=1e-5, rtol=0)


def test_the_largest_gain_is_the_same_in_equal_times(
    residual: Tensor, setpoint: BandEnergies
) -> None:
    grown: list[Tensor] = []
    for rate in (24, 48):
        weak, frames = 1e-4 * residual, 24 / rate
        for _ in range(rate // 12):
            most = GAINS.max_band_gain**frames
            weak = equalised(weak, setpoint, 1.0, max_gain=most, frames=frames)
        grown.append(measure_bands(weak, GAINS).bands)
    torch.testing.assert_close(grown[1], grown[0], rtol=0.02, atol=0)
