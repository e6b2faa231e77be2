"""A film with cuts and sound, for the tests of what is done shot by shot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from conftest import make_texture, run_ffmpeg

SHOTS, SHOT_FRAMES = 4, 6


def make_cut_film(folder: Path) -> Path:
    """Make a film of four shots of six frames of 64x48, each a slow pan, with a tone."""
    frames = [
        make_texture(64, 96, seed)[8:56, 8 + step : 72 + step]
        for seed in range(SHOTS)
        for step in range(SHOT_FRAMES)
    ]
    (folder / "raw").write_bytes(np.stack(frames).tobytes())
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x48", "-r", "24", "-i", folder / "raw"]
    sound = ["-f", "lavfi", "-t", "1", "-i", "sine=frequency=440"]
    run_ffmpeg(*raw, *sound, "-pix_fmt", "yuv420p", "-crf", "10", folder / "film.mp4")
    return folder / "film.mp4"
