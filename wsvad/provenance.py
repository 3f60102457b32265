"""Provenance of results: package versions and machine type, without host names or secrets."""

from __future__ import annotations

import importlib.metadata
import platform

from wsvad import __version__

PACKAGES = ("torch", "ray", "av", "numpy", "pyarrow", "safetensors", "s3fs")


def versions() -> dict[str, str]:
    """Return the versions of Python, this package and its main dependencies; omits missing packages."""
    found = {"wsvad": __version__, "python": platform.python_version(), "machine": platform.machine()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
