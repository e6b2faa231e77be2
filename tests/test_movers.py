"""What moves by itself: found, dreamed as strongly as the rest, and nothing of it left behind."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import make_texture, random_weights
from temporal_scenes import (
    GAINS,
    SMALL_DREAM,
    make_frames,
    make_pan,
    make_residual,
    make_settings,
    make_state,
    make_uniform_motion,
)
from torch import Tensor

from dreamflow.core.imaging.filters import gaussian_blur, resize_linear
from dreamflow.core.tensors import picture_to_tensor
from dreamflow.dream.objective.objective import Objective
from dreamflow.networks.caffe import googlenet
from dreamflow.networks.network import Network
from dreamflow.reports.coherence.dream_meter import DreamMeter
from dreamflow.reports.coherence.regional import find_weakest_mover
from dreamflow.reports.coherence.regions import VACATED_AFTER_FRAMES, RegionFinder
from dreamflow.reports.coherence.verdict import (
    MOVING_INTENSITY_METRIC,
    compare_measurements,
    judge_measurements,
)
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.flow.completion import complete_flow
from dreamflow.temporal.flow.estimators import estimate_dis
from dreamflow.temporal.motion.camera import fit_camera, transform_positions
from dreamflow.temporal.motion.motion import Motion
from dreamflow.temporal.options import CarryOptions
from dreamflow.temporal.readback import read_back
from dreamflow.temporal.stages.advect import advect
from dreamflow.temporal.stages.equalise import equalise
from dreamflow.temporal.stages.observe import with_measured
from dreamflow.temporal.stages.settle import settle
from dreamflow.temporal.state import CarriedDream, HostFacts
from dreamflow.temporal.state_tree import state_from_tree, state_to_tree
from dreamflow.temporal.step import begin, step

HEIGHT, WIDTH, SIDE = 144, 288, 56
TOP, FIRST_LEFT, SPEED = 48, 24, 8


def mover_box(number: int, speed: int = SPEED) -> tuple[slice, slice]:
    """Return where the square that moves is in a frame, (rows, columns)."""
    left = FIRST_LEFT + speed * number
    return slice(TOP, TOP + SIDE), slice(left, left + SIDE)


def make_mover_scene(count: int, pan: int = 0, speed: int = SPEED) -> list[np.ndarray]:
    """Return pictures of a textured square that crosses a textured ground, which may pan."""
    ground = make_pan(count, pan or 1, 0, HEIGHT, WIDTH, seed=3)
    square = 255 - make_texture(SIDE, SIDE, seed=7) // 3
    pictures = [ground[n if pan else 0].copy() for n in range(count)]
    for number, picture in enumerate(pictures):
        picture[mover_box(number, speed)] = square
    return pictures


def motion_between(before: np.ndarray, here: np.ndarray) -> Motion:
    """Return the motion of two pictures at full size."""
    motion = complete_flow(estimate_dis(before, here), before, here, GAINS)
    return motion.resized((HEIGHT, WIDTH))


@pytest.fixture(scope="module")
def network() -> Network:
    return googlenet.build_googlenet(random_weights())


@pytest.mark.parametrize("pan", [0, 2])
def test_what_moves_against_the_camera_is_found_on_both_frames(pan: int) -> None:
    before, here = make_mover_scene(4, pan)[2:]
    movers = motion_between(before, here).movers
    assert movers is not None
    for mask, box in ((movers.before, mover_box(2)), (movers.here, mover_box(3))):
        found, square = mask[0, 0].numpy() > 0.5, np.zeros((HEIGHT, WIDTH), bool)
        square[box] = True
        assert found[square].mean() > 0.9
        assert found[~square].mean() < 0.1
    still = ~(movers.here[0, 0].numpy() > 0.01)
    camera = movers.camera[0].numpy()[:, still]
    np.testing.assert_allclose(camera.mean(axis=1), (-pan, 0), atol=0.2)


def test_motion_without_its_fields_keeps_what_the_host_knows() -> None:
    motion = motion_between(*make_mover_scene(4, 2)[2:])
    told = motion.without_fields()
    assert told.mean_confidence == motion.mean_confidence
    assert np.array_equal(told.disoccluded, motion.disoccluded)
    assert told.movers is not None
    assert motion.movers is not None
    assert np.array_equal(told.movers.shares, motion.movers.shares)
    fields = (told.backward, told.confidence, told.movers.here, told.movers.camera)
    assert sum(field.numel() for field in fields) == 0


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (3, -2), (7, 0)])
def test_in_a_pan_nothing_moves_by_itself(dx: int, dy: int) -> None:
    before, here = make_pan(2, dx, dy, HEIGHT, WIDTH)
    assert motion_between(before, here).movers is None


def test_flow_that_means_nothing_is_no_mover() -> None:
    rng = np.random.default_rng(0)
    sky = [np.full((HEIGHT, WIDTH, 3), 180, np.uint8) for _ in range(2)]
    noisy = [np.clip(s + rng.normal(0, 1.5, s.shape), 0, 255).astype(np.uint8) for s in sky]
    assert motion_between(*noisy).movers is None


def test_the_camera_is_the_motion_of_most() -> None:
    y, x = np.mgrid[0:90, 0:120].astype(np.float32)
    flow = np.stack([0.02 * x - 0.01 * y + 1.5, 0.01 * x + 0.02 * y - 2], axis=-1)
    flow[20:50, 30:70] += 9
    there_x, there_y = transform_positions(fit_camera(flow), 90, 120)
    outside = np.ones((90, 120), bool)
    outside[20:50, 30:70] = False
    np.testing.assert_allclose((there_x - x)[outside], flow[..., 0][outside], atol=0.05)
    np.testing.assert_allclose((there_y - y)[outside], flow[..., 1][outside], atol=0.05)
    assert np.array_equal(fit_camera(np.full((9, 9, 2), np.nan, np.float32)), np.eye(2, 3))


def carry_through(
    pictures: list[np.ndarray], residual: Tensor, with_movers: bool = True, gains: Gains = GAINS
) -> Tensor:
    """Return what becomes of a residual over a scene where nothing is dreamed on."""
    settings = make_settings(carry=CarryOptions(decay=1, stability=1, firmness=0))
    state = make_state(CarriedDream.begin(residual, gains))
    for before, here in itertools.pairwise(pictures):
        motion = motion_between(before, here)
        motion = motion if with_movers else replace(motion, movers=None)
        state = advect(state, motion, settings, gains)
        state = settle(state, state.dreams[0].residual, settings, gains)
    return state.dreams[0].residual


def test_the_ground_keeps_its_dream_under_what_passes_over_it() -> None:
    pictures, last = make_mover_scene(19), mover_box(18)[1].start
    residual = gaussian_blur(make_residual(HEIGHT, WIDTH), 2.0)
    # In view at first, then hidden, and in view again.
    passed = np.s_[..., TOP + 8 : TOP + SIDE - 8, mover_box(0)[1].stop + 24 : last - 12]
    with_memory, without = (
        float((carry_through(pictures, residual, movers) - residual)[passed].abs().mean())
        for movers in (True, False)
    )
    assert with_memory < 0.75 * without


def test_the_ground_is_remembered_where_frames_are_repeated() -> None:
    """As in a film of fewer pictures than frames: for a frame, nothing moves."""
    once, last = make_mover_scene(19), mover_box(18)[1].start
    pictures = [picture for picture in once for _ in range(2)]
    residual = gaussian_blur(make_residual(HEIGHT, WIDTH), 2.0)
    passed = np.s_[..., TOP + 8 : TOP + SIDE - 8, mover_box(0)[1].stop + 24 : last - 12]
    with_memory, without = (
        float((carry_through(pictures, residual, movers) - residual)[passed].abs().mean())
        for movers in (True, False)
    )
    assert with_memory < 0.75 * without


def test_what_a_mover_hid_from_the_start_begins_from_nothing() -> None:
    pictures = make_mover_scene(16)
    residual = torch.zeros(1, 3, HEIGHT, WIDTH)
    residual[..., mover_box(0)[0], mover_box(0)[1]] = 0.3  # the mover's own dream
    carried = carry_through(pictures, residual)
    behind = carried[..., TOP + 6 : TOP + SIDE - 6, FIRST_LEFT + 6 : FIRST_LEFT + SIDE - 6]
    with_it = carried[..., mover_box(15)[0], mover_box(15)[1]]
    assert float(behind.abs().mean()) < 0.03, "its dream does not stay where it was"
    assert float(with_it.mean()) > 0.15, "it takes it along"


def test_a_creature_that_is_larger_than_what_moves_does_not_stay_on_known_ground() -> None:
    """Beside what moves the flow is the camera's, and believed: a creature would stay there."""
    grown = 16
    rows, columns = mover_box(grown)
    creature = torch.zeros(1, 3, HEIGHT, WIDTH)
    creature[..., rows, columns.start - 6 : columns.stop] = 0.3
    settings = make_settings(carry=CarryOptions(decay=1, stability=1, firmness=0))

    def measure_left(gains: Gains) -> float:
        bare = CarriedDream.begin(torch.zeros_like(creature), gains)
        state = make_state(replace(bare, age=torch.ones_like(bare.age)))
        for number, pair in enumerate(itertools.pairwise(make_mover_scene(grown + 9)), start=1):
            state = advect(state, motion_between(*pair), settings, gains)
            residual = state.dreams[0].residual
            residual = residual + creature if number == grown else residual
            state = settle(state, residual, settings, gains)
        behind = np.s_[..., rows, columns.start - 6 : columns.start]
        return float(state.dreams[0].residual[behind].abs().mean())

    assert measure_left(GAINS) < 0.8 * measure_left(replace(GAINS, vacated_return=0))


def test_what_stops_keeps_its_dream() -> None:
    moving, stopped = make_mover_scene(6), make_mover_scene(6)[5]
    pictures = [*moving, stopped, stopped, stopped]
    residual = torch.zeros(1, 3, HEIGHT, WIDTH)
    residual[..., mover_box(0)[0], mover_box(0)[1]] = 0.3
    carried = carry_through(pictures, residual)
    assert float(carried[..., mover_box(5)[0], mover_box(5)[1]].mean()) > 0.15


def test_what_moves_is_dreamed_on_more_than_without_the_gain(network: Network) -> None:
    frames = make_frames(make_mover_scene(6))
    objective = Objective.parse(network, ("conv2/3x3",))
    settings = make_settings(objective)
    gained: list[float] = []
    for newness in (0.0, 1.0):
        gains = replace(GAINS, mover_newness=newness, mover_regrowth=0, vacated_regrowth=0)
        state = begin(picture_to_tensor(frames[0].picture), settings, gains, (0, 0)).state
        dream = torch.zeros(())
        for before, here in itertools.pairwise(frames):
            source = picture_to_tensor(here.picture)
            motion = motion_between(before.picture, here.picture)
            state = read_back(state, settings, gains).state
            result = step(state, source, motion, settings, gains, (0, here.index))
            state, dream = result.state, result.dream
        box = mover_box(5)
        energy = objective.measure_map(dream)
        own = objective.measure_map(picture_to_tensor(frames[5].picture))
        assert energy is not None
        assert own is not None
        scale = energy.shape[3] / WIDTH
        rows, columns = (slice(round(s.start * scale), round(s.stop * scale)) for s in box)
        gained.append(float((energy - own)[..., rows, columns].mean()))
    assert gained[1] > 1.1 * gained[0]


@pytest.mark.parametrize("renew_movers", [False, True])
def test_what_moves_is_compared_with_what_is_dreamed_of_it_now(
    network: Network, renew_movers: bool
) -> None:
    """A reference that is far off comes to what a fresh dream gains on a mover, and only there."""
    pictures = make_mover_scene(2)
    sources = [picture_to_tensor(picture) for picture in pictures]
    settings = make_settings(Objective.parse(network, ("conv2/3x3",)), renew_movers=renew_movers)
    gains = replace(GAINS, renewal_share_movers=1)
    fresh = settings.dream_fresh(0, sources[1], (0, 1))
    gain, _ = settings.measure_gain(settings.objective, fresh, sources[1])
    assert gain is not None
    true = resize_linear(gain, (HEIGHT, WIDTH))
    state = begin(sources[0], settings, gains, (0, 0)).state
    stale = 100 * float(true.mean())
    dream = replace(state.dreams[0], reference_gain_map=torch.full_like(true, stale))
    state = read_back(state.with_dream(0, dream), settings, gains).state
    result = step(state, sources[1], motion_between(*pictures), settings, gains, (0, 1))
    dream = result.state.dreams[0]
    assert dream.ground is not None
    assert dream.reference_gain_map is not None
    on_mover, elsewhere = dream.ground.hidden > 0.99, dream.ground.hidden < 0.01
    found = float(dream.reference_gain_map[on_mover].mean())
    expected = float(true[on_mover].mean()) if renew_movers else stale
    # A step has one mean over what it is made on, the frame or a crop, so they differ a little.
    assert expected / 3 < found < 3 * expected
    assert float(dream.reference_gain_map[elsewhere].mean()) == pytest.approx(stale, rel=0.05)


def test_ground_laid_bare_is_compared_with_the_ground_around_it() -> None:
    """A mover takes along what a fresh dream gains on it and, for a layer is coarse, beside it."""
    mover = torch.zeros(1, 1, HEIGHT, WIDTH)
    mover[..., mover_box(0)[0], mover_box(0)[1]] = 1
    reference = 1 + 4 * gaussian_blur(mover, 12.0)
    dream = CarriedDream.begin(make_residual(HEIGHT, WIDTH), GAINS, reference)
    state = make_state(dream)
    for before, here in itertools.pairwise(make_mover_scene(9)):
        state = advect(state, motion_between(before, here), make_settings(), GAINS)
    carried = state.dreams[0]
    assert carried.ground is not None
    assert carried.reference_gain_map is not None
    laid_bare = (carried.ground.laid_bare > 0.5)[0, 0]
    assert laid_bare.float().mean() > 0.02
    assert float(carried.reference_gain_map[..., laid_bare].mean()) < 1.5
    on_mover = carried.reference_gain_map[..., mover_box(8)[0], mover_box(8)[1]]
    assert float(on_mover.mean()) > 2


def test_what_a_creature_leaves_behind_fades() -> None:
    """Where a mover was, what gains far more than a fresh dream comes down, and only there.

    The bands as a whole may have back what that takes from them, up to their setpoint.
    """
    settings = make_settings()
    residual = gaussian_blur(make_residual(HEIGHT, WIDTH), 2.0)
    alike = torch.ones(1, 1, HEIGHT, WIDTH)
    changes: list[tuple[float, float]] = []
    for gained in (1.0, 6.0):
        state = make_state(CarriedDream.begin(residual, GAINS, alike))
        pictures = make_mover_scene(7)
        motion = make_uniform_motion(0, 0, HEIGHT, WIDTH)
        for before, here in itertools.pairwise(pictures):
            motion = motion_between(before, here)
            state = advect(state, motion, settings, GAINS)
        dream = state.dreams[0]
        for _ in range(6):
            dream = with_measured(dream, alike * gained, settings.seconds, GAINS)
        after = equalise(make_state(dream), motion, settings, GAINS).dreams[0].residual
        assert dream.ground is not None
        vacated = (dream.ground.vacated > 0.5).expand_as(after)
        untouched = ((dream.ground.vacated + dream.ground.hidden) < 0.01).expand_as(after)
        changes.append((float(after[vacated].std()), float(after[untouched].std())))
    (left, rest), (left_too_much, rest_of_it) = changes
    assert left_too_much < 0.9 * left
    assert rest <= rest_of_it < GAINS.max_lost_gain * rest


def test_meta_device_carries_the_ground(network: Network) -> None:
    meta = torch.device("meta")
    on_meta = googlenet.build_googlenet(random_weights()).to(meta, torch.float32)
    objective = Objective.parse(on_meta, ("conv2/3x3",))
    settings = make_settings(objective, dream=SMALL_DREAM, renew_movers=True)
    pictures = make_mover_scene(3)
    state = begin(torch.empty(1, 3, HEIGHT, WIDTH, device=meta), settings, GAINS, (0, 0)).state
    motion = motion_between(*pictures[:2]).to(meta)
    weak = HostFacts(uncovered=np.ones_like(motion.disoccluded))
    state = replace(state, facts=weak)
    result = step(state, torch.empty(1, 3, HEIGHT, WIDTH, device=meta), motion, settings, GAINS,
                  (0, 1))  # fmt: skip
    ground = result.state.dreams[0].ground
    assert ground is not None
    assert ground.residual.device.type == "meta"
    assert result.trace.crops == 1


def test_a_state_with_a_hidden_ground_is_written_and_read_again() -> None:
    before, here = make_mover_scene(2)
    settings = make_settings()
    state = make_state(CarriedDream.begin(make_residual(HEIGHT, WIDTH), GAINS))
    state = advect(state, motion_between(before, here), settings, GAINS)
    again = state_from_tree(state_to_tree(state), torch.device("cpu"))
    ground, same = state.dreams[0].ground, again.dreams[0].ground
    assert ground is not None
    assert same is not None
    for name in ("residual", "age", "hidden", "vacated", "measured"):
        assert torch.equal(getattr(ground, name), getattr(same, name))
    still = make_uniform_motion(0, 0, HEIGHT, WIDTH)
    long = round(GAINS.ground_time / settings.seconds) + 2
    for number in range(long):
        again = advect(again, still, settings, GAINS)
        assert number or again.dreams[0].ground is not None
    assert again.dreams[0].ground is None, "where nothing moves for long nothing more is kept"


# --- the regions that a dream is judged by


def test_regions_of_a_source_are_what_moves_and_what_it_left() -> None:
    pictures = make_mover_scene(VACATED_AFTER_FRAMES + 2, speed=6)
    finder, regions = RegionFinder(), None
    previous: np.ndarray | None = None
    for picture in pictures:
        flow = None if previous is None else estimate_dis(previous, picture).backward
        regions, previous = finder(picture, flow), picture
    assert regions is not None
    last = VACATED_AFTER_FRAMES + 1
    assert regions.moving[mover_box(last, 6)].mean() > 0.9
    left = np.zeros((HEIGHT, WIDTH), bool)
    left[TOP + 4 : TOP + SIDE - 4, mover_box(1, 6)[1].start : mover_box(1, 6)[1].stop] = True
    assert regions.vacated[left].mean() > 0.6
    assert regions.vacated[~left].mean() < 0.1
    assert not (regions.vacated & regions.moving).any()
    assert not finder(pictures[0], None).vacated.any(), "a new shot knows nothing of the last"


def test_a_repeated_frame_has_the_regions_of_the_one_before() -> None:
    """Coded again, it differs by a level here and there."""
    finder, rng = RegionFinder(), np.random.default_rng(0)
    pictures = make_mover_scene(VACATED_AFTER_FRAMES + 2, speed=6)
    previous, regions = pictures[0], finder(pictures[0], None)
    for picture in pictures[1:]:
        flow = estimate_dis(previous, picture).backward
        previous, regions = picture, finder(picture, flow)
    moving = regions.moving
    for repeat in range(12):
        again = np.clip(previous + rng.integers(-1, 2, previous.shape), 0, 255).astype(np.uint8)
        regions = finder(again, np.zeros((HEIGHT, WIDTH, 2), np.float32))
        if repeat == 0:
            assert np.array_equal(regions.moving, moving)
            assert not (regions.vacated & moving).any(), "what moves has not left its place"
    assert not regions.moving.any(), "after a while it has come to a halt"


def test_a_mover_that_is_bare_is_measured_and_named(network: Network) -> None:
    """Of two dreams one leaves out what moves: figures, verdict and place tell."""
    pictures = make_mover_scene(VACATED_AFTER_FRAMES + 3, speed=6)
    objective = Objective.parse(network, ("conv2/3x3",))
    rng = np.random.default_rng(1)
    meter = DreamMeter(["bare", "whole"], lambda time_s: objective)
    for frame in make_frames(pictures):
        noise = rng.integers(-40, 41, frame.picture.shape)
        whole = np.clip(frame.picture + noise, 0, 255).astype(np.uint8)
        bare = whole.copy()
        rows, columns = mover_box(frame.index, 6)
        beside = np.s_[rows.start - 16 : rows.stop + 16, columns.start - 16 : columns.stop + 16]
        bare[beside] = frame.picture[beside]
        meter.add(frame, [bare, whole], cut=frame.index == 0)
    bare_dream, whole_dream = meter.measurements
    shares = compare_measurements([bare_dream, whole_dream])
    assert shares[MOVING_INTENSITY_METRIC] < 0.6
    assert "most at" in judge_measurements([bare_dream, whole_dream])[MOVING_INTENSITY_METRIC]
    weakest = find_weakest_mover(
        [metrics.by_region for metrics in bare_dream.frame_metrics],
        [metrics.by_region for metrics in whole_dream.frame_metrics],
    )
    assert weakest is not None
    assert weakest.ratio < 0.6
    box = mover_box(weakest.frame, 6)
    assert weakest.left == pytest.approx((box[1].start + box[1].stop) / 2 / WIDTH, abs=0.1)
    assert weakest.top == pytest.approx((box[0].start + box[0].stop) / 2 / HEIGHT, abs=0.1)
    same = compare_measurements([whole_dream, whole_dream])
    assert same[MOVING_INTENSITY_METRIC] == pytest.approx(1)
