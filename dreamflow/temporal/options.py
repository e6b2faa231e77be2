"""How a dream is carried from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dreamflow.core.errors import SettingsError
from dreamflow.core.options.declaration import FloatOrSchedule, IntOrSchedule, Options, option


@dataclass(frozen=True)
class CarryOptions(Options):
    """How a dream is carried from frame to frame along optical flow."""

    PANEL: ClassVar[str] = "Motion"
    carry: bool = option(True, "Carry the dream along the motion, or dream each frame anew.")
    stability: FloatOrSchedule = option(
        0.5,
        "From 0, boiling freely, to 1, locked to the scene.",
        low=0,
        high=1,
        scheduled=True,
        needs=("carry", True),
    )
    decay: FloatOrSchedule = option(
        0.92,
        "Share of the dream kept from frame to frame, at stability 0.5.",
        low=0,
        high=1,
        scheduled=True,
        needs=("carry", True),
    )
    carry_iterations: IntOrSchedule = option(
        3,
        "Steps on a carried frame at full size; half as many per coarser octave.",
        low=0,
        high=1000,
        scheduled=True,
        needs=("carry", True),
    )
    carry_step: FloatOrSchedule = option(
        0.9,
        "Mean change per step on a carried frame, in levels of 255, at stability 0.5.",
        above=0,
        high=64,
        scheduled=True,
        needs=("carry", True),
    )
    uncover_iterations: IntOrSchedule = option(
        2,
        "Large steps where the scene has lately come into view.",
        low=0,
        high=1000,
        scheduled=True,
        needs=("carry", True),
    )
    firmness: FloatOrSchedule = option(
        0.25,
        "How firmly a dream is kept as strong, sharp and bright as in the first frame of its shot.",
        low=0,
        high=1,
        scheduled=True,
        needs=("carry", True),
    )
    flow: str = option(
        "dis",
        "How motion is found: dis, farneback, or a network, raft or raft-small (for a GPU).",
        choices=("dis", "farneback", "raft", "raft-small"),
        needs=("carry", True),
    )
    flow_dir: str | None = option(
        None,
        "Motion from elsewhere: a folder of backward_12_11.flo and forward_11_12.flo.",
        metavar="FOLDER",
        needs=("carry", True),
    )
    passes: int = option(
        1,
        "2 dreams the beginning of each shot backwards first, so that it starts settled.",
        low=1,
        high=2,
        needs=("carry", True),
    )
    loop: bool = option(
        False, "Lead the end into the beginning, for clips that loop; takes twice as long."
    )
    cuts: str = option(
        "auto",
        "Where a new shot begins: auto, none, or a file that `dreamflow shots` wrote.",
        metavar="auto|none|FILE",
        needs=("carry", True),
    )

    def _check_combination(self) -> None:
        if self.loop and self.passes > 1:
            raise SettingsError("--loop dreams the clip twice round already: leave out --passes")
