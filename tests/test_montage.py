"""Crops of a frame are dreamed side by side in one image, and come back to their places."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from temporal_scenes import GAINS

from dreamflow.temporal.motion.crops import Crop
from dreamflow.temporal.motion.montage import make_montage

HEIGHT, WIDTH = 90, 160


@st.composite
def spans(draw: st.DrawFn, length: int) -> slice:
    """Draw a span of pixels on an axis."""
    start = draw(st.integers(0, length - 1))
    return slice(start, draw(st.integers(start + 1, length)))


@st.composite
def crops_of_a_frame(draw: st.DrawFn) -> list[Crop]:
    """Draw crops, which may overlap."""
    return draw(
        st.lists(st.tuples(spans(HEIGHT), spans(WIDTH)), min_size=1, max_size=4)  # type: ignore[arg-type]
    )


@settings(max_examples=40)
@given(crops_of_a_frame())
def test_what_is_gathered_returns_to_its_place(crops: list[Crop]) -> None:
    image = torch.arange(HEIGHT * WIDTH * 3.0).view(1, 3, HEIGHT, WIDTH)
    montage = make_montage(crops, HEIGHT, WIDTH, GAINS)
    gathered = montage.gather(image)
    assert gathered.shape[2] * gathered.shape[3] == montage.area_px
    assert montage.area_px <= HEIGHT * WIDTH
    torch.testing.assert_close(montage.scatter(gathered, image), image, rtol=0, atol=0)


@settings(max_examples=40)
@given(crops_of_a_frame())
def test_the_crops_change_and_nothing_around_them(crops: list[Crop]) -> None:
    image = torch.zeros(1, 1, HEIGHT, WIDTH)
    montage = make_montage(crops, HEIGHT, WIDTH, GAINS)
    changed = montage.scatter(torch.ones_like(montage.gather(image)), image)
    inside = torch.zeros_like(image)
    for rows, columns in crops:
        inside[:, :, rows, columns] = 1
    if montage.area_px < HEIGHT * WIDTH:
        assert torch.equal(changed, inside)
    assert bool((changed >= inside).all())
    assert not image.any()


def test_crops_that_differ_a_little_have_montages_of_one_size() -> None:
    def size_of(*sides: tuple[int, int]) -> torch.Size:
        crops = [(slice(5, 5 + h), slice(20 * k, 20 * k + w)) for k, (h, w) in enumerate(sides)]
        montage = make_montage(crops, HEIGHT, WIDTH, GAINS)
        return montage.gather(torch.zeros(1, 1, HEIGHT, WIDTH)).shape

    assert size_of((30, 20), (25, 15)) == size_of((32, 21), (28, 18))
