"""Where the studio keeps its queue, its favourites and its strips."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def default_queue_folder() -> Path:
    """Return the folder of the studio's queue: in `$DREAMFLOW_HOME`, else beside other states."""
    home = os.environ.get("DREAMFLOW_HOME")
    return (Path(home) if home else Path(platformdirs.user_state_dir("dreamflow"))) / "studio"
