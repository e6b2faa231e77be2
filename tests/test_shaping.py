"""Gradient shaping: each option has its documented effect, and the defaults have none."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SAMPLE_CLIP, make_texture
from hypothesis import given, settings
from hypothesis import strategies as st
from temporal_scenes import GAINS, make_settings, make_state, make_uniform_motion

from dreamflow.core.errors import SettingsError
from dreamflow.core.frames import Frame
from dreamflow.core.imaging.filters import gaussian_blur
from dreamflow.core.imaging.pyramid import join_bands, split_bands
from dreamflow.core.keyed_random import keyed_uniform_pair
from dreamflow.core.opencv import cv2
from dreamflow.core.schedules.timecode import Timeline
from dreamflow.core.tensors import picture_to_tensor, tensor_to_array
from dreamflow.dream import tiles
from dreamflow.dream.ascent import ascend
from dreamflow.dream.gradient_shaping import (
    GradientShaping,
    forward_differences,
    normalise_laplacian,
    smooth_gradient,
    total_variation_descent,
)
from dreamflow.dream.objective.objective import Objective, normalise_gradient
from dreamflow.dream.octaves import (
    dream_octaves,
    octave_step_factor,
    octave_tilt_factor,
    plan_octaves,
)
from dreamflow.dream.options import DreamOptions
from dreamflow.dream.random_affine import RandomAffine, RandomAffineSampler, magnify
from dreamflow.dream.source_colour import apply_source_colour, compute_luma
from dreamflow.media.read.open_clip import open_clip
from dreamflow.networks.network import Network
from dreamflow.pipelines.image import dream_image
from dreamflow.pipelines.settings.options import ZoomOptions
from dreamflow.pipelines.video.carry_over_frames import VideoDreamer
from dreamflow.pipelines.video.dream_video import dream_video
from dreamflow.pipelines.zoom.pipeline import ZoomPipeline, dream_zoom
from dreamflow.temporal.control.plans import plan_refinement
from dreamflow.temporal.noise_base import BRIGHTNESS, NoiseBase, make_noise
from dreamflow.temporal.options import CarryOptions
from dreamflow.temporal.stages.refine import refine
from dreamflow.temporal.state import CarriedDream, HostFacts

SMALL = DreamOptions(layer=("conv2/3x3",), octaves=2, iterations=4, jitter=8)
EACH = {
    "smooth": {"gradient": "smooth"},
    "laplacian": {"gradient": "laplacian"},
    "total variation": {"total_variation": 0.2},
    "luminance": {"colour": "luminance"},
    "source": {"colour": "source"},
    "octave iterations": {"octave_iterations": "6,2"},
    "tilt to coarse": {"octave_tilt": 1.0},
    "tilt to fine": {"octave_tilt": -1.0},
    "zoom": {"iteration_zoom": 0.5},
    "rotation": {"jitter_rotation": 20.0},
    "scale": {"jitter_scale": 15.0},
}
"""Each shaping option by itself."""


def shaped(**options: object) -> DreamOptions:
    return replace(SMALL, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", EACH)
def test_a_shaped_dream_raises_the_objective(noise_network: Network, name: str) -> None:
    image, options = picture_to_tensor(make_texture(72, 96)), shaped(**EACH[name])
    objective = Objective.parse(noise_network, options.layer)
    dreamed = dream_octaves(
        image,
        objective,
        plan_octaves(options),
        8,
        (0,),
        shaping=GradientShaping.from_options(options, objective.stride),
    )
    assert objective.value(dreamed) > 1.1 * objective.value(image)
    plain = dream_octaves(image, objective, plan_octaves(SMALL), 8, (0,))
    assert float((dreamed - plain).abs().mean()) * 255 > 0.3, "and it is another dream"


@pytest.mark.parametrize("name", EACH)
def test_a_carried_clip_takes_each_shaping_and_keeps_its_colour(
    noise_network: Network, name: str
) -> None:
    clip = open_clip(SAMPLE_CLIP, size="80", end="5")
    dreams = list(dream_video(clip, noise_network, None, shaped(**EACH[name])))
    assert len(dreams) == 5
    assert not np.array_equal(dreams[4].picture, dreams[4].source)
    assert np.abs(colour_change(dreams)).max() < 6, "levels of 255; a network of noise likes green"


def colour_change(dreams: list[Frame]) -> np.ndarray:
    """Return how much the mean colour of what is dreamed differs between the first and the last."""
    change = [(frame.picture.astype(float) - frame.source).mean((0, 1)) for frame in dreams]
    return change[-1] - change[0]


@pytest.mark.weights
@pytest.mark.clips
@pytest.mark.parametrize("name", ["smooth", "laplacian", "luminance", "rotation"])
def test_a_real_clip_keeps_its_colour(real_network: Network, clips: Path, name: str) -> None:
    clip = open_clip(clips / "bear_davis.mp4", size="112", end="10")
    options = replace(SMALL, layer=("inception_3b/5x5_reduce",), octaves=3, **EACH[name])
    dreams = list(dream_video(clip, real_network, None, options))
    assert np.abs(colour_change(dreams)).max() < 3


@pytest.mark.parametrize(
    ("layer", "same_as"), [("inception_3b/output", "plain"), ("inception_4a/output", "smooth")]
)
def test_deep_layers_are_smoothed_and_shallow_ones_are_not(
    noise_network: Network, layer: str, same_as: str
) -> None:
    picture, few = make_texture(80, 96), {"layer": (layer,), "octaves": 1, "iterations": 2}
    automatic, asked = (
        dream_image(picture, noise_network, None, DreamOptions(**few, gradient=gradient))
        for gradient in ("auto", same_as)
    )
    assert np.array_equal(automatic, asked)


@pytest.mark.parametrize("gradient", ["auto", "smooth", "laplacian"])
def test_a_response_that_is_minimised_stays_bounded_when_shaped(
    noise_network: Network, gradient: str
) -> None:
    """Near response 0 a step shrinks with it; shaping must not bring it to full size again."""
    image = picture_to_tensor(make_texture(80, 96))
    objective = Objective.parse(noise_network, ["conv2/3x3:3=-1"])
    bounded = objective.gradient(image, step=1.0)
    size = float(bounded.abs().mean())
    assert size < 0.5
    shaping = GradientShaping.from_options(shaped(gradient=gradient), objective.stride)
    shaped_size = shaping.shape_gradient(bounded, torch.zeros_like(image), 1.0).abs().mean()
    assert float(shaped_size) == pytest.approx(size, rel=1e-3)


def test_shallow_default_shaping_changes_nothing(noise_network: Network) -> None:
    image = picture_to_tensor(make_texture(64, 80))
    objective = Objective.parse(noise_network, ["conv2/3x3"])
    asked = GradientShaping.from_options(
        shaped(smoothing=3.0, laplacian_levels=2), objective.stride
    )
    assert not asked.changes_gradient
    assert not asked.needs_source
    assert asked.random_affine is None
    none = ascend(image, objective, 3, 1.5, 8, (0,), shaping=asked)
    assert torch.equal(none, ascend(image, objective, 3, 1.5, 8, (0,)))


def test_all_bands_of_a_laplacian_gradient_have_the_same_strength() -> None:
    generator = torch.Generator().manual_seed(1)
    gradient = gaussian_blur(torch.randn(1, 3, 96, 130, generator=generator), 1.5)
    *bands, base = split_bands(gradient, 4)
    assert len(bands) == 4
    deviations = [float(band.std()) for band in bands]
    assert max(deviations) > 2 * min(deviations)
    bands.append(base - base.mean((2, 3), keepdim=True))
    even = [band / band.square().mean().sqrt() for band in bands]
    torch.testing.assert_close(normalise_laplacian(gradient, 4), join_bands(even))


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 8))
@settings(max_examples=30)
def test_gradients_of_any_size_can_be_shaped(height: int, width: int, levels: int) -> None:
    image = torch.rand(1, 3, height, width)
    assert normalise_laplacian(image, levels).isfinite().all()
    assert smooth_gradient(image, 2.0).shape == image.shape


def test_a_smoothed_point_keeps_its_sum() -> None:
    point = torch.zeros(1, 1, 41, 41)
    point[..., 20, 20] = 1
    assert float(smooth_gradient(point, 2.0).sum()) == pytest.approx(1, rel=1e-3)


def total_variation(image: torch.Tensor) -> float:
    across, down = forward_differences(image)
    return float((across.square() + down.square()).sqrt().mean())


def test_a_smooth_gradient_has_lower_total_variation(noise_network: Network) -> None:
    image = picture_to_tensor(make_texture(64, 64))
    objective = Objective.parse(noise_network, ["conv2/3x3"])
    change = [
        ascend(image, objective, 1, 1.5, 8, (0,), shaping=GradientShaping(gradient, smoothing=2.0))
        - image
        for gradient in ("plain", "smooth")
    ]
    for one in change:
        assert float(one.abs().mean()) * 255 == pytest.approx(1.5, rel=0.02), "a step is a step"
    assert total_variation(change[1]) < 0.5 * total_variation(change[0])


def test_total_variation_descent_converges() -> None:
    generator = torch.Generator().manual_seed(0)
    change, step = 0.05 * torch.randn(1, 3, 32, 40, generator=generator), 1.5 / 255
    mean, before = float(change.mean()), total_variation(change)
    for _ in range(400):
        change = change + step * total_variation_descent(change, step)
        now = total_variation(change)
        assert now < before + 1e-7
        before = now
    assert before < 2e-3, "it does not ripple at the end"
    assert float(change.mean()) == pytest.approx(mean, abs=1e-5)


def test_total_variation_smooths_the_residual_only(noise_network: Network) -> None:
    image = picture_to_tensor(make_texture(64, 80))
    objective = Objective.parse(noise_network, ["conv2/3x3"])
    changes = [
        ascend(image, objective, 8, 1.5, 8, (0,), shaping=GradientShaping(total_variation=weight))
        - image
        for weight in (0.0, 0.3, 1.0)
    ]
    variations = [total_variation(change) for change in changes]
    assert variations[0] > 1.2 * variations[1] > 1.2 * variations[2]
    flat = total_variation_descent(torch.zeros_like(image), 0.01)
    assert float(flat.abs().max()) == 0, "a source of which nothing is changed stays as it is"


def chroma(picture: np.ndarray) -> np.ndarray:
    image = picture_to_tensor(picture)
    return tensor_to_array(image - compute_luma(image)) * 255


@pytest.mark.parametrize("colour", ["luminance", "source"])
def test_luminance_and_source_keep_the_colours_of_the_source(
    noise_network: Network, colour: str
) -> None:
    grey = (make_texture(64, 80) // 4 + 96).astype(np.uint8)  # so that nothing leaves the range
    dreamed = dream_image(grey, noise_network, options=shaped(colour=colour))
    assert np.abs(dreamed.astype(float) - grey).mean() > 2
    assert np.abs(chroma(dreamed) - chroma(grey)).max() <= 1.0, "rounding"
    for frame in list(
        dream_video(
            open_clip(SAMPLE_CLIP, size="80", end="4"), noise_network, None, shaped(colour=colour)
        )
    ):
        found, own = chroma(frame.picture), chroma(frame.source)
        inside = (frame.picture > 1).all(2) & (frame.picture < 254).all(2)
        assert np.abs(found - own)[inside].max() <= 1.5


def test_luminance_changes_all_channels_alike(noise_network: Network) -> None:
    image, objective = (
        picture_to_tensor(make_texture(64, 64) // 2 + 64),
        Objective.parse(noise_network, ["conv2/3x3"]),
    )
    change = (
        ascend(image, objective, 1, 1.5, 8, (0,), shaping=GradientShaping(colour="luminance"))
        - image
    )
    torch.testing.assert_close(change[:, :1].expand_as(change), change, rtol=0, atol=1e-6)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_recolouring_keeps_luma_and_hue(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    image, source = torch.rand(2, 1, 3, 4, 4, generator=generator)
    recoloured = apply_source_colour(image, source)
    torch.testing.assert_close(compute_luma(recoloured), compute_luma(image), rtol=0, atol=1e-5)
    share = (recoloured - compute_luma(recoloured)) * (source - compute_luma(source))
    assert float(share.min()) > -1e-5, "no colour difference changes its sign"
    assert float(recoloured.min()) >= 0
    assert float(recoloured.max()) <= 1
    torch.testing.assert_close(apply_source_colour(source, source), source, rtol=0, atol=1e-5)


def test_inverse_undoes_apply() -> None:
    image = gaussian_blur(torch.rand(1, 3, 60, 90), 3.0)
    turn = RandomAffine(0.3, 1.2)
    back = turn.inverse(turn.apply(image))
    middle = (..., slice(25, 35), slice(35, 55))
    torch.testing.assert_close(back[middle], image[middle], rtol=0, atol=0.01)
    assert float(turn.inverse(torch.ones_like(image))[..., 30, 45].min()) == pytest.approx(1)


def test_rotation_is_clockwise_and_magnify_is_about_the_centre() -> None:
    image = torch.zeros(1, 1, 41, 81)
    image[..., 20, 50] = 1  # ten pixels to the right of the middle
    turned = RandomAffine(np.pi / 2, 1.0).apply(image)
    assert float(turned[..., 30, 40]) == pytest.approx(1, abs=1e-4), "now ten below"
    larger = magnify(image, 2.0)
    assert divmod(int(larger.argmax()), 81) == (20, 60)


def test_random_affine_is_a_function_of_the_key() -> None:
    sampler = RandomAffineSampler(30.0, 1.2)
    assert sampler.sample((1, 2)) == sampler.sample((1, 2)) != sampler.sample((1, 3))
    drawn = [sampler.sample((5, number)) for number in range(2000)]
    assert abs(np.mean([turn.angle for turn in drawn])) < 0.02
    assert 0.5 < max(turn.angle for turn in drawn) <= np.radians(30)
    assert 1 / 1.2 <= min(turn.scale for turn in drawn) < max(turn.scale for turn in drawn) <= 1.2
    assert all(-1 <= part <= 1 for part in keyed_uniform_pair(1, 2, 3))


def test_octaves_have_their_own_iterations_and_steps() -> None:
    options = DreamOptions(octave_iterations="20, 10,5,0", octave_tilt=0.5)
    plan = plan_octaves(options)
    assert [one.iterations for one in plan] == [20, 10, 5, 0]
    assert [one.octave for one in plan] == [3, 2, 1, 0]
    steps = [one.step for one in plan]
    assert steps == sorted(steps, reverse=True)
    assert steps[0] / steps[-1] == pytest.approx(4)
    assert np.mean(steps) == pytest.approx(options.step)
    assert [octave_tilt_factor(DreamOptions(), octave) for octave in range(4)] == [1.0] * 4
    assert [octave_step_factor(DreamOptions(), octave) for octave in range(4)] == [1.0] * 4
    assert octave_tilt_factor(DreamOptions(octaves=1, octave_tilt=1.0), 0) == 1.0
    carried = plan_refinement(options, CarryOptions(), 3)
    assert [one.octave for one in carried] == [3, 2, 1], "what is not dreamed first is not later"
    assert all(one.step <= CarryOptions.carry_step for one in carried)
    fine = plan_refinement(DreamOptions(octave_tilt=-1.0), CarryOptions(), 3)
    assert [(one.octave, one.iterations) for one in fine] == [(1, 1), (0, 3)]


@pytest.mark.parametrize(
    ("given", "setting", "allowed"),
    [
        ({"octave_iterations": "3,2,1"}, "octave_iterations", None),
        ({"octave_iterations": "3,2,,1"}, "octave_iterations", "a whole number up to 1000"),
        ({"octave_iterations": "3,2,-1,1"}, "octave_iterations", "a whole number up to 1000"),
        ({"octave_iterations": "3,2,1,1001"}, "octave_iterations", "a whole number up to 1000"),
        ({"octave_iterations": "0,0,0,0"}, "octave_iterations", "not all 0"),
        ({"octave_iterations": "1,2", "octaves": "0: 2, 1s: 3"}, "octave_iterations", None),
        ({"gradient": "soft"}, "gradient", "auto, plain, smooth, laplacian"),
        ({"colour": "blue"}, "colour", "free, luminance, source"),
        ({"noise": 1.5}, "noise", "at least 0 and at most 1"),
        ({"octave_tilt": "0: 2"}, "octave_tilt", "at least -1 and at most 1"),
    ],
)
def test_wrong_values_are_refused(given: dict, setting: str, allowed: str | None) -> None:
    with pytest.raises(SettingsError) as raised:
        DreamOptions(**given)
    assert raised.value.setting == setting
    assert (allowed or "") in (raised.value.allowed or "")


def test_the_number_of_octave_iterations_must_be_that_of_the_octaves() -> None:
    with pytest.raises(SettingsError, match="is for 3 octaves, there are 4: give octaves 3"):
        DreamOptions(octave_iterations="3,2,1")


def test_iteration_zoom_scales_the_residual_only() -> None:
    source = picture_to_tensor(make_texture(81, 81) // 2 + 32)
    image = source.clone()
    image[..., 40, 50] += 0.3
    flowed = GradientShaping(iteration_zoom=1.1).zoom_residual(image, source, 3)
    at = int((flowed - source).sum(1).argmax())
    assert divmod(at, 81)[0] == 40
    assert divmod(at, 81)[1] == pytest.approx(40 + 10 * 1.331, abs=0.7)
    assert torch.equal(GradientShaping(iteration_zoom=1.1).zoom_residual(source, source, 3), source)
    half = torch.zeros(1, 1, 81, 81)
    assert torch.equal(
        GradientShaping(iteration_zoom=1.1).zoom_residual(image, source, 3, half), image
    )


def test_a_shaped_dream_in_tiles_is_the_same(
    noise_network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, objective = (
        picture_to_tensor(make_texture(200, 260)),
        Objective.parse(noise_network, ["conv2/3x3"]),
    )
    shaping = GradientShaping(
        "laplacian",
        total_variation=0.2,
        iteration_zoom=1.01,
        random_affine=RandomAffineSampler(10.0, 1.1),
    )
    whole = ascend(image, objective, 2, 1.5, 8, (0,), shaping=shaping)
    monkeypatch.setattr(noise_network, "machine", replace(noise_network.machine, memory_limit=1))
    tiled = ascend(image, objective, 2, 1.5, 8, (0,), shaping=shaping)
    assert tiles.choose_tiling(noise_network, ("conv2/3x3",), 200, 260, 1) is not None
    assert float((tiled - whole).abs().mean()) < 0.05 * float((whole - image).abs().mean())


def test_zero_weight_leaves_a_shaped_dream_unchanged(noise_network: Network) -> None:
    image = picture_to_tensor(make_texture(64, 64))
    objective = Objective.parse(noise_network, ["conv2/3x3"])
    weight = torch.zeros(1, 1, 64, 64)
    weight[..., :32] = 1
    shaping = GradientShaping(
        "smooth",
        total_variation=0.5,
        iteration_zoom=1.02,
        random_affine=RandomAffineSampler(10.0, 1.1),
    )
    moved = ascend(image, objective, 3, 2.0, 8, (0,), weight, shaping)
    assert torch.equal(moved[..., 32:], image[..., 32:])
    assert not torch.equal(moved[..., :32], image[..., :32])


@pytest.mark.parametrize("least_effort", [1.0, 0.01])
def test_a_carried_dream_is_zoomed_at_any_effort(
    noise_network: Network, least_effort: float
) -> None:
    """A spot of the dream moves as far in a frame at any effort, beside areas that are new too."""
    options = shaped(iteration_zoom=2.0)
    carry = CarryOptions(uncover_iterations=0, firmness=0.5)
    frame = picture_to_tensor(np.full((81, 81, 3), 110, np.uint8))
    spot = np.zeros((81, 81), np.float32)
    cv2.circle(spot, (60, 40), 3, 0.4, -1)
    residual = torch.from_numpy(spot).expand(1, 3, 81, 81).contiguous()
    age = torch.ones(1, 1, 81, 81)
    age[:, :, :8] = 0
    dream = replace(
        CarriedDream.begin(residual, GAINS),
        age=age,
        reference_gain=1.0,
        gain_ema=1.0 + (least_effort < 1),
    )
    state = replace(make_state(dream), facts=HostFacts(young_share=8 / 81))
    step_settings = make_settings(
        Objective.parse(noise_network, options.layer),
        dream=options,
        carry=carry,
        min_effort=least_effort,
    )
    ratios = state.energy_ratios(step_settings.weights, GAINS)
    image, _ = refine(frame + residual, frame, state, ratios, step_settings, GAINS, (0, 1))
    change = tensor_to_array(image - frame)
    column = np.clip(change[30:51].mean(axis=(0, 2)), 0.05, None)[20:] - 0.05
    at = 20 + float((np.arange(len(column)) * column).sum() / column.sum())
    plan = plan_refinement(options, carry, carry.carry_iterations)
    steps = sum(part.iterations for part in plan)
    assert at == pytest.approx(40 + 20 * 1.02**steps, abs=0.5)


def test_full_noise_hides_the_source(noise_network: Network) -> None:
    one, other = make_texture(64, 80), make_texture(64, 80, seed=5)
    noise = shaped(noise=1.0)
    assert np.array_equal(
        dream_image(one, noise_network, options=noise),
        dream_image(other, noise_network, options=noise),
    )
    half = dream_image(one, noise_network, options=shaped(noise=0.5)).astype(float)
    ground = 0.5 * one + 127.5 * (BRIGHTNESS + make_noise(80, 64, 0))
    plain = dream_image(one, noise_network, options=SMALL).astype(float) - one
    assert np.abs(half - ground).mean() < 2 * np.abs(plain).mean()


def still_frames(count: int) -> list[Frame]:
    picture = make_texture(64, 80)
    return [Frame(number, Fraction(number, 24), picture) for number in range(count)]


@pytest.mark.parametrize("carry", [True, False])
def test_noise_of_a_still_clip_is_the_same_in_each_frame(
    noise_network: Network, carry: bool
) -> None:
    options = shaped(noise=0.7, iterations=1, octaves=1)
    frames = list(
        dream_video(
            still_frames(4), noise_network, None, options, CarryOptions(carry=carry, stability=1.0)
        )
    )
    first = frames[0].picture.astype(float)
    for frame in frames[1:]:
        assert np.abs(frame.picture - first).mean() < 4, "two steps of 1.5, and not other noise"


def noise_of(base: NoiseBase) -> np.ndarray:
    """Return the noise that a frame of 64x80 is dreamed on, float32 (64, 80, 3)."""
    return tensor_to_array(base.under(picture_to_tensor(make_texture(64, 80))))


def mean_step(noise: np.ndarray, axis: int) -> float:
    """Return the mean difference of neighbours along an axis."""
    return float(np.abs(np.diff(noise, axis=axis)).mean())


def test_noise_moves_with_the_scene_and_keeps_its_strength() -> None:
    base = NoiseBase(shaped(noise=1.0), torch.device("cpu"), GAINS)
    before = noise_of(base)
    motion = make_uniform_motion(-2, 0, 64, 80)
    for _ in range(10):
        base.advance(motion)
    after = noise_of(base)
    moved, where = after[8:-8, 36:-8], before[8:-8, 16:-28]
    assert np.corrcoef(moved.ravel(), where.ravel())[0, 1] > 0.95
    assert after.std() == pytest.approx(before.std(), rel=0.1)
    again = NoiseBase(shaped(noise=1.0), torch.device("cpu"), GAINS)
    again.restore(base.state())
    assert np.array_equal(noise_of(again), after)


def test_noise_keeps_its_statistics_through_a_long_pan(noise_network: Network) -> None:
    """Nothing grows that was not there, and what comes into view is no streak."""
    base = NoiseBase(shaped(noise=1.0), torch.device("cpu"), GAINS)
    before = noise_of(base)
    confidence = np.ones((64, 80), np.float32)
    confidence[:1], confidence[:, :1] = 0, 0
    pan = make_uniform_motion(-0.5, -0.5, 64, 80, confidence)
    for _ in range(200):
        base.advance(pan)
    after = noise_of(base)
    assert after.std() == pytest.approx(before.std(), rel=0.3)
    for axis in (0, 1):
        assert 0.6 < mean_step(after, axis) / mean_step(before, axis) < 1.7
    # And after a pan, where all has come into view lately, the camera trembles.
    for turn in range(100):
        shift = 0.4 if turn % 2 else -0.4
        base.advance(make_uniform_motion(shift, shift, 64, 80, confidence))
    assert 0.6 < mean_step(noise_of(base), 0) / mean_step(before, 0) < 1.7


def test_noise_beyond_its_edge_is_mirrored() -> None:
    """Where nothing can be carried, it is where all of the noise has moved to."""
    base = NoiseBase(shaped(noise=1.0), torch.device("cpu"), GAINS)
    before = noise_of(base)
    base.advance(make_uniform_motion(-3, 0, 64, 80, 0.0))
    after = noise_of(base)
    mirrored = np.concatenate([before[:, 2::-1], before[:, :-3]], axis=1)
    assert np.corrcoef(after.ravel(), mirrored.ravel())[0, 1] > 0.99


def test_a_restored_dreamer_goes_on_with_the_same_noise(noise_network: Network) -> None:
    clip = open_clip(SAMPLE_CLIP, size="64", end="6")
    frames, options = list(clip), shaped(noise=0.6, octaves=1, iterations=2, jitter_rotation=9.0)
    timeline = Timeline(Fraction(24), Fraction(1))
    whole = VideoDreamer(noise_network, options, CarryOptions(), timeline)
    expected = [whole(frame).picture for frame in frames]
    first = VideoDreamer(noise_network, options, CarryOptions(), timeline)
    for frame in frames[:3]:
        first(frame)
    second = VideoDreamer(noise_network, options, CarryOptions(), timeline)
    second.restore(first.state())
    for frame, picture in zip(frames[3:], expected[3:], strict=True):
        assert np.array_equal(second(frame).picture, picture)


def test_a_zoom_starts_from_noise(noise_network: Network) -> None:
    picture, zoom = make_texture(48, 64), ZoomOptions(seconds=0.2, fps=12.0)
    first = next(dream_zoom(picture, noise_network, shaped(noise=1.0), zoom)).picture / 255
    margin = np.abs(first - (BRIGHTNESS + make_noise(64, 48, 0))).mean()
    assert margin < 0.05
    assert ZoomPipeline(picture, noise_network, shaped(gradient="laplacian"), zoom).total == 2


@pytest.mark.parametrize("name", EACH)
def test_a_zoom_takes_each_shaping(noise_network: Network, name: str) -> None:
    frames = list(
        dream_zoom(
            make_texture(48, 64),
            noise_network,
            shaped(**EACH[name]),
            ZoomOptions(seconds=0.25, fps=12.0),
        )
    )
    assert len(frames) == 3
    assert frames[-1].picture.std() > 5


def test_the_gradient_of_a_rotated_image_is_rotated_back(noise_network: Network) -> None:
    """Turned back, it points where a plain gradient does, far more than one not turned back."""
    image, objective = (
        picture_to_tensor(make_texture(96, 96)),
        Objective.parse(noise_network, ["conv2/3x3"]),
    )
    turn = RandomAffine(np.pi / 2, 1.0)
    plain = normalise_gradient(objective.gradient(image))
    found = turn.apply(objective.gradient(image))
    astray = objective.gradient(turn.apply(image))
    back = turn.inverse(astray)
    middle = (..., slice(16, 80), slice(16, 80))

    def alike(one: torch.Tensor, other: torch.Tensor) -> float:
        one, other = gaussian_blur(one, 2.0)[middle], gaussian_blur(other, 2.0)[middle]
        return float(torch.nn.functional.cosine_similarity(one.ravel(), other.ravel(), dim=0))

    assert alike(turn.inverse(found), plain) > 0.99
    assert alike(back, plain) > alike(astray, plain) + 0.1
