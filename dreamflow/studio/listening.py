"""Where the page is served, and the socket that listens there."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from dreamflow.core.errors import OutputError, SettingsError, named
from dreamflow.studio.access import LOCAL_HOSTS

ANY_PORT = 0


@dataclass(frozen=True)
class Address:
    """Where the page is served.

    Attributes:
        host: A name or number of this machine.
        port: The port; 0 for any that is free.
        password: What is asked for where there is no token; needed for other hosts than this one.
    """

    host: str = "127.0.0.1"
    port: int = ANY_PORT
    password: str | None = None

    def check(self) -> None:
        """Raise SettingsError where others could use the page without a password."""
        if self.host not in LOCAL_HOSTS and not self.password:
            raise SettingsError(
                f"{named('host')} {self.host} lets other machines in: set a password in "
                "$DREAMFLOW_STUDIO_PASSWORD first",
                setting="host",
                value=self.host,
            )


def open_socket(address: Address) -> socket.socket:
    """Return a socket that listens at an address.

    Raises:
        OutputError: The port is taken, or the host is no address of this machine.
        SettingsError: Others could use the page without a password.
    """
    address.check()
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address.host.strip("[]"), address.port))
        listening.listen()  # whoever comes before the page is served waits, and is not refused
    except OSError as error:
        listening.close()
        raise OutputError(
            f"{address.host}:{address.port} cannot be used ({error.strerror or error}): another "
            f"program has it; give {named('port')} 0 for any that is free",
            setting="port",
            value=address.port,
        ) from error
    return listening
