"""`dreamflow models`: the weights of networks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from dreamflow.cli import terminal
from dreamflow.cli.commands.listing import print_table
from dreamflow.cli.help import CommandGroup
from dreamflow.cli.prepare import stop_on_ctrl_c
from dreamflow.core.errors import SettingsError, WeightsError

models_app = CommandGroup(help="The weights of networks.", no_args_is_help=True)

NetworksArgument = Annotated[
    list[str], typer.Argument(help="Networks, by name.", metavar="NETWORK...")
]
ModelsDebugOption = Annotated[bool, typer.Option("--debug", hidden=True)]


@models_app.command("list")
def list_models(
    every: Annotated[
        bool, typer.Option("--all", help="All of torchvision's classifiers, too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    debug: ModelsDebugOption = False,
) -> None:
    """List the networks, and where their weights are or how to get them."""
    from dreamflow.networks.weights.cache import list_weights

    found = list_weights(every)
    if as_json:
        rows = [
            {
                "network": kept.network,
                "path": str(kept.path) if kept.path else None,
                "url": kept.source.url if kept.source else None,
            }
            for kept in found
        ]
        typer.echo(json.dumps(rows, indent=2))
        return
    columns = [("network", "left"), ("MB", "right"), ("weights", "left")]
    table = [[kept.network, format_file_size_mb(kept.path), kept.location_text] for kept in found]
    print_table("networks", columns, table)


def format_file_size_mb(path: Path | None) -> str:
    """Return a file's size in megabytes, or a dash where there is none."""
    return f"{path.stat().st_size / 1e6:.1f}" if path else "-"


@models_app.command("pull", epilog="Example: dreamflow models pull torchvision:vgg16")
def pull_models(
    networks: NetworksArgument,
    mirror: Annotated[
        str | None,
        typer.Option(
            help="Another address of the same file, or of a folder with it (ends with /).",
            metavar="URL",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Fetch it anew.")] = False,
    offline: Annotated[
        bool,
        typer.Option("--offline", help="Fetch nothing (as DREAMFLOW_OFFLINE=1 does)."),
    ] = False,
    debug: ModelsDebugOption = False,
) -> None:
    """Fetch weights from where they are published, and check them.

    Cut off, the same command goes on where it ended. Proxies are those of the environment
    (https_proxy, no_proxy).
    """
    if mirror and len(networks) > 1 and not mirror.endswith("/"):
        raise SettingsError("--mirror names one file, but several networks are asked for")
    from dreamflow.networks.weights import manage as models

    for network in networks:
        there = models.find_weights_or_none(network)
        if there is not None and not overwrite:
            typer.echo(f"{network}: {there} is there already")
            continue
        if offline:
            raise WeightsError(f"{network} is to be fetched, but --offline is given")
        with stop_on_ctrl_c(), terminal.download_bar(network) as received:
            path = models.pull_weights(network, mirror, received, overwrite)
        source = models.find_network_spec(network).weights.source
        checked = "its checksum is right" if source and source.digest else "it fits"
        if source and not source.digest:
            terminal.print_warning(
                f"{network}: no checksum is published; the file fits the network"
            )
        typer.echo(f"{network}: {path} ({format_file_size_mb(path)} MB; {checked})")


@models_app.command("import", epilog="Example: dreamflow models import bvlc_googlenet.caffemodel")
def import_model(
    file: Annotated[Path, typer.Argument(help="A .caffemodel, .pth, .pt or .safetensors.")],
    network: Annotated[
        str | None,
        typer.Option(help="Whose weights they are, where they do not tell.", show_default=False),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace weights that are there.")
    ] = False,
    debug: ModelsDebugOption = False,
) -> None:
    """Take over weights of Caffe or PyTorch as safetensors, where they are found by name.

    Nothing in the file is ever run: a pickle with code in it is refused.
    """
    from dreamflow.networks.weights.manage import import_weights

    with stop_on_ctrl_c():
        path = import_weights(file, network, overwrite)
    typer.echo(f"{path} ({format_file_size_mb(path)} MB)")


@models_app.command("verify")
def verify_models(
    networks: Annotated[
        list[str] | None, typer.Argument(help="Networks; all that are there where none is given.")
    ] = None,
    debug: ModelsDebugOption = False,
) -> None:
    """Check that weights read, fit their network, and have the right checksum."""
    from dreamflow.networks.weights.cache import list_weights
    from dreamflow.networks.weights.manage import verify_weights

    names = networks or [kept.network for kept in list_weights() if kept.path is not None]
    bad = 0
    for network in names:
        try:
            typer.echo(f"{network}: {verify_weights(network)}")
        except WeightsError as error:
            terminal.print_error(str(error))
            bad += 1
    if bad:
        raise typer.Exit(1)


@models_app.command("path")
def print_model_path(
    network: Annotated[
        str | None, typer.Argument(help="A network; none asks for the folder of new weights.")
    ] = None,
    debug: ModelsDebugOption = False,
) -> None:
    """Print where a network's weights are."""
    from dreamflow.networks.loading import find_weights
    from dreamflow.networks.weights.cache import list_user_weights_folders

    typer.echo(list_user_weights_folders()[0] if network is None else find_weights(network))


@models_app.command("remove")
def remove_models(networks: NetworksArgument, debug: ModelsDebugOption = False) -> None:
    """Remove weights from DreamFlow's folders, and nowhere else."""
    from dreamflow.networks.weights.manage import remove_weights

    for network in networks:
        for path in remove_weights(network):
            typer.echo(f"removed {path}")
