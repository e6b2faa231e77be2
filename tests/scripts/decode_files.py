"""Decode the first frames of each video whose path comes as a line of stdin.

Answers each with a line of JSON: the number of frames, an error's message, or {"traceback": ...}.
"""

from __future__ import annotations

import json
import sys
import traceback
import warnings

from dreamflow import open_clip
from dreamflow.core.errors import DreamFlowError

MAX_FRAMES = "12"

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        outcome: object
        try:
            outcome = sum(1 for _ in open_clip(line.rstrip("\n"), size="64", end=MAX_FRAMES))
        except DreamFlowError as error:
            outcome = str(error)
        except BaseException:
            outcome = {"traceback": traceback.format_exc()}
        print(json.dumps(outcome), flush=True)
