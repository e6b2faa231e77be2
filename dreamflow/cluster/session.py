"""A connection to a Ray cluster: the only place that imports Ray."""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamflow.core.errors import DependencyError, SettingsError, named
from dreamflow.jobs.shards.options import LOCAL_CLUSTER, NEAR_CLUSTER, RAY_CLIENT_SCHEME

CONNECT_TIMEOUT_S = 5.0
"""Seconds in which a cluster's head must take a connection."""
NEAR_ADDRESS_FILE = Path("/tmp/ray/ray_current_cluster")
"""Where Ray keeps the address of the cluster that was started last on a machine."""
CONNECT_TRIALS = 3
RAY_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # Seconds until a head that is gone is taken for dead; Ray waits for 60 and 30.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "15",
    "RAY_CLIENT_RECONNECT_GRACE_PERIOD": "15",
}
"""Environment variables of Ray, for where the user has not set them."""


@dataclass(frozen=True)
class Node:
    """A machine of a cluster.

    Attributes:
        id: Ray's name of it.
        host: Its name or address.
        cpus: Processors that Ray may give out.
        gpus: GPUs that Ray may give out.
    """

    id: str
    host: str
    cpus: float
    gpus: float


def import_ray() -> Any:
    """Return the module `ray`.

    Raises:
        DependencyError: It is not installed.
    """
    for name, value in RAY_SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise DependencyError(
            f"{named('cluster')} needs Ray, which is not installed: "
            "`pip install 'dreamflow[cluster]'`",
            setting="cluster",
        ) from error


def get_object(reference: Any) -> Any:
    """Return an object of Ray's, within a process of Ray's."""
    return import_ray().get(reference)


class RaySession:
    """A cluster that this process is connected to.

    Attributes:
        ray: The module `ray`.
        address: Where the cluster is, as the user names it.
    """

    def __init__(self, ray: Any, address: str) -> None:
        self.ray, self.address = ray, address

    def list_nodes(self) -> list[Node]:
        """Return the machines that are there now."""
        return [
            Node(
                node["NodeID"],
                node["NodeManagerHostname"],
                float(node["Resources"].get("CPU", 0)),
                float(node["Resources"].get("GPU", 0)),
            )
            for node in self.ray.nodes()
            if node["Alive"]
        ]

    def start_actor(self, kind: type, resources: Mapping[str, float], *arguments: Any) -> Any:
        """Return a handle of an object in a process of its own, where there is room for it.

        Ray starts it anew, anywhere, when its process or machine has died.

        Args:
            kind: Its class, which all machines import by its name.
            resources: What it needs: `num_cpus`, `num_gpus`.
            *arguments: What it is made of.
        """
        actor = self.ray.remote(kind)
        options = {"max_restarts": -1, "scheduling_strategy": "SPREAD", **resources}
        return actor.options(**options).remote(*arguments)

    def put(self, value: Any) -> Any:
        """Store an object where all machines find it, and return its reference."""
        return self.ray.put(value)

    def end_actor(self, actor: Any) -> None:
        """End the process of an actor, whatever it is doing."""
        self.ray.kill(actor)

    @property
    def task_error(self) -> type[Exception]:
        """What a call raises whose own code has raised something."""
        return self.ray.exceptions.RayTaskError

    @property
    def lost_errors(self) -> tuple[type[Exception], ...]:
        """What a call raises whose process, machine or cluster is gone."""
        errors = self.ray.exceptions
        lost = (errors.RayActorError, errors.ObjectLostError, errors.OutOfMemoryError)
        return (*lost, errors.WorkerCrashedError, errors.NodeDiedError)


@contextmanager
def connect(address: str) -> Generator[RaySession]:
    """Connect to a cluster, and yield the connection.

    Args:
        address: `ray://HOST:PORT`, `HOST:PORT`, `auto` for the one that this machine belongs to, or
            `local` for one of this process's own, which ends with it.

    Raises:
        DependencyError: Ray is not installed.
        SettingsError: No cluster answers there.
    """
    ray = import_ray()
    _check_reachable(address)
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "CRITICAL"}
    if address == LOCAL_CLUSTER:
        options["include_dashboard"] = False
    for trial in range(CONNECT_TRIALS):
        try:
            ray.init(address=address, **options)
            break
        except Exception as error:  # RuntimeError, ConnectionError, ValueError and others
            # A head that is busy may be too slow to start what serves one more client.
            if trial == CONNECT_TRIALS - 1 or not address.startswith(RAY_CLIENT_SCHEME):
                raise _make_absent_error(address, str(error)) from error
    try:
        yield RaySession(ray, address)
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Raise SettingsError at once where Ray would try for a minute or more, and then abort."""
    if address == NEAR_CLUSTER:
        with contextlib.suppress(OSError):  # Ray has other ways to find a cluster
            address = os.environ.get("RAY_ADDRESS") or NEAR_ADDRESS_FILE.read_text().strip()
    host, _, port = address.removeprefix(RAY_CLIENT_SCHEME).rpartition(":")
    if not host:
        return
    try:
        socket.create_connection((host, int(port)), CONNECT_TIMEOUT_S).close()
    except OSError as error:
        raise _make_absent_error(address, error.strerror or str(error)) from error


def _make_absent_error(address: str, why: str) -> SettingsError:
    reason = " ".join(why.split()).partition(". ")[0]
    return SettingsError(
        f"{named('cluster')} {address}: no Ray cluster answers there ({reason}); "
        "`dreamflow cluster up` starts one on this machine",
        setting="cluster",
        value=address,
    )
