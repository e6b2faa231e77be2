"""How a dream is carried from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dreamflow.core.errors import SettingsError, named
from dreamflow.core.options.declaration import FloatOrSchedule, IntOrSchedule, Options, option


@dataclass(frozen=True)
class CarryOptions(Options):
    """How a dream is carried from frame to frame along optical flow."""

    PANEL: ClassVar[str] = "Motion"
    carry: bool = option(
        True, "Move the dream along with the scene, or dream each frame by itself."
    )
    stability: FloatOrSchedule = option(
        0.5,
        "From 0, the dream changes freely, to 1, it sticks to the scene.",
        low=0,
        high=1,
        scheduled=True,
        needs=("carry", True),
    )
    decay: FloatOrSchedule = option(
        0.92,
        "Share of the dream that each frame keeps of the one before; more --stability keeps more.",
        low=0,
        high=1,
        scheduled=True,
        needs=("carry", True),
    )
    carry_iterations: IntOrSchedule = option(
        3,
        "Steps that dream each later frame on, at full size; half as many per coarser octave.",
        low=0,
        high=1000,
        scheduled=True,
        needs=("carry", True),
    )
    carry_step: FloatOrSchedule = option(
        0.9,
        "Change by each of these steps, in levels of 255; more --stability makes it smaller.",
        above=0,
        high=64,
        scheduled=True,
        needs=("carry", True),
    )
    uncover_iterations: IntOrSchedule = option(
        2,
        "Large steps on areas that have just come into view, and on what moves by itself.",
        low=0,
        high=1000,
        scheduled=True,
        needs=("carry", True),
    )
    firmness: FloatOrSchedule = option(
        0.25,
        "How firmly intensity, sharpness and brightness are held as in a shot's first frame.",
        low=0,
        high=1,
        scheduled=True,
        needs=("carry", True),
    )
    flow: str = option(
        "dis",
        "Optical flow: dis, farneback, or a network, raft or raft-small (for a GPU).",
        choices=("dis", "farneback", "raft", "raft-small"),
        needs=("carry", True),
    )
    flow_dir: str | None = option(
        None,
        "Folder with flow of your own: backward_12_11.flo and forward_11_12.flo.",
        metavar="FOLDER",
        is_path=True,
        needs=("carry", True),
    )
    passes: int = option(
        1,
        "2 first dreams the beginning of each shot backwards, so that it starts fully grown.",
        low=1,
        high=2,
        needs=("carry", True),
    )
    loop: bool = option(
        False, "Let the film repeat without a jump, if the clip does; takes twice as long."
    )
    cuts: str = option(
        "auto",
        "Where a new shot begins: auto, none, or a file that `dreamflow shots` wrote.",
        metavar="auto|none|FILE",
        is_path=True,
        needs=("carry", True),
    )

    def _check_combination(self) -> None:
        if self.loop and self.passes > 1:
            raise SettingsError(
                f"{named('loop')} dreams the clip twice round already: leave out {named('passes')}",
                setting="passes",
                value=self.passes,
            )
