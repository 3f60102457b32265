"""Figures of a night for Prometheus: into a file for node_exporter's textfile collector, and to a push gateway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile
from prometheus_client.exposition import basic_auth_handler, default_handler, pushadd_to_gateway

from wsvad.errors import StorageError, UsageError

PREFIX = "wsvad_rescore_"
_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Figure:
    """One metric with its samples."""

    name: str
    """Without the prefix; seconds, bytes and timestamps say so at the end of the name."""
    help: str
    samples: Sequence[tuple[Mapping[str, str], float]]
    """Labels and value; all samples have the same labels."""


def registry_of(figures: Sequence[Figure]) -> CollectorRegistry:
    """Return the figures as gauges; values of labels may be any text."""
    registry = CollectorRegistry()
    for figure in figures:
        names = sorted({name for labels, _ in figure.samples for name in labels})
        gauge = Gauge(PREFIX + figure.name, figure.help, names, registry=registry)
        for labels, value in figure.samples:
            (gauge.labels(**labels) if names else gauge).set(value)
    return registry


def write_textfile(path: str, figures: Sequence[Figure]) -> None:
    """Put the figures where node_exporter reads them, all at once. Raises ``StorageError``."""
    try:
        write_to_textfile(path, registry_of(figures))
    except OSError as error:
        raise StorageError(f"--textfile {path}: {error}") from error


def check_textfile(path: str) -> None:
    """Refuse a file that node_exporter would not read, or that has no folder. Raises ``UsageError``."""
    if not path.endswith(".prom"):
        raise UsageError(f"--textfile {path!r}: node_exporter reads files whose names end in .prom")
    if not Path(path).parent.is_dir():
        raise UsageError(f"--textfile {path!r}: there is no folder {str(Path(path).parent)!r}")


def check_gateway(url: str) -> None:
    """Refuse what is no URL of a push gateway. Raises ``UsageError``."""
    try:
        parts = urlsplit(url)
        wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment
    except ValueError:
        wrong = True
    if wrong:
        raise UsageError("--push takes http://HOST:PORT or https://HOST:PORT of a push gateway")


def push(url: str, job: str, figures: Sequence[Figure]) -> None:
    """Send figures to a push gateway with POST, which leaves those that are not sent (the last success) as they were.

    Args:
        url: of the gateway; a name and password in it are sent as basic authentication.
        job: that groups the figures.
        figures: to send.

    Raises:
        StorageError: the gateway did not take them.
    """
    parts = urlsplit(url)
    gateway = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    handler = default_handler
    if parts.username is not None:
        name, password = unquote(parts.username), unquote(parts.password or "")
        handler = partial(basic_auth_handler, username=name, password=password)
    try:
        pushadd_to_gateway(gateway, job, registry_of(figures), timeout=_TIMEOUT_S, handler=handler)
    except HTTPError as error:
        with error:  # it holds the connection
            raise StorageError(f"--push: {parts.hostname} answered {error.code}: {error.reason}") from error
    except OSError as error:
        raise StorageError(f"--push: no figures were sent to {parts.hostname}: {error}") from error
