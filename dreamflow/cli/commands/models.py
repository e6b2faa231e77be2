"""`dreamflow models`: the weights of networks."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Annotated

import typer

from dreamflow.cli.help import CommandGroup
from dreamflow.cli.output.tables import print_table
from dreamflow.cli.output.terminal import format_error, print_error, print_line
from dreamflow.cli.progress.bars import download_bar
from dreamflow.cli.progress.options import ProgressOptions
from dreamflow.cli.registry import Command, Section
from dreamflow.cli.settings.binding import with_options
from dreamflow.cli.settings.prepare import stop_on_ctrl_c
from dreamflow.cli.settings.shared_options import HiddenDebugOption, JsonOption
from dreamflow.core.errors import SettingsError, UnverifiedWeightsWarning, WeightsError, named

models_app = CommandGroup(
    help="The weights of networks: list, download, import, check, remove.", no_args_is_help=True
)
MODELS_GROUP = Command("models", models_app, Section.SET_UP, 7)

NetworksArgument = Annotated[
    list[str], typer.Argument(help="Networks, by name.", metavar="NETWORK...")
]


@models_app.command("list")
def list_models(
    every: Annotated[
        bool, typer.Option("--all", help="All of torchvision's classifiers, too.")
    ] = False,
    as_json: JsonOption = False,
    debug: HiddenDebugOption = False,
) -> None:
    """List the networks, and where their weights are or how to get them."""
    from dreamflow.networks.weights.cache import list_weights

    networks = list_weights(every)
    if as_json:
        facts = [
            {
                "network": status.network,
                "path": str(status.path) if status.path else None,
                "url": status.source.url if status.source else None,
            }
            for status in networks
        ]
        typer.echo(json.dumps(facts, indent=2))
        return
    rows = [
        [status.network, format_file_size_mb(status.path), status.location_text]
        for status in networks
    ]
    print_table("networks", [("network", "left"), ("MB", "right"), ("weights", "left")], rows)


def format_file_size_mb(path: Path | None) -> str:
    """Return a file's size in megabytes, or a dash where there is no file."""
    return f"{path.stat().st_size / 1e6:.1f}" if path else "-"


@models_app.command("pull", epilog="Example: dreamflow models pull torchvision:vgg16")
@with_options
def pull_models(
    networks: NetworksArgument,
    *,
    mirror: Annotated[
        str | None,
        typer.Option(
            help="Another address of the same file, or of a folder with it (ends with /).",
            metavar="URL",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Download weights that are there already.")
    ] = False,
    offline: Annotated[
        bool,
        typer.Option("--offline", help="Download nothing (as DREAMFLOW_OFFLINE=1 does)."),
    ] = False,
    reporting: ProgressOptions,
    debug: HiddenDebugOption = False,
) -> None:
    """Download weights from where they are published, and check them.

    A download that was interrupted is resumed when the same command is given again. Proxies are
    those of the environment (https_proxy, no_proxy).
    """
    if mirror and len(networks) > 1 and not mirror.endswith("/"):
        raise SettingsError(
            f"{named('mirror')} {mirror} is one file, but several networks are asked for: give a "
            "folder, which ends with /",
            setting="mirror",
            value=mirror,
        )
    for network in networks:
        pull_network(network, mirror, overwrite, offline, reporting.kind)


def pull_network(
    network: str, mirror: str | None, overwrite: bool, offline: bool, progress_kind: str
) -> None:
    """Download the weights of one network, and print where they are."""
    from dreamflow.networks.catalogue import find_network_spec
    from dreamflow.networks.weights.manage import (
        find_weights_or_none,
        pull_weights,
        read_source_sha256,
    )

    path = find_weights_or_none(network)
    if path is not None and not overwrite:
        print_line(f"{network}: {path} is there already")
        return
    if offline:
        raise WeightsError(
            f"{network} must be downloaded, but {named('offline')} is given", setting="offline"
        )
    with stop_on_ctrl_c(), download_bar(network, kind=progress_kind) as progress:
        path = pull_weights(network, mirror, progress, overwrite)
    source = find_network_spec(network).weights.source
    if source and not source.digest:
        warnings.warn(
            f"{network}: no checksum is published; the file fits the network, and later downloads "
            f"must be the same (its SHA256 is {read_source_sha256(path)})",
            UnverifiedWeightsWarning,
            2,
        )
    checked = "its checksum is right" if source and source.digest else "it fits"
    print_line(f"{network}: {path} ({format_file_size_mb(path)} MB; {checked})")


@models_app.command("import", epilog="Example: dreamflow models import bvlc_googlenet.caffemodel")
def import_model(
    file: Annotated[Path, typer.Argument(help="A .caffemodel, .pth, .pt or .safetensors.")],
    network: Annotated[
        str | None,
        typer.Option(
            help="Network that the weights are of, where the file does not say.",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace weights that are there already.")
    ] = False,
    debug: HiddenDebugOption = False,
) -> None:
    """Import weights of Caffe or PyTorch: from then on the network finds them by its name.

    They are kept as safetensors. Nothing in the file is ever run: a pickle with code in it is
    refused.
    """
    from dreamflow.networks.weights.manage import import_weights

    with stop_on_ctrl_c():
        path = import_weights(file, network, overwrite)
    print_line(f"{path} ({format_file_size_mb(path)} MB)")


@models_app.command("verify")
def verify_models(
    networks: Annotated[
        list[str] | None,
        typer.Argument(help="Networks; without any, all whose weights are there."),
    ] = None,
    debug: HiddenDebugOption = False,
) -> None:
    """Check that weights can be read, fit their network, and have the right checksum."""
    from dreamflow.networks.weights.cache import list_weights
    from dreamflow.networks.weights.manage import verify_weights

    names = networks or [status.network for status in list_weights() if status.path is not None]
    failures = 0
    for network in names:
        try:
            print_line(f"{network}: {verify_weights(network)}")
        except WeightsError as error:
            print_error(format_error(error))
            failures += 1
    if failures:
        raise typer.Exit(1)


@models_app.command("path")
def print_model_path(
    network: Annotated[
        str | None,
        typer.Argument(help="A network; without one, the folder that new weights go into."),
    ] = None,
    debug: HiddenDebugOption = False,
) -> None:
    """Print where a network's weights are."""
    from dreamflow.networks.loading import find_weights
    from dreamflow.networks.weights.cache import list_user_weights_folders

    print_line(str(list_user_weights_folders()[0] if network is None else find_weights(network)))


@models_app.command("remove")
def remove_models(networks: NetworksArgument, debug: HiddenDebugOption = False) -> None:
    """Remove weights from DreamFlow's folders, and from nowhere else."""
    from dreamflow.networks.weights.manage import remove_weights

    for network in networks:
        for path in remove_weights(network):
            print_line(f"removed {path}")
