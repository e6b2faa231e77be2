"""ICC profiles made for tests, and what their colours are in sRGB, by the formulas."""

from __future__ import annotations

import struct

import numpy as np

P3_TO_XYZ_D50 = np.array(
    [[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
)
"""Linear Display P3 to CIE XYZ adapted to D50, as in Apple's profile."""
SRGB_TO_XYZ_D50 = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
)
D50 = np.array([0.96420, 1.0, 0.82491])


def matrix_profile(matrix: np.ndarray = P3_TO_XYZ_D50, gamma: float = 2.2) -> bytes:
    """Return an RGB display profile of a matrix to XYZ (D50) and a gamma."""
    tags = {name: _xyz(matrix[:, n]) for n, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))}
    curves = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(gamma))
    return _profile(b"mntr", b"RGB ", b"XYZ ", {**tags, **curves, b"wtpt": _xyz(D50)})


def grey_profile(gamma: float) -> bytes:
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": _curve(gamma), b"wtpt": _xyz(D50)})


def cmyk_profile(lab_by_inks: np.ndarray) -> bytes:
    """Return a print profile of a table (2, 2, 2, 2, 3): CIE Lab of each ink off or full."""
    lab = np.stack(
        [lab_by_inks[..., 0] * 2.55, lab_by_inks[..., 1] + 128, lab_by_inks[..., 2] + 128], axis=-1
    )
    line = bytes(range(256))
    matrix = struct.pack(">9i", *(np.eye(3) * 65536).astype(int).ravel())
    table = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + matrix + line * 4
    table += np.rint(lab).astype(np.uint8).tobytes() + line * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": table, b"wtpt": _xyz(D50)})


def _profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    table, data = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        table += struct.pack(">4sII", name, start + len(data), len(content))
        data += content
    header = struct.pack(
        ">I4sI4s4s4s12s4s28sIII48s",
        *(start + len(data), b"none", 0x02400000, kind, space, connection, bytes(12), b"acsp"),
        *(bytes(28), *(round(value * 65536) for value in D50), bytes(48)),
    )
    return header + table + data


def _xyz(values: np.ndarray) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))


def _curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))


def srgb_codes(light: np.ndarray) -> np.ndarray:
    """Return linear light of sRGB as levels of 255, unrounded."""
    light = np.clip(light, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def through_matrix(
    picture: np.ndarray, matrix: np.ndarray = P3_TO_XYZ_D50, gamma: float = 2.2
) -> np.ndarray:
    """Return the levels in sRGB of 8-bit RGB of `matrix_profile`."""
    light = (picture / 255.0) ** gamma
    return srgb_codes(light @ (np.linalg.inv(SRGB_TO_XYZ_D50) @ matrix).T)


def lab_to_srgb(lab: np.ndarray) -> np.ndarray:
    """Return the levels in sRGB of CIE Lab (D50), (..., 3)."""
    y = (lab[..., 0] + 16) / 116
    steps = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    xyz = np.where(steps > 6 / 29, steps**3, 3 * (6 / 29) ** 2 * (steps - 4 / 29)) * D50
    return srgb_codes(xyz @ np.linalg.inv(SRGB_TO_XYZ_D50).T)
