"""Resolve, parse and probe addresses of Ray clusters."""

from __future__ import annotations

import os
import socket
import threading
from typing import NamedTuple
from urllib.parse import urlsplit

from wsvad.errors import UsageError

CONNECT_S = 4.0
AUTO = "auto"
LOCAL = "local"
_DEFAULT_PORTS = {"": None, "ray": 10001, "http": 80, "https": 443}
_FORMS = "expected host:port, ray://host:port, auto, or local"


class Address(NamedTuple):
    """Parts of a cluster's address."""

    scheme: str
    """Empty for ``host:port``, ``ray`` for a Ray client, ``http`` and ``https`` for a job server."""
    host: str
    port: int


def cluster_address(given: str | None) -> str | None:
    """Return the address of the cluster to connect to, or ``None`` for a private local Ray.

    ``RAY_ADDRESS`` is used if ``given`` is ``None`` or ``auto``, as in Ray itself.
    """
    named = os.environ.get("RAY_ADDRESS", "").strip()
    address = (named or given) if given in (None, AUTO) else given
    return None if address in (None, LOCAL) else address


def parse_address(text: str) -> Address:
    """Parse the address of a cluster.

    Raises:
        UsageError: ``text`` is not a valid address.
    """
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
        if port is None or not parts.hostname or parts.username is not None:
            raise ValueError
    except (ValueError, KeyError) as error:
        raise UsageError(f"{text!r} is not the address of a Ray cluster: {_FORMS}") from error
    return Address(parts.scheme, parts.hostname, port)


def connection_problem(host: str, port: int, timeout_s: float = CONNECT_S) -> str:
    """Return why no TCP connection to the host can be made within the timeout, or ``""`` if one can be made."""
    found = [f"no connection within {timeout_s:g} s"]

    def connect() -> None:
        try:
            socket.create_connection((host, port), timeout=timeout_s).close()
            found.append("")
        except OSError as error:
            found.append(f"no connection: {error.strerror or error}")

    # A thread, because a name resolution that hangs cannot be interrupted.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(timeout_s)
    return found[-1]
