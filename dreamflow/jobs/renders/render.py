"""`dreamflow.render`: a clip dreamed into a file from Python, resumable as on the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from dreamflow.core.callbacks import MessageCallback, ProgressCallback
from dreamflow.core.errors import UserInterrupt
from dreamflow.core.machine.machine import Machine
from dreamflow.core.machine.options import MachineOptions
from dreamflow.dream.options import DreamOptions
from dreamflow.jobs.controls import RenderControls, RenderResult
from dreamflow.jobs.renders.render_video import render_video
from dreamflow.jobs.resume.begun_job import restore_machine_options
from dreamflow.media.depth.write import DeepOutput
from dreamflow.media.options import ClipOptions, EncodeOptions
from dreamflow.media.read.clip import Clip
from dreamflow.media.sound.options import SoundOptions
from dreamflow.networks.loading import load_network
from dreamflow.networks.network import Network
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.keywords import KeywordSettings
from dreamflow.pipelines.settings.looks import add_layer_weights
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.temporal.options import CarryOptions

CancelCallback = Callable[[], bool]
"""Asked again and again whether a render is to stop."""


def render(
    clip: Clip | str | Path,
    out: str | Path,
    network: Network | str | None = None,
    *,
    preset: str | None = None,
    progress: ProgressCallback = lambda done, total: None,
    cancel: CancelCallback = lambda: False,
    notify: MessageCallback = lambda line: None,
    overwrite: bool = False,
    fresh: bool = False,
    repair: bool = False,
    plate: str | Path | None = None,
    watch: str | Path | None = None,
    gains: str | Path | None = None,
    trace: str | Path | None = None,
    machine: MachineOptions | None = None,
    **settings: Any,
) -> RenderResult:
    """Dream a clip into a file, as `dreamflow video` does: nothing is lost when it is interrupted.

    The frames lie in a folder beside the output until all are done. After an error, a cancelled or
    a killed render, the same call goes on with them.

    Args:
        clip: The clip, or its path: then `size`, `start`, `end` and the like are settings here.
        out: .mp4, .m4v, .mov, .mkv, .webm, .gif or .webp; without a suffix, a folder of PNGs.
        network: Dreams; a name loads one, None the default.
        preset: Name of a preset, or path of a .toml file.
        progress: Called with the frames done and the frames to do.
        cancel: Asked at each step of gradient ascent and after each frame; True stops the render.
        notify: Called with each line for the user.
        overwrite: Whether an output that exists may be replaced.
        fresh: Whether an interrupted render of the same output is started over.
        repair: Whether damaged pieces of an interrupted render are dreamed again.
        plate: A second output, of what the dream changed.
        watch: A picture file that is kept up to date with the latest frame.
        gains: A TOML file with constants of the temporal step.
        trace: A JSONL file for the trace of each frame.
        machine: Device, threads, memory, precision and weights of the network that is loaded; what
            is at its default is as an interrupted render began, or else chosen for this machine.
        **settings: Single settings by name, such as `octaves=5` or `codec="prores"`; they override
            the preset.

    Returns:
        The number of frames of the output, and of those that were dreamed now.

    Raises:
        UserInterrupt: `cancel` said so.
        SettingsError: A setting is unknown or out of range, or an interrupted render of this output
            had other settings.
        MediaError: The clip cannot be read, or has changed since the render began.
        OutputError: The output exists or cannot be written.
    """
    out = Path(out)
    groups = [DreamOptions, CarryOptions, ShowOptions, SoundOptions, EncodeOptions]
    taken = groups if isinstance(clip, Clip) else [*groups, ClipOptions]
    given = KeywordSettings.read("render", preset, settings, *taken)
    encode = given.over(EncodeOptions())
    if not isinstance(clip, Clip):
        clip = Clip(clip, given.over(ClipOptions()), DeepOutput.of(out, encode))
    dream = add_layer_weights(given.over(DreamOptions()))
    if not isinstance(network, Network):
        options = machine or MachineOptions()
        options = options if fresh else restore_machine_options(out, options)
        machine_used = Machine.from_options(options)
        network = load_network(network or dream.network, options.weights, machine=machine_used)
    of_video = VideoSettings(
        replace(dream, network=network.name),
        given.over(CarryOptions()),
        clip.options,
        encode,
        given.over(ShowOptions()),
        given.over(SoundOptions()),
    )

    def stop_if_cancelled() -> None:
        if cancel():
            raise UserInterrupt("stopped")

    def follow(done: int, total: int) -> None:
        progress(done, total)
        if done < total:
            stop_if_cancelled()

    controls = RenderControls(
        follow,
        notify,
        watch_path=None if watch is None else Path(watch),
        overwrite=overwrite,
        fresh=fresh,
        repair=repair,
        plate_path=None if plate is None else Path(plate),
        on_step=stop_if_cancelled,
        gains_path=None if gains is None else Path(gains),
        trace_path=None if trace is None else Path(trace),
    )
    return render_video(clip, out, network, of_video, controls)
