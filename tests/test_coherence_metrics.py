"""Figures of coherence: the warping error along the source's flow."""

from __future__ import annotations

import numpy as np
from conftest import make_texture
from temporal_scenes import make_pan

from dreamflow.reports.coherence.warp_error import find_motion_boundaries, warp_error


def test_what_moves_with_the_scene_has_no_warp_error_and_noise_has() -> None:
    sources, following = make_pan(4), make_pan(4, seed=1)
    noise = [make_texture(96, 96, seed=10 + n) for n in range(4)]
    assert warp_error(sources, following) < 5e-4
    assert warp_error(sources, noise) > 20 * warp_error(sources, following)


def test_a_flow_that_is_even_has_no_boundaries_and_a_jump_is_one() -> None:
    flow = np.zeros((9, 9, 2), np.float32)
    assert not find_motion_boundaries(flow).any()
    flow[:, 5:, 0] = 4
    boundaries = find_motion_boundaries(flow)
    assert boundaries[:, 4:6].all() and not boundaries[:, :3].any()
