"""What the machines of a cluster are: for `dreamflow cluster status`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dreamflow.cluster.session import Node, RaySession

ASK_TIMEOUT_S = 30.0
"""Seconds that a machine has to say which DreamFlow it has; one that is busy has no time to."""


@dataclass(frozen=True)
class NodeFacts:
    """A machine, and what it has installed.

    Attributes:
        node: The machine.
        versions: Its versions of DreamFlow and PyTorch, or why they are not known.
    """

    node: Node
    versions: str


def find_versions() -> str:
    """Return the versions of DreamFlow and PyTorch on this machine."""
    from importlib.metadata import version

    from dreamflow._version import __version__

    return f"DreamFlow {__version__}, PyTorch {version('torch')}"


def describe_nodes(session: RaySession, asks: bool = True) -> Iterator[NodeFacts]:
    """Yield the machines of a cluster.

    Args:
        session: The cluster.
        asks: Whether to ask each what it has installed, which starts a process there.
    """
    ray = session.ray
    if not asks:
        yield from (NodeFacts(node, "") for node in session.list_nodes())
        return
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = session.list_nodes()
    answers = [
        ray.remote(find_versions)
        .options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, False))
        .remote()
        for node in nodes
    ]
    for node, answer in zip(nodes, answers, strict=True):
        try:
            yield NodeFacts(node, ray.get(answer, timeout=ASK_TIMEOUT_S))
        except ray.exceptions.GetTimeoutError:
            yield NodeFacts(node, "does not answer")
        except ray.exceptions.RayError:
            yield NodeFacts(node, "no DreamFlow, or another version")
