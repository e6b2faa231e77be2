"""Decode the first frames of each video, or the picture, whose path comes as a line of stdin.

Answers each with a line of JSON: the number of frames, an error's message, or {"traceback": ...}.
"""

from __future__ import annotations

import json
import sys
import traceback
import warnings
from pathlib import Path

from dreamflow import open_clip, read_picture
from dreamflow.core.errors import DreamFlowError
from dreamflow.media.stills.read import is_still

MAX_FRAMES = "12"


def count_frames(path: Path) -> int:
    if is_still(path):
        return len(read_picture(path)[None])
    return sum(1 for _ in open_clip(path, size="64", end=MAX_FRAMES))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        outcome: object
        try:
            outcome = count_frames(Path(line.rstrip("\n")))
        except DreamFlowError as error:
            outcome = str(error)
        except BaseException:
            outcome = {"traceback": traceback.format_exc()}
        print(json.dumps(outcome), flush=True)
