"""Settings of the dream: layers, octaves, steps, and how gradients are shaped."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import ClassVar

from dreamflow.core.errors import SettingsError, named
from dreamflow.core.options.declaration import FloatOrSchedule, IntOrSchedule, Options, option
from dreamflow.core.options.values import parse_octave_iterations
from dreamflow.core.schedules.schedule import LayerSchedule, Schedule, parse_layers
from dreamflow.core.targets import PICK_SYNTAX, ChannelPick
from dreamflow.core.text.wording import format_count
from dreamflow.networks.weights.registry import DEFAULT_NETWORK

SHAPING_PANEL = "Shaping"


@dataclass(frozen=True)
class DreamOptions(Options):
    """What is dreamed on, and how strongly.

    Settings of type `FloatOrSchedule` and `IntOrSchedule`, and `layer`, may change over time.
    """

    PANEL: ClassVar[str] = "Dream"
    network: str = option(
        DEFAULT_NETWORK, "Network to dream with; `dreamflow models list` lists them."
    )
    layer: tuple[str, ...] = option(
        ("inception_4c/output",),
        "Layer, channels (LAYER:61, LAYER:3:7:10-20) or class (class:tabby) to dream on; repeat as "
        "NAME=WEIGHT for a blend.",
        scheduled=True,
        metavar="NAME[=WEIGHT]",
    )
    channels: str | None = option(
        None,
        "Dream on only some channels of each layer, chosen by their response to the first "
        "picture: strongest 5, weakest 5 or random 5.",
        metavar="'PICK N'",
    )
    guided_by: str | None = option(
        None,
        "Picture or clip whose features are dreamed into yours; a clip frame by frame.",
        metavar="FILE",
        is_path=True,
    )
    guidance: FloatOrSchedule = option(
        1.0,
        "Weight of --guided-by: from 0, no effect, to 1.",
        low=0,
        high=1,
        scheduled=True,
        needs=("guided_by", None),
    )
    octaves: IntOrSchedule = option(
        4,
        "Number of sizes that a picture is dreamed at, from coarse to fine.",
        low=1,
        high=16,
        scheduled=True,
    )
    octave_scale: FloatOrSchedule = option(
        1.4, "Ratio of each size to the next smaller one.", above=1, high=4, scheduled=True
    )
    iterations: IntOrSchedule = option(
        10,
        "Steps at each size (octave); 0 returns the source unchanged.",
        low=0,
        high=1000,
        scheduled=True,
    )
    step: FloatOrSchedule = option(
        1.5,
        "Mean change of a pixel per step, in levels of 255.",
        above=0,
        high=64,
        scheduled=True,
    )
    look_size: int | None = option(
        None,
        "Longer side, in pixels, whose look every size gets: forms keep their share of the frame, "
        "and larger frames are only refined.",
        low=64,
        high=4096,
        metavar="PIXELS",
    )
    jitter: IntOrSchedule = option(
        32, "Largest random shift before each step, in pixels.", low=0, high=512, scheduled=True
    )
    seed: int = option(0, "The same seed gives the same dream.", low=0, high=2**32 - 1)
    # Shaping: from here to the end of the class.
    noise: float = option(
        0.0,
        "Share of noise in the picture that is dreamed on: 0 is the source, 1 only noise.",
        low=0,
        high=1,
        panel=SHAPING_PANEL,
    )
    octave_iterations: str | None = option(
        None,
        "Steps in each octave, coarse to fine, instead of --iterations: 20,10,5,2.",
        metavar="N,N,...",
        is_list=True,
        panel=SHAPING_PANEL,
    )
    octave_tilt: FloatOrSchedule = option(
        0.0,
        "From -1, mostly fine detail, to 1, mostly large forms.",
        low=-1,
        high=1,
        scheduled=True,
        panel=SHAPING_PANEL,
    )
    gradient: str = option(
        "auto",
        "plain; smooth: blurred, for soft forms; laplacian: fine and coarse detail alike; auto: "
        "smooth by 1 pixel on deep layers, plain on shallow ones.",
        choices=("auto", "plain", "smooth", "laplacian"),
        panel=SHAPING_PANEL,
    )
    smoothing: FloatOrSchedule = option(
        1.0,
        "Blur of --gradient smooth, in pixels.",
        above=0,
        high=16,
        scheduled=True,
        panel=SHAPING_PANEL,
        needs=("gradient", "smooth"),
    )
    laplacian_levels: int = option(
        4,
        "Number of sizes of detail that --gradient laplacian evens out.",
        low=1,
        high=8,
        panel=SHAPING_PANEL,
        needs=("gradient", "laplacian"),
    )
    total_variation: FloatOrSchedule = option(
        0.0,
        "How strongly grain is removed from the dream; the source stays sharp.",
        low=0,
        high=4,
        scheduled=True,
        panel=SHAPING_PANEL,
    )
    colour: str = option(
        "free",
        "free; luminance: only light and dark is dreamed; source: recoloured like the source.",
        choices=("free", "luminance", "source"),
        panel=SHAPING_PANEL,
    )
    iteration_zoom: FloatOrSchedule = option(
        0.0,
        "Percent that the dream grows outwards in each step; the source stays.",
        low=-10,
        high=10,
        scheduled=True,
        panel=SHAPING_PANEL,
    )
    jitter_rotation: FloatOrSchedule = option(
        0.0,
        "Largest random rotation before each step, in degrees.",
        low=0,
        high=180,
        scheduled=True,
        panel=SHAPING_PANEL,
    )
    jitter_scale: FloatOrSchedule = option(
        0.0,
        "Largest random change of size before each step, in percent.",
        low=0,
        high=100,
        scheduled=True,
        panel=SHAPING_PANEL,
    )

    def _check_fields(self) -> None:
        super()._check_fields()
        if self.channels is not None and ChannelPick.parse(self.channels) is None:
            raise SettingsError(
                f"{named('channels')} {self.channels!r}: write {PICK_SYNTAX}; single channels are "
                f"named with their layer, {named('layer')} LAYER:61",
                setting="channels",
                value=self.channels,
                allowed=PICK_SYNTAX,
            )
        if self.octave_iterations is not None:
            parse_octave_iterations(self.octave_iterations)

    def _check_combination(self) -> None:
        if self.octave_iterations is None:
            return
        if isinstance(self.octaves, Schedule):
            raise SettingsError(
                f"{named('octave_iterations')} needs a fixed number of {named('octaves')}",
                setting="octave_iterations",
                value=self.octave_iterations,
            )
        count = len(self.iterations_by_octave)
        if count != self.octaves:
            raise SettingsError(
                f"{named('octave_iterations')} {self.octave_iterations} is for "
                f"{format_count(count, 'octave')}, there are {self.octaves}: "
                f"give {named('octaves')} {count}",
                setting="octave_iterations",
                value=self.octave_iterations,
            )

    def ineffective_settings(self, given: Container[str]) -> list[str]:
        """Return a sentence for each of the given settings that has no effect."""
        notes = super().ineffective_settings(given)
        # With 0 iterations nothing is dreamed, whatever the octaves say.
        if "iterations" in given and self.iterations != 0 and self.octave_iterations is not None:
            notes.append(f"{named('iterations')} does nothing beside {named('octave_iterations')}")
        return notes

    @property
    def layers(self) -> LayerSchedule:
        """The `layer` setting, parsed.

        Raises:
            SettingsError: A text names no layer, channel or class, or a weight is wrong.
        """
        return parse_layers(self.layer)

    @property
    def channel_pick(self) -> ChannelPick | None:
        """The `channels` setting, parsed."""
        return None if self.channels is None else ChannelPick.parse(self.channels)

    @property
    def iterations_by_octave(self) -> list[int]:
        """The iterations of each octave, coarse to fine."""
        if self.octave_iterations is None:
            return [self.iterations] * self.octaves
        return parse_octave_iterations(self.octave_iterations)
