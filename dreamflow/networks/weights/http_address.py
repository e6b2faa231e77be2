"""Addresses of downloads: checked before anything is sent, and shown without what is secret."""

from __future__ import annotations

import base64
import re
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from dreamflow.core.errors import SettingsError

HIDDEN = "..."
"""What stands for a name, password or query in a shown address."""
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+")


def check_http_url(url: str) -> None:
    """Check an address before it is used.

    Raises:
        SettingsError: It does not begin with http:// or https://, or is malformed.
    """
    why = _find_url_fault(url)
    if why:
        shown = hide_credentials(url)
        raise SettingsError(
            f"{shown!r} {why}",
            setting="mirror",
            value=shown,
            allowed="an address that begins with http:// or https://",
        )


def _find_url_fault(url: str) -> str:
    """Return what is wrong with an address, or ""."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            return "is not an address that begins with http:// or https://"
        if not parts.hostname:
            return "names no server"
        if re.search(r"[^\x21-\x7e]", url):
            return "holds a space or another character that an address writes as %20 and the like"
        if parts.port == 0:
            return "names no port from 1 to 65535"
        parts.hostname.encode("idna")
    except UnicodeError:
        return "names no server: its name is malformed"
    except ValueError as error:  # a port that is no number, a bracket that is not closed
        return f"is malformed: {str(error).splitlines()[0]}"
    return ""


def split_credentials(url: str) -> tuple[str, str | None]:
    """Return an address without name and password, and these as the header Authorization."""
    parts = urlsplit(url)
    userinfo, separator, host = parts.netloc.rpartition("@")
    if not separator:
        return url, None
    plain = urlunsplit(parts._replace(netloc=host))
    return plain, "Basic " + base64.b64encode(unquote(userinfo).encode()).decode()


def hide_credentials(text: str) -> str:
    """Return a text in which addresses have no name, password and query."""
    return _ADDRESS.sub(lambda found: _hide_in_address(found[0]), text)


def _hide_in_address(url: str) -> str:
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    if "@" in host:
        host = f"{HIDDEN}@{host.rpartition('@')[2]}"
    elif "@" in path.partition("?")[0]:  # a password that holds a slash
        host, path = HIDDEN, path.rpartition("@")[2]
    try:
        parts = urlsplit(f"{scheme}://{host}{slash}{path}")
    except ValueError:
        return f"{scheme}://{HIDDEN}"
    shown = SplitResult(parts.scheme, parts.netloc, parts.path, HIDDEN if parts.query else "", "")
    return urlunsplit(shown) if parts.netloc else f"{scheme}://{host}{slash}{path}"
