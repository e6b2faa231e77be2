"""Contact sheets."""

import numpy as np
import pytest

from dreamflow.reports.contact_sheet import BACKGROUND_RGB, draw_contact_sheet


@pytest.mark.parametrize(
    ("count", "size", "rows", "columns"),
    [
        (4, (320, 246), 2, 2),  # not three and one
        (4, (180, 320), 2, 2),
        (3, (320, 246), 1, 3),
        (9, (224, 224), 3, 3),
        (13, (320, 246), 3, 5),
        (1, (64, 64), 1, 1),
    ],
)
def test_rows_are_as_even_as_possible(
    count: int, size: tuple[int, int], rows: int, columns: int
) -> None:
    pictures = [np.full((*size, 3), 255, np.uint8)] * count
    sheet = draw_contact_sheet(pictures, [""] * count)
    drawn = (sheet != BACKGROUND_RGB).any(axis=2)
    starts = [
        int((np.diff(drawn.any(axis=axis).astype(int), prepend=0) > 0).sum()) for axis in (1, 0)
    ]
    assert starts == [rows, columns]
    assert drawn.sum() == count * size[0] * size[1]
