"""Prometheus metrics of a nightly run: textfile for node_exporter, and push to a Pushgateway."""

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
class Metric:
    """One metric with its samples."""

    name: str
    """Name without the prefix; units (seconds, bytes, timestamp) are its suffix."""
    help: str
    samples: Sequence[tuple[Mapping[str, str], float]]
    """Labels and value of each sample; all samples have the same label names."""


def registry_of(metrics: Sequence[Metric]) -> CollectorRegistry:
    """Return a registry with the metrics as gauges; label values can be any text."""
    registry = CollectorRegistry()
    for metric in metrics:
        names = sorted({name for labels, _ in metric.samples for name in labels})
        gauge = Gauge(PREFIX + metric.name, metric.help, names, registry=registry)
        for labels, value in metric.samples:
            (gauge.labels(**labels) if names else gauge).set(value)
    return registry


def write_textfile(path: str, metrics: Sequence[Metric]) -> None:
    """Write the metrics atomically to a textfile for node_exporter. Raises ``StorageError``."""
    try:
        write_to_textfile(path, registry_of(metrics))
    except OSError as error:
        raise StorageError(f"--textfile {path}: {error}") from error


def check_textfile(path: str) -> None:
    """Check that node_exporter would read this file and that its folder exists. Raises ``UsageError``."""
    if not path.endswith(".prom"):
        raise UsageError(f"--textfile {path!r}: node_exporter reads only files whose names end in .prom")
    if not Path(path).parent.is_dir():
        raise UsageError(f"--textfile {path!r}: the folder {str(Path(path).parent)!r} does not exist")


def check_gateway(url: str) -> None:
    """Check that this is the URL of a Pushgateway. Raises ``UsageError``."""
    try:
        parts = urlsplit(url)
        wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment
    except ValueError:
        wrong = True
    if wrong:
        raise UsageError("--push must be http://HOST:PORT or https://HOST:PORT of a Pushgateway")


def push(url: str, job: str, metrics: Sequence[Metric]) -> None:
    """Send metrics to a Pushgateway with POST, which keeps metrics that are not sent (the last success).

    Args:
        url: URL of the Pushgateway; a user name and password in it are sent as basic authentication.
        job: job label that groups the metrics.
        metrics: metrics to send.

    Raises:
        StorageError: the Pushgateway did not accept the metrics.
    """
    parts = urlsplit(url)
    gateway = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    handler = default_handler
    if parts.username is not None:
        name, password = unquote(parts.username), unquote(parts.password or "")
        handler = partial(basic_auth_handler, username=name, password=password)
    try:
        pushadd_to_gateway(gateway, job, registry_of(metrics), timeout=_TIMEOUT_S, handler=handler)
    except HTTPError as error:
        with error:  # closes the connection
            raise StorageError(f"--push: {parts.hostname} returned {error.code}: {error.reason}") from error
    except OSError as error:
        raise StorageError(f"--push: cannot send metrics to {parts.hostname}: {error}") from error
