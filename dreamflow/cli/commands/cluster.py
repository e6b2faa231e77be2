"""`dreamflow cluster`: a Ray cluster on this machine, to try things out, and what clusters have."""

from __future__ import annotations

from typing import Annotated

import typer

from dreamflow.cli.help import CommandGroup
from dreamflow.cli.output.tables import print_table
from dreamflow.cli.output.terminal import print_line
from dreamflow.cli.registry import Command, Section
from dreamflow.cli.settings.prepare import stop_on_ctrl_c
from dreamflow.cli.settings.shared_options import HiddenDebugOption
from dreamflow.core.text.wording import format_count
from dreamflow.jobs.shards.options import CLUSTER_SYNTAX, NEAR_CLUSTER, check_cluster_address

cluster_app = CommandGroup(
    help="Ray clusters: look at one, or start and stop one on this machine, to try it out.",
    no_args_is_help=True,
)
CLUSTER_GROUP = Command("cluster", cluster_app, Section.SET_UP, 10)
MAX_NODES = 16
NodesOption = Annotated[
    int, typer.Option(help="Nodes: processes that stand for machines.", min=1, max=MAX_NODES)
]
CpusOption = Annotated[
    int, typer.Option(help="Processors that each node gives out.", min=1, max=1024)
]
BriefOption = Annotated[
    bool, typer.Option("--brief", help="Do not ask each machine what it has installed.")
]
AddressArgument = Annotated[str, typer.Argument(help=CLUSTER_SYNTAX, metavar="ADDRESS")]


@cluster_app.command("up")
def start_cluster(
    nodes: NodesOption = 3, cpus: CpusOption = 1, debug: HiddenDebugOption = False
) -> None:
    """Start a cluster of nodes on this machine; `--cluster auto` finds it."""
    from dreamflow.cluster.trial import start_trial

    with stop_on_ctrl_c():
        address = start_trial(nodes, cpus)
    print_line(
        f"{format_count(nodes, 'node')} up, for `--cluster auto` here and `--cluster {address}` "
        "elsewhere; `dreamflow cluster down` stops them"
    )


@cluster_app.command("down")
def stop_cluster(debug: HiddenDebugOption = False) -> None:
    """Stop the cluster that `dreamflow cluster up` has started, and no other."""
    from dreamflow.cluster.trial import stop_trial

    print_line("the cluster is down" if stop_trial() else "no cluster of this command is up")


@cluster_app.command("status")
def show_cluster(
    address: AddressArgument = NEAR_CLUSTER,
    brief: BriefOption = False,
    debug: HiddenDebugOption = False,
) -> None:
    """List the machines of a cluster, and what they have installed."""
    check_cluster_address(address)
    from dreamflow.cluster.nodes import describe_nodes
    from dreamflow.cluster.session import connect

    with stop_on_ctrl_c(), connect(address) as session:
        rows = [
            [facts.node.host, f"{facts.node.cpus:g}", f"{facts.node.gpus:g}", facts.versions]
            for facts in describe_nodes(session, asks=not brief)
        ]
    print_table(
        f"cluster {address}",
        [("machine", "left"), ("CPUs", "right"), ("GPUs", "right"), ("", "left")],
        rows,
    )
