"""Conversion of linear RGB between primaries and white points."""

from __future__ import annotations

import numpy as np

Chromaticity = tuple[float, float]
"""CIE 1931 (x, y)."""
D65_WHITE_XY: Chromaticity = (0.3127, 0.3290)
"""CIE 1931 chromaticity of D65, the white of sRGB, BT.709, BT.2020 and Display P3."""
BT709_PRIMARIES_XY = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
"""CIE 1931 chromaticities of red, green and blue of BT.709 and sRGB."""
PRIMARIES_TOLERANCE = 1e-3
"""Difference of chromaticities up to which primaries count as BT.709's."""
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
"""CIE XYZ to cone responses, for chromatic adaptation (ICC.1:2022, annex E)."""


def primaries_to_xyz_matrix(
    primaries: tuple[Chromaticity, ...], white: Chromaticity = D65_WHITE_XY
) -> np.ndarray:
    """Return the float64 (3, 3) matrix from linear RGB to CIE XYZ (SMPTE RP 177).

    Args:
        primaries: Chromaticities of red, green and blue.
        white: Chromaticity of white.

    Raises:
        ValueError: These are no primaries that span colours.
    """
    columns = np.array([_to_xyz(xy) for xy in primaries]).T
    try:
        return columns * np.linalg.solve(columns, _to_xyz(white))
    except np.linalg.LinAlgError as error:
        raise ValueError("the primaries lie on one line") from error


def primaries_to_bt709_matrix(
    primaries: tuple[Chromaticity, ...], white: Chromaticity = D65_WHITE_XY
) -> np.ndarray:
    """Return the float32 (3, 3) matrix from linear RGB of primaries to that of BT.709.

    White stays white: another white point is adapted to D65 (Bradford).

    Raises:
        ValueError: These are no primaries that span colours.
    """
    cones = [BRADFORD @ _to_xyz(xy) for xy in (white, D65_WHITE_XY)]
    adaptation = np.linalg.inv(BRADFORD) @ np.diag(cones[1] / cones[0]) @ BRADFORD
    to_bt709 = np.linalg.inv(primaries_to_xyz_matrix(BT709_PRIMARIES_XY))
    return (to_bt709 @ adaptation @ primaries_to_xyz_matrix(primaries, white)).astype(np.float32)


def find_matrix_to_bt709(
    primaries: tuple[Chromaticity, ...], white: Chromaticity
) -> np.ndarray | None:
    """Return the matrix from a file's primaries to those of BT.709.

    None where they are the same, or where the file's numbers span no colours and so mean nothing.
    """
    if np.allclose(primaries, BT709_PRIMARIES_XY, atol=PRIMARIES_TOLERANCE):
        return None
    try:
        return primaries_to_bt709_matrix(primaries, white)
    except ValueError:
        return None


def _to_xyz(xy: Chromaticity) -> np.ndarray:
    """Return CIE XYZ of a chromaticity, Y being 1."""
    x, y = xy
    if not y:
        raise ValueError("a chromaticity with y = 0")
    return np.array([x / y, 1.0, (1 - x - y) / y])
