"""Make dance.mp4: ten seconds of the valley, to and fro, that dream to the groove.

The picture and the music are made by scripts too (make_samples.py, groove.py). A .webp has every
other frame, and no sound.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import dreamflow

SAMPLES_DIR = Path(__file__).parent
FULL_SECONDS = 10.0
LAYERS = "beat 4: inception_3b/output, inception_4b/pool"
"""Another layer in each bar."""
STRENGTH = "0.15 + 0.85 * env(audio.bass_onset, 0, 0.7)"
"""Up with each note of the bass drum and the bass, then down."""


def play_to_and_fro(clip: dreamflow.Clip, count: int) -> Iterator[dreamflow.Frame]:
    """Yield so many frames of a clip, forwards and backwards in turn."""
    frames = list(clip)
    turn = 2 * len(frames) - 2
    for number in range(count):
        place = number % turn
        frame = frames[min(place, turn - place)]
        yield replace(frame, index=number, time=Fraction(number) / clip.info.rate)


def make_dance(out: Path, seconds: float = FULL_SECONDS, size: str = "480") -> None:
    """Dream the film.

    Args:
        out: .mp4, or .webp for a moving picture.
        seconds: How much of it.
        size: Length of its longer side, in pixels.
    """
    kind: dict[str, Any] = {"every": 2, "crf": 45} if out.suffix == ".webp" else {}
    valley = dreamflow.open_clip(SAMPLES_DIR / "valley.mp4", size=size)
    with tempfile.TemporaryDirectory() as folder:
        longer = Path(folder) / "longer.mkv"
        frames = play_to_and_fro(valley, round(seconds * valley.info.rate))
        dreamflow.write_video(longer, frames, valley, lossless=True)
        dreamflow.render(
            longer,
            out,
            audio=str(SAMPLES_DIR / "groove.flac"),
            audio_out="audio",
            layer=(LAYERS,),
            strength=STRENGTH,
            overwrite=True,
            **kind,
        )


def main() -> None:
    """Make the film that is asked for."""
    parser = argparse.ArgumentParser(description="Make ten seconds that dream to the groove.")
    parser.add_argument("out", type=Path, nargs="?", default=Path("dance.mp4"), metavar="OUTPUT")
    parser.add_argument("--seconds", type=float, default=FULL_SECONDS)
    parser.add_argument("--size", default="480", metavar="PIXELS")
    given = parser.parse_args()
    make_dance(given.out, given.seconds, given.size)


if __name__ == "__main__":
    main()
