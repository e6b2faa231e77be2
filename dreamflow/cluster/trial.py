"""A Ray cluster on this machine, to try things out: each node is a few processes.

`python -m dreamflow.cluster.trial` keeps the nodes, and stops them when it is told to end. It holds
a lock as long as it lives, so that a process id that is left over is never taken for its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock, Timeout

from dreamflow.cluster.session import (
    AUTH_MODE_VARIABLE,
    RAY_SETTINGS,
    connect,
    has_token,
    import_ray,
)
from dreamflow.core.errors import OutputError, SettingsError
from dreamflow.media.files.atomic_file import atomic_write

CLIENT_PORT = 10001
"""Port for `ray://`; Ray's own default."""
HEAD_PORT = 6379
"""Port of the head; Ray's own default."""
START_TIMEOUT_S = 300.0
"""Seconds that a cluster has to come up; on a busy machine each node takes a minute."""
STOP_TIMEOUT_S = 30.0
"""Seconds that a node has to end, before it is killed."""
LOOK_S = 0.1
LOCK_FILE, STATE_FILE, LOG_FILE = "lock", "cluster.json", "cluster.log"


def trial_folder() -> Path:
    """Return where it is kept which cluster is up: `$DREAMFLOW_HOME/cluster`, or the user's own."""
    home = os.environ.get("DREAMFLOW_HOME")
    return (Path(home) if home else Path(platformdirs.user_state_dir("dreamflow"))) / "cluster"


def is_trial_up() -> bool:
    """Return whether a cluster of `start_trial` is up, or coming up."""
    try:
        with FileLock(trial_folder() / LOCK_FILE, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False


def start_trial(nodes: int, cpus: int) -> str:
    """Start a cluster on this machine, and return its address for `ray://`.

    Args:
        nodes: How many nodes.
        cpus: Processors that each gives out.

    Raises:
        DependencyError: Ray is not installed.
        SettingsError: One is up already.
        OutputError: It does not come up.
    """
    import_ray()
    folder = trial_folder()
    folder.mkdir(parents=True, exist_ok=True)
    if is_trial_up():
        raise SettingsError("a cluster is up already: `dreamflow cluster down` stops it")
    (folder / STATE_FILE).unlink(missing_ok=True)
    words = [sys.executable, "-m", "dreamflow.cluster.trial", str(nodes), str(cpus)]
    with (folder / LOG_FILE).open("wb") as log:
        keeper = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    until_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until_s and keeper.poll() is None:
        if state := _read_state():
            try:
                _wait_for_nodes(state["head"], nodes)
            except BaseException:
                stop_trial()
                raise
            return state["address"]
        time.sleep(LOOK_S)
    keeper.terminate()
    raise OutputError(f"the cluster does not come up: {folder / LOG_FILE} says why")


def _read_state() -> dict[str, Any]:
    """Return what the process that keeps the nodes has written; {} where there is nothing."""
    try:
        return json.loads((trial_folder() / STATE_FILE).read_text())
    except (OSError, ValueError):
        return {}


def stop_trial() -> bool:
    """Stop the cluster of `start_trial`, and return whether there was one."""
    if not is_trial_up():
        return False
    if state := _read_state():
        os.kill(state["pid"], signal.SIGTERM)
    until_s = time.monotonic() + 2 * STOP_TIMEOUT_S
    while is_trial_up() and time.monotonic() < until_s:
        time.sleep(LOOK_S)
    return True


def keep_trial(nodes: int, cpus: int) -> None:
    """Start the nodes, and keep them until this process is told to end."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: ended.set())
    folder = trial_folder()
    head_port, client_port = find_port(HEAD_PORT), find_port(CLIENT_PORT)
    started: list[subprocess.Popen[bytes]] = []
    with FileLock(folder / LOCK_FILE, timeout=0):
        try:
            if not has_token():
                _start_ray("get-auth-token", "--generate").wait()
            ports = [f"--port={head_port}", f"--ray-client-server-port={client_port}"]
            started.append(_start_node(cpus, "--head", "--include-dashboard=false", *ports))
            _wait_for_port(client_port, started[0])
            for _ in range(nodes - 1):
                started.append(_start_node(cpus, f"--address=127.0.0.1:{head_port}"))
            state = {
                "pid": os.getpid(),
                "address": f"ray://{socket.gethostname()}:{client_port}",
                "head": f"127.0.0.1:{head_port}",
            }
            with atomic_write(folder / STATE_FILE) as part:
                part.write_text(json.dumps(state))
            ended.wait()
        finally:
            for node in reversed(started):
                stop_node(node)
            (folder / STATE_FILE).unlink(missing_ok=True)


def _start_node(cpus: int, *words: str) -> subprocess.Popen[bytes]:
    """Start a node that takes orders only from who has the user's token."""
    return _start_ray("start", f"--num-cpus={cpus}", "--disable-usage-stats", "--block", *words)


def _start_ray(*words: str) -> subprocess.Popen[bytes]:
    """Start a command of Ray's own."""
    run = "import sys; from ray.scripts.scripts import main; sys.argv[0] = 'ray'; main()"
    environment = {**RAY_SETTINGS, AUTH_MODE_VARIABLE: "token", **os.environ}
    return subprocess.Popen(
        [sys.executable, "-c", run, *words], env=environment, start_new_session=True
    )


def stop_node(node: subprocess.Popen[bytes]) -> None:
    """Stop a node with all of its processes, which are those of its session."""
    node.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        node.wait(STOP_TIMEOUT_S)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(node.pid, signal.SIGKILL)
    node.wait()


def find_port(preferred: int) -> int:
    """Return a port that is free: the preferred one, or one that the system chooses."""
    for port in (preferred, 0):
        with contextlib.suppress(OSError), socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("127.0.0.1", port))
            return one.getsockname()[1]
    return preferred


def _wait_for_port(port: int, node: subprocess.Popen[bytes]) -> None:
    """Wait until a port takes connections. Raises OutputError."""
    until_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until_s and node.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(LOOK_S)
    raise OutputError("the head does not come up")


def _wait_for_nodes(address: str, nodes: int) -> None:
    """Wait until a cluster has so many nodes. Raises OutputError."""
    until_s = time.monotonic() + START_TIMEOUT_S
    with connect(address) as session:
        while len(session.list_nodes()) < nodes:
            if time.monotonic() > until_s:
                raise OutputError("a node does not come up")
            time.sleep(LOOK_S)


if __name__ == "__main__":
    keep_trial(int(sys.argv[1]), int(sys.argv[2]))
