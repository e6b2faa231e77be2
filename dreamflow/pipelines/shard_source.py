"""What shards are parts of: a clip, or a sweep over a picture or a clip."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from dreamflow.media.read.clip import Clip
from dreamflow.media.read.cut_list import read_cut_list
from dreamflow.media.read.mattes.matte import Matte
from dreamflow.networks.network import Network
from dreamflow.pipelines.dreamer_controls import DreamerControls
from dreamflow.pipelines.hearing import hear_once
from dreamflow.pipelines.pipeline import FramesFrom, Pipeline
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.options import SweepOptions
from dreamflow.pipelines.still_clip import StillClip
from dreamflow.pipelines.sweep.pipeline import build_sweep_pipeline
from dreamflow.pipelines.video.pipeline import build_shard_pipeline, make_detector
from dreamflow.pipelines.video.shards import Shard
from dreamflow.temporal.shots import Marker


@dataclass(frozen=True)
class ShardSource:
    """What shards are parts of, and all that their frames depend on but the network.

    Attributes:
        clip: The clip, opened with `settings.clip`; or a picture that is shown as one.
        settings: All settings; channels are picked already.
        matte: Where the dream is shown, if not everywhere.
        sweep: The settings of a sweep; None where a clip is dreamed as `video` does.
    """

    clip: Clip | StillClip
    settings: VideoSettings
    matte: Matte | None = None
    sweep: SweepOptions | None = None

    @property
    def path(self) -> Path:
        """The file, folder or pattern that the frames come from."""
        assert self.clip.path is not None, "only a picture that has a file is rendered in shards"
        return self.clip.path

    @property
    def rate(self) -> Fraction:
        """Frames per second."""
        return self.clip.rate

    def hear(self, kept_in: Path) -> ShardSource:
        """Return the same source, whose schedules hear what they need.

        Args:
            kept_in: A job's folder that may keep the sound's analysis.

        Raises:
            MediaError: A sound or a series cannot be read.
        """
        settings = self.settings
        groups = (settings.dream, settings.carry, settings.show)
        if isinstance(self.clip, StillClip):
            return replace(self, clip=hear_once(self.clip, settings.sound, groups, kept_in))
        return replace(self, clip=hear_once(self.clip, settings.sound, groups, kept_in))

    def new_marker(self) -> Marker:
        """Return what marks cuts and flashes; a picture has none."""
        carry = self.settings.carry
        if isinstance(self.clip, StillClip):
            return make_detector(carry, ())
        return make_detector(carry, read_cut_list(self.clip, carry.cuts))

    def build(
        self,
        network: Network,
        shard: Shard,
        controls: DreamerControls | None = None,
        frames_from: FramesFrom | None = None,
    ) -> Pipeline:
        """Return the pipeline of a shard: its frames are dreamed as within the whole.

        Args:
            network: Dreams, on its own device.
            shard: Which frames.
            controls: Constants of the temporal step, and callbacks.
            frames_from: Gives the frames from a number on; None decodes anew each time.

        Raises:
            SettingsError: A setting does not fit the source or the network.
        """
        if self.sweep is not None:
            return build_sweep_pipeline(
                self.clip,
                network,
                self.settings,
                caption=self.sweep.caption,
                matte=self.matte,
                controls=controls,
                shard=shard,
                frames_from=frames_from,
            )
        assert isinstance(self.clip, Clip)
        return build_shard_pipeline(
            self.clip, network, self.settings, shard, self.matte, controls, frames_from
        )
