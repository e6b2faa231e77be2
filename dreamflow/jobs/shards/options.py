"""Settings of how a render is spread over workers; they change nothing of its look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dreamflow.core.errors import SettingsError, named
from dreamflow.core.options.declaration import Options, option

SHARD_KINDS = ("auto", "none", "shots", "spans")
DEFAULT_SPAN_S = 20.0
MAX_WORKERS = 256
WORKERS_SYNTAX = f"a number from 0 to {MAX_WORKERS}, or auto"
LOCAL_CLUSTER, NEAR_CLUSTER = "local", "auto"
RAY_CLIENT_SCHEME = "ray://"
CLUSTER_SYNTAX = "ray://HOST:10001, HOST:6379, auto or local"


@dataclass(frozen=True)
class ShardOptions(Options):
    """How a render is spread over workers; neither recorded with an output nor in presets."""

    PANEL: ClassVar[str] = "Workers"
    shards: str = option(
        "auto",
        "Parts that are rendered by themselves: shots (the same film to the bit), spans (of long "
        "shots too, with a cross-fade), none, or auto: shots for several workers.",
        choices=SHARD_KINDS,
        saved=False,
    )
    span: float = option(
        DEFAULT_SPAN_S,
        "Seconds that a span has at most.",
        low=2,
        high=36_000,
        saved=False,
        needs=("shards", "spans"),
    )
    workers: str | None = option(
        None,
        "Processes that render at the same time: a number, auto, or 0 to only find the shards, for "
        "a farm. Without it, one for each device.",
        saved=False,
        metavar="N",
    )

    cluster: str | None = option(
        None,
        "Render on a Ray cluster: ray://HOST:10001, auto for the one that this machine belongs to, "
        "or local for one of its own.",
        saved=False,
        metavar="ADDRESS",
    )
    mixed: bool = option(
        False,
        "Also give work to workers of another version, precision or kind of device; their frames "
        "may differ.",
        saved=False,
    )

    def _check_fields(self) -> None:
        super()._check_fields()
        if self.cluster is not None:
            check_cluster_address(self.cluster)
        text = self.workers
        if text in (None, "auto"):
            return
        if not (text.isdecimal() and int(text) <= MAX_WORKERS):
            raise SettingsError(
                f"{named('workers')} {text!r}: give {WORKERS_SYNTAX}",
                setting="workers",
                value=text,
                allowed=WORKERS_SYNTAX,
            )


def check_cluster_address(address: str) -> None:
    """Raise SettingsError where a text is not the address of a cluster."""
    if address in (LOCAL_CLUSTER, NEAR_CLUSTER):
        return
    host, _, port = address.removeprefix(RAY_CLIENT_SCHEME).rpartition(":")
    if not (host and port.isdecimal() and 0 < int(port) < 2**16) or "/" in host:
        raise SettingsError(
            f"{named('cluster')} {address!r}: give {CLUSTER_SYNTAX}",
            setting="cluster",
            value=address,
            allowed=CLUSTER_SYNTAX,
        )
